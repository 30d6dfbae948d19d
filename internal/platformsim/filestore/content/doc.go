// Package content makes the files of the file store: which rows are in them, how
// they are written, and what is wrong with them.
//
//	request ─► rows of the source, known now ─► invented, withheld, changed ─► sheets ─► CSV members ─► ZIP
//	                                                  ledger
//
// Invariants:
//   - the rows of a file are those known when it is made, chosen by the wall
//     clock of the tenant, as a database of local times does;
//   - what a fault does to a row once (late, changed, invented) is the same in
//     every later file;
//   - faults of the form and lasting damage wait for a file with rows, faults of
//     empty files for one without; a fault of the rows waits for a file that has
//     a row to act on;
//   - it does no I/O and knows nothing of HTTP; of ours it imports
//     filestore/archive (the formats), fault and world.
package content
