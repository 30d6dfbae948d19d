package wallboard

import (
	"cmp"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// horizon is how far back complete windows are drawn, in days. What is not complete is known
// however old it is.
const horizon = 28

// book is the windows of one kind of a tenant, as far as they are shown.
type book struct {
	windows map[schemas.Window]entry
	first   time.Time // where the first one began that there ever was
	shed    bool      // complete ones older than the horizon were, and are no longer, in windows
	since   time.Time // where coverage begins; what is before it is no hole. Zero: not known
	dirty   bool      // what follows has to be made again

	strip  strip
	counts [marks]int
	open   []schemas.WindowEntry // at work or failed, those that failed and the newest first
}

// entry is what is kept of a window; more is nil unless it is at work.
type entry struct {
	mark mark
	more *schemas.WindowEntry
}

func newBook() *book { return &book{windows: map[schemas.Window]entry{}} }

// take takes a window as it is now.
func (b *book) take(w schemas.WindowEntry, now time.Time) {
	span := schemas.Window{From: w.Window.From.UTC(), To: w.Window.To.UTC()}
	if b.first.IsZero() || span.From.Before(b.first) {
		b.first = span.From
	}
	b.dirty = true
	if w.State == schemas.WindowCompleted && span.To.Before(oldest(now)) {
		delete(b.windows, span)
		b.shed = true
		return
	}
	e := entry{mark: markOf(w)}
	if w.State != schemas.WindowCompleted && w.State != schemas.WindowPlanned {
		w.Past, w.Error, w.Object, w.FileName, w.ResponseID = nil, "", "", "", ""
		e.more = &w
	}
	b.windows[span] = e
}

func oldest(now time.Time) time.Time { return now.AddDate(0, 0, -horizon-1) }

// sorted are the windows that are known, by time, without those that have grown too old.
func (b *book) sorted(now time.Time) []schemas.Window {
	all := make([]schemas.Window, 0, len(b.windows))
	for w, e := range b.windows {
		if e.mark == complete && w.To.Before(oldest(now)) {
			delete(b.windows, w)
			b.shed = true
			continue
		}
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b schemas.Window) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	return all
}

// begin says where coverage begins.
func (b *book) begin(since time.Time) {
	if !since.Equal(b.since) {
		b.since, b.dirty = since, true
	}
}

// renew makes again what is shown, if a window has changed, or where coverage begins.
func (b *book) renew(now time.Time, zone *time.Location) {
	if !b.dirty {
		return
	}
	b.dirty, b.strip = false, b.draw(now, zone)
	b.counts, b.open = [marks]int{}, b.open[:0]
	for _, e := range b.windows {
		b.counts[e.mark]++
		if e.more != nil {
			b.open = append(b.open, *e.more)
		}
	}
	slices.SortFunc(b.open, before)
}

// before puts windows that failed first, and the newest.
func before(a, b schemas.WindowEntry) int {
	return cmp.Or(cmp.Compare(markOf(b), markOf(a)), b.Window.From.Compare(a.Window.From), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind))
}

// mark is how a span of time is drawn.
type mark int

// The marks, the worst last: a cell shows the worst of what lies in it.
const (
	blank mark = iota
	complete
	planned
	underway
	failed
	hole // no window covers it
	marks
)

var markNames = [marks]string{"", "complete", "planned", "underway", "failed", "hole"}

func markOf(w schemas.WindowEntry) mark {
	switch w.State {
	case schemas.WindowCompleted:
		return complete
	case schemas.WindowPlanned:
		return planned
	case schemas.WindowRequested, schemas.WindowReady:
		return underway
	}
	return failed // of a newer bridge's states nothing is known
}

// scale is how a strip is divided.
type scale struct {
	columns, rows int
	cell          time.Duration
	format        string // of the ends of the strip
	words         string // for people
}

var scales = []scale{
	{columns: 30, rows: 6, cell: 10 * time.Second, format: "15:04", words: "a column a minute"},
	{columns: 24, rows: 12, cell: 5 * time.Minute, format: "15:04", words: "a column an hour"},
	{columns: horizon, rows: 24, cell: time.Hour, format: "2 Jan", words: "a column a day"},
}

// strip is a calendar: columns of cells.
type strip struct {
	Columns, Rows int
	Begin, End    string // of the strip, for people
	Words         string
	Runs          []run
	Holes         []schemas.Window // spans of time that no window covers or whose windows failed, the newest last
}

// run is cells of one column, one below the other, that look the same.
type run struct {
	X, Y, Height int
	Mark         string
}

// draw draws the windows in a zone. However many there are, a strip has so many cells and no
// more. Between windows that are too old to be kept nothing is taken for a hole: complete ones
// are not known any more.
func (b *book) draw(now time.Time, zone *time.Location) strip {
	all := b.sorted(now)
	if len(all) == 0 {
		return strip{}
	}
	last := all[0].To
	for _, w := range all {
		last = later(last, w.To)
	}
	s := scales[len(scales)-1]
	for _, finer := range scales {
		if last.Sub(b.first) <= time.Duration(finer.columns*finer.rows)*finer.cell {
			s = finer
			break
		}
	}
	g := newGrid(s, last.Add(-time.Nanosecond).In(zone))
	covered := later(all[0].From, b.since)
	if b.shed {
		covered = later(covered, oldest(now))
	}
	for _, w := range all {
		if w.From.After(covered) {
			g.paint(covered, w.From, hole)
			g.lacks(covered, w.From)
		}
		m := b.windows[w].mark
		if from := later(w.From, b.since); m == failed && w.To.After(from) {
			g.lacks(from, w.To)
		}
		g.paint(w.From, w.To, m)
		covered = later(covered, w.To)
	}
	return g.strip()
}

func later(a, b time.Time) time.Time { return slices.MaxFunc([]time.Time{a, b}, time.Time.Compare) }

// grid is the cells of a strip while it is drawn.
type grid struct {
	scale
	starts []time.Time // of the columns, and the end of the last one
	cells  [][]mark
	holes  []schemas.Window
}

// newGrid makes one whose last column holds an instant, in the zone of that.
func newGrid(s scale, last time.Time) *grid {
	g := &grid{scale: s}
	column := time.Duration(s.rows) * s.cell
	for i := s.columns - 1; i >= -1; i-- {
		if column == 24*time.Hour { // of 23 or 25 at a clock change
			g.starts = append(g.starts, time.Date(last.Year(), last.Month(), last.Day()-i, 0, 0, 0, 0, last.Location()))
		} else {
			g.starts = append(g.starts, last.Truncate(column).Add(-time.Duration(i)*column))
		}
	}
	for range s.columns {
		g.cells = append(g.cells, make([]mark, s.rows))
	}
	return g
}

// lacks notes a span, which may be the rest of the one before.
func (g *grid) lacks(from, to time.Time) {
	if n := len(g.holes); n > 0 && !g.holes[n-1].To.Before(from) {
		g.holes[n-1].To = later(g.holes[n-1].To, to)
		return
	}
	g.holes = append(g.holes, schemas.Window{From: from, To: to})
}

// paint marks the cells of a span, unless they are worse already.
func (g *grid) paint(from, to time.Time, m mark) {
	for x := range g.cells {
		begin, end := g.starts[x], g.starts[x+1]
		if !from.Before(end) || !to.After(begin) {
			continue
		}
		y := 0
		if from.After(begin) {
			y = min(int(from.Sub(begin)/g.cell), g.rows-1)
		}
		for ; y < g.rows && begin.Add(time.Duration(y)*g.cell).Before(to); y++ {
			g.cells[x][y] = max(g.cells[x][y], m)
		}
	}
}

func (g *grid) strip() strip {
	s := strip{
		Columns: g.columns, Rows: g.rows, Holes: g.holes, Words: g.words,
		Begin: g.starts[0].Format(g.format), End: g.starts[g.columns].Add(-time.Nanosecond).Format(g.format),
	}
	for x, cells := range g.cells {
		for y := 0; y < len(cells); {
			end := y
			for end < len(cells) && cells[end] == cells[y] {
				end++
			}
			if cells[y] != blank {
				s.Runs = append(s.Runs, run{X: x, Y: y, Height: end - y, Mark: markNames[cells[y]]})
			}
			y = end
		}
	}
	return s
}
