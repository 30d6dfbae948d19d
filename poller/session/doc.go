// Package session is the loop of one agent: it signs the agent in or goes on with a
// session it finds, polls, hands what came to the record, keeps the session's GUID where
// the next owner finds it, and leaves in order.
//
// A long poll is a destructive read: the platform deletes an event when it
// answers, there is no acknowledgement and no second try. Everything here follows
// from that.
//
// Invariants:
//
//   - One goroutine and at most one request in flight per agent.
//   - The next poll begins after everything the last one brought is stored: its
//     events, the gap or dead letter it caused, and then the new GUID if it
//     brought one. Events go before the GUID because a lost GUID costs a
//     session, a lost event is lost.
//   - The end of intake never cancels a request: the poll in flight ends by
//     itself and what it brings is stored. Only the end of work cuts it.
//   - At least EventGap between an answer and the next poll, more than 1 s after
//     an answer with a status other than 200 (cec_07_1274), at most 15 s of
//     back-off, so that the 120 s after which the gateway signs a silent agent out
//     (cec_05_4012) stay far away.
//   - What was popped is stored even after the end of work, if that takes no more
//     than 3 s.
//   - What may be lost is said: one gap record per poll whose outcome is unknown,
//     one per owner that did not stop cleanly, and one
//     per session that ended, or was left and not resumed, with a queue that nobody
//     had asked for a while.
//   - After a gap, but for an inferred one, and after resuming a session, the
//     gateway is asked where the agent stands, once a poll brings nothing, and the
//     answer is published (schemas.EventStatus). Asking takes no event; syncagentinfo,
//     which empties the queue, is never called.
//   - What a monitor shows of the agent ([Sights]) is held against what is known by the loop
//     alone, between polls, when the queue was found empty since.
//   - Who signs the agent in is who signs the agent out: a session that another system handed
//     over is left alive, whatever ends its polling, and where it stands is in its entry.
//
// The loop ([Loop]) goes from phase to phase. What it knows is in its parts, each of
// which knows none of the others, nor the loop:
//
//	custody    the GUID and cookies, sealed in the bucket SESSIONS; who owns the agent (a package)
//	entrance   the way in: when to sign in, what a refusal means, skills (a package)
//	pace       when the next poll may go out, and when there is no use in another
//	Contact    how long the gateway has heard nothing of the session
//
// and in what is given to it: the gateway's session, and the recorder (package record)
// with where the agent stands.
//
// # The life of an agent
//
//	starting ──── GUID known, polled within the last 110 s ► polling ◄─────┐
//	   │ (gap first, if the last owner                       │   │ bad     │ good
//	   │  did not stop cleanly)                              │   │ poll    │ poll
//	   │                                                     │   ▼         │
//	   ├─ password known ─► signing_in ── signed in, skills  │  retrying ──┘
//	   │                      ▲  │  │     reset ──► polling  │   │
//	   │                      │  │  └─ try again, back-off   │   │ more than 10 in a row,
//	   │                      │  ▼                           │   │ 240 s without a good one,
//	   │                      │ halted ◄─ 000-001 ─┐         │   │ switchover over 5 min
//	   │                      │  (wrong password,  │         ▼   ▼
//	   │                      │  locked, …)        └───────── ended ◄─ ShutdownService,
//	   │                      └─────── password known ────────┘ │      000-003, 100-006,
//	   │                                                        │      105-00x, 401/403 twice
//	   └─ no password ─► waiting ◄──────────── no password ─────┘
//	                      ▲ └── a GUID appears in the bucket ──► polling
//	                      └── returning ◄── the entry goes, or says stop: by polling, retrying
//
//	any phase ── intake ends, or the agent is no longer wanted ──► leaving ──► stopped
//	(by way of ended, if the last poll told that the session is over)
//	any phase ── work ends ──► stopped (the entry says "polling": the next owner writes a gap)
//	any phase ── a higher epoch is in the bucket ──► fenced (somebody else polls it now)
//
// A halted agent stays so until its wanted description changes. The phases are the
// values of the label "state" of the gauge aicc_poller_agents.
//
// It imports schemas, the gateway's client, poller/record, its part custody and leaves.
package session
