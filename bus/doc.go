// Package bus is the only NATS code of the bridge: streams, publishing, atomic
// batches, consuming, buckets, object stores and leases. Nobody else sees a
// subject on a wire, an acknowledgement or a JetStream error.
//
// Invariants:
//
//   - Publish returns nil only when the message is stored: acknowledged by the
//     right stream (every message names it in Nats-Expected-Stream), or found in
//     it. An acknowledgement that says "duplicate" does not count by itself: the
//     message may have been purged since.
//   - Rows go out in atomic batches, all or nothing, fenced by the last sequence
//     of their subject. They carry no Nats-Msg-Id: one known id would refuse a
//     whole batch, and the fence needs none.
//   - A delivered file ends in exactly one verdict, given in one function. An
//     acknowledgement follows the handler's success, never precedes it.
//   - Streams, buckets and the consumer come from one table (assets.go). What
//     exists is never weakened, and never used silently when it is weaker.
//   - A stream that has gone is waited for. It is never replaced on the way by
//     one with default settings.
//
// Deduplication by Nats-Msg-Id holds for the stream's window only. Beyond it
// Publish looks at the last message of the exact subject. That proves something
// only for subjects with one writer that waits for each acknowledgement, as an
// agent's events have. Files, coverage and dead letters have several: after an
// outage beyond the window they may be stored twice, with the same ce-id. A dead
// letter is also repeated when the end of its message is lost. Consumers of
// those tell repeats by ce-source and ce-id.
//
// Epochs of leases grow strictly over owners: each is taken by compare-and-set
// from an entry that does not expire with the leases, and is above the caller's
// floor, which covers a bucket that was deleted.
//
// A file's way through [Bus.ConsumeFiles]:
//
//	            ┌─────────────────── nak with delay ────────────────────┐
//	            ▼                                                       │
//	stream ─► deliver ─► handler ─┬─ nil ──────────────► double ack     │
//	                              ├─ work has ended ────────────────────┤
//	                              ├─ Permanent ─► dead letter ─► term   │
//	                              ├─ last attempt ─► dead letter ─► term│
//	                              └─ else ──────────────────────────────┘
package bus
