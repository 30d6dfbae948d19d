package wallboard

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/schemas"
)

// TestMillionWindows: however many windows there are, what is kept and drawn of them is little.
func TestMillionWindows(t *testing.T) {
	t.Parallel()
	b, n := newBook(), 1_000_000
	begin := noon.Add(-time.Duration(n) * time.Hour)
	for i := range n {
		from := begin.Add(time.Duration(i) * time.Hour)
		b.take(schemas.WindowEntry{Tenant: acme, Kind: schemas.KindCDR, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, State: schemas.WindowCompleted}, noon)
	}
	b.renew(noon, time.UTC)
	if most := (horizon + 2) * 24; len(b.windows) > most {
		t.Errorf("%d windows are kept, more than %d", len(b.windows), most)
	}
	if len(b.strip.Holes) != 0 || len(b.strip.Runs) != horizon || b.strip.Runs[0].Mark != "complete" {
		t.Errorf("%d holes, %d runs", len(b.strip.Holes), len(b.strip.Runs))
	}
	if b.take(schemas.WindowEntry{Window: schemas.Window{From: begin, To: begin.Add(time.Hour)}, State: schemas.WindowFailed}, noon); true {
		b.renew(noon, time.UTC)
	}
	if len(b.strip.Holes) != 1 || b.counts[failed] != 1 {
		t.Errorf("a window of long ago failed: %v", b.strip.Holes)
	}
}

// TestEveryMinuteFails: windows of a minute, each the worst there is, are no more cells.
func TestEveryMinuteFails(t *testing.T) {
	t.Parallel()
	b := newBook()
	for i := range 28 * 24 * 60 {
		from := noon.Add(-time.Duration(i+1) * time.Minute)
		state := schemas.WindowFailed
		if i%120 < 60 {
			state = schemas.WindowCompleted
		}
		b.take(schemas.WindowEntry{Window: schemas.Window{From: from, To: from.Add(time.Minute)}, State: state}, noon)
	}
	b.renew(noon, time.UTC)
	if n := len(b.strip.Runs); n > horizon*24 {
		t.Errorf("%d runs", n)
	}
}

// TestClockChange: a day of 25 hours has its last hour, too.
func TestClockChange(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	night := time.Date(2026, 10, 25, 0, 0, 0, 0, zone)
	b := newBook()
	for h := range 25 {
		from := night.Add(time.Duration(h) * time.Hour)
		state := schemas.WindowCompleted
		if h == 24 {
			state = schemas.WindowFailed
		}
		b.take(schemas.WindowEntry{Window: schemas.Window{From: from.UTC(), To: from.Add(time.Hour).UTC()}, State: state}, night)
	}
	b.take(schemas.WindowEntry{Window: schemas.Window{From: night.AddDate(0, 0, -3).UTC(), To: night.UTC()}, State: schemas.WindowCompleted}, night)
	s := b.draw(night, zone)
	if last := s.Runs[len(s.Runs)-1]; last.X != horizon-1 || last.Mark != "failed" || last.Y != 23 {
		t.Errorf("%+v", s.Runs)
	}
	if s.End != "25 Oct" || s.Rows != 24 {
		t.Errorf("%+v", s)
	}
}

// TestHolesAreDrawn: what no complete window covers between the first and the last is a hole or
// under way, and every hole is drawn.
func TestHolesAreDrawn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBook()
		length := rapid.SampledFrom([]time.Duration{10 * time.Second, 5 * time.Minute, time.Hour, 7 * time.Hour, 24 * time.Hour}).Draw(t, "length")
		kinds := rapid.SliceOfN(rapid.IntRange(0, 3), 2, 60).Draw(t, "windows")
		kinds[0], kinds[len(kinds)-1] = 0, 0
		lacking := 0
		for i, k := range kinds {
			to := noon.Add(-time.Duration(len(kinds)-1-i) * length)
			state := []schemas.WindowState{schemas.WindowCompleted, schemas.WindowFailed, schemas.WindowRequested, ""}[k]
			if (k == 1 || k == 3) && kinds[i-1] != 1 && kinds[i-1] != 3 {
				lacking++
			}
			if k != 3 {
				b.take(schemas.WindowEntry{Window: schemas.Window{From: to.Add(-length), To: to}, State: state}, noon)
			}
		}
		s := b.draw(noon, time.UTC)
		if len(s.Holes) != lacking && length <= 7*time.Hour {
			t.Fatalf("%d spans lack, %d are said: %v", lacking, len(s.Holes), s.Holes)
		}
		red := 0
		for _, r := range s.Runs {
			if r.X < 0 || r.X >= s.Columns || r.Y < 0 || r.Y+r.Height > s.Rows || r.Height < 1 {
				t.Fatalf("outside: %+v", r)
			}
			if r.Mark == "failed" || r.Mark == "hole" {
				red++
			}
		}
		if lacking > 0 && red == 0 && length <= 7*time.Hour {
			t.Fatalf("no hole of %d is drawn", lacking)
		}
	})
}

// TestFirstWindowFailed: where the very first window failed, and those after it were complete
// and are too old to be kept, it alone is missing.
func TestFirstWindowFailed(t *testing.T) {
	t.Parallel()
	b, n := newBook(), 60*24
	begin := noon.Add(-time.Duration(n) * time.Hour)
	for i := range n {
		e := schemas.WindowEntry{Window: schemas.Window{From: begin.Add(time.Duration(i) * time.Hour), To: begin.Add(time.Duration(i+1) * time.Hour)}, State: schemas.WindowCompleted}
		switch i {
		case 0, 24:
			e.State = schemas.WindowFailed
		case n - 100:
			continue // a hole that can be known
		}
		b.take(e, noon)
	}
	b.renew(noon, time.UTC)
	want := []schemas.Window{
		{From: begin, To: begin.Add(time.Hour)}, {From: begin.Add(24 * time.Hour), To: begin.Add(25 * time.Hour)},
		{From: noon.Add(-100 * time.Hour), To: noon.Add(-99 * time.Hour)},
	}
	if !slices.Equal(b.strip.Holes, want) {
		t.Errorf("%v, want %v", b.strip.Holes, want)
	}
	after := noon.AddDate(0, 0, horizon) // all others have grown too old since
	b.dirty = true
	b.renew(after, time.UTC)
	if !slices.Equal(b.strip.Holes, want[:2]) {
		t.Errorf("four weeks later %v, want %v", b.strip.Holes, want[:2])
	}
}

// TestBeforeSince: a backfill of a span that does not adjoin where coverage begins leaves no
// hole between, and what failed of it is none of coverage's.
func TestBeforeSince(t *testing.T) {
	t.Parallel()
	f, since := newFloor(), noon.Add(-10*time.Hour)
	id := bookID{acme, schemas.KindCDR}
	b := newBook()
	f.books[id] = b
	for i := range 24 {
		e := schemas.WindowEntry{Tenant: acme, Kind: schemas.KindCDR, Window: schemas.Window{From: noon.Add(time.Duration(i-24) * time.Hour), To: noon.Add(time.Duration(i-23) * time.Hour)}, State: schemas.WindowCompleted}
		switch {
		case i == 1:
			e.State = schemas.WindowFailed
		case i >= 3 && i < 14 || i == 20:
			continue
		}
		b.take(e, noon)
	}
	p := newTestPainter(t)
	if all := p.coverage(f, noon).All; len(all[0].Strip.Holes) != 3 {
		t.Errorf("where coverage begins is not known, and %v are holes", all[0].Strip.Holes)
	}
	f.coverage = []schemas.Coverage{{Tenant: acme, Kind: schemas.KindCDR, From: since, CompleteTo: noon.Add(-4 * time.Hour)}}
	got := p.coverage(f, noon).All[0]
	if want := []schemas.Window{{From: noon.Add(-4 * time.Hour), To: noon.Add(-3 * time.Hour)}}; !slices.Equal(got.Strip.Holes, want) {
		t.Errorf("%v, want %v", got.Strip.Holes, want)
	}
	for _, r := range got.Strip.Runs {
		if r.Mark == "hole" && r.X < 20 {
			t.Errorf("a hole is drawn before since: %+v", r)
		}
	}
}
