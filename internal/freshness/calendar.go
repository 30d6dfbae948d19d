package freshness

import (
	"slices"
	"time"
)

// Span is a part of a day on the clock of a zone, [From, To) since midnight; To is 24 h at most.
type Span struct{ From, To time.Duration }

// Calendar says when something is expected of a feed. The zero value learns, in UTC.
type Calendar struct {
	Zone *time.Location // nil: UTC
	// Hours are the opening hours by weekday, in order. nil: they are learned.
	Hours *[7][]Span
	// Learn: within Hours, too, only what is learned is expected.
	Learn bool
	// Closed are days on which nothing is expected, and of which nothing is learned, as
	// 2027-01-01.
	Closed []string
}

// Enough is from how much on, in the same slot of previous weeks, silence is no accident: of ten
// that come independently of one another, none comes once in twenty thousand times.
const Enough = 10

// weeks is how far back is looked. With four, a holiday among them decides nothing.
const weeks = 4

// Memory is how far back the slots of a feed reach that a calendar learns from.
const Memory = weeks*7*24*time.Hour + 48*time.Hour

func (c Calendar) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// closed reports a day on which nothing is expected.
func (c Calendar) closed(at time.Time) bool {
	return slices.Contains(c.Closed, at.In(c.zone()).Format(time.DateOnly))
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// expected are the parts of [from, to) in which something is expected. usual is how much a slot
// then has, of a calendar that learns.
func (c Calendar) expected(from, to time.Time, f Feed) (parts []span, usual int) {
	middle := from.Add(to.Sub(from) / 2)
	if c.Hours == nil || c.Learn {
		if c.closed(middle) {
			return nil, 0
		}
		if usual = c.usual(middle, f); usual < Enough {
			return nil, usual
		}
	}
	if c.Hours == nil {
		return []span{{from, to}}, usual
	}
	return c.open(from, to), usual
}

// open are the parts of [from, to) in the opening hours.
func (c Calendar) open(from, to time.Time) (parts []span) {
	zone := c.zone()
	year, month, day := from.In(zone).Date()
	for ; ; day++ {
		at := func(d time.Duration) time.Time { return time.Date(year, month, day, 0, 0, int(d/time.Second), 0, zone) }
		if !at(0).Before(to) {
			return parts
		}
		noon := at(12 * time.Hour) // the day of a midnight that the clock skips may be another
		if c.closed(noon) {
			continue
		}
		for _, s := range c.Hours[noon.Weekday()] {
			part := span{later(at(s.From), from), earlier(at(s.To), to)}
			if part.from.Before(part.to) {
				parts = append(parts, part)
			}
		}
	}
}

// usual is how much the same time of the same weekday had, in half of the previous weeks that are
// known at least; 0 when none is. A slot of another length, from before it was changed, says
// nothing of those of now.
func (c Calendar) usual(at time.Time, f Feed) int {
	local := at.In(c.zone())
	var counts []int
	for week := 1; week <= weeks; week++ {
		y, m, d := local.Date()
		then := time.Date(y, m, d-7*week, local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), local.Location())
		if s, ok := find(f.Slots, then); ok && f.alike(s) && !c.closed(then) {
			counts = append(counts, s.Count)
		}
	}
	if len(counts) == 0 {
		return 0
	}
	slices.Sort(counts)
	return counts[(len(counts)-1)/2]
}

// find is the slot that an instant is in.
func find(known []Slot, at time.Time) (Slot, bool) {
	i, exact := slices.BinarySearchFunc(known, at, func(s Slot, at time.Time) int { return s.From.Compare(at) })
	if !exact {
		i--
	}
	if i < 0 || !at.Before(known[i].To) {
		return Slot{}, false
	}
	return known[i], true
}

// Expects reports whether something is expected of a feed at an instant.
func (c Calendar) Expects(at time.Time, f Feed) bool {
	parts, _ := c.expected(at, at.Add(time.Second), f)
	return len(parts) > 0
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
