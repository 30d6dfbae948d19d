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
//   - What a [Spool] has stored leaves it only after the hub has it, and is at the
//     hub once, in the order of its agent, however long the hub was away and
//     wherever the process was killed.
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
//
// A message's way through a [Spool], with an external NATS, the hub:
//
//	Publish ─► local stream ─► read ─► lanes, one per agent ─► hub ─► trim
//	           fsynced; nil    in      ├─ wait for each        fenced │
//	           to the caller   order   │  acknowledgement             │
//	              ▲                    └─ overtake one another        │
//	              └────── everything up to the first not arrived ─────┘
//
// Events, dead letters and callbacks' notices have a stream and a forwarder each,
// so that none waits for, or uses up the space of, another.
//
// The fence makes it once. Each message names the last sequence of its agent's
// messages at the hub (Nats-Expected-Last-Subject-Sequence for the agent's
// filter), chained from acknowledgement to acknowledgement, and carries its own
// place in the spool (aicc-spool). The server compares a filter as it compares a
// subject, and before it looks at ids, so a late copy of a try can't land behind
// anything. After an unknown outcome the forwarder reads the agent's last message:
//
//	ours, this place or later ─────────► it is there
//	ours, an earlier place ────────────► it is not
//	nobody's, purged ──────────────────► it is not
//	another bridge's ─► search behind the fence for ours
//
// After a start, the first look at each agent does so for all that was left over.
// On a replicated hub the fence covers those who use the same one, which all
// forwarders do.
package bus
