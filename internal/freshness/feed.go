package freshness

import (
	"fmt"
	"slices"
	"time"
)

// Slot is a stretch of time, [From, To), that was looked at all along, and how much came in it.
type Slot struct {
	From, To time.Time
	Count    int
}

// Feed is what is known of a feed.
type Feed struct {
	Slots  []Slot        // ascending, without overlaps; of [Memory] at least, where it is that old
	Last   time.Time     // up to when something came; zero: never
	Limit  time.Duration // of expected time without anything; above zero
	Period time.Duration // how long a slot is now: of others nothing is learned; zero: of any
}

// By is what is known of a feed by now. What lies ahead was written by a clock that was: such
// slots are left out, and something came last up to the end of the last slot by now that has any.
func (f Feed) By(now time.Time) Feed {
	ahead, _ := slices.BinarySearchFunc(f.Slots, now, func(s Slot, now time.Time) int {
		if s.To.After(now) {
			return 1
		}
		return -1
	})
	f.Slots = f.Slots[:ahead]
	if !f.Last.After(now) {
		return f
	}
	f.Last = time.Time{}
	for _, s := range slices.Backward(f.Slots) {
		if s.Count > 0 {
			f.Last = s.To
			break
		}
	}
	return f
}

// alike reports whether a slot is as long as those of now.
func (f Feed) alike(s Slot) bool { return f.Period == 0 || s.To.Sub(s.From) == f.Period }

// Silence says that a feed is silent.
type Silence struct {
	Since time.Time // of the last sign of life
	Usual int       // how much the same slot of the previous weeks had; 0: the opening hours are set
}

// Silent reports whether a feed is silent, and since when.
func (c Calendar) Silent(f Feed) (s Silence, silent bool) {
	if f.Last.IsZero() || f.Limit <= 0 {
		return s, false
	}
	var lasted time.Duration
	var end time.Time // of the expected time that was looked at last
	first, _ := slices.BinarySearchFunc(f.Slots, f.Last, func(s Slot, last time.Time) int {
		if s.To.After(last) {
			return 1
		}
		return -1
	})
	for _, slot := range f.Slots[first:] {
		from := later(slot.From, f.Last)
		parts, usual := c.expected(from, slot.To, f)
		for _, p := range parts {
			if !p.from.Equal(end) {
				lasted = 0
			}
			lasted, end = lasted+p.to.Sub(p.from), p.to
			if lasted >= f.Limit {
				return Silence{Since: f.Last, Usual: usual}, true
			}
		}
	}
	return s, false
}

// Describe says it in the zone of the calendar; what is what comes, such as "rows of cdr".
func (s Silence) Describe(c Calendar, what string) string {
	why := "in opening hours"
	if s.Usual > 0 {
		why = fmt.Sprintf("the same time of the previous weeks had %d", s.Usual)
	}
	return fmt.Sprintf("no %s since %s, %s", what, s.Since.In(c.zone()).Format("2006-01-02 15:04 -07:00"), why)
}
