package ask

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas"
)

// TestTally: the windows of an order are counted by where they stand, for each tenant, the newest
// order first; those of none are not.
func TestTally(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	all := Tally{}
	add := func(order, tenant string, hour int, kind schemas.Kind, state schemas.WindowState, due bool) {
		from := begin.Add(time.Duration(hour) * time.Hour)
		e := schemas.WindowEntry{Tenant: tenant, Kind: kind, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, State: state, Backfill: order}
		if due {
			e.DueAt = begin
		}
		all.Add(e)
	}
	add("", "acme", 9, schemas.KindCDR, schemas.WindowPlanned, true)
	add("o1", "acme", 3, schemas.KindOperation, schemas.WindowPlanned, true)
	add("o1", "acme", 1, schemas.KindCDR, schemas.WindowCompleted, false)
	add("o1", "acme", 2, schemas.KindCDR, schemas.WindowCompleted, true) // once more
	add("o1", "acme", 4, schemas.KindCDR, schemas.WindowRequested, true)
	add("o1", "acme", 5, schemas.KindCDR, schemas.WindowReady, true)
	add("o1", "acme", 6, schemas.KindCDR, schemas.WindowFailed, true)
	add("o1", "acme", 7, schemas.KindCDR, schemas.WindowFailed, false)
	add("o2", "other", 1, schemas.KindCDR, schemas.WindowCompleted, false)
	want := []Backfill{
		{ID: "o2", Tenant: "other", Kinds: []schemas.Kind{schemas.KindCDR}, From: begin.Add(time.Hour), To: begin.Add(2 * time.Hour), Windows: 1, Complete: 1},
		{
			ID: "o1", Tenant: "acme", Kinds: []schemas.Kind{schemas.KindCDR, schemas.KindOperation}, From: begin.Add(time.Hour), To: begin.Add(8 * time.Hour),
			Windows: 7, Complete: 1, UnderWay: 2, Waiting: 3, Failed: 1,
		},
	}
	got := all.Orders()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if open := slices.IndexFunc(got, Backfill.Open); open != 1 {
		t.Errorf("open is %d", open)
	}
}
