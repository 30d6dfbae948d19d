// Package push posts the events of agents who signed in with an address of their own
// instead of polling. The platform has had two ways, and both are here:
//
//	List     callBackUri and serviceToken: all waiting events in one POST, repeated
//	         until it is taken; the agent is signed out when that fails for too long
//	         (pages cec_07_1275, cec_05_40130)
//	Single   pushUrl, of older clients: one event in one POST, in the form of a poll's
//	         answer, a few tries, then the event is gone (no page; tries and pause are
//	         ours)
//
// Invariants:
//   - One POST of a session is under way at a time, and events go out in the order in
//     which they came. An event leaves its queue when it was taken or given up, not
//     before.
//   - Every POST has a Content-Length: receivers of the vendor allot their buffer by it.
//   - truth knows every POST and what became of it. Addresses, tokens and GUIDs are in
//     no log, no error and not in truth.
package push
