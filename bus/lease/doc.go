// Package lease is who polls: at most one bridge per partition, under an epoch that no
// other owner ever has.
//
// Two kinds stand behind one interface: a lease at the hub alone, [AtHub], and one that a
// bridge with a spool keeps while the hub is away, [Kept]. [Members] are the bridges among
// which partitions are divided; only leases decide who polls.
//
// Invariants:
//
//   - Epochs grow strictly over owners: each is taken by compare-and-set from an entry
//     that does not expire with the leases, and is above the caller's floor, which covers
//     a bucket that was deleted.
//   - An epoch that was taken without the hub is on the local disk before it is used.
//   - Only the proof of another owner ends a [Kept] lease.
//
// It may import schemas, bus/kv, bus/internal/wire, internal/retry and internal/sabotage.
package lease
