// Package poller keeps the wanted agents polled and turns what the gateway hands
// over into messages of the contract.
//
//	Pool ──► reconciler ──► session.Loop, one per wanted agent ──► record.Recorder ──► Store
//	                                                                    │
//	                                                                    └► sequence.Checker
//
//	poller            the wanted set: a [Pool] makes it so, in one slot per agent
//	poller/session    the loop of one agent: the way in, polls, custody of the GUID, the end
//	poller/record     from what was received to numbered messages; knows nothing of polls
//	poller/sequence   which events can't follow on which
//	poller/partition  a pool whenever this bridge holds the lease; above this package
//
// Invariants of this package; those of the parts are with them:
//
//   - One goroutine per agent, restarts of the agent included: the next loop of a slot
//     begins when its last one has ended.
//   - An agent that stays wanted is left alone. One that is described otherwise is told to its
//     loop, for the next sign-in; only one that gets a password, or has none any more, is
//     restarted, and goes on with its session and its numbers.
//   - Nothing begins after the end of intake or of work, and Run returns when all has
//     ended.
//
// Another way for events to come in (a push, a poll for all agents) needs no loop: it
// makes a [record.Tenant] and gives each event to the recorder of its agent.
//
// Identity across restarts is kept in the bucket SESSIONS (the GUID sealed); what
// the agent is doing goes to the bucket STATE, best effort.
//
// It imports its rooms, schemas and internal/retry, and never bus, config or another
// part.
package poller
