// Package events says what the platform's events mean: the table of all event types, and how
// the content of one fills the fields of a message. Of ours it imports schemas, which does
// not import it, and internal/jsonwalk; it does no I/O.
//
// Invariants:
//
//   - An event type that is not in the table loses nothing but the meaning.
//   - The values of [SecretFields] in an event's content are never published,
//     whatever the event ([Info.Fill]). All else of it stays byte for byte.
package events
