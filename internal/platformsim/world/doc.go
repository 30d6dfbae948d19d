// Package world is a seeded contact centre: agents who sign in, take calls,
// chat, rest and wrap up, and the records which those calls leave behind.
//
// The gateway signs agents in and receives their events; the file store asks
// for rows. Both see the same calls:
//
//	        SignIn ┌────────────────────────────────────────────┐
//	signed out ───►│ idle ─► queue/ring ─► talking ─► (wrap-up) │─► SignOut
//	               │  ▲          │            │  ▲        │     │
//	               │  │          └ no answer  hold/conf   │     │
//	               │  ├─► rest, not ready, work, chat ─┐   │     │
//	               │  └────────────────────────────────┴───┘     │
//	               └────────────────────────────────────────────┘
//
// An agent whose client controls calls, or all with Options.Softphone, does with his calls
// what the client says (package phone); otherwise he acts of his own accord. Both are
// activities of the one goroutine that each agent has.
//
// Invariants:
//   - Choices (flow, durations, numbers) come from one generator per agent,
//     derived from Options.Seed: the same seed and the same sign-in times give
//     the same shift, whatever the scheduler does.
//   - Events go out only while the agent is signed in, in the order of their
//     times, and never before the calls of a session may start (ResetSkills).
//   - Every call has one chain of call rows, numbered 1, 2, …, and -1 on the
//     last; its id is "epoch-handle" in the events and in every row.
//   - A time in an event and the time of the same thing in a row are one
//     reading of one clock; rows print it in the tenant's zone, whole seconds.
//   - A row is written once, when its call or operation has ended, and never
//     changed.
package world
