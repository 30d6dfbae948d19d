// Package ccgateway is a client of Huawei's contact-centre agent gateway
// (CC-Gateway): sign-in, the long poll for one agent's events, and the few calls
// around it. It speaks the platform's language only; nothing here knows our
// messages.
//
// # The poll is a destructive read
//
// The gateway deletes an event when it answers a poll. There is no
// acknowledgement and no second try, so an answer lost on the way is an event
// lost. The package therefore keeps these invariants:
//
//   - A request is never sent twice behind the caller's back. net/http repeats a
//     body-less GET on its own when a reused connection breaks before an answer;
//     package http1, which all requests of this one go through, repeats nothing.
//   - At most one poll per agent is in flight, and sign-in, sign-out and
//     UpdateGUID never overlap it.
//   - Every poll ends in exactly one [Outcome]. NotSent is claimed only when not
//     one byte of the request was handed to the connection; in doubt the outcome
//     is Unknown and [Poll.MayHaveLost] is set.
//   - A new GUID is taken over as soon as the headers of an answer are read, even
//     if its body is cut afterwards, and so before the agent's next request.
//   - GUIDs, cookies, passwords and phone numbers are in no error and no log line.
//
// # How a poll ends
//
//	          nothing written              cut, timeout
//	dial ───────────────────► NotSent   ┌──────────────────► Unknown
//	  │                                 │
//	  └── request written ──────────────┤ status ≠ 200
//	                                    ├──────────────────► HTTPError
//	                                    │ 200
//	                                    └── body ─┬ truncated, too long,
//	                                              │ empty, undecodable ► Unknown
//	                                              ├ has an event ──────► Event
//	                                              │  (odd ones in Poll.Bad)
//	                                              ├ retcode 0 ─────────► Empty
//	                                              ├ 000-001, 000-003,
//	                                              │ 100-006, class Gone ► SessionEnded
//	                                              └ another retcode ───► Refused
//
// # Pacing is the caller's
//
// The package neither waits nor repeats. The platform asks for 200–500 ms between
// polls and more than 1 s after a status other than 200 (cec_07_1274), and signs
// an agent out by force after 120 s without a request (cec_05_4012).
package ccgateway
