package planner

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

var zones = []string{"Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo"}

const wall = "2006-01-02 15:04:05"

// checkTiling walks from one instant to another and reports holes, overlaps and
// wall-clock texts that two windows share.
func checkTiling(from, to time.Time, length time.Duration, zone *time.Location, next func(time.Time, time.Duration, *time.Location) schemas.Window) error {
	at, lastText := from, ""
	for at.Before(to) {
		w := next(at, length, zone)
		if err := w.Validate(); err != nil {
			return err
		}
		if !w.From.Equal(at) {
			return fmt.Errorf("hole or overlap before %s", w)
		}
		begin, end := w.From.In(zone).Format(wall), w.To.Add(-time.Second).In(zone).Format(wall)
		if begin <= lastText || end < begin {
			return fmt.Errorf("window %s: text %s..%s after %s", w, begin, end, lastText)
		}
		if d := w.To.Sub(w.From); d > 72*time.Hour {
			return fmt.Errorf("window %s lasts %s", w, d)
		}
		at, lastText = w.To, end
	}
	return nil
}

// TestF19WindowsTileTheYear walks through a year with its clock changes, a new
// year, and 29 February.
func TestF19WindowsTileTheYear(t *testing.T) {
	t.Parallel()
	holes := 0
	for _, name := range zones {
		zone := exportertest.Location(t, name)
		for _, length := range []time.Duration{15 * time.Minute, time.Hour, 7 * time.Hour, 24 * time.Hour, 72 * time.Hour} {
			for _, year := range []int{2025, 2027} {
				from := time.Date(year, 12, 30, 0, 0, 0, 0, zone)
				if err := checkTiling(from, from.AddDate(1, 0, 5), length, zone, nextWindow); err != nil {
					t.Errorf("%s in %s: %v", length, name, err)
					holes++
				}
			}
		}
	}
	t.Attr("figure", fmt.Sprintf("365 days × %d zones × 5 lengths × 2 years, %d holes, %d overlaps", len(zones), holes, holes))
	t.Attr("tries", fmt.Sprint(len(zones)*5*2))
}

func TestTilingCheckBites(t *testing.T) {
	naive := func(from time.Time, length time.Duration, _ *time.Location) schemas.Window {
		return schemas.Window{From: from, To: from.Add(length)}
	}
	zone := exportertest.Location(t, "Europe/Berlin")
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, zone)
	if checkTiling(from, from.AddDate(1, 0, 0), time.Hour, zone, naive) == nil {
		t.Error("windows of plain elapsed time pass the check although an hour repeats")
	}
}

func TestWindowsTileProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := exportertest.Location(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		from := time.Unix(rapid.Int64Range(1577836800, 1893456000).Draw(t, "from"), 0)
		length := time.Duration(rapid.IntRange(600, 72*3600).Draw(t, "length")) * time.Second
		// A start inside the first pass of a repeated hour shares text with the
		// second pass; the walk begins at the first window's end instead.
		first := nextWindow(from, length, zone)
		if err := checkTiling(first.To, first.To.AddDate(0, 0, 20), length, zone, nextWindow); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWindowsAtClockChanges(t *testing.T) {
	berlin := exportertest.Location(t, "Europe/Berlin")
	tests := []struct{ name, from, to string }{
		{"before the repeated hour", "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z"},
		{"the repeated hour, both passes", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"},
		{"after it", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"},
		{"begun in the second pass", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"},
		{"up to the skipped hour", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
		{"after the skipped hour", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"},
		{"off the grid", "2026-05-01T10:17:03Z", "2026-05-01T11:00:00Z"},
	}
	for _, tt := range tests {
		from, _ := time.Parse(time.RFC3339, tt.from)
		if got := nextWindow(from, time.Hour, berlin).To.Format(time.RFC3339); got != tt.to {
			t.Errorf("%s: window from %s ends %s, want %s", tt.name, tt.from, got, tt.to)
		}
	}
}
