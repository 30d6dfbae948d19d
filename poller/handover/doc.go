// Package handover is where another system, one that signs agents in itself, hands their
// sessions to the bridge and gets them back: by entries of the bucket SESSIONS, or by
// requests that write these.
//
//	another system ──put──► <tenant>.<agent> ◄──rotated GUIDs, phase── poller/session
//	       └──── request ──► Desk ──put──┘ │
//	                                       └──► Follow ──► who is wanted ──► poller/partition
//
// Invariants:
//
//   - The set of entries is the set of agents that are wanted. Who has one is polled, or
//     waits for another GUID; whose has gone is left after the poll in flight.
//   - A session is given back when its owner has written that it polls no more: that is after
//     the poll in flight, and all that it brought, is stored. Asked again, it is given again.
//   - No GUID and no cookie in a log or an error.
//
// It imports poller/session/custody and schemas, and does not know where buckets are kept.
package handover
