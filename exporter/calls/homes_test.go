package calls

import (
	"errors"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
)

// A bridge that dies between a home's calls and its marker takes no leg from a call: windows
// that only the marker before names are read all the same.
func TestCrashBeforeTheMarker(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.extract(cdr, 0, inQueue("c1", 1, 0, 10))
	s.extract(cdr, 1, withAgent("late", -1, 1, 10))
	s.extract(cdr, 2)
	s.extract(cdr, 3, withAgent("c1", -1, 3, 10)) // nothing of the first leg leads here
	s.tick()
	if got := short(s.newest("c1")); got != "cdr:0 cdr:3" {
		t.Fatalf("made from %s", got)
	}
	s.extract(cdr, 0, inQueue("c1", 1, 0, 10).with("caller_no", "5550111"), inQueue("late", 1, 0, 20))
	batches := s.calls.Batches
	s.calls.Before = func(n int) error {
		if n == batches+2 {
			return exportertest.ErrBus
		}
		return nil
	}
	if err := s.builder.tick(t.Context()); !errors.Is(err, exportertest.ErrBus) {
		t.Fatal(err)
	}
	s.calls.Before = nil
	s.restart()
	s.tick()
	c, late := s.newest("c1"), s.newest("late")
	if short(c) != "cdr:0 cdr:3" || !c.Closed || c.Caller != "5550111" || short(late) != "cdr:0 cdr:1" {
		t.Errorf("c1 is of %s, late of %s", short(c), short(late))
	}
	s.marker(0)
	if n := len(s.all()["c1"]); n != 3 {
		t.Errorf("%d revisions", n)
	}
}
