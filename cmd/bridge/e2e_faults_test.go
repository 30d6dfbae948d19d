//go:build faults

package main

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"aiccbridge/internal/truthcheck"
)

// score adds up what the comparisons of a case found.
type score struct {
	tries, lost, explained, duplicated, misordered, rows, overlaps int
	gaps                                                           int // records, whatever their cause

	unclean
}

// add counts what one bridge left in its streams: rows as well as events.
func (s *score) add(r truthcheck.Report, u unclean) {
	s.lost += r.Events.UnexplainedLost + r.Rows.Missing + r.Files.Unfinished
	s.explained += len(r.Events.Lost) - r.Events.UnexplainedLost
	s.duplicated += r.Events.Duplicated + r.Events.RepeatedIDs + r.Rows.Duplicates + r.Files.RepeatedMarks
	if c := r.Calls; c != nil {
		s.lost += c.Missing + c.Differing
		s.duplicated += c.Duplicates
	}
	s.misordered += r.Events.Misordered
	s.rows += r.Rows.InStream
	s.gaps += r.Events.Gaps
	s.unclean.add(u)
}

// merge adds another scene's counters.
func (s *score) merge(o score) {
	s.tries += o.tries
	s.lost, s.explained = s.lost+o.lost, s.explained+o.explained
	s.duplicated, s.misordered = s.duplicated+o.duplicated, s.misordered+o.misordered
	s.rows, s.overlaps, s.gaps = s.rows+o.rows, s.overlaps+o.overlaps, s.gaps+o.gaps
	s.unclean.add(o.unclean)
}

// scenes runs scenes at once and adds up what they find.
func scenes(t *testing.T, all map[string]func(t *testing.T) score) (sum score) {
	t.Helper()
	var mu sync.Mutex
	t.Run("scenes", func(t *testing.T) {
		for name, play := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				one := play(t)
				mu.Lock()
				defer mu.Unlock()
				sum.merge(one)
			})
		}
	})
	return sum
}

// judged ends a bridge and says what it left.
func (r *running) judged() (s score) {
	r.s.t.Helper()
	report := r.finish()
	s.add(report, r.unclean)
	return s
}

// report makes the figures of a case known, and fails it if one is not what was
// promised: every case here ends with a comparison of streams and truth.
func (s *score) report(t *testing.T, figure string, args ...any) {
	t.Helper()
	if s.lost != 0 || s.duplicated != 0 || s.misordered != 0 || s.recorded != s.expected {
		t.Errorf("the figures are %+v", *s)
	}
	t.Attr("figure", fmt.Sprintf(figure, args...))
	for key, n := range map[string]int{"tries": s.tries, "lost": s.lost, "duplicated": s.duplicated, "misordered": s.misordered} {
		t.Attr(key, strconv.Itoa(n))
	}
	t.Attr("gaps", fmt.Sprintf("%d/%d", s.expected, s.recorded))
}
