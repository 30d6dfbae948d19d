package bus

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// tally is what the stream has of a window.
type tally struct {
	rows   int
	marked bool
}

// Lacking are those of complete windows of which the stream has fewer rows than the ledger
// says, or no marker. It asks the server for the number of messages; with damaged, which says
// that the stream has lost some, it reads the rows' headers and counts each kind. Windows
// that are older than what the stream begins with have aged, or were purged.
func (r *Rows) Lacking(ctx context.Context, complete []schemas.WindowEntry, damaged bool) ([]schemas.WindowEntry, error) {
	start, stream := time.Now(), r.bus.names.Stream(schemas.StreamRows)
	lacking, err := r.lacking(ctx, stream, complete, damaged)
	if err != nil {
		return nil, fmt.Errorf("count the rows of %d windows: %w", len(complete), r.bus.conn.Explain(start, stream, err))
	}
	return lacking, nil
}

func (r *Rows) lacking(ctx context.Context, stream string, complete []schemas.WindowEntry, damaged bool) (lacking []schemas.WindowEntry, err error) {
	info, err := r.bus.conn.StreamInfo(ctx, stream)
	if err != nil {
		return nil, err
	}
	counted := map[string]map[string]tally{} // by filter and subject
	for _, e := range complete {
		if gone(e, info, damaged) {
			continue
		}
		subject := r.bus.names.Row(e.Tenant, e.Kind, e.Window)
		filter := subject[:strings.LastIndex(subject, ".")] + ".*"
		if counted[filter] == nil {
			if counted[filter], err = r.count(ctx, stream, filter, damaged); err != nil {
				return nil, err
			}
		}
		if have := counted[filter][subject]; !have.marked || have.rows < e.Rows {
			lacking = append(lacking, e)
		}
	}
	return lacking, nil
}

// gone reports a window whose rows may have left the stream as they should.
func gone(e schemas.WindowEntry, info *jetstream.StreamInfo, damaged bool) bool {
	age, state := info.Config.MaxAge, info.State
	if damaged || state.FirstSeq <= 1 {
		return age > 0 && time.Since(e.Window.To) > age && time.Since(e.CompletedAt) > age
	}
	return state.Msgs == 0 || !e.Window.To.After(state.FirstTime)
}

// count counts the messages of each window of a kind. Without reading them every window has
// at least one marker among them.
func (r *Rows) count(ctx context.Context, stream, filter string, read bool) (map[string]tally, error) {
	counted := map[string]tally{}
	if read {
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
	s, err := r.bus.conn.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, err
	}
	for subject, n := range info.State.Subjects {
		counted[subject] = tally{int(n) - 1, true}
	}
	return counted, nil
}
