// Package worker turns ready files into rows: it downloads a file, has it verified, publishes
// its rows in batches and notes the outcome in the ledger.
//
//	Handle ─► wanted? ─► download ─► verify (exporter/archive) ─► read back what is there
//	       ─► rows in batches, the marker last ─► ledger complete
//	       └─ damaged, gone or refused ─► quarantine ─► ledger failed ─► *schemas.Permanent
//
// Invariants:
//
//   - No row goes out before its whole file has been read and found sound.
//   - What a sound file holds is in the stream or a dead letter: the marker's rows
//     and rejected rows are together the records of its members.
//   - A file that says what the window's last one did, by its bytes or by its text, adds a
//     marker only, as long as the stream holds all of it.
//   - Every revision of a row has an id of its own, also one that changes it back.
//   - A batch stands behind the last message that the worker knows of; if somebody else
//     wrote meanwhile it is refused, and the file is begun again.
//   - A file may be tried any number of times, by several workers at once: each row is
//     stored once.
//   - What is new about a file is said once, whoever reads such files: the stream of
//     statements is the memory. Saying it holds rows up for a few attempts at most.
//   - Times are read in the zone that is set; a file that shows another one is said to,
//     and raises a suspicion ([Zones]). Nothing is switched by itself.
//   - Personal data are treated before a row gets its id; with a privacy policy no bytes of
//     a damaged file are kept.
//
// It imports schemas, schemas/rows, exporter/archive, exporter/ledger, and the file store's
// client (internal/ccfs) for what its errors say.
package worker
