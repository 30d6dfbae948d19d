package freshness

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// centre is a contact centre whose feeds are simulated: mon-fri 8 to 20, sat 9 to 14.
type centre struct {
	zone   *time.Location
	events []time.Time // ascending
	grid   map[time.Duration][]Slot
}

var officeHours = [7][]Span{
	time.Monday: {{8 * time.Hour, 20 * time.Hour}}, time.Tuesday: {{8 * time.Hour, 20 * time.Hour}}, time.Wednesday: {{8 * time.Hour, 20 * time.Hour}},
	time.Thursday: {{8 * time.Hour, 20 * time.Hour}}, time.Friday: {{8 * time.Hour, 20 * time.Hour}}, time.Saturday: {{9 * time.Hour, 14 * time.Hour}},
}

// newCentre has events at random times of its opening hours, about one every 40 seconds, and one
// an hour on average at night; none from until one of the times on to the next.
func newCentre(t *testing.T, zone string, from time.Time, days int, silent ...time.Time) centre {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	hours, random := Calendar{Zone: z, Hours: &officeHours}, rand.New(rand.NewPCG(1, 2))
	c := centre{zone: z, grid: map[time.Duration][]Slot{}}
	for at := from; at.Before(from.AddDate(0, 0, days)); {
		at = at.Add(time.Duration(random.ExpFloat64() * float64(40*time.Second)))
		if !hours.Expects(at, Feed{}) && random.IntN(90) > 0 {
			continue
		}
		if len(silent) == 0 || at.Before(silent[0]) || len(silent) > 1 && !at.Before(silent[1]) {
			c.events = append(c.events, at)
		}
	}
	return c
}

// between is how many events there are in [from, to).
func (c centre) between(from, to time.Time) int {
	index := func(at time.Time) int { i, _ := slices.BinarySearchFunc(c.events, at, time.Time.Compare); return i }
	return index(to) - index(from)
}

// slots are the whole ones from begun on that end by now.
func (c centre) slots(begun, now time.Time, length time.Duration) []Slot {
	if c.grid[length] == nil {
		for at := begun; at.Before(begun.AddDate(0, 0, 30)); at = at.Add(length) {
			c.grid[length] = append(c.grid[length], Slot{at, at.Add(length), c.between(at, at.Add(length))})
		}
	}
	return c.grid[length][:max(0, now.Sub(begun)/length)]
}

// live is the feed of events as it is known at now, by slots since begun.
func (c centre) live(begun, now time.Time, slot time.Duration) Feed {
	f := Feed{Limit: slot * 3 / 2, Period: slot, Slots: slices.Clip(c.slots(begun, now, slot))}
	if from := begun.Add(now.Sub(begun).Truncate(slot)); from.Before(now) {
		f.Slots = append(f.Slots, Slot{from, now, c.between(from, now)})
	}
	if i, _ := slices.BinarySearchFunc(c.events, now, time.Time.Compare); i > 0 {
		f.Last = c.events[i-1]
	}
	return f
}

// rows is the feed of hourly windows as it is known at now, a quarter of an hour after their end.
func (c centre) rows(begun, now time.Time) Feed {
	f := Feed{Limit: time.Hour, Period: time.Hour, Slots: c.slots(begun, now.Add(-15*time.Minute), time.Hour)}
	for _, s := range slices.Backward(f.Slots) {
		if s.Count > 0 {
			f.Last = s.To
			break
		}
	}
	return f
}

// TestFortnight: over two weeks with a clock change, of which the bridge knows one to three weeks
// before, nothing rings; a feed that falls silent at noon rings within two of its periods.
func TestFortnight(t *testing.T) {
	for name, c := range map[string]struct {
		zone, begun, noon string
		hours             *[7][]Span
	}{
		"learned, the clock goes back":      {"Europe/Berlin", "2026-10-12T00:00:00+02:00", "2026-10-28T12:00:00+01:00", nil},
		"learned, the clock goes forward":   {"Europe/Berlin", "2027-03-15T00:00:00+01:00", "2027-03-31T12:00:00+02:00", nil},
		"learned, half an hour off":         {"Australia/Adelaide", "2026-09-21T00:00:00+09:30", "2026-10-07T12:00:00+10:30", nil},
		"set, the clock goes back":          {"Europe/Berlin", "2026-10-12T00:00:00+02:00", "2026-10-28T12:00:00+01:00", &officeHours},
		"set, the clock goes forward":       {"Europe/Berlin", "2027-03-15T00:00:00+01:00", "2027-03-31T12:00:00+02:00", &officeHours},
		"learned, in a zone without change": {"Asia/Shanghai", "2026-11-02T00:00:00+08:00", "2026-11-18T12:00:00+08:00", nil},
	} {
		t.Run(name, func(t *testing.T) {
			begun, noon := at(t, c.begun), at(t, c.noon)
			well := newCentre(t, c.zone, begun, 21)
			gone := centre{well.zone, well.events[:well.between(begun, noon)], map[time.Duration][]Slot{}}
			calendar := Calendar{Zone: well.zone, Hours: c.hours}
			const slot = 15 * time.Minute
			feeds := map[string]struct {
				of     func(x centre, now time.Time) Feed
				period time.Duration
			}{
				"events": {func(x centre, now time.Time) Feed { return x.live(begun, now, slot) }, slot},
				"rows":   {func(x centre, now time.Time) Feed { return x.rows(begun, now) }, time.Hour},
			}
			for what, f := range feeds {
				for now := begun; now.Before(begun.AddDate(0, 0, 21)); now = now.Add(11 * time.Minute) {
					if s, silent := calendar.Silent(f.of(well, now)); silent {
						t.Fatalf("%s: at %s it is silent since %s", what, now, s.Since)
					}
				}
				rang := time.Time{}
				for now := noon.AddDate(0, 0, -1); now.Before(begun.AddDate(0, 0, 21)); now = now.Add(5 * time.Minute) {
					s, silent := calendar.Silent(f.of(gone, now))
					if silent && rang.IsZero() {
						rang = now
					}
					if silent == rang.IsZero() || silent && s.Since.After(noon) {
						t.Fatalf("%s: at %s it is silent: %t, since %s", what, now, silent, s.Since)
					}
				}
				if rang.Before(noon) || rang.After(noon.Add(2*f.period)) {
					t.Errorf("%s: silent from %s on, it rings at %s", what, noon, rang)
				}
				t.Logf("%s: rings %s after noon", what, rang.Sub(noon))
			}
		})
	}
}

// TestClosingTime: nothing rings at night, and what is silent in the evening rings when it has
// been silent long enough in the morning, not for the evening and the morning together.
func TestClosingTime(t *testing.T) {
	begun, evening := at(t, "2026-11-02T00:00:00+08:00"), at(t, "2026-11-17T19:50:00+08:00")
	c := newCentre(t, "Asia/Shanghai", begun, 21, evening, at(t, "2026-11-18T08:20:00+08:00"))
	for _, hours := range []*[7][]Span{nil, &officeHours} {
		calendar := Calendar{Zone: c.zone, Hours: hours}
		for now := evening; now.Before(evening.AddDate(0, 0, 1)); now = now.Add(time.Minute) {
			if _, silent := calendar.Silent(c.live(begun, now, 15*time.Minute)); silent {
				t.Fatalf("it rings at %s", now)
			}
		}
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
