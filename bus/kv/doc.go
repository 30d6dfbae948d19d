// Package kv is the bridge's key-value buckets and object stores on NATS JetStream, as
// every NATS tool knows them.
//
// Invariants:
//
//   - A value is written to its own bucket's stream or nowhere.
//   - [Bucket.Swap] is a compare-and-set. Whoever's answer was lost recognises what it
//     wrote itself, and nobody else's value of the same bytes.
//   - A call on a bucket ends with success, with its context, or because it is wrong in
//     itself. Objects are tried once: what is read once can't be sent again.
//
// Damaged files are there for people; recordings are handed out by a command.
//
// It may import schemas and bus/internal/wire.
package kv
