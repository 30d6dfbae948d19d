package bus

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// TestF33WindowsThatLackRows: of complete windows those are named of which the stream has
// lost rows, or the marker.
func TestF33WindowsThatLackRows(t *testing.T) {
	t.Parallel()
	t.Attr("figure", "5 sets of complete windows, those that lack rows or their marker named, and no others")
	hour := func(n int) schemas.WindowEntry {
		from := time.Now().Truncate(time.Hour).Add(time.Duration(n-10) * time.Hour).UTC()
		return schemas.WindowEntry{
			Tenant: "acme", Kind: schemas.KindCDR, State: schemas.WindowCompleted, Rows: n,
			Window: schemas.Window{From: from, To: from.Add(time.Hour)}, CompletedAt: time.Now(),
		}
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, s jetstream.Stream) error // the rows of window n are n; a marker follows
		want []int
	}{
		"nothing":               {func(*testing.T, jetstream.Stream) error { return nil }, nil},
		"a row":                 {func(t *testing.T, s jetstream.Stream) error { return s.DeleteMsg(t.Context(), 4) }, []int{2}},
		"a marker":              {func(t *testing.T, s jetstream.Stream) error { return s.DeleteMsg(t.Context(), 1) }, []int{0}},
		"a row of two extracts": {func(t *testing.T, s jetstream.Stream) error { return s.DeleteMsg(t.Context(), 7) }, []int{3}},
		"everything":            {func(t *testing.T, s jetstream.Stream) error { return s.Purge(t.Context()) }, []int{0, 1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := ready(t)
			var complete []schemas.WindowEntry
			for n := range 4 {
				e := hour(n)
				complete = append(complete, e)
				var batch []schemas.Message
				for i := range n {
					m := rows(n, i, 1)[0]
					m.Subject = b.names.Row(e.Tenant, e.Kind, e.Window)
					batch = append(batch, m)
				}
				marker, err := b.names.WindowCompleteMessage(schemas.WindowComplete{
					Tenant: e.Tenant, Kind: e.Kind, Window: e.Window, ResponseID: fmt.Sprintf("%032x", n), Rows: n,
					RequestedAt: e.Window.To, CompletedAt: time.Now(),
				})
				if err != nil {
					t.Fatal(err)
				}
				batch = append(batch, marker)
				if n == 3 {
					batch = append(batch, marker)
				}
				if _, err := b.Rows().Append(t.Context(), batch, 0); err != nil {
					t.Fatal(err)
				}
			}
			s, err := boss(t, b).Stream(t.Context(), b.names.Stream(schemas.StreamRows))
			if err == nil {
				err = c.harm(t, s)
			}
			if err != nil {
				t.Fatal(err)
			}
			lacking, err := b.Rows().Lacking(t.Context(), complete)
			var got []int
			for _, e := range lacking {
				got = append(got, e.Rows)
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("windows %v lack rows, want %v: %v", got, c.want, err)
			}
		})
	}
}
