// Package monitor sees where a tenant's agents stand, by looking: for those whom somebody else
// signs in and polls. It takes nothing from anybody.
//
//	tick ─► look at all agents of the VDN ─► whose state is another? ─► since when? ─► record
//	             │ fails                                                (a second look, at those)
//	             ├─► wait longer, up to 15 min
//	             └─► nothing seen for two intervals ─► all unknown, once
//
// Invariants:
//
//   - A state that lasts two intervals is published once, with the interval in which it began:
//     after the last look that showed another state, before the first that showed this one.
//     What is shorter may never be seen, and is no gap.
//   - What is published is what was seen. While nothing is seen the state is unknown, and said
//     to be; when looks succeed again the state is published, whether or not it is the one of
//     before.
//   - After a start only what differs from what was known last is published.
//   - An agent who is not in a whole list is not configured: his state is unknown, and not
//     signed out.
//   - The next look begins when all that the last one showed is stored.
//   - One bridge looks: who calls [Monitor.Run] holds the tenant's lease.
//
// Beside another way ([Beside]) it only looks, at the agents whose events come live, and gives
// each look to who has their recorders: what it proves is judged there (record.Confirm).
//
// It imports schemas, the monitor's client, poller/record and leaves.
package monitor
