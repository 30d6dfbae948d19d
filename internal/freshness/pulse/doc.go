// Package pulse counts the events of a tenant's teams by slots, and remembers them for as long as
// a calendar learns from: what package freshness is to judge.
//
// Bridges that share a hub count together: each adds what it heard to an entry of the bucket for
// the team and the day, by compare-and-set, and follows what the others add. So each sees all of
// it, and they judge alike.
//
// Invariants:
//   - A slot is remembered as looked at only by a bridge that looked from its beginning to its
//     end; a bridge that was stopped, suspended, cut off from the gateway, or that polled no agent
//     of the team, did not look.
//   - Only slots of one length are added up; of others it is known when something came last.
//   - What could not be added yet is added later, once.
//   - Slots are cut in UTC: a change of the clock makes none longer.
//
// It imports freshness, the names of schemas, internal/members and the clock of internal/retry.
package pulse
