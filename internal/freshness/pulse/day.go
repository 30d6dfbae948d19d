package pulse

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"aiccbridge/internal/freshness"
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

// merge adds what another one has. Of another length of slots nothing is kept.
func (d Day) merge(more Day) Day {
	if d.Slot != more.Slot {
		return more.copied()
	}
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

func (d Day) encode() ([]byte, error) {
	value, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode a day of events: %w", err)
	}
	return value, nil
}

// decode reads an entry; false for one that is none.
func decode(value []byte) (d Day, ok bool) {
	err := json.Unmarshal(value, &d)
	return d, err == nil && d.Slot > 0
}

// key is where the bucket has a team's day.
func key(tenant, team string, day time.Time) string {
	return prefix(tenant) + schemas.EncodeToken(team) + "." + day.Format("20060102")
}

func prefix(tenant string) string { return schemas.EncodeToken(tenant) + "." }
