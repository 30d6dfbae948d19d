package calls

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
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

// A call of which no leg can be read is not published, and holds nothing up.
func TestNoReadableLeg(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	f := s.publish(cdr, 0, withAgent("c1", -1, 0, 10))
	strange := s.names.RowMessage(f, cdr)
	strange.ID, strange.Body, strange.Row = "x", []byte(`{"call_id":"c2","agent_id":101}`), schemas.RowHeader{Key: "x"}.Value()
	_, err := s.rows.Append(t.Context(), []schemas.Message{strange}, 2)
	exportertest.Check(t, err)
	s.ledger.note(schemas.WindowEntry{Tenant: exportertest.Acme, Kind: cdr, Window: f.Window, CompletedAt: s.now, Rows: 2, State: schemas.WindowCompleted})
	s.tick()
	if all := s.all(); len(all) != 1 || len(s.newest("c1").Legs) != 1 || s.marker(0).Calls != 1 {
		t.Errorf("calls %v", sortedKeys(all))
	}
}

// An operation that is corrected to be of another call leaves the first.
func TestOperationMovesToAnotherCall(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"c1", "c3", ""} {
		s := newShop(t)
		s.extract(cdr, 0, withAgent("c2", -1, 0, 10), withAgent("c1", -1, 0, 20))
		s.extract(cdr, 1, withAgent("c3", -1, 1, 10))
		s.extract(operation, 0, operated("1", "c2", 0, 20), operated("2", "c2", 0, 20))
		s.tick()
		s.extract(operation, 0, operated("1", to, 0, 20), operated("2", "c2", 0, 20))
		s.tick()
		if c := s.newest("c2"); len(c.Operations) != 1 {
			t.Errorf("%d operations on a call that one of two has left to %q", len(c.Operations), to)
		}
		if to != "" && len(s.newest(to).Operations) != 1 {
			t.Errorf("%s has not got it", to)
		}
	}
}

// A marker is as small as the bus wants it: of what waits for a leg as much is named as fits.
func TestLargeMarker(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var waiting []record
	for i := range 2000 {
		waiting = append(waiting, operated(fmt.Sprint(i), fmt.Sprintf("x%020d", i), 0, 20))
	}
	s.calls.MaxBytes = 20_000
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10))
	s.extract(operation, 0, waiting...)
	s.tick()
	m := s.marker(0)
	if len(m.Unclaimed) != 1 || len(m.Unclaimed[0].Calls) < 100 {
		t.Errorf("the marker names %d windows", len(m.Unclaimed))
	}
}

// A marker of a call that touches very many windows names those that gave it rows; what comes
// in others later is in the call all the same.
func TestManyWindows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.calls.MaxBytes = 4000
	for hour := range 20 {
		s.extract(recording, hour, recorded(fmt.Sprint("r", hour), hour, 10))
		s.extract(operation, hour)
	}
	s.extract(recording, 9, recorded("c1", 9, 10))
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10).with("call_end", wall(19, 0)))
	s.tick()
	m := s.marker(0)
	if len(m.Sources) != 4 || len(m.Unclaimed) != 0 || m.To != exportertest.Hour(0).To || short(s.newest("c1")) != "cdr:0 recording:9" {
		t.Errorf("it names %d windows up to %s, and the call is of %s", len(m.Sources), m.To, short(s.newest("c1")))
	}
	batches := s.calls.Batches
	s.restart()
	s.tick()
	if s.calls.Batches != batches {
		t.Error("it does not settle")
	}
	s.extract(recording, 9, recorded("c1", 9, 10), recorded("c1", 9, 50).with("original_file_name", "b"))
	s.extract(recording, 0, recorded("c1", 0, 10))
	s.tick()
	if got := short(s.newest("c1")); got != "cdr:0 recording:0 recording:9 recording:9" {
		t.Errorf("it is of %s", got)
	}
	s.calls.MaxBytes = 300 // no marker fits
	s.extract(cdr, 1, withAgent("c2", -1, 1, 10))
	s.tick()
	s.tick()
	s.calls.MaxBytes = 0
	s.extract(cdr, 1, withAgent("c2", -1, 1, 10))
	s.tick()
	if s.marker(1).Calls != 1 {
		t.Error("the next one lacks its calls")
	}
}

// An id that comes again is of the home nearest in time, whichever is looked at first.
func TestNearestHome(t *testing.T) {
	t.Parallel()
	for range 5 { // maps have no order
		s := newShop(t)
		s.extract(cdr, 0, withAgent("c1", -1, 0, 10))
		s.extract(cdr, 30, withAgent("c1", -1, 30, 10))
		s.tick()
		for _, hour := range []int{10, 15, 16, 20} {
			s.extract(recording, hour, recorded("c1", hour, 10))
			s.extract(cdr, hour, inQueue("c1", hour, hour, 20), withAgent("x", hour, hour, 10))
		}
		s.tick()
		s.restart()
		s.extract(cdr, 0, withAgent("c1", -1, 0, 10).with("caller_no", "5550111"))
		s.extract(cdr, 30, withAgent("c1", -1, 30, 10).with("caller_no", "5550111"))
		s.tick()
		of := map[schemas.Window]string{}
		for _, m := range s.calls.All(exportertest.Acme) {
			var c schemas.Call
			if m.Get("ce-type") != schemas.TypeCall {
				continue
			}
			if exportertest.Unmarshal(t, m.Body, &c); c.CallID == "c1" {
				of[c.Window] = short(c)
			}
		}
		want := map[schemas.Window]string{
			exportertest.Hour(0):  "cdr:10 cdr:15 cdr:0 recording:10 recording:15",
			exportertest.Hour(30): "cdr:16 cdr:20 cdr:30 recording:16 recording:20",
		}
		if diff := cmp.Diff(want, of); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

// Calls that have left their stream before their rows leave theirs, by a shorter age, do not
// come back when a bridge starts; those of a window that was extracted since do.
func TestExpiredCalls(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.calls.Age = 30 * 24 * time.Hour
	s.now = time.Now().Add(-29 * 24 * time.Hour)
	s.extract(cdr, 1, withAgent("c2", -1, 1, 10))
	s.tick()
	s.calls.Forget()
	s.now = time.Now().Add(-31 * 24 * time.Hour)
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10))
	s.restart()
	s.tick()
	if all := s.all(); len(all) != 1 || all["c2"] == nil {
		t.Errorf("calls %v", sortedKeys(all))
	}
}

// Windows of today do not wait until those of a year are made.
func TestBacklog(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for hour := range 2 * live {
		s.extract(cdr, hour, withAgent(fmt.Sprintf("c%03d", hour), -1, hour, 10))
	}
	s.calls.Before = func(int) error {
		s.calls.Before = nil
		s.extract(cdr, 3*live, withAgent("live", -1, 3*live, 10))
		return nil
	}
	s.tick()
	var order []string
	for _, m := range s.calls.All(exportertest.Acme) {
		if id := schemas.ReadCallHeader(m.Header).Call; id != "" {
			order = append(order, id)
		}
	}
	if at := slices.Index(order, "live"); at < 0 || at > live+2 || len(order) != 2*live+1 || order[0] != "c000" {
		t.Errorf("of %d calls the live one is number %d", len(order), at)
	}
}

// Two legs that the platform gave one number stay both in their call when one of them is
// corrected, or comes later; also where v0.1.0 published only that one.
func TestTwoLegsOfOneNumber(t *testing.T) {
	t.Parallel()
	one, two := withAgent("c1", 2, 0, 10), withAgent("c1", 2, 0, 100).with("device_no", "102")
	other := withAgent("c2", -1, 0, 10)
	corrected := one.with("ack_end", wall(0, 20))
	for name, files := range map[string][][]record{
		"the first is corrected":  {{one, two, other}, {corrected, two, other}},
		"the second":              {{two, one, other}, {two, corrected, other}},
		"one after the other":     {{one, two}, {corrected, two}, {corrected, two.with("ack_end", wall(0, 120))}, {corrected, two}},
		"and back":                {{corrected, two}, {one, two}, {corrected, two}},
		"the second comes later":  {{corrected}, {corrected, two}},
		"nothing after that":      {{one, two}, {corrected, two}, {corrected, two}},
		"while it is in the call": {{one}, {one, two, other}, {corrected, two, other}},
	} {
		for _, kept := range []bool{false, true} {
			s := newShop(t)
			s.kept = kept
			for _, f := range files {
				s.extract(cdr, 0, f...)
				s.tick()
			}
			c := s.newest("c1")
			if len(c.Legs) != 2 || *c.Legs[0].RingS != 10 || c.Legs[0].DeviceNo != "101" || *c.Legs[1].RingS != 5 || c.Legs[1].DeviceNo != "102" {
				t.Errorf("%s, kept: %t: %s", name, kept, pretty(t, c.Legs))
			}
		}
	}
}
