// Package letters says of dead letters that they have been mended: once the window that one
// was about is complete, nobody need look at it any more.
//
// Invariants:
//
//   - A letter is resolved only after its window is complete, and no other than those of
//     files and of callbacks is: rows and events that were refused stay refused.
//   - What is known comes from the stream and the ledger alone, so that any bridge can go
//     on, whichever wrote the letter. A resolution that stands there is not said again.
//
// It imports schemas and exporter/ledger, and how to wait and to log (internal/retry,
// internal/trouble).
package letters
