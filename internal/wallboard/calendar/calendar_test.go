package calendar

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/schemas"
)

// noon is when it is drawn.
var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// TestMillionWindows: however many windows there are, what is kept and drawn of them is little.
func TestMillionWindows(t *testing.T) {
	t.Parallel()
	b, n := New(), 1_000_000
	begin := noon.Add(-time.Duration(n) * time.Hour)
	for i := range n {
		from := begin.Add(time.Duration(i) * time.Hour)
		b.Take(schemas.WindowEntry{Tenant: "acme", Kind: schemas.KindCDR, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, State: schemas.WindowCompleted}, noon)
	}
	b.Renew(noon, time.UTC)
	if most := (horizon + 2) * 24; len(b.windows) > most {
		t.Errorf("%d windows are kept, more than %d", len(b.windows), most)
	}
	if len(b.Strip.Holes) != 0 || len(b.Strip.Runs) != horizon || b.Strip.Runs[0].Mark != "complete" {
		t.Errorf("%d holes, %d runs", len(b.Strip.Holes), len(b.Strip.Runs))
	}
	if b.Take(schemas.WindowEntry{Window: schemas.Window{From: begin, To: begin.Add(time.Hour)}, State: schemas.WindowFailed}, noon); true {
		b.Renew(noon, time.UTC)
	}
	if len(b.Strip.Holes) != 1 || b.Counts[Failed] != 1 {
		t.Errorf("a window of long ago failed: %v", b.Strip.Holes)
	}
}

// TestEveryMinuteFails: windows of a minute, each the worst there is, are no more cells.
func TestEveryMinuteFails(t *testing.T) {
	t.Parallel()
	b := New()
	for i := range 28 * 24 * 60 {
		from := noon.Add(-time.Duration(i+1) * time.Minute)
		state := schemas.WindowFailed
		if i%120 < 60 {
			state = schemas.WindowCompleted
		}
		b.Take(schemas.WindowEntry{Window: schemas.Window{From: from, To: from.Add(time.Minute)}, State: state}, noon)
	}
	b.Renew(noon, time.UTC)
	if n := len(b.Strip.Runs); n > horizon*24 {
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
	b := New()
	for h := range 25 {
		from := night.Add(time.Duration(h) * time.Hour)
		state := schemas.WindowCompleted
		if h == 24 {
			state = schemas.WindowFailed
		}
		b.Take(schemas.WindowEntry{Window: schemas.Window{From: from.UTC(), To: from.Add(time.Hour).UTC()}, State: state}, night)
	}
	b.Take(schemas.WindowEntry{Window: schemas.Window{From: night.AddDate(0, 0, -3).UTC(), To: night.UTC()}, State: schemas.WindowCompleted}, night)
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
		b := New()
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
				b.Take(schemas.WindowEntry{Window: schemas.Window{From: to.Add(-length), To: to}, State: state}, noon)
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
	b, n := New(), 60*24
	begin := noon.Add(-time.Duration(n) * time.Hour)
	for i := range n {
		e := schemas.WindowEntry{Window: schemas.Window{From: begin.Add(time.Duration(i) * time.Hour), To: begin.Add(time.Duration(i+1) * time.Hour)}, State: schemas.WindowCompleted}
		switch i {
		case 0, 24:
			e.State = schemas.WindowFailed
		case n - 100:
			continue // a hole that can be known
		}
		b.Take(e, noon)
	}
	b.Renew(noon, time.UTC)
	want := []schemas.Window{
		{From: begin, To: begin.Add(time.Hour)}, {From: begin.Add(24 * time.Hour), To: begin.Add(25 * time.Hour)},
		{From: noon.Add(-100 * time.Hour), To: noon.Add(-99 * time.Hour)},
	}
	if !slices.Equal(b.Strip.Holes, want) {
		t.Errorf("%v, want %v", b.Strip.Holes, want)
	}
	after := noon.AddDate(0, 0, horizon) // all others have grown too old since
	b.dirty = true
	b.Renew(after, time.UTC)
	if !slices.Equal(b.Strip.Holes, want[:2]) {
		t.Errorf("four weeks later %v, want %v", b.Strip.Holes, want[:2])
	}
}
