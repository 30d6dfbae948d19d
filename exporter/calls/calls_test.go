package calls

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/tenure"
	"aiccbridge/schemas"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	cdr       = schemas.KindCDR
	recording = schemas.KindRecording
	operation = schemas.KindOperation
)

// TestOneCall holds a call that everything is known of against a golden file: it waits and
// talks over the end of an hour, and is recorded in the next one.
func TestOneCall(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.extract(cdr, 0, inQueue("c1", 1, 0, 3550))
	s.extract(cdr, 1, withAgent("c1", -1, 1, 0).with("release_cause", "80").with("pre_device_type", "1").with("pre_device_no", "12"))
	s.extract(recording, 1, recorded("c1", 1, 5))
	s.say(s.rowOf(1, "c1"), 1, "c1", schemas.RecordingStored)
	s.extract(operation, 1, operated("7", "c1", 1, 20), operated("8", "", 1, 30), operated("9", "other", 1, 30))
	s.tick()
	if all := s.all(); len(all) != 1 || len(all["c1"]) != 1 {
		t.Fatalf("%d calls, %d revisions", len(all), len(all["c1"]))
	}
	const path = "testdata/call.golden.json"
	got := pretty(t, s.newest("c1"))
	if *update {
		exportertest.Check(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	exportertest.Check(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
	if m := s.marker(1); m.Calls != 0 || len(m.Sources) != 3 {
		t.Errorf("the second hour is no call's home: %+v", m)
	}
}

// What is known when a call is made is in it, and by its home's marker what is known since.
func TestSources(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.plan(recording, 0)
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10))
	s.tick()
	want := schemas.CallSources{Complete: []schemas.Kind{cdr}, Pending: []schemas.Kind{recording}, NotExtracted: []schemas.Kind{operation}, Audio: schemas.AudioOff}
	if diff := cmp.Diff(want, s.newest("c1").Sources); diff != "" {
		t.Error(diff)
	}
	if m := s.marker(0); len(m.Pending) != 1 || m.Pending[0].Kind != recording || len(m.NotExtracted) != 1 || m.Added != 1 {
		t.Errorf("marker %+v", m)
	}
	s.extract(recording, 0)
	s.tick()
	if n := len(s.all()["c1"]); n != 1 {
		t.Errorf("%d revisions although nothing was recorded", n)
	}
	m := s.marker(0)
	if read, ok := m.Source(recording, exportertest.Hour(0)); !ok || read.Extract != exportertest.ResponseID(s.extracts) || len(m.Pending) != 0 || m.Added+m.Revised != 0 {
		t.Errorf("marker %+v", m)
	}
	s.extract(operation, 0, operated("1", "c1", 0, 20)) // it is extracted from now on
	s.tick()
	if c := s.newest("c1"); len(c.Sources.NotExtracted) != 0 || len(c.Operations) != 1 {
		t.Errorf("sources %+v", c.Sources)
	}
}

// Whatever comes later, in whichever window, is the next revision; what is the same is not
// published again.
func TestLaterRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := inQueue("c1", 1, 0, 3500)
	s.extract(cdr, 0, first, withAgent("c2", -1, 0, 100))
	s.extract(recording, 0)
	s.extract(cdr, 5)
	s.tick()
	steps := []struct {
		what    string
		do      func()
		changed []string
		rows    string
	}{
		{"swept again", func() { s.extract(cdr, 0, first, withAgent("c2", -1, 0, 100)) }, nil, "cdr:0"},
		{"a later leg", func() { s.extract(cdr, 1, withAgent("c1", -1, 1, 200)) },
			[]string{"release_cause", "names", "end", "ring_s", "talk_s", "closed", "agents", "legs", "rows"}, "cdr:0 cdr:1"},
		{"a correction of it", func() { s.extract(cdr, 1, withAgent("c1", -1, 1, 200).with("release_cause", "80")) },
			[]string{"release_cause", "names", "rows", "legs"}, "cdr:0 cdr:1"},
		{"a correction of the first", func() { s.extract(cdr, 0, first.with("caller_no", "5550111"), withAgent("c2", -1, 0, 100)) },
			[]string{"caller", "rows", "legs"}, "cdr:0 cdr:1"},
		{"and back", func() { s.extract(cdr, 0, first, withAgent("c2", -1, 0, 100)) }, []string{"caller", "rows", "legs"}, "cdr:0 cdr:1"},
		{"a recording", func() { s.extract(recording, 1, recorded("c1", 1, 205)) }, []string{"recordings", "rows"}, "cdr:0 cdr:1 recording:1"},
		{"a recording of long after", func() { s.extract(recording, 5, recorded("c1", 1, 100)) }, []string{"recordings", "rows"}, "cdr:0 cdr:1 recording:5 recording:1"},
		{"which is corrected", func() { s.extract(recording, 5, recorded("c1", 1, 100).with("call_end", wall(1, 111))) }, []string{"recordings", "rows"}, "cdr:0 cdr:1 recording:5 recording:1"},
	}
	for i, step := range steps {
		step.do()
		if i%2 == 1 {
			s.restart() // what is known is in the stream
		}
		before := s.newest("c1").Revision
		s.tick()
		c := s.newest("c1")
		if (c.Revision > before) != (step.changed != nil) || c.Revision > before+1 {
			t.Errorf("%s: revision %d after %d", step.what, c.Revision, before)
		}
		got := map[string]bool{}
		for _, name := range c.Changed {
			got[name] = true
		}
		want := map[string]bool{}
		for _, name := range step.changed {
			want[name] = true
		}
		if diff := cmp.Diff(want, got); step.changed != nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
		if short(c) != step.rows {
			t.Errorf("%s: made from %s, want %s", step.what, short(c), step.rows)
		}
	}
	if n := len(s.all()["c2"]); n != 1 {
		t.Errorf("%d revisions of a call that nothing happened to", n)
	}
}

// A call whose later leg was published first keeps the home that it got by that.
func TestLaterLegFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.plan(cdr, 0)
	s.extract(cdr, 1, withAgent("c1", -1, 1, 10))
	s.tick()
	s.restart()
	s.extract(cdr, 0, inQueue("c1", 1, 0, 3590))
	s.tick()
	if c := s.newest("c1"); c.Window != exportertest.Hour(1) || short(c) != "cdr:0 cdr:1" || c.Legs[0].DeviceNo != "12" {
		t.Errorf("%s at home in %s", short(c), c.Window)
	}
	if m := s.marker(0); m.Calls != 0 {
		t.Errorf("marker %+v", m)
	}
}

// An id that comes again beyond reach is another call's.
func TestBeyondReach(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, hour := range []int{0, 24, 99} {
		s.extract(cdr, hour, withAgent("c1", hour+1, hour, 10))
	}
	s.tick()
	homes := map[schemas.Window]bool{}
	for _, m := range s.calls.All(exportertest.Acme) {
		if w, err := schemas.ParseWindow(m.Subject[strings.LastIndex(m.Subject, ".")+1:]); err == nil && m.Get("ce-type") == schemas.TypeCall {
			homes[w] = true
		}
	}
	if len(homes) != 2 || !homes[exportertest.Hour(0)] || !homes[exportertest.Hour(99)] {
		t.Errorf("at home in %v", homes)
	}
}

// A home's marker is found also when somebody died behind it, so that what it was made from
// is not forgotten.
func TestTornHome(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10), withAgent("c2", -1, 0, 10))
	s.extract(cdr, 5)
	s.extract(recording, 5, recorded("c1", 0, 20)) // that far from its call nobody looks for it
	s.tick()
	if c := s.newest("c1"); short(c) != "cdr:0 recording:5" {
		t.Fatalf("made from %s", short(c))
	}
	c := s.newest("c2")
	c.Revision, c.Caller = 2, "5550111"
	digest, err := c.Digest()
	exportertest.Check(t, err)
	m, err := s.names.CallMessage(c, digest, s.now)
	exportertest.Check(t, err)
	all := s.calls.All(exportertest.Acme)
	_, err = s.calls.Append(t.Context(), exportertest.Acme, []schemas.Message{m}, all[len(all)-1].Sequence)
	exportertest.Check(t, err)
	s.restart()
	s.tick()
	if c := s.newest("c1"); short(c) != "cdr:0 recording:5" || c.Revision != 2 || s.newest("c2").Caller != "5550100" {
		t.Errorf("made from %s, revision %d", short(c), c.Revision)
	}
	s.marker(0)
}

// Wherever it fails, with or without what it was about being stored, the next tick of a new
// process comes to the same calls, none of them twice.
func TestCrashes(t *testing.T) {
	t.Parallel()
	const batch = 20
	scene := func(s *shop) {
		var many []record
		for i := range batch + 10 {
			many = append(many, withAgent(fmt.Sprintf("m%04d", i), -1, 1, i))
		}
		s.extract(cdr, 0, inQueue("c1", 1, 0, 3500), inQueue("c2", 1, 0, 3500))
		s.extract(recording, 0)
		s.tick()
		s.calls.Batches = 0
		s.extract(cdr, 0, inQueue("c1", 1, 0, 3500).with("caller_no", "5550111"), inQueue("c2", 1, 0, 3500))
		s.extract(cdr, 1, append(many, withAgent("c1", -1, 1, 10), withAgent("c2", -1, 1, 20))...)
		s.extract(recording, 1, recorded("c1", 1, 15), recorded("m0003", 1, 70))
		s.extract(cdr, 3, withAgent("c2", 5, 3, 20), withAgent("m0004", 5, 3, 20)) // behind their end
	}
	want := newShopOf(t, batch)
	scene(want)
	want.tick()
	batches := want.calls.Batches
	if batches < 6 {
		t.Fatalf("%d batches", batches)
	}
	for n := range batches {
		for what, set := range map[string]func(*exportertest.Calls, func(int) error){
			"before": func(c *exportertest.Calls, f func(int) error) { c.Before = f },
			"after":  func(c *exportertest.Calls, f func(int) error) { c.After = f },
		} {
			s := newShopOf(t, batch)
			scene(s)
			set(s.calls, func(i int) error {
				if i == n+1 {
					return exportertest.ErrBus
				}
				return nil
			})
			if err := s.builder.tick(t.Context()); !errors.Is(err, exportertest.ErrBus) {
				t.Fatalf("%s batch %d: %v", what, n+1, err)
			}
			set(s.calls, nil)
			s.restart()
			s.tick()
			same(t, fmt.Sprintf("%s batch %d", what, n+1), want, s)
		}
	}
}

// same compares the newest revisions.
func same(t *testing.T, what string, want, got *shop) {
	t.Helper()
	newest := func(s *shop) map[string]schemas.CallContent {
		all := map[string]schemas.CallContent{}
		for id, revisions := range s.all() {
			all[id] = revisions[len(revisions)-1].CallContent
		}
		return all
	}
	if diff := cmp.Diff(newest(want), newest(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%.3000s", what, diff)
	}
}

// A bridge that lost its lease, and does not know, writes nothing that another has written,
// whatever window it is at.
func TestZombieIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.plan(cdr, 0)
	s.extract(cdr, 1, inQueue("c1", 2, 1, 5))
	zombie := s.builder
	s.calls.Before = func(int) error { // it is stopped with its batch in hand
		s.calls.Before = nil
		s.restart()
		s.ledger.forget(exportertest.Planned(exportertest.Hour(1), cdr)) // the other comes to the first window first
		s.extract(cdr, 0, inQueue("c1", 1, 0, 3590))
		s.tick()
		return nil
	}
	if err := zombie.tick(t.Context()); !errors.Is(err, schemas.ErrConflict) {
		t.Fatalf("the zombie's batch: %v", err)
	}
	s.extract(cdr, 1, inQueue("c1", 2, 1, 5))
	s.restart()
	s.tick()
	if c := s.newest("c1"); c.Window != exportertest.Hour(0) || short(c) != "cdr:0 cdr:1" {
		t.Errorf("%s at home in %s", short(c), c.Window)
	}
}

// Rows leave the stream when they are old: calls stay as they are, and a window without them
// is not looked at time and again.
func TestExpiredRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10))
	s.extract(cdr, 1, withAgent("c2", -1, 1, 10))
	s.rows.Forget(s.names.Row(exportertest.Acme, cdr, exportertest.Hour(1)))
	s.tick()
	s.rows.Forget(s.names.Row(exportertest.Acme, cdr, exportertest.Hour(0)))
	s.extract(recording, 0, recorded("c1", 0, 20))
	s.tick()
	batches := s.calls.Batches
	s.plan(operation, 7)
	s.tick()
	if all := s.all(); len(all) != 1 || len(all["c1"]) != 1 || s.calls.Batches != batches {
		t.Errorf("%d calls, %d batches after %d", len(all), s.calls.Batches, batches)
	}
}

// The ledger may be lost: what was complete once is read all the same.
func TestLostLedger(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.extract(cdr, 0, inQueue("c1", 1, 0, 3590))
	s.extract(cdr, 1, withAgent("c1", -1, 1, 10))
	s.tick()
	s.ledger.forget(exportertest.Planned(exportertest.Hour(0), cdr))
	s.extract(recording, 1, recorded("c1", 1, 20))
	s.restart()
	s.tick()
	if c := s.newest("c1"); short(c) != "cdr:0 cdr:1 recording:1" {
		t.Errorf("made from %s", short(c))
	}
}

// A call that is larger than the bus takes goes out without what it has most of.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	legs := []record{}
	for i := range 2000 {
		legs = append(legs, inQueue("0", i+1, 0, i))
	}
	s.calls.MaxBytes = 400_000
	s.extract(cdr, 0, append(legs, withAgent("c1", -1, 0, 10))...)
	s.extract(operation, 0, operated("1", "0", 0, 20), operated("2", "c1", 0, 20))
	s.tick()
	c := s.newest("0")
	if fmt.Sprint(c.LeftOut) != "[operations recordings legs rows]" || len(c.Legs) != mostLegs || *c.WaitS != 20000 {
		t.Errorf("left out %v, %d legs, %d s", c.LeftOut, len(c.Legs), *c.WaitS)
	}
	if whole := s.newest("c1"); whole.LeftOut != nil || len(whole.Operations) != 1 {
		t.Errorf("the other lacks %v", whole.LeftOut)
	}
	s.restart()
	s.extract(recording, 0)
	s.tick()
	if n := len(s.all()["0"]); n != 1 {
		t.Errorf("%d revisions of the large one", n)
	}
	s.calls.MaxBytes = 600
	s.extract(cdr, 3, withAgent("c3", -1, 3, 10))
	s.tick() // not even so
	if s.all()["c3"] != nil || s.builder.tick(t.Context()) != nil {
		t.Error("the bus took it")
	}
}

// A call that its stream does not take is a dead letter, once for what it says, and the others
// go on.
func TestCallThatIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.calls.MaxBytes = 2500
	large := withAgent("c2", -1, 0, 10).with("caller_no", strings.Repeat("5", 5000))
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10), large, withAgent("c3", -1, 0, 10))
	s.tick()
	s.extract(recording, 0)
	s.tick()
	if all := s.all(); len(all) != 2 || all["c2"] != nil {
		t.Errorf("calls %v", sortedKeys(all))
	}
	var letter schemas.DeadLetter
	if len(s.letters) != 1 {
		t.Fatalf("%d dead letters", len(s.letters))
	}
	exportertest.Unmarshal(t, s.letters[0].Body, &letter)
	if letter.Reason != schemas.ReasonOversized || !strings.Contains(letter.Error, "call c2 of ") || strings.Contains(letter.Error, "5555") || letter.Original == nil {
		t.Errorf("the letter says %q, %s", letter.Reason, letter.Error)
	}
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10), large.with("callee_no", "1"), withAgent("c3", -1, 0, 10))
	s.tick()
	if len(s.letters) != 2 || s.letters[0].ID == s.letters[1].ID {
		t.Errorf("%d dead letters of a call that is another one now", len(s.letters))
	}
	s.calls.MaxBytes = 0
	s.extract(cdr, 0, withAgent("c1", -1, 0, 10), large, withAgent("c3", -1, 0, 10))
	s.tick()
	if c := s.newest("c2"); c.Revision != 1 {
		t.Errorf("revision %d", c.Revision)
	}
}

// What somebody else writes among the rows does no harm.
func TestStrangeRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	f := s.publish(cdr, 0, withAgent("c1", -1, 0, 10))
	strange := s.names.RowMessage(f, cdr)
	for i, body := range []string{`[]`, `{"call_id":""}`, `{"call_id":"c1","call_begin":"soon"}`, `{"call_id":"c9"}`} {
		strange.ID, strange.Body, strange.Row = fmt.Sprint("x", i), []byte(body), schemas.RowHeader{Key: fmt.Sprint(i)}.Value()
		_, err := s.rows.Append(t.Context(), []schemas.Message{strange}, uint64(2+i))
		exportertest.Check(t, err)
	}
	s.ledger.note(schemas.WindowEntry{Tenant: exportertest.Acme, Kind: cdr, Window: f.Window, CompletedAt: s.now, Rows: 5, State: schemas.WindowCompleted})
	s.tick()
	if all := s.all(); len(all) != 2 || len(s.newest("c1").Legs) != 1 || len(s.newest("c9").Legs) != 1 {
		t.Errorf("calls %v", sortedKeys(all))
	}
}

// TestRun: with the lease it makes calls, also those of windows that are complete later;
// failures are borne.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.extract(cdr, 0, withAgent("c1", -1, 0, 10))
		fails := 6 // with the pauses between them that is half a minute and more
		s.calls.Before = func(int) error {
			if fails--; fails >= 0 {
				return exportertest.ErrBus
			}
			return nil
		}
		turn := make(chan struct{}, 1)
		o := s.options()
		o.Acquire = func(ctx context.Context) (tenure.Lease, error) {
			select {
			case <-turn:
				return holding{}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		b, err := New(o)
		exportertest.Check(t, err)
		stop := exportertest.Start(t, b.Run)
		time.Sleep(time.Minute)
		if len(s.all()) != 0 || b.Settled() {
			t.Error("it makes calls without a lease")
		}
		turn <- struct{}{}
		time.Sleep(20 * time.Second)
		if err := b.Failing(10 * time.Second); !errors.Is(err, exportertest.ErrBus) || b.Failing(30*time.Second) != nil {
			t.Errorf("it fails, and says %v, %v", err, b.Failing(30*time.Second))
		}
		time.Sleep(2 * time.Minute)
		if err := b.Failing(0); err != nil {
			t.Errorf("it fails no more, and says %v", err)
		}
		s.extract(cdr, 1, withAgent("c2", -1, 1, 10))
		if b.Settled() {
			t.Error("it is settled although a window is complete")
		}
		time.Sleep(2 * time.Second)
		if n := len(s.all()); n != 2 || !b.Settled() {
			t.Errorf("%d calls, settled: %v", n, b.Settled())
		}
		stop()
	})
}

// holding is a lease that lasts.
type holding struct{}

func (holding) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (holding) Release(context.Context) error { return nil }

func TestOptions(t *testing.T) {
	t.Parallel()
	good := newShop(t).options()
	for name, change := range map[string]func(*Options){
		"tenant": func(o *Options) { o.Tenant = "" }, "names": func(o *Options) { o.Names = schemas.Names{} }, "ledger": func(o *Options) { o.Ledger = nil },
		"rows": func(o *Options) { o.Rows = nil }, "stream": func(o *Options) { o.Stream = nil },
		"audio": func(o *Options) { o.Audio = nil }, "letter": func(o *Options) { o.Letter = nil },
		"listen": func(o *Options) { o.Listen = -1 },
		"reach":  func(o *Options) { o.Reach = -1 }, "tick": func(o *Options) { o.Tick = -1 },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
