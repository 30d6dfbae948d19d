// Package proxy speaks the gateway's own language to softphones and backends that call the bridge
// instead of it, and is for them what the gateway was.
//
//	client ── sign-in ──► proxy ── passed on ──► gateway
//	                        └─ session learnt ─► bucket SESSIONS ─► session.Loop ── polls ──► gateway
//	                                                                  │
//	                          stream EVENTS ◄── stored first ─────────┤
//	client ◄── poll, push ── queue of the agent ◄── then delivered ───┘
//	client ── any other call ──► passed on with the session's GUID ──► gateway
//
//	poller/proxy         the calls of clients; who may; what is kept of them
//	poller/proxy/kept    what is kept of clients in the bucket CLIENTS
//	poller/proxy/onward  calls that are passed on to the gateway
//	poller/proxy/queue   the events that clients have not got yet
//	poller/proxy/wire    the listener; whether an answer arrived
//	poller/proxy/later   what waits in memory while nothing can be stored, if that is wished
//	poller/proxy/post    pushes to clients that want them
//
// Invariants:
//
//   - The loop of the agent alone polls the gateway. No call of a client reaches the interfaces
//     that take events from a queue.
//   - A client sees an event only when it is stored, in the order in which the platform gave it,
//     and again until its next poll shows that it arrived; see package wire.
//   - What a client does not fetch takes up no memory for long: it is dropped for that client alone.
//   - A client's GUID is the bridge's own and never changes; the session's GUID reaches no client.
//   - A call is passed on once. One that begins or ends a session is finished even if its client
//     has gone: half a sign-in would leave a session that nobody knows.
//   - What a client confirmed is kept in the bucket CLIENTS, a little later. After a restart it
//     gets what is stored behind that, so some events may come to it a second time, none is
//     missing.
//   - A bridge that finds an entry of a later owner there writes nothing over it, and serves nobody
//     until it has the lease under a higher epoch. Clients of an agent whom somebody else has are
//     told for a minute to ask elsewhere, and then that the agent is not signed in.
//   - Of the bridges that have a tenant one serves its clients: the one with the lease. The others
//     answer 503.
//
// Several clients may have one agent: each has a queue position of its own. Who signs in has a
// GUID of its own; clients that share one are told apart by a cookie, or by address and
// User-Agent. An agent whose last client has gone is signed out.
//
// It imports schemas, the gateway's client, poller/record, poller/session and leaves.
package proxy
