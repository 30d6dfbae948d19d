// Package phone is an agent's telephone in the hands of his client: it answers, holds,
// transfers when the client says so, where other agents of the simulated contact centre
// act of their own accord. Text chats come to it, too.
//
//	         offer ─► ringing ─answer─► talking ◄─► held
//	idle ◄─┐            │reject,no      │  │         │ transfer, help: a consultation
//	 │     │            ▼ answer        │  │         ▼
//	 │     └──────── ending ◄─release───┘  │      consulting ─► consulted ─► conference
//	 └─ call out ─► dialing ─answered──────┘
//
// A client's call is judged at once, by the phase; what follows from it are steps, one
// after the other, with the pauses that switching takes. When there is no step left, the
// other side acts in its time: it answers, or hangs up (fate).
//
// Invariants:
//   - Steps run in the agent's own goroutine (Next), one at a time; no lock is held
//     meanwhile, so they may call the phones of other agents. The methods that clients
//     call never do.
//   - Who has a call has its rows: the call of two agents belongs to the one who made it,
//     and moves on with a transfer.
package phone
