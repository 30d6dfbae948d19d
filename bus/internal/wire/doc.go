// Package wire is the connection to NATS, and what all rooms of the bus do over it:
// wait for the server, try again, tell a refusal, publish once, read.
//
// Invariants:
//
//   - Nothing here gives up by itself. A call ends with its context, with success, or
//     with what no repetition mends; the predicates of this package tell failures apart.
//   - No message waits in a buffer while the connection is down: it would be neither
//     stored nor refused, and may land long after its retry.
//   - [Publisher.Publish] returns nil only when its stream has the message. An
//     acknowledgement that says "duplicate" does not count by itself: the message may
//     have been purged since.
//   - A refusal has no answer; it is told with the request that timed out from it.
//   - What fails for long is logged when it changes. What follows from a connection that
//     is down is not said again.
//   - A stream that has gone is waited for.
//
// A read has an end, [Conn.Read], or none, [Follower]. The server forgets readers, and
// the client library replaces them; a [Follower] notices when the stream beneath is
// another one, and begins at its start.
//
// Deduplication by Nats-Msg-Id holds for the stream's window only. Beyond it
// [Publisher.Publish] looks at the last message of the exact subject. That proves
// something only for subjects with one writer that waits for each acknowledgement, as an
// agent's events have. Files, coverage and dead letters have several: after an outage
// beyond the window they may be stored twice, with the same ce-id.
//
// Messages for one stream that come at the same time are committed together, see
// [aiccbridge/bus/internal/group]. What a batch's refusal means for each of its messages,
// the message alone finds out; after an answer that was lost each is looked for.
//
// It may import schemas, bus/internal/group, bus/internal/letters, internal/retry and internal/trouble.
package wire
