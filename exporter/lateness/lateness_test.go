package lateness

import (
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
)

var now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// extract is one at an age, with so many new rows.
type extract struct {
	age time.Duration
	new int
}

// window ended so many hours ago.
func window(hours int, extracts ...extract) schemas.WindowEntry {
	to := now.Add(-time.Duration(hours) * time.Hour)
	e := schemas.WindowEntry{Kind: schemas.KindCDR, Window: schemas.Window{From: to.Add(-time.Hour), To: to}, State: schemas.WindowCompleted}
	for _, x := range extracts {
		e.Extracts = append(e.Extracts, schemas.Extracted{RequestedAt: to.Add(x.age), New: x.new})
	}
	return e
}

const minute = time.Minute

// TestProposals: never one at an age at which nobody looked, or of windows that do not tell of it.
func TestProposals(t *testing.T) {
	imported := window(30, extract{20 * minute, 0}, extract{6 * time.Hour, 5000})
	imported.Unplanned = true
	other := window(30, extract{20 * minute, 0}, extract{6 * time.Hour, 5000})
	other.Kind = schemas.KindSkill
	for name, c := range map[string]struct {
		windows []schemas.WindowEntry
		want    string // of the proposal; "": none
		settle  time.Duration
	}{
		"nothing comes late": {
			windows: []schemas.WindowEntry{window(30, extract{15*minute + time.Second, 1000}, extract{6 * time.Hour, 0})}, settle: 16 * minute,
		},
		"one in a thousand": {
			windows: []schemas.WindowEntry{window(30, extract{15 * minute, 999}, extract{6 * time.Hour, 1})}, settle: 15 * minute,
		},
		"only the sweep has them": {
			windows: []schemas.WindowEntry{window(30, extract{15 * minute, 970}, extract{6 * time.Hour, 30}, extract{24 * time.Hour, 0})}, settle: 6 * time.Hour,
			want: "of 1000 rows of cdr in 1 windows of the last 7 days, 3.0 % came only with a later extract; settle: 6h would have had all but 0 of 1000; nobody looked between 15m and that, an earlier sweep_again would tell",
		},
		"an extract in between tells more": {
			windows: []schemas.WindowEntry{
				window(30, extract{15 * minute, 970}, extract{45 * minute, 30}, extract{24 * time.Hour, 0}),
				window(31, extract{30 * minute, 999}, extract{6 * time.Hour, 1}),
			},
			settle: 45 * minute, want: "settle: 45m would have had all but 1 of 2000",
		},
		"a window that was first extracted late tells nothing of before": {
			windows: []schemas.WindowEntry{
				window(30, extract{15 * minute, 1000}, extract{6 * time.Hour, 0}),
				window(31, extract{20 * time.Hour, 1000}, extract{24 * time.Hour, 0}),
			},
			settle: 15 * minute,
		},
		"the last still brings much": {
			windows: []schemas.WindowEntry{window(30, extract{15 * minute, 500}, extract{6 * time.Hour, 300}, extract{24 * time.Hour, 200})}, settle: 24 * time.Hour,
			want: "50.0 % came only with a later extract; settle: 24h",
		},
		"once is no measure": {windows: []schemas.WindowEntry{window(30, extract{15 * minute, 1000})}},
		"few rows":           {windows: []schemas.WindowEntry{window(30, extract{15 * minute, 50}, extract{6 * time.Hour, 49})}},
		"long ago":           {windows: []schemas.WindowEntry{window(24*8, extract{15 * minute, 500}, extract{6 * time.Hour, 500})}},
		"of no concern":      {windows: []schemas.WindowEntry{imported, other}},
	} {
		m := Of(schemas.KindCDR, c.windows, now)
		if m.Settle != c.settle || m.Matters() != (c.want != "") || !strings.Contains(m.String(), c.want) {
			t.Errorf("%s: %+v: %s", name, m, m)
		}
		if c.want != "" && c.settle == 45*minute && strings.Contains(m.String(), "nobody looked") {
			t.Errorf("%s: %s", name, m)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{6 * time.Hour: "6h", 45 * minute: "45m", 90 * minute: "1h30m", 5 * time.Second: "5s", 65 * time.Second: "1m5s"} {
		if got := short(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}
