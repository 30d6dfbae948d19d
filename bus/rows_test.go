package bus

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

func TestAppendAndReadBack(t *testing.T) {
	t.Parallel()
	b := ready(t)
	r := b.Rows()
	ctx := t.Context()
	if last, err := r.ReadBack(ctx, rowSubject(1), func(schemas.RowHeader, uint64) { t.Error("called") }); err != nil || last != 0 {
		t.Fatalf("an empty window: %d, %v", last, err)
	}
	batches := [][]schemas.Message{rows(1, 0, 1), rows(1, 1, schemas.MaxBatch), rows(1, 1+schemas.MaxBatch, 2)}
	last := uint64(0)
	for i, msgs := range batches {
		if _, err := r.Append(ctx, rows(2, i, 1), lastOf(t, r, 2)); err != nil { // a neighbour
			t.Fatal(err)
		}
		next, err := r.Append(ctx, msgs, last)
		if err != nil {
			t.Fatal(err)
		}
		last = next
	}
	var ids []string
	got, err := r.ReadBack(ctx, rowSubject(1), func(h schemas.RowHeader, seq uint64) {
		ids = append(ids, h.ID)
		if seq > last {
			t.Errorf("sequence %d", seq)
		}
	})
	if err != nil || got != last {
		t.Fatalf("last sequence %d, want %d, %v", got, last, err)
	}
	if len(ids) != schemas.MaxBatch+3 {
		t.Fatalf("%d rows", len(ids))
	}
	for i, id := range ids {
		if id != fmt.Sprintf("row-%d", i) {
			t.Fatalf("row %d is %s", i, id)
		}
	}
	if held, n, found, err := r.Held(ctx, rowSubject(1)); err != nil || !found || n != len(ids) || held.Sequence != last || held.Get("ce-id") != ids[n-1] {
		t.Errorf("held %d up to %d, %t, %v", n, held.Sequence, found, err)
	}
	if _, n, found, err := r.Held(ctx, rowSubject(3)); err != nil || found || n != 0 {
		t.Errorf("held of a window without rows: %d, %t, %v", n, found, err)
	}
	stored, found, err := b.Last(ctx, rowSubject(1))
	if err != nil || !found || stored.Sequence != last || stored.Get(schemas.HeaderMsgID) != "" {
		t.Errorf("last %+v %v %v", stored, found, err)
	}
}

func lastOf(t testing.TB, r *Rows, window int) uint64 {
	t.Helper()
	last, err := r.ReadBack(t.Context(), rowSubject(window), func(schemas.RowHeader, uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// A worker that lost its file, but does not know, appends after another did.
func TestZombieIsRefused(t *testing.T) {
	t.Parallel()
	b := ready(t)
	r := b.Rows()
	if _, err := r.Append(t.Context(), rows(1, 0, 3), 0); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2} { // one message and more go different ways
		if _, err := r.Append(t.Context(), rows(1, 0, n), 0); !errors.Is(err, schemas.ErrConflict) {
			t.Errorf("error %v", err)
		}
	}
	if got := all(t, b, schemas.StreamRows); len(got) != 3 {
		t.Errorf("%d rows, want 3: a refused batch must leave nothing", len(got))
	}
}

// Several workers fill one window at once; each reads back after a conflict.
func TestRacingWorkersStoreOnce(t *testing.T) {
	t.Parallel()
	b := ready(t)
	const n, batch, workers = 400, 50, 4
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			r := b.Rows()
			for {
				count := 0
				last, err := r.ReadBack(t.Context(), rowSubject(1), func(schemas.RowHeader, uint64) { count++ })
				if err != nil {
					t.Error(err)
					return
				}
				if count >= n { // more: the check below says so
					return
				}
				if _, err := r.Append(t.Context(), rows(1, count, batch), last); err != nil && !errors.Is(err, schemas.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	for i, m := range all(t, b, schemas.StreamRows) {
		if want := fmt.Sprintf("row-%d", i); m.Get("ce-id") != want {
			t.Fatalf("row %d is %s", i, m.Get("ce-id"))
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	b := ready(t)
	two := append(rows(1, 0, 1), rows(2, 0, 1)...)
	big := rows(1, 0, 3)
	big[1].Body = []byte(`"` + strings.Repeat("x", embedded.DefaultMaxPayloadBytes) + `"`)
	bad := rows(1, 0, 2)
	bad[1].ID = ""
	for name, tc := range map[string]struct {
		msgs   []schemas.Message
		reason schemas.Reason
	}{
		"none":           {nil, schemas.ReasonInvalid},
		"too many":       {rows(1, 0, schemas.MaxBatch+1), schemas.ReasonInvalid},
		"two subjects":   {two, schemas.ReasonInvalid},
		"invalid":        {bad, schemas.ReasonInvalid},
		"message id":     {[]schemas.Message{bustest.Message(rowSubject(1), "1", true)}, schemas.ReasonInvalid},
		"another stream": {[]schemas.Message{bustest.Message("aicc.v1.acme.coverage.cdr", "1", false)}, schemas.ReasonInvalid},
		"oversized":      {big, schemas.ReasonOversized},
	} {
		var p *schemas.Permanent
		if _, err := b.Rows().Append(t.Context(), tc.msgs, 0); !errors.As(err, &p) || p.Reason != tc.reason {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if got := all(t, b, schemas.StreamRows); len(got) != 0 {
		t.Errorf("%d rows stored", len(got))
	}
}

func TestAppendWithoutAtomicBatches(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t))
	hubtest.Differ(t, b.conn, "AICC_ROWS", func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false })
	hubtest.Ensure(t, b.conn, hubtest.Accept("AICC_ROWS.allow_atomic"))
	if _, err := b.Rows().Append(t.Context(), rows(1, 0, 2), 0); err == nil || errors.Is(err, schemas.ErrConflict) {
		t.Errorf("error %v", err)
	}
}

func TestReadBackMany(t *testing.T) {
	t.Parallel()
	b := ready(t)
	const n = 20 * schemas.MaxBatch
	last := uint64(0)
	for i := 0; i < n; i += schemas.MaxBatch {
		next, err := b.Rows().Append(t.Context(), rows(1, i, schemas.MaxBatch), last)
		if err != nil {
			t.Fatal(err)
		}
		last = next
	}
	count := 0
	got, err := b.Rows().ReadBack(t.Context(), rowSubject(1), func(h schemas.RowHeader, seq uint64) {
		if count++; uint64(count) != seq {
			t.Fatalf("row %d has sequence %d", count, seq)
		}
	})
	if err != nil || got != n || count != n {
		t.Errorf("%d rows up to %d, %v", count, got, err)
	}
}
