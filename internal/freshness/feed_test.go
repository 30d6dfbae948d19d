package freshness

import (
	"strings"
	"testing"
	"time"
)

// slots are hours from a time on with these counts; a negative one was not looked at.
func slots(from time.Time, counts ...int) (all []Slot) {
	for i, n := range counts {
		if at := from.Add(time.Duration(i) * time.Hour); n >= 0 {
			all = append(all, Slot{at, at.Add(time.Hour), n})
		}
	}
	return all
}

var always = [7][]Span{{{0, 24 * time.Hour}}, {{0, 24 * time.Hour}}, {{0, 24 * time.Hour}}, {{0, 24 * time.Hour}}, {{0, 24 * time.Hour}}, {{0, 24 * time.Hour}}, {{0, 24 * time.Hour}}}

func TestWhatIsSilence(t *testing.T) {
	monday := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	feed := func(limit time.Duration, counts ...int) Feed {
		f := Feed{Slots: slots(monday, counts...), Limit: limit}
		for _, s := range f.Slots {
			if s.Count > 0 {
				f.Last = s.To
			}
		}
		return f
	}
	for name, c := range map[string]struct {
		feed   Feed
		hours  *[7][]Span
		closed string
		want   bool
	}{
		"something comes":                 {feed: feed(time.Hour, 5, 5, 5), hours: &always},
		"nothing for long enough":         {feed: feed(2*time.Hour, 5, 0, 0), hours: &always, want: true},
		"not yet":                         {feed: feed(2*time.Hour+time.Second, 5, 0, 0), hours: &always},
		"nothing ever":                    {feed: feed(time.Hour, 0, 0, 0), hours: &always},
		"it was not looked at":            {feed: feed(2*time.Hour, 5, 0, -1, 0, -1, 0), hours: &always},
		"a day that is closed":            {feed: feed(time.Hour, 5, 0, 0), hours: &always, closed: "2026-11-30"},
		"another day is closed":           {feed: feed(time.Hour, 5, 0, 0), hours: &always, closed: "2026-12-01", want: true},
		"closed at this time":             {feed: feed(time.Hour, 5, 0, 0), hours: &[7][]Span{time.Monday: {{0, 9 * time.Hour}}}},
		"open on another day":             {feed: feed(time.Hour, 5, 0, 0), hours: &[7][]Span{time.Tuesday: {{0, 24 * time.Hour}}}},
		"a break at noon divides silence": {feed: feed(90*time.Minute, 5, 0, 0), hours: &[7][]Span{time.Monday: {{9 * time.Hour, 10 * time.Hour}, {10*time.Hour + 30*time.Minute, 24 * time.Hour}}}},
		"nothing is learned":              {feed: feed(time.Hour, 500, 0, 0)},
	} {
		calendar := Calendar{Hours: c.hours, Closed: []string{c.closed}}
		if _, silent := calendar.Silent(c.feed); silent != c.want {
			t.Errorf("%s: silent: %t", name, silent)
		}
	}
}

// TestWhatIsLearned: what half of the known weeks had is expected; those that nobody looked at,
// and days that are closed, are no weeks.
func TestWhatIsLearned(t *testing.T) {
	now := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		weeks  []int // the newest first; -1: not looked at
		closed string
		want   int
	}{
		"one week":                {weeks: []int{120}, want: 120},
		"none":                    {},
		"not looked at":           {weeks: []int{-1, -1}},
		"of two the lesser":       {weeks: []int{120, 4}, want: 4},
		"a holiday among four":    {weeks: []int{120, 0, 110, 130}, want: 110},
		"a holiday among three":   {weeks: []int{0, 110, 130}, want: 110},
		"one busy week":           {weeks: []int{0, 0, 300, 0}},
		"a closed day is no week": {weeks: []int{120, 0}, closed: "2026-11-16", want: 120},
		"only four weeks":         {weeks: []int{-1, -1, -1, -1, 120}},
	} {
		var known []Slot
		for i, n := range c.weeks {
			known = append(slots(now.AddDate(0, 0, -7*(i+1)), n), known...)
		}
		calendar := Calendar{Closed: []string{c.closed}}
		if got := calendar.usual(now.Add(time.Minute), Feed{Slots: known}); got != c.want {
			t.Errorf("%s: %d is usual, want %d", name, got, c.want)
		}
		if got := calendar.Expects(now, Feed{Slots: known}); got != (c.want >= Enough) {
			t.Errorf("%s: expected: %t", name, got)
		}
	}
	if (Calendar{Closed: []string{"2026-11-30"}}).Expects(now, Feed{Slots: slots(now.AddDate(0, 0, -7), 500)}) {
		t.Error("something is expected on a day that is closed")
	}
}

// A feed that is gone for weeks is not learned to be: it is silent until something comes.
func TestSilenceForWeeksIsNotLearned(t *testing.T) {
	begun := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	var counts []int
	for i := range 5 * 7 * 24 {
		n := 50
		if i >= 10*24 {
			n = 0
		}
		counts = append(counts, n)
	}
	all := slots(begun, counts...)
	for i := 10*24 + 2; i < len(all); i++ {
		f := Feed{Slots: all[:i], Last: all[10*24-1].To, Limit: time.Hour}
		if _, silent := (Calendar{}).Silent(f); !silent {
			t.Fatalf("at %s it is not silent any more", all[i-1].To)
		}
	}
}

// A team works in a part of the opening hours only, which is learned; what it does outside them is
// not expected.
func TestLearnedWithinHours(t *testing.T) {
	monday := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	week := func(from time.Time) []Slot { return slots(from, 0, 0, 0, 0, 0, 0, 50, 50, 50, 0, 0) }
	known := append(week(monday.AddDate(0, 0, -7)), week(monday)...)
	calendar := Calendar{Hours: &[7][]Span{time.Monday: {{7 * time.Hour, 24 * time.Hour}}}, Learn: true}
	for hour, want := range map[int]bool{5: false, 6: false, 7: true, 8: true, 9: false} {
		if got := calendar.Expects(monday.Add(time.Duration(hour)*time.Hour), Feed{Slots: known}); got != want {
			t.Errorf("at %d something is expected: %t", hour, got)
		}
	}
}

// TestShorterSlots: what hours had says nothing of the minutes that are counted from now on.
func TestShorterSlots(t *testing.T) {
	monday := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	f := Feed{Slots: slots(monday.AddDate(0, 0, -7), 60, 60, 60), Last: monday, Limit: 5 * time.Minute, Period: 5 * time.Minute}
	for i := range 3 {
		from := monday.Add(time.Duration(i) * f.Period)
		f.Slots = append(f.Slots, Slot{From: from, To: from.Add(f.Period)})
	}
	if s, silent := (Calendar{}).Silent(f); silent || (Calendar{}).Expects(monday, f) {
		t.Errorf("five minutes are expected to have what an hour had: %+v", s)
	}
	f.Period = time.Hour
	if !(Calendar{}).Expects(monday, f) {
		t.Error("what hours had is forgotten though they are counted")
	}
}

// TestClockAhead: what a clock that was ahead wrote neither keeps a feed alive nor has it silent.
func TestClockAhead(t *testing.T) {
	monday := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	now := monday.Add(3 * time.Hour)
	f := Feed{Slots: append(slots(monday, 5, 0, 0), slots(monday.AddDate(1, 0, 0), 7, 0)...), Last: monday.AddDate(1, 0, 0), Limit: 2 * time.Hour}
	open := Calendar{Hours: &always}
	if s, silent := open.Silent(f.By(now)); !silent || !s.Since.Equal(monday.Add(time.Hour)) {
		t.Errorf("silent: %t, %+v", silent, s)
	}
	if _, silent := open.Silent(f.By(now.Add(-time.Hour))); silent {
		t.Error("silent in an hour of silence, and one that is ahead")
	}
	if f.Slots = f.Slots[1:]; !f.By(now).Last.IsZero() {
		t.Errorf("without anything by now something came last at %s", f.By(now).Last)
	}
}

func TestDescribe(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	since := time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	c := Calendar{Zone: zone}
	if got := (Silence{Since: since, Usual: 120}).Describe(c, "rows of cdr"); got != "no rows of cdr since 2026-11-30 12:00 +08:00, the same time of the previous weeks had 120" {
		t.Error(got)
	}
	if got := (Silence{Since: since}).Describe(c, "events"); !strings.HasSuffix(got, "in opening hours") {
		t.Error(got)
	}
}
