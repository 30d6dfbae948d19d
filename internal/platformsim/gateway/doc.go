// Package gateway is the simulated CC-Gateway: sign-in, the long poll of
// agent events and the session interfaces around it, over HTTP, with faults.
//
// A session:
//
//	         PUT onlineagent/{id}            poll ─► hold ─► pop one event
//	(out) ───────────────────────► (in) ◄──────────────────────┘
//	  ▲   100-002 when in already    │
//	  │                              ├─ logout, forcelogout
//	  └──────────────────────────────┼─ displaced by forcelogin, signed out by an inspector
//	      events left are dropped    └─ no poll for MAXTIME
//
// Invariants:
//   - A poll answers with at most one event and takes it out of the queue
//     before a byte of the answer is sent: an answer that gets lost is an
//     event lost. truth knows every event taken.
//   - A poll whose client has gone before an event was taken takes none.
//   - Events of one agent leave in the order they came, whoever asks.
//   - Business errors are HTTP 200 with a retcode; other statuses are faults.
//   - Names of headers are written as the platform writes them, Set-GUID; paths
//     are read in any case, and with a slash at the end. Clients depend on both.
//   - A session is found by its GUID. The cookie names a node, never a session.
//   - GUIDs, cookies and passwords are in no log and in no error.
//
// A sign-in with callBackUri and serviceToken, or with the pushUrl of older clients, has
// its events posted (package push) while Run runs: its polls answer 000-001, and its
// heartbeats keep it (pages cec_07_1275, cec_07_1204).
//
// Locks are taken in the order slot, session, truth; the world delivers
// events holding its own lock and takes the session's only.
package gateway
