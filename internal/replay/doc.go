// Package replay gives what was stored between two times once more: the messages of all
// streams merged in the order of their times, as fast as they came, or faster.
//
//	stream ─► a piece at a time ─┐
//	stream ─► a piece at a time ─┼─► the earliest first ─► its turn ─► emit
//	stream ─► a piece at a time ─┘
//
// A message's time is when what it tells was so (ce-time); a row's, which has none, when it
// was stored.
//
// Invariants:
//
//   - Messages of one stream keep their order, whatever their times say.
//   - Nothing is read far ahead, however slow the replay is: a piece of each stream is in
//     memory, and no reader waits on the hub meanwhile.
//   - A replay that goes on after an interruption gives each message that had not been
//     given, and no other.
//
// Of ours it imports schemas and internal/retry.
package replay
