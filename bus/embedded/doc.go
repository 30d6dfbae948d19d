// Package embedded runs a nats-server with JetStream inside the process: the
// hub of a bridge without an external NATS, and the spool of one with it.
//
// Invariants:
//
//   - An acknowledged message is on disk: file storage, fsync before every
//     acknowledgement (SyncAlways). The server's own default acknowledges first
//     and syncs every two minutes.
//   - One process per directory: a lock file says so before a second server
//     could damage the streams.
//   - At most one listener, for clients. WebSocket, MQTT, leaf nodes, routes,
//     gateways, monitoring and profiling stay off, and nobody is let in as a
//     user that he did not name. Beyond loopback it takes TLS and sign-in.
//   - A reader reads, and nothing else; a backend does what is listed for him. See [Role].
//   - The streams' limit follows the free space and stays below it, so that a
//     full disk is a clean, passing refusal (error 10002) and not a write error.
//   - The server installs no signal handlers and never ends the process.
//
// # The disk
//
// A write error makes a stream refuse everything, without an answer to the
// publisher, until the server starts anew. The limit prevents most of them; a
// neighbour who fills the disk within a second brings one about all the same. So
// a file, the reserve, keeps some space, and [Server.Run] looks after both every second:
//
//	            free and reserve < 2 × its size
//	┌────┐ ────────────────────────────────────────▶ ┌─────┐
//	│ ok │                                           │ low │
//	└────┘ ◀──────────────────────────────────────── └─────┘
//	   ▲        at least 3 × its size                    │
//	   │                                                 │ free < 1/8 of its size,
//	   │ free ≥ 3 × its size: the reserve                │ or a write error:
//	   │ is made again; one restart if the store failed  │ the reserve is given up
//	   │                                                 ▼
//	   └──────────────────────────────────────────── ┌───────┐
//	                                                 │ spent │ ─┐ a write error:
//	                                                 └───────┘ ◀┘ restart in place
//
// In low and spent, [Server.Low] says that downloads must stop; what they leave
// is for the polls, which can't wait. A store that fails is started anew in
// place: at once when the reserve was given up for it or space has come back,
// else with a growing pause. It is left alone while there is no space at all,
// because what is stored can still be read. For a stream that a start did not
// recover the pause grows to minutes, as the others work. From ok a write error leads
// to spent directly. Without a reserve there is neither low nor spent; a failing
// store is low, too.
package embedded
