package pulse

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"aiccbridge/internal/freshness"
	"aiccbridge/internal/members"
	"aiccbridge/schemas"
)

const hoursOfDay = 24 * time.Hour

// Day is an entry of the bucket: what came of a team on a day of UTC, by slots numbered from 0.
type Day struct {
	Slot   int         `json:"slot_seconds"`
	Counts map[int]int `json:"counts,omitempty"` // slots without any are left out
	Looked []int       `json:"looked,omitempty"` // slots that were looked at all along, ascending
	LastAt time.Time   `json:"last_at,omitzero"` // when something came last
}

// merge adds what another one with slots of the same length has.
func (d Day) merge(more Day) Day {
	d = d.copied()
	for i, n := range more.Counts {
		d.Counts[i] += n
	}
	d.Looked = append(d.Looked, more.Looked...)
	slices.Sort(d.Looked)
	d.Looked = slices.Compact(d.Looked)
	if more.LastAt.After(d.LastAt) {
		d.LastAt = more.LastAt
	}
	return d
}

func (d Day) copied() Day {
	counts := make(map[int]int, len(d.Counts))
	for i, n := range d.Counts {
		counts[i] = n
	}
	d.Counts, d.Looked = counts, slices.Clone(d.Looked)
	return d
}

func (d Day) empty() bool { return len(d.Counts)+len(d.Looked) == 0 }

// slots are those that were looked at.
func (d Day) slots(begin time.Time) (all []freshness.Slot) {
	length := time.Duration(d.Slot) * time.Second
	for _, i := range d.Looked {
		from := begin.Add(time.Duration(i) * length)
		all = append(all, freshness.Slot{From: from, To: from.Add(length), Count: d.Counts[i]})
	}
	return all
}

// encode writes an entry, and what a newer bridge has added to it.
func (d Day) encode(further members.Further) ([]byte, error) {
	value, err := members.Encode(d, further)
	if err != nil {
		return nil, fmt.Errorf("encode a day of events: %w", err)
	}
	return value, nil
}

// decode reads an entry; false for one that is none.
func decode(value []byte) (d Day, further members.Further, ok bool) {
	further, err := members.Decode(value, &d)
	return d, further, err == nil && d.Slot > 0
}

// key is where the bucket has a team's day, by slots of so many seconds: bridges that are told to
// count otherwise do not disturb one another.
func key(tenant, team string, day time.Time, seconds int) string {
	return prefix(tenant) + schemas.EncodeToken(team) + "." + day.Format(dayForm) + "." + strconv.Itoa(seconds)
}

const dayForm = "20060102"

func prefix(tenant string) string { return schemas.EncodeToken(tenant) + "." }
