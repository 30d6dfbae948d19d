package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// UnderWay is why a file can't be imported now: the window's own extract is being made or
// read.
type UnderWay struct{ Entry schemas.WindowEntry }

func (u *UnderWay) Error() string {
	if u.Entry.State == schemas.WindowPlanned {
		return fmt.Sprintf("the window is planned, and asked for at %s", u.Entry.DueAt.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("an extract of the window is under way: it is %s, until %s at the latest", u.Entry.State, u.Entry.DueAt.UTC().Format(time.RFC3339))
}

// Import makes a file that was obtained elsewhere the window's current one, as a callback
// does with a file that was asked for; whoever does it brings the rows into the stream, and
// nobody else. A window that is not in the ledger is added to it. before is the entry as it
// was, zero for none.
//
// A window whose extract is under way is left alone: the error is an [*UnderWay]. One that
// the same file was imported into before, to its end or not, is taken again. If the import
// is not completed within ReadyFor, a planned window is asked for.
func (l *Ledger) Import(ctx context.Context, f schemas.FileReady, now time.Time) (before schemas.WindowEntry, err error) {
	key := schemas.WindowKey(f.Tenant, f.Kind, f.Window)
	for {
		e, err := l.get(ctx, key)
		if err == nil && e.newer() {
			err = fmt.Errorf("import into window %s: a newer version of the bridge has it; import with that", f.Window)
		}
		if err != nil {
			return before, err
		}
		before = e.WindowEntry
		switch open := e.State == schemas.WindowRequested || e.State == schemas.WindowReady; {
		case open && e.ResponseID != f.ResponseID && now.Before(e.DueAt):
			return before, &UnderWay{before}
		case e.revision == 0:
			e.WindowEntry = schemas.WindowEntry{Tenant: f.Tenant, Kind: f.Kind, Window: f.Window, Unplanned: true}
		case e.ResponseID != f.ResponseID:
			leave(&e.WindowEntry)
		}
		e.State, e.ResponseID, e.FileName, e.Via = schemas.WindowReady, f.ResponseID, f.FileName, schemas.ViaManual
		e.Passed, e.Budget, e.ReadyAt, e.DueAt = 0, "", now, now.Add(l.o.ReadyFor)
		if ok, err := l.swap(ctx, key, e); err != nil || ok {
			return before, err
		}
	}
}

// Overlapping are the windows of a kind that share time with w, in their order.
func (l *Ledger) Overlapping(tenant string, kind schemas.Kind, w schemas.Window) []schemas.WindowEntry {
	return slices.DeleteFunc(l.Entries(tenant, kind), func(e schemas.WindowEntry) bool {
		return !e.Window.From.Before(w.To) || !e.Window.To.After(w.From)
	})
}
