// Package calendar draws how far the windows of one kind are complete: a strip of columns, each
// cell as the worst that lies in it, and the spans that are missing. However many windows there
// are, what is kept and drawn of them has a limit.
package calendar

import (
	"cmp"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// horizon is how far back complete windows are drawn, in days. What is not complete is known
// however old it is.
const horizon = 28

// Book is the windows of one kind of a tenant, as far as they are shown. It is for one goroutine
// at a time.
type Book struct {
	windows map[schemas.Window]entry
	first   time.Time // where the first one began that there ever was
	shed    bool      // complete ones older than the horizon were, and are no longer, in windows
	since   time.Time // where coverage begins; what is before it is no hole. Zero: not known
	dirty   bool      // what follows has to be made again

	// What Renew makes.
	Strip  Strip
	Counts [marks]int            // of windows that are kept, by mark
	Open   []schemas.WindowEntry // at work or failed, those that failed and the newest first
}

// entry is what is kept of a window; more is nil unless it is at work.
type entry struct {
	mark Mark
	more *schemas.WindowEntry
}

// New makes a book without windows.
func New() *Book { return &Book{windows: map[schemas.Window]entry{}} }

// Take takes a window as it is now.
func (b *Book) Take(w schemas.WindowEntry, now time.Time) {
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
	e := entry{mark: MarkOf(w)}
	if w.State != schemas.WindowCompleted && w.State != schemas.WindowPlanned {
		w.Past, w.Error, w.Object, w.FileName, w.ResponseID = nil, "", "", "", ""
		e.more = &w
	}
	b.windows[span] = e
}

func oldest(now time.Time) time.Time { return now.AddDate(0, 0, -horizon-1) }

// sorted are the windows that are known, by time, without those that have grown too old.
func (b *Book) sorted(now time.Time) []schemas.Window {
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

// Begin says where coverage begins.
func (b *Book) Begin(since time.Time) {
	if !since.Equal(b.since) {
		b.since, b.dirty = since, true
	}
}

// Renew makes again what is shown, if a window has changed, or where coverage begins.
func (b *Book) Renew(now time.Time, zone *time.Location) {
	if !b.dirty {
		return
	}
	b.dirty, b.Strip = false, b.draw(now, zone)
	b.Counts, b.Open = [marks]int{}, b.Open[:0]
	for _, e := range b.windows {
		b.Counts[e.mark]++
		if e.more != nil {
			b.Open = append(b.Open, *e.more)
		}
	}
	slices.SortFunc(b.Open, Before)
}

// Before puts windows that failed first, and the newest.
func Before(a, b schemas.WindowEntry) int {
	return cmp.Or(cmp.Compare(MarkOf(b), MarkOf(a)), b.Window.From.Compare(a.Window.From), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind))
}

// Mark is how a span of time is drawn.
type Mark int

// The marks, the worst last: a cell shows the worst of what lies in it.
const (
	blank Mark = iota
	complete
	Planned
	Underway
	Failed
	hole // no window covers it
	marks
)

var markNames = [marks]string{"", "complete", "planned", "underway", "failed", "hole"}

// MarkOf is how a window is drawn.
func MarkOf(w schemas.WindowEntry) Mark {
	switch w.State {
	case schemas.WindowCompleted:
		return complete
	case schemas.WindowPlanned:
		return Planned
	case schemas.WindowRequested, schemas.WindowReady:
		return Underway
	}
	return Failed // of a newer bridge's states nothing is known
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

// Strip is a calendar: columns of cells.
type Strip struct {
	Columns, Rows int
	Begin, End    string // of the strip, for people
	Words         string
	Runs          []Run
	Holes         []schemas.Window // spans of time that no window covers or whose windows failed, the newest last
}

// Run is cells of one column, one below the other, that look the same.
type Run struct {
	X, Y, Height int
	Mark         string
}

// draw draws the windows in a zone. However many there are, a strip has so many cells and no
// more. Between windows that are too old to be kept nothing is taken for a hole: complete ones
// are not known any more.
func (b *Book) draw(now time.Time, zone *time.Location) Strip {
	all := b.sorted(now)
	if len(all) == 0 {
		return Strip{}
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
		if from := later(w.From, b.since); m == Failed && w.To.After(from) {
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
	cells  [][]Mark
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
		g.cells = append(g.cells, make([]Mark, s.rows))
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
func (g *grid) paint(from, to time.Time, m Mark) {
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

func (g *grid) strip() Strip {
	s := Strip{
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
				s.Runs = append(s.Runs, Run{X: x, Y: y, Height: end - y, Mark: markNames[cells[y]]})
			}
			y = end
		}
	}
	return s
}
