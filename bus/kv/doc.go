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
// Nothing but tests gets objects out again yet ([Objects.Get], [Objects.Has]): damaged
// files are there for people, and who hands out recordings is still to come.
//
// It may import schemas and bus/internal/wire.
package kv
