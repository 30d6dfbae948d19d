// Package bus is what the bridge's parts do with NATS: publish, read, append rows in
// atomic batches, and hand files to workers. It and the rooms below it are the only
// NATS code of the bridge: nobody else sees a subject on a wire, an acknowledgement or a
// JetStream error.
//
// The rooms, and which way the arrows run:
//
//	bus          publish, read, rows, files ─────────┐
//	bus/spool    store and forward to a hub ──┬──────┤
//	bus/lease    who polls ───────────┐       │      │
//	bus/kv       buckets, objects ◄───┴───────┤      │
//	bus/service  answers requests ────────────┤      │
//	bus/assets   streams, rights  ◄───────────┴──────┤
//	bus/internal/wire   the connection ◄─── all ─────┘
//	bus/embedded        a server in the process; of these it knows none
//
// The bus and the spool do not know each other. What both need, a publisher that tries
// again and a read with an end, is in wire. [Bus.Conn] is the connection that the other
// rooms are opened with.
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
//   - A stream that has gone is waited for. It is never replaced on the way by
//     one with default settings.
//
// Files, coverage and dead letters have several writers: after an outage beyond the
// deduplication window they may be stored twice, with the same ce-id. A dead
// letter is also repeated when the end of its message is lost. Consumers of
// those tell repeats by ce-source and ce-id.
//
// A file's way through [Bus.ConsumeFiles]:
//
//	            ┌──────────────────── nak with delay ───────────────────────────┐
//	            ▼                                                               │
//	stream ─► deliver ─► handler ─┬─ nil ──────────────► double ack             │
//	                              ├─ work has ended, or another's ──────────────┤
//	                              ├─ Permanent ─► dead letter ─► term           │
//	                              ├─ last attempt ─► dead letter ─► given up ─► term│
//	                              └─ else ──────────────────────────────────────┘
//
// It may import schemas, bus/assets, bus/internal/wire and internal/sabotage.
package bus
