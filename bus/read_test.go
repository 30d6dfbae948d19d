package bus

import (
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

// A stream that is not there is an error at once, which names it once.
func TestFollowOfNoStream(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t))
	err := b.Follow(t.Context(), schemas.StreamEvents, "", func(schemas.Stored) error { return nil })
	if err == nil || strings.Count(err.Error(), "follow AICC_EVENTS") != 1 {
		t.Errorf("error %v", err)
	}
}

// Messages vanish while they are read: the end comes all the same.
func TestReadOverAPurge(t *testing.T) {
	t.Parallel()
	b := ready(t, func(o *Options) { o.RequestTimeout = time.Second })
	last := uint64(0)
	for i := range 3 {
		next, err := b.Rows().Append(t.Context(), rows(1, i*schemas.MaxBatch, schemas.MaxBatch), last)
		if err != nil {
			t.Fatal(err)
		}
		last = next
	}
	count := 0
	_, err := b.Rows().ReadBack(t.Context(), rowSubject(1), func(schemas.RowHeader, uint64) {
		if count++; count > 1 {
			return
		}
		s, err := boss(t, b).Stream(t.Context(), "AICC_ROWS")
		if err == nil {
			err = s.Purge(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil || count == 3*schemas.MaxBatch {
		t.Errorf("%d rows, %v", count, err)
	}
}
