package worker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// How far a call's first time may be from the epoch second that its id begins with: clocks
// differ a little, and a call may wait for a while before anything is noted of it.
const (
	earliest = -2 * 60
	latest   = 10 * 60
)

const (
	// maxApart is more than a zone and a wait make together: what is farther from its id
	// is told by another kind of id.
	maxApart = 26 * 60 * 60
	// enoughCalls, and as many rows, are no accident. Times in UTC are shown by one call:
	// a platform that writes other zones than its tenant's writes UTC.
	enoughCalls = 3
	// Rows are looked at until there are maxCalls.
	maxCalls = 1000
)

// zoneOffsets are the offsets from UTC, in minutes, that zones have in use.
var zoneOffsets = func() (all []int) {
	for hours := -12; hours <= 14; hours++ {
		all = append(all, hours*60)
	}
	return append(all, -570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825)
}()

// zoneCheck finds out by the rows of a file in which zone its times are written. The pages
// do not say it (ccfs.md 4.3 has what speaks for either). Two things tell it:
//
//   - A call's id may begin with the epoch second at which the call began, and nothing
//     happens in a call before that or, in most calls, long after. So the least difference
//     between the wall clock of a call's times and that second is the offset of the zone.
//   - Rows of a file belong to its window. Where no id tells, three rows and more that are
//     all outside of it, and all within it when they are read in UTC, are in UTC.
//
// It is pure: it reads no clock, and its verdict depends on nothing but the rows.
type zoneCheck struct {
	zone          *time.Location // in which the file is read
	window, inUTC wallSpans      // of the window, as the clocks of zone and of UTC show it

	calls map[string]callClock
	// Rows with a time, those of them with one in the window when it is read in zone, and
	// in UTC.
	rows, within, withinUTC int
}

// callClock is the least difference of a call's times to its epoch second.
type callClock struct{ epoch, least int64 }

// newZoneCheck makes the check of a file of a window, which is read in a zone.
func newZoneCheck(zone *time.Location, w schemas.Window) *zoneCheck {
	return &zoneCheck{zone: zone, window: spansOf(w, zone), inUTC: spansOf(w, time.UTC)}
}

// wallSpans are a window as a clock shows it, in seconds as if in UTC: with the offset at
// its begin, and with that at its end. On a night on which the clocks change either will do.
type wallSpans [2]struct{ from, to int64 }

func spansOf(w schemas.Window, zone *time.Location) (s wallSpans) {
	for i, t := range []time.Time{w.From, w.To} {
		offset := int64(offsetAt(zone, t))
		s[i].from, s[i].to = w.From.Unix()+offset, w.To.Unix()+offset
	}
	return s
}

// hold reports whether one of a row's times is in the window.
func (s wallSpans) hold(walls []int64) bool {
	return slices.ContainsFunc(walls, func(wall int64) bool {
		return wall >= s[0].from && wall < s[0].to || wall >= s[1].from && wall < s[1].to
	})
}

// row takes a row's call and its times, as its clock shows them, in seconds as if in UTC.
func (z *zoneCheck) row(call string, walls []int64) {
	if len(walls) == 0 {
		return
	}
	z.rows++
	if z.window.hold(walls) {
		z.within++
	}
	if z.inUTC.hold(walls) {
		z.withinUTC++
	}
	epoch, ok := epochOf(call)
	least := slices.Min(walls) - epoch
	if !ok || least < -maxApart || least > maxApart {
		return
	}
	known, seen := z.calls[call]
	switch {
	case seen && known.least <= least, !seen && z.knows():
		return
	case z.calls == nil:
		z.calls = map[string]callClock{}
	}
	z.calls[strings.Clone(call)] = callClock{epoch, least} // without the text that it is cut out of
}

// knows reports that there are calls enough.
func (z *zoneCheck) knows() bool { return len(z.calls) >= maxCalls }

// epochOf is the second that an id of the form epoch-number begins with.
func epochOf(call string) (epoch int64, ok bool) {
	head, number, ok := strings.Cut(call, "-")
	if !ok || len(head) != len("1714525260") || head[0] == '0' || strings.Trim(number, "0123456789") != "" || number == "" {
		return 0, false
	}
	epoch, err := strconv.ParseInt(head, 10, 64)
	return epoch, err == nil
}

func offsetAt(zone *time.Location, t time.Time) (seconds int) {
	_, seconds = t.In(zone).Zone()
	return seconds
}

// fits reports whether a call's first time is right if the zone has an offset.
func (c callClock) fits(offset int) bool {
	delay := c.least - int64(offset)
	return delay >= earliest && delay <= latest
}

// agrees reports whether a call's first time is right in a zone.
func (c callClock) agrees(zone *time.Location) bool {
	return c.fits(offsetAt(zone, time.Unix(c.epoch+earliest, 0))) || c.fits(offsetAt(zone, time.Unix(c.epoch+latest, 0)))
}

// finding is what a file shows of its zone.
type finding struct {
	agrees  bool // its times are those of the zone that it is read in
	suspect bool // they are those of another one; neither: it shows nothing
	offset  int  // of that one from UTC, in seconds
	rows    int  // or calls that show it
}

// finding is the verdict.
func (z *zoneCheck) finding() finding {
	if len(z.calls) == 0 {
		return z.byWindow()
	}
	agree, others := 0, map[int]int{}
	for _, c := range z.calls {
		if c.agrees(z.zone) {
			agree++
		} else if offset, ok := c.offset(); ok {
			others[offset]++
		}
	}
	f := finding{agrees: agree > 0}
	for _, minutes := range zoneOffsets {
		offset := minutes * 60
		if n := others[offset]; n > max(agree, f.rows) && (offset == 0 || n >= enoughCalls) {
			f = finding{suspect: true, offset: offset, rows: n}
		}
	}
	return f
}

// offset is that of the zone in use in which the call's first time is right.
func (c callClock) offset() (seconds int, ok bool) {
	for _, minutes := range zoneOffsets {
		if c.fits(minutes * 60) {
			return minutes * 60, true
		}
	}
	return 0, false
}

// byWindow is the verdict on a file without ids that tell.
func (z *zoneCheck) byWindow() finding {
	switch {
	case z.rows < enoughCalls:
		return finding{}
	case z.within == 0 && z.withinUTC == z.rows:
		return finding{suspect: true, rows: z.rows}
	}
	return finding{agrees: z.within == z.rows && z.withinUTC == 0}
}

// offsetText is an offset as times are written with it: +08:00.
func offsetText(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("%c%02d:%02d", sign, seconds/3600, seconds/60%60)
}
