// Package lateness tells from a ledger how late the platform writes its records, and which settle
// would have had them.
//
// What a later extract of a window brings that is new was written between the extract before it
// and that one: nothing finer is known, and after the last extract nothing at all. So a settle is
// proposed only at ages at which windows were extracted, and it is said between which ages
// nobody looked. A window that was extracted once tells nothing, nor does one of an imported file.
//
// It is a function of ledger entries, and imports schemas only.
package lateness

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// Span is of how much time before now the windows are looked at.
const Span = 7 * 24 * time.Hour

const (
	// enough is of how many rows on a share of them says something.
	enough = 100
	// missing is the share of rows that a settle may lack: one in so many.
	missing = 1000
)

// Measure is what the extracts of a tenant's windows of one kind tell.
type Measure struct {
	Kind    schemas.Kind
	Windows int // that were extracted twice and more
	Rows    int // of these
	Late    int // of these rows, those that came only after the first extract
	// Settle is the least age at which windows were extracted that would have had all rows
	// but one in a thousand; zero: too few are known.
	Settle time.Duration
	Lacks  int // rows that it would have lacked
	Of     int // rows of the windows that tell of it
	// Unseen is the age before Settle at which windows were extracted; between the two nobody
	// looked. Zero: Settle is the age of first extracts.
	Unseen time.Duration
}

// story is what is known of one window: how many rows it had at which age.
type story struct {
	ages  []time.Duration // ascending
	had   []int           // at each of them
	total int
}

// Of measures the windows of one kind that ended in the [Span] before now.
func Of(kind schemas.Kind, entries []schemas.WindowEntry, now time.Time) Measure {
	m := Measure{Kind: kind}
	var all []story
	for _, e := range entries {
		if e.Kind != kind || now.Sub(e.Window.To) > Span || len(e.Extracts) < 2 || e.Unplanned {
			continue
		}
		s := read(e)
		m.Windows, m.Rows, m.Late = m.Windows+1, m.Rows+s.total, m.Late+s.total-s.had[0]
		all = append(all, s)
	}
	if m.Rows >= enough {
		m.propose(all)
	}
	return m
}

func read(e schemas.WindowEntry) (s story) {
	for _, x := range e.Extracts {
		s.total += x.New
		s.ages = append(s.ages, max(0, ceil(x.RequestedAt.Sub(e.Window.To))))
		s.had = append(s.had, s.total)
	}
	return s
}

// step is what ages are rounded up to: an extract waits for its turn, and windows are not to
// differ by seconds. Short ones, of trials, are told by the second.
func step(age time.Duration) time.Duration {
	if age < 5*time.Minute {
		return time.Second
	}
	return time.Minute
}

func ceil(age time.Duration) time.Duration {
	up := step(age)
	return (age + up - 1).Truncate(up)
}

// propose finds the least age that would have done.
func (m *Measure) propose(all []story) {
	var ages []time.Duration
	for _, s := range all {
		ages = append(ages, s.ages...)
	}
	slices.Sort(ages)
	before := time.Duration(0)
	for _, age := range slices.Compact(ages) {
		had, of := by(all, age)
		if of >= enough && (of-had)*missing <= of {
			m.Settle, m.Lacks, m.Of, m.Unseen = age, of-had, of, before
			return
		}
		before = age
	}
}

// by is how many rows the windows that were extracted at an age, or before it, had by then, of
// how many.
func by(all []story, age time.Duration) (had, of int) {
	for _, s := range all {
		last := -1
		for i, at := range s.ages {
			if at <= age {
				last = i
			}
		}
		if last >= 0 {
			had, of = had+s.had[last], of+s.total
		}
	}
	return had, of
}

// Matters reports whether rows come later than the first extract by more than a settle may lack,
// and another one would have had them.
func (m Measure) Matters() bool { return m.Settle > 0 && m.Late*missing > m.Rows }

// String is the proposal with its reason.
func (m Measure) String() string {
	text := fmt.Sprintf("of %d rows of %s in %d windows of the last 7 days, %s came only with a later extract; settle: %s would have had all but %d of %d",
		m.Rows, m.Kind, m.Windows, percent(m.Late, m.Rows), short(m.Settle), m.Lacks, m.Of)
	if m.Unseen > 0 && m.Settle > 2*m.Unseen {
		text += fmt.Sprintf("; nobody looked between %s and that, an earlier sweep_again would tell", short(m.Unseen))
	}
	return text
}

func percent(n, of int) string { return fmt.Sprintf("%.1f %%", float64(n)*100/float64(max(of, 1))) }

// short is a duration without parts that are zero.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if cut, ok := strings.CutSuffix(text, zero); ok {
			text = cut + zero[:1]
		}
	}
	return text
}
