// Package foreign decodes what other systems send us: answers of the platform's services
// and the bodies of its callbacks.
//
// Invariants:
//
//   - A value nobody needs never costs the message that it stands in: it reads as absent.
//   - What was sent is never guessed at: a value of another kind than the one asked for
//     is absent, and not converted; two values under one name are none ([Object]).
//   - Nothing is dropped without a word: whoever decodes sees each member that was sent.
//   - An encoding that is declared or marked is never guessed over ([Clean]).
//
// What our own programs write (messages, state, configuration) is not foreign and is
// decoded where it belongs. Of other modules the package imports golang.org/x/text only.
package foreign
