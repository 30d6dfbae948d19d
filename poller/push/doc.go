// Package push takes the events that the gateway pushes, and keeps agents signed in whose
// events it is to push.
//
//	gateway ──POST──► Inlet ──► Desk ──► seat of the agent ──► record.Recorder ──► Store
//	   ▲              limits,   under    one list after
//	   │              token,    the      another; what is
//	   │              decode    lease    known is left out
//	   └──heartbeat, sign-in── Loop of an agent that the bridge signs in
//
// A push is answered after it is stored, so what the gateway pushes to a callBackUri comes at
// least once: it repeats what was not answered with success every 10 s, and signs the agent out
// when that fails for 120 s (cec_07_1275). What comes to a pushUrl it repeats for seconds at
// most: at most once. Invariants:
//
//   - What the gateway may have given up because no push was taken, or no bridge was there, lies
//     in a gap.
//   - A list is stored in its order, and answered with success only after all of it is
//     stored. When that takes longer than the gateway should wait, the answer is 503 and the
//     storing goes on; it ends with the end of work alone.
//   - A list that comes again has no second effect, whoever stored it: each message says how
//     far its list was stored (chain.go), and the last message of the agent in the stream is
//     asked by whoever has the agent next.
//   - Lists are compared as a whole, from their beginning. Where the events carry the time of
//     the platform, equal events that happened twice are two. Where they do not, a list that
//     begins with the whole last list counts as that one come again, for ten minutes.
//   - Of two sessions of an agent, one that ends and one that begins, lists may come in any
//     order: the last few lists are known, and whose they were. What comes late of the one that
//     ends does not say where the agent stands.
//   - What can't be decoded is a dead letter, and is answered with success: refused, it would
//     come again until the gateway signs the agent out.
//   - Nothing is read of a request without a good token; tokens are compared in constant time,
//     and no answer says what was wrong with one.
//   - A bridge that does not hold the lease answers 503.
//
// It imports schemas, the gateway's client, poller/record, poller/session with what is below
// it, and leaves.
package push
