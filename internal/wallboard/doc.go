// Package wallboard shows, on one page, how the contact centres and the bridges are: an
// agent a tile, calls, events a second, what is complete and what is not, alarms with what to
// do. It is for a screen on a wall, and for whoever looks at it from a phone.
//
//	hub ──► watch (one a process) ──► floor ──► paint ──► sheet ──► stream of each viewer
//	        while somebody looks      what is   every     parts with     parts that are newer than
//	                                  known     half a s  a version      what the viewer has
//
// Invariants:
//
//   - Nothing is read before somebody looks, nor some time after the last one has gone; and
//     once for all who look.
//   - A viewer has no queue. It has a version, and gets what has changed since, as it is by
//     then; one that is too slow misses what was in between and nothing else.
//   - Nothing of the page is made twice: parts are rendered here, and the script puts them in.
//   - The page shows what every bridge of the hub knows, not what this one does.
//   - No number of a telephone is shown whole, and no secret at all. The page changes nothing.
//   - What is not known is called unknown, and when news stop the page says since when.
package wallboard
