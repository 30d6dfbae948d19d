// Package spool stores messages on the local disk and forwards them to a hub, an
// external NATS, for as long as that takes.
//
// Invariants:
//
//   - What a [Spool] has stored leaves it only after the hub has it, and is at the
//     hub once, in the order of its agent, however long the hub was away and
//     wherever the process was killed.
//   - Events, dead letters and callbacks' notices have a stream and a forwarder each,
//     so that none waits for, or uses up the space of, another.
//   - A bucket that is mirrored is worked on locally. A change that nobody looked at is
//     never overwritten, on either side.
//
// A message's way:
//
//	Publish ─► local stream ─► read ─► lanes, one per agent ─► hub ─► trim
//	           fsynced; nil    in      ├─ wait for each        fenced │
//	           to the caller   order   │  acknowledgement             │
//	              ▲                    └─ overtake one another        │
//	              └────── everything up to the first not arrived ─────┘
//
// The fence makes it once. Each message names the last sequence of its agent's
// messages at the hub (Nats-Expected-Last-Subject-Sequence for the agent's
// filter), chained from acknowledgement to acknowledgement, and carries its own
// place in the spool (aicc-spool): a line, which is that of the process that stored
// it, and its sequence. So a copy of the folder, or an older one put back, shares with
// the other only what both have. The server compares a filter as it compares a
// subject, and before it looks at ids, so a late copy of a try can't land behind
// anything. What many lanes send at a time goes in one atomic batch, in which each message
// keeps its fence. After an unknown outcome the forwarder reads the agent's last message:
//
//	ours, this place or later, and the
//	message that the spool has there ──► it is there
//	ours, an earlier place ────────────► it is not
//	nobody's, purged ──────────────────► it is not
//	another bridge's, or a copy's ─► search behind the fence for ours
//
// After a start, the first look at each agent does so for all that was left over.
// On a replicated hub the fence covers those who use the same one, which all
// forwarders do.
//
// It may import schemas, bus/assets, bus/kv, bus/internal/group, bus/internal/wire,
// internal/retry and internal/sabotage.
package spool
