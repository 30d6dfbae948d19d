// Package truthcheck holds what the simulated platform says it did
// (truth.Snapshot) against what the streams hold, whatever the bridge itself
// believes.
//
//	events  popped ──────── type and content ────────► stored once, in order
//	                 └───── neither ─► in a gap record of that agent, or unexplained
//	files   made ────────── marker ──────────────────► accepted
//	                 ├───── dead letter ─► failed, a later file must be accepted
//	                 └───── neither ─► superseded by a later file, or unfinished
//	rows    of accepted files ─── by value ──────────► in their window, once
//	calls   of these rows ─────── field by field ────► newest revision, each revision once
//
// Invariants:
//
//   - Times are compared as instants: a file's, read in the zone that the truth says it is
//     written in, with those that rows name.
//   - Only values are compared, never the ids that the bridge computes; ids and
//     numbers are checked for being unique and without holes.
//   - A report is OK exactly when it has no problem.
//   - Problems and reports hold agent ids, event types, windows and response
//     ids, never the content of an event or a cell of a row: those hold phone
//     numbers.
package truthcheck
