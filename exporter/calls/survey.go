package calls

import (
	"slices"
	"time"

	"aiccbridge/schemas"
)

// kinds are those that calls are made of.
var kinds = [...]schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation}

// window is one of the ledger's.
type window struct {
	schemas.Window
	completed time.Time // of its last complete extract; zero: there was none
	rows      int
}

// landscape is what the ledger has at one time: the windows of each kind, by their begin.
type landscape struct{ of map[schemas.Kind][]window }

func (b *Builder) survey() landscape {
	l := landscape{map[schemas.Kind][]window{}}
	b.o.Ledger.Each(b.o.Tenant, func(e schemas.WindowEntry) {
		l.of[e.Kind] = append(l.of[e.Kind], window{schemas.Window{From: e.Window.From.UTC(), To: e.Window.To.UTC()}, e.CompletedAt, e.Rows})
	})
	for _, k := range kinds {
		slices.SortFunc(l.of[k], func(a, b window) int { return a.From.Compare(b.From) })
	}
	return l
}

// find returns one window; a window that the ledger does not have was never complete.
func (l landscape) find(k schemas.Kind, w schemas.Window) window {
	i, _ := slices.BinarySearchFunc(l.of[k], w.From, func(a window, from time.Time) int { return a.From.Compare(from) })
	for _, found := range l.of[k][i:] {
		if !found.From.Equal(w.From) {
			break
		}
		if found.Window == w {
			return found
		}
	}
	return window{Window: w}
}

// span is a half-open stretch of time.
type span struct{ from, to time.Time }

// touching are the windows of a kind that overlap a span. Windows tile time, so that they
// end in the order in which they begin.
func (l landscape) touching(k schemas.Kind, s span) []window {
	all := l.of[k]
	first, _ := slices.BinarySearchFunc(all, s.from, func(w window, from time.Time) int {
		if w.To.After(from) {
			return 1
		}
		return -1
	})
	end := first
	for end < len(all) && all[end].From.Before(s.to) {
		end++
	}
	return all[first:end]
}

// source names a window of rows.
type source struct {
	kind   schemas.Kind
	window schemas.Window
}

// due reports whether a home is not what the ledger's windows say.
func (b *Builder) due(l landscape, w window) bool {
	h := b.homes[w.Window]
	switch {
	case w.completed.IsZero(), h != nil && h.gone.Equal(w.completed):
		return false
	case h == nil && w.completed.Before(b.kept): // its calls were there, and have gone
		return false
	case h == nil || h.marker == nil || h.open:
		return true
	}
	changed := func(s schemas.CallSource) bool {
		now := l.find(s.Kind, s.Window).completed
		return !now.IsZero() && !now.Equal(s.CompletedAt)
	}
	if slices.ContainsFunc(h.marker.Sources, changed) {
		return true
	}
	return slices.ContainsFunc(kinds[:], func(k schemas.Kind) bool { return l.further(*h.marker, k) })
}

// further reports whether a window in a home's span is complete that was not read.
func (l landscape) further(m schemas.CallsComplete, k schemas.Kind) bool {
	return slices.ContainsFunc(l.touching(k, span{m.From, m.To}), func(w window) bool {
		_, read := m.Source(k, w.Window)
		return !read && !w.completed.IsZero()
	})
}
