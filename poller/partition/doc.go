// Package partition divides a tenant's agents among the bridges, and polls this one's.
//
// A [Sole] has work done by one bridge at a time, under one lease. A [Share] has one for each
// partition: a share of the agents, by a hash of their ids. All bridges work out alike which of
// them is to poll which partition. That only spreads the work: what is polled by whom leases
// decide.
//
//	who is there ──► assign ──► ours: wait for the lease ──► poll ─┬─► lost: wait again
//	(another came or went)      │                                   │
//	                            └─► another's: end the polls, store, give the lease back
//
// Invariants: nothing is polled without its partition's lease; every ownership has an epoch
// above all that the agents' sessions show; when a lease is lost, or intake ends, or the
// partition is another's, or has no agents any more, what is in hand has the grace period to be
// stored, and the lease is given back after that. While nobody knows which bridges there are,
// what was held last goes on, and nothing else is begun. When other agents are wanted
// ([Share.Set]), those who stay notice nothing, unless one who comes was polled under a higher
// epoch than theirs.
//
// It imports poller, poller/session, schemas and internal/grace, and does not know where
// leases are kept.
package partition
