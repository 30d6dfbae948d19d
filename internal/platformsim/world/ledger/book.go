package ledger

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Book holds the rows. The zero value is empty; it is safe for concurrent use.
type Book struct {
	mu       sync.Mutex
	rows     map[Kind][]Row
	withheld []Row
}

// Write adds a row.
func (b *Book) Write(r Row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rows == nil {
		b.rows = map[Kind][]Row{}
	}
	b.rows[r.Kind] = append(b.rows[r.Kind], r)
}

// Withhold adds a row that nobody will read.
func (b *Book) Withhold(r Row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.withheld = append(b.withheld, r)
}

// Withheld are the rows that nobody will read, in the order in which they were written.
func (b *Book) Withheld() []Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.withheld)
}

// Read returns the rows of kind with from <= At <= to that are known at now, in ascending
// order of At.
func (b *Book) Read(kind Kind, from, to, now time.Time) []Row {
	b.mu.Lock()
	var out []Row
	for _, r := range b.rows[kind] {
		if !r.At.Before(from) && !r.At.After(to) && !r.Known.After(now) {
			r.Cells = slices.Clone(r.Cells)
			out = append(out, r)
		}
	}
	b.mu.Unlock()
	// Agents write concurrently: only a total order is the same in each run.
	slices.SortStableFunc(out, func(a, b Row) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.CallID, b.CallID), cmp.Compare(a.AgentID, b.AgentID))
	})
	return out
}
