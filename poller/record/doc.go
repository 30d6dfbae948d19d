// Package record makes messages of the contract from what the platform tells of an
// agent, numbers them and stores them. It does not matter how that came in: a loop that
// polls uses it, and so can whatever else receives events.
//
//	platform's event ─► normalise ─► conceal ─► number and store ─► learn (Standing)
//	                        │                                          │
//	                        └── as the platform sent it ───────► check the order
//	                                                                   │
//	own events, gaps, heartbeats ──────────────► number and store ◄── gap (inferred)
//
// Invariants:
//
//   - A call returns nil only when all that it was given is stored, or is no use to any
//     store for good and is in the log. There is no queue, so nothing can be dropped and
//     back-pressure needs no policy.
//   - Messages of an agent are numbered (epoch, seq) when they are stored; seq has
//     no holes, gaps, session events and heartbeats included.
//   - An event is normalised once, in [normalise]. A policy conceals what is published
//     of it; the order of events is checked on what the platform sent.
//   - All messages that come from an agent's queue are that agent's, whatever agent
//     an event names.
//   - What may be lost is said: one gap per item that is no event, and one where events
//     can't follow on each other without another that never came (package sequence).
//     What else may be lost its caller knows, and tells by [Recorder.Gap].
//   - No credentials are stored, whatever the policy: they are masked.
//
// It imports schemas, the gateway's client for the form of an event, poller/sequence and
// leaves. It never asks the platform anything.
package record
