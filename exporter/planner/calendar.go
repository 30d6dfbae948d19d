package planner

import (
	"iter"
	"time"

	"aiccbridge/schemas"
)

// nextWindow returns the window that begins at from. Its end is the next
// multiple of length after the tenant's midnight (the midnight itself at the
// latest, for lengths up to a day), so that tiles do not depend on when the
// bridge was first started.
//
// The platform is asked with wall-clock text without an offset (cec_07_0814), so
// clock changes cut windows:
//
//   - A skipped hour ends the window at the change.
//   - A repeated hour becomes one window that spans both of its passes. Its
//     text names both, so cutting inside it would ask for the same rows twice.
//
// from must be a whole second, length at least one second and at most 72 h.
func nextWindow(from time.Time, length time.Duration, zone *time.Location) schemas.Window {
	local := from.In(zone)
	end := aligned(local, length)
	start, change := local.ZoneBounds()
	if !start.IsZero() {
		if again := start.Add(repeated(start, zone)); from.Before(again) {
			return schemas.Window{From: from.UTC(), To: again.UTC()} // begun inside a second pass
		}
	}
	if !change.IsZero() {
		twice := repeated(change, zone)
		switch first := change.Add(-twice); {
		case twice > 0 && !from.Before(first):
			end = change.Add(twice)
		case end.After(first):
			end = first
		}
	}
	return schemas.Window{From: from.UTC(), To: end.UTC()}
}

// Tiles are the windows of a length, as the planner cuts them, that cover the time from one
// instant to another, which lie within the first and the last.
func Tiles(from, to time.Time, length time.Duration, zone *time.Location) iter.Seq[schemas.Window] {
	return func(yield func(schemas.Window) bool) {
		if !from.Before(to) {
			return
		}
		for at := startOfDay(from, zone); at.Before(to); {
			w := nextWindow(at, length, zone)
			if w.To.After(from) && !yield(w) {
				return
			}
			at = w.To
		}
	}
}

// repeated is how much wall-clock time the change at t repeats, 0 when it skips.
func repeated(t time.Time, zone *time.Location) time.Duration {
	_, before := t.Add(-time.Second).In(zone).Zone()
	_, after := t.In(zone).Zone()
	return max(0, time.Duration(before-after)*time.Second)
}

// aligned is the end of the slot that holds local, clock changes not regarded.
func aligned(local time.Time, length time.Duration) time.Time {
	const day = 24 * time.Hour
	h, m, s := local.Clock()
	since := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	next := since + length
	if length <= day {
		next = min((since/length+1)*length, day)
	}
	y, mo, d := local.Date()
	end := time.Date(y, mo, d, 0, 0, int(next/time.Second), 0, local.Location())
	if !end.After(local) {
		return local.Add(length)
	}
	return end
}

// startOfDay is the tenant's midnight at or before t.
func startOfDay(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	start := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if start.After(t) { // a midnight that the clock skips is put after it
		return t.Truncate(time.Second)
	}
	return start
}
