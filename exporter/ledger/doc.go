// Package ledger remembers where each window of each tenant stands. Planner and worker meet
// only here, and callbacks arrive here.
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
// Invariants:
//
//   - The bucket is the truth; what is in memory is a copy that follows it.
//   - An attempt is written down before its request is sent: the platform has
//     no idempotency key, so a lost answer must not be forgotten.
//   - A file's message is stored before its window is ready; a redo after a crash is no
//     second message.
//   - A window ends complete, or failed with a reason and a time of its next
//     extract: soon at first, then every six hours for a week. Only a request that
//     the platform refuses for good, time after time, ends without one.
//
// It imports schemas and internal/trace, and neither knows when a window is due nor what is in a file.
package ledger
