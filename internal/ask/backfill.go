package ask

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// Backfill is how the windows of an order stand, but for those that a later order has, or that
// have been extracted again since.
type Backfill struct {
	ID       string         `json:"id"`
	Tenant   string         `json:"tenant"`
	Kinds    []schemas.Kind `json:"kinds"`
	From     time.Time      `json:"from"` // of the first window
	To       time.Time      `json:"to"`   // of the last
	Windows  int            `json:"windows"`
	Complete int            `json:"complete"`
	UnderWay int            `json:"under_way"` // asked for, or their file is read
	Waiting  int            `json:"waiting"`   // for their turn
	Failed   int            `json:"failed"`    // and are not asked for again by themselves
}

// Open reports that something of the order is still to come.
func (b Backfill) Open() bool { return b.Waiting+b.UnderWay > 0 }

// Backfills are the orders that windows of a tenant are of ("": of every tenant), as
// [Tally.Orders] has them.
func (q Questions) Backfills(ctx context.Context, tenant string) ([]Backfill, error) {
	all, windows := Tally{}, WindowQuery{Tenant: tenant}
	err := q.Hub.Entries(ctx, schemas.BucketWindows, windows.keys(), func(key string, m schemas.Stored) error {
		if e, ok := WindowOf(key, m); ok {
			all.Add(e)
		}
		return nil
	})
	return all.Orders(), err
}

// Tally counts windows by their orders; make one as Tally{}.
type Tally map[[2]string]Backfill

// Add counts a window.
func (t Tally) Add(e schemas.WindowEntry) {
	if e.Backfill != "" {
		key := [2]string{e.Backfill, e.Tenant}
		t[key] = t[key].with(e)
	}
}

// Orders are the orders, one for each tenant of an order, the newest first.
func (t Tally) Orders() []Backfill {
	return slices.SortedFunc(maps.Values(t), func(a, b Backfill) int {
		return cmp.Or(cmp.Compare(b.ID, a.ID), cmp.Compare(a.Tenant, b.Tenant))
	})
}

// with is b with one window more.
func (b Backfill) with(e schemas.WindowEntry) Backfill {
	b.ID, b.Tenant = e.Backfill, e.Tenant
	if b.Windows == 0 || e.Window.From.Before(b.From) {
		b.From = e.Window.From
	}
	if e.Window.To.After(b.To) {
		b.To = e.Window.To
	}
	b.Windows++
	if !slices.Contains(b.Kinds, e.Kind) {
		b.Kinds = append(b.Kinds, e.Kind)
		slices.Sort(b.Kinds)
	}
	switch {
	case e.State == schemas.WindowRequested || e.State == schemas.WindowReady:
		b.UnderWay++
	case e.State == schemas.WindowCompleted && e.DueAt.IsZero():
		b.Complete++
	case e.State == schemas.WindowFailed && e.DueAt.IsZero():
		b.Failed++
	default:
		b.Waiting++
	}
	return b
}
