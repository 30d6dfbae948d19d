// Package exporter gets the file store's rows onto the bus. It has three parts
// that meet only in the ledger:
//
//	Planner  tiles tenant time into windows and asks for their extracts
//	Ledger   remembers where each window stands; callbacks arrive here
//	Worker   downloads a ready file, verifies it and publishes its rows
//
// A window's life, written by compare-and-set only (bucket WINDOWS):
//
//	planned ──query──► requested ──callback──► ready ──rows stored──► complete
//	   ▲                  │                       │                      │
//	   │       no answer, │              damaged, │                      │
//	   │       refused    ▼              overdue  │                      │
//	   ├── due again ── failed ◄──────────────────┘                      │
//	   └── re-sweep due ─────────────────────────────────────────────────┘
//
// A callback that does not come makes a window ready all the same, under the
// file's predicted name; if the platform has no such file, the window fails and
// is asked for again. The callback is welcome then as well. One whose address
// names its request finds its window also when the answer of the query was lost.
//
// A window that comes without rows is complete, and is asked for once more an hour
// later (see Extract.SweepAgain): the platform says the same of records that it has
// not copied yet.
//
// Invariants:
//
//   - Windows tile time: no holes, no overlaps, neither as instants nor as the
//     wall-clock texts that the platform is asked with (see [NextWindow]).
//   - An attempt is written down before its request is sent: the platform has
//     no idempotency key, so a lost answer must not be forgotten.
//   - A window ends complete, or failed with a reason and a time of its next
//     extract: soon at first, then every six hours for a week. Only a request that
//     the platform refuses for good, time after time, ends without one.
//   - No row goes out before its whole file has been read and found sound.
//   - What a sound file holds is in the stream or a dead letter: the marker's rows
//     and rejected rows are together the records of its members.
//   - Every revision of a row has an id of its own, also one that changes it back.
package exporter
