// Package witness remembers, beside the streams, what was acknowledged of them, and notices
// when it is not there any more: a block that was damaged, cut off or deleted, a hub that
// was put back from an older copy or lost its disk. A server that recovers from such damage
// says nothing of it and gives the lost sequences away again.
//
//	publishers ──► Book.Stored ──► marks: each agent's last message        data_dir/witness
//	Watch ───────► how each stream looks: made when, first, last, holes         │
//	   ▲                                                                        │
//	   └── at the start, and again and again: what is missing? ◄────────────────┘
//	            │
//	            ├──► alarm, counter, log
//	            └──► gaps of cause store_damaged, which the poller takes ([Book.Unsaid])
//
// What is taken for damage, and what for somebody's will:
//
//	                          own server       spool       external hub
//	the end is lower          damage           damage      damage
//	the stream is another     at the start     damage      damage
//	new holes                 at the start     damage      after its connection broke
//	the beginning is higher   at the start, unless the     never: a purge, or age
//	                          messages were too old
//	                                           never: forwarded and trimmed
//
// A purge keeps the sequences, retention takes the beginning, and while the own server runs
// nothing vanishes by itself. Where numbers are missing within an epoch of an agent is read
// from the stream itself, once there is a sign of damage.
//
// Invariants: a mark is written before the publisher returns; the look at the start comes
// before anything else is written to the streams; a gap stays unsaid, over restarts, until
// the poller has stored it.
//
// It imports schemas and bus/internal/wire.
package witness
