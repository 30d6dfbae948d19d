// Package callback is how the file store tells a client that a file is ready: a
// signed POST, repeated until it is acknowledged or given up.
//
//	Delivery ─► try ─ 2xx with a body ──► acknowledged
//	             ▲ │
//	 RepeatEvery │ └─ anything else ─► repeat, RepeatLimit times ─► given up
//
// Invariants:
//   - only a status of 2xx with a body that is not empty acknowledges;
//   - every try is in the truth log, with the names of its faults;
//   - requests are signed with the developer's own keys, over exactly what is
//     sent, unless a fault says otherwise;
//   - neither the URL, whose path may be secret, nor the body is in a log or in an
//     error.
//
// Of ours it imports c2sign (the signature), fault, pause and truth.
package callback
