package bus

import (
	"context"
	"fmt"
	"strings"
	"time"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// tally is what the stream has of a window.
type tally struct {
	rows   int
	marked bool
}

// Lacking are those of complete windows of which the stream has fewer rows than the ledger
// says, or no marker, and which are not so old that they have left it as they should. It
// reads the headers of all rows of their kinds.
func (r *Rows) Lacking(ctx context.Context, complete []schemas.WindowEntry) ([]schemas.WindowEntry, error) {
	start, stream := time.Now(), r.bus.names.Stream(schemas.StreamRows)
	lacking, err := r.lacking(ctx, stream, complete)
	if err != nil {
		return nil, fmt.Errorf("count the rows of %d windows: %w", len(complete), r.bus.conn.Explain(start, stream, err))
	}
	return lacking, nil
}

func (r *Rows) lacking(ctx context.Context, stream string, complete []schemas.WindowEntry) (lacking []schemas.WindowEntry, err error) {
	info, err := r.bus.conn.StreamInfo(ctx, stream)
	if err != nil {
		return nil, err
	}
	counted := map[string]map[string]tally{} // by filter and subject
	for _, e := range complete {
		if age := info.Config.MaxAge; age > 0 && time.Since(e.Window.To) > age && time.Since(e.CompletedAt) > age {
			continue
		}
		subject := r.bus.names.Row(e.Tenant, e.Kind, e.Window)
		filter := subject[:strings.LastIndex(subject, ".")] + ".*"
		if counted[filter] == nil {
			if counted[filter], err = r.count(ctx, stream, filter); err != nil {
				return nil, err
			}
		}
		if have := counted[filter][subject]; !have.marked || have.rows < e.Rows {
			lacking = append(lacking, e)
		}
	}
	return lacking, nil
}

// count counts the rows of each window of a kind.
func (r *Rows) count(ctx context.Context, stream, filter string) (map[string]tally, error) {
	counted := map[string]tally{}
	err := r.bus.conn.Read(ctx, wire.Range{Stream: stream, Filter: filter, HeadersOnly: true}, func(m schemas.Stored) error {
		t := counted[m.Subject]
		if m.Get("ce-type") == schemas.TypeWindowComplete {
			t.marked = true
		} else {
			t.rows++
		}
		counted[m.Subject] = t
		return nil
	})
	return counted, err
}
