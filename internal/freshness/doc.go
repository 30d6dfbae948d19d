// Package freshness tells a feed that went silent from one that has nothing to say.
//
// A feed is anything of which something comes again and again: the events of a team, the rows
// of a kind. What is known of it is a series of [Slot]: stretches of time that somebody looked
// at, and how much each of them had. Its [Calendar] says when something is expected:
//
//   - a calendar that is set: in the opening hours of each weekday, but on days that are closed;
//   - one that is learned: when the same time of the same weekday of the previous weeks had
//     enough, half of those weeks at least. Less than a week of knowledge expects nothing;
//   - or both at once.
//
// Silence is time that was looked at, in which something was expected and nothing came, from the
// last sign of life on and without a break. A feed is silent when that has lasted as long as its
// limit. It stays so until something comes, also overnight.
//
// Invariants:
//   - What nobody looked at is neither silent nor learned.
//   - What is learned of is as long as what is expected: after a change of the period it begins anew.
//   - A feed that never had anything is not silent: it may not exist.
//   - Weeks are counted on the clock of the zone, so that a change of it moves nothing.
//
// Everything is a function of its arguments; the package does no I/O, and imports nothing of ours.
package freshness
