// Package service answers requests on NATS, as a micro service that every NATS tool finds:
// `nats micro ls`, `nats req aicc.ask.agents {}`.
//
//	<prefix>.ask.<endpoint>    one bridge answers, or each what it says of itself
//	$SRV.PING|INFO|STATS       who is there, with which endpoints, and how busy
//
// Invariants:
//
//   - A request is answered, if only by an error that says what to do.
//   - A bridge that is slow to answer does nothing else later: requests wait for each
//     other, but for those of an endpoint that waits itself, and have a limit each.
//
// It may import bus/internal/wire.
package service
