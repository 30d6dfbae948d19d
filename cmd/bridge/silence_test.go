package main

import (
	"slices"
	"testing"
	"time"

	"aiccbridge/config"
	"aiccbridge/internal/freshness"
	"aiccbridge/schemas"
)

// TestSilenceOfShortWindows: within opening hours a short window without rows is no silence yet; of
// what is learned, it is.
func TestSilenceOfShortWindows(t *testing.T) {
	for _, c := range []struct {
		silence      string
		window, want time.Duration
	}{
		{"calendar", 5 * time.Minute, 30 * time.Minute},
		{"calendar", 45 * time.Minute, 45 * time.Minute},
		{"calendar", 24 * time.Hour, time.Hour},
		{"learned", 5 * time.Minute, 5 * time.Minute},
		{"learned", 24 * time.Hour, time.Hour},
	} {
		if got := rowLimit(config.Tenant{Hours: &config.Week{}}, config.KindExtract{Extract: config.Extract{Silence: c.silence, Window: c.window}}); got != c.want {
			t.Errorf("%s, windows of %s: silence is %s without rows, want %s", c.silence, c.window, got, c.want)
		}
	}
}

// TestSilenceWithoutHours: without opening hours everything is learned.
func TestSilenceWithoutHours(t *testing.T) {
	x := config.KindExtract{Extract: config.Extract{Silence: "calendar", Window: 5 * time.Minute}}
	if got := rowLimit(config.Tenant{}, x); got != x.Window {
		t.Errorf("silence is %s without rows", got)
	}
}

// TestRowsAhead: a window that a clock that was ahead completed before its end is no sign of life.
func TestRowsAhead(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	window := func(from time.Time, rows int) schemas.WindowEntry {
		return schemas.WindowEntry{Window: schemas.Window{From: from, To: from.Add(time.Hour)}, CompletedAt: now, Rows: rows}
	}
	f := rowFeed([]schemas.WindowEntry{window(now.Add(-3*time.Hour), 5), window(now.Add(-2*time.Hour), 0), window(now.Add(-time.Hour), 0), window(now.AddDate(1, 0, 0), 7)}, now).By(now)
	f.Limit, f.Period = time.Hour, time.Hour
	always := [7][]freshness.Span{time.Monday: {{To: 24 * time.Hour}}}
	if s, silent := (freshness.Calendar{Hours: &always}).Silent(f); !silent || !s.Since.Equal(now.Add(-2*time.Hour)) {
		t.Errorf("silent: %t, %+v", silent, s)
	}
}

// TestTeamsThatArePolled: a bridge looks at the teams of the agents that it polls.
func TestTeamsThatArePolled(t *testing.T) {
	of := &teams{}
	of.set([]config.Agent{{ID: "101", Team: "a"}, {ID: "102", Team: "b"}, {ID: "103", Team: "a"}, {ID: "104"}})
	for want, agents := range map[string][]string{"": nil, "a": {"101", "103"}, "ab": {"101", "102"}} {
		got := ""
		for _, team := range of.Those(agents) {
			got += team
		}
		if got != want {
			t.Errorf("of %v they are %q", agents, got)
		}
	}
	if got := of.Those([]string{"104"}); len(got) != 1 || got[0] != "" {
		t.Errorf("of one without a team: %q", got)
	}
}

// TestTeamOfThoseNotListed: who need not be listed is heard of all the same.
func TestTeamOfThoseNotListed(t *testing.T) {
	for _, c := range []struct {
		events       string
		listed, want []string
	}{
		{"poll", nil, nil},
		{"poll", []string{"a"}, []string{"a"}},
		{"proxy", nil, []string{""}},
		{"handover", []string{"a"}, []string{"a", ""}},
		{"push", []string{"", "a"}, []string{"", "a"}},
	} {
		if got := heardOf(config.Tenant{Events: c.events}, c.listed); !slices.Equal(got, c.want) {
			t.Errorf("%s, listed %q: %q, want %q", c.events, c.listed, got, c.want)
		}
	}
}
