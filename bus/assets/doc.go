// Package assets is the one table of what the bridge needs on a NATS server: streams,
// buckets, object stores and the workers' consumer, with their settings, and who may do
// what with them.
//
// Invariants:
//
//   - What exists is never weakened, and never used silently when it is weaker: a
//     difference is an [Error] that names the setting, unless it was accepted by name.
//   - [Table.Check] changes nothing. With Options.Keep nothing here does.
//   - [Permissions] are made from the same table, so that they can't fall behind it.
//
// It may import schemas and bus/internal/wire.
package assets
