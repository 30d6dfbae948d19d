// Package reconcile holds what was seen live of a tenant against what the files say, window by
// window, and says how the two differ.
//
//	tick ─► which windows are complete, and not compared as of that? ─► of each, the oldest first:
//	        read its rows, then the live events around it ─► match them ─► publish states that
//	        only an operation proves, in a gap ─► publish the statement of the window
//	     ─► the days whose figures are others now
//
// A window of call detail records is compared by agents' parts in calls, one of the recording
// index by recordings, one of agent operations by states. What is seen live belongs to the
// window of its first event; its row may be in a window beside that.
//
// Invariants:
//
//   - Nothing is remembered but what is in the streams: the statement of a window is its marker,
//     and names the extracts that it was made from. A crash repeats a comparison and no message.
//   - Only agents that were observed count: what the files say of others is no loss. An agent was
//     observed from one message of it to the next, as their numbers have no holes.
//   - Nothing is said to have no row before the platform had the time that the setting settle
//     gives it, and before every window that may have it is complete.
//   - What was lost in a gap is called so; whether the gap is the reason nobody knows.
//   - A state is told by an operation only within a gap, on a subject of its own and with its
//     proof; the agent's own messages have one writer, and this is not it.
//
// The package sees schemas and exporter/tenure; streams and ledger come in by [Options].
package reconcile
