package bus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

func callSubject(tenant string, window int) string {
	return fmt.Sprintf("aicc.v1.%s.call.w%d", tenant, window)
}

func someCalls(tenant string, window, from, n int) []schemas.Message {
	list := make([]schemas.Message, n)
	for i := range list {
		list[i] = bustest.Message(callSubject(tenant, window), fmt.Sprintf("call-%d", from+i), false)
		list[i].Header = map[string]string{schemas.HeaderCall: fmt.Sprintf("c%d", from+i), schemas.HeaderCallRevision: "1"}
	}
	return list
}

// oneFence has two writers of one tenant, on different windows: the one who has not seen
// what the other wrote is refused. Another tenant is nobody's business.
func oneFence(t *testing.T, c *Calls) {
	t.Helper()
	ctx := t.Context()
	appended := func(tenant string, last uint64, msgs []schemas.Message) uint64 {
		t.Helper()
		next, err := c.Append(ctx, tenant, msgs, last)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	newest := func(tenant string) (last uint64, ids []string) {
		t.Helper()
		last, err := c.Newest(ctx, tenant, func(m schemas.Stored) error {
			ids = append(ids, m.Get("ce-id"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return last, ids
	}
	if last, ids := newest("acme"); last != 0 || ids != nil {
		t.Fatalf("an empty stream ends at %d with %v", last, ids)
	}
	first := appended("acme", 0, someCalls("acme", 1, 0, 3))
	appended("other", 0, someCalls("other", 1, 0, 2))
	second := appended("acme", first, someCalls("acme", 2, 3, schemas.MaxBatch))
	appended("other", first+2, someCalls("other", 1, 2, 1))
	for _, window := range []int{1, 2, 3} {
		for _, n := range []int{1, 2} { // one message and more go different ways
			if _, err := c.Append(ctx, "acme", someCalls("acme", window, 5000, n), first); !errors.Is(err, schemas.ErrConflict) {
				t.Errorf("a writer who has seen nothing of window 2 writes %d on window %d: %v", n, window, err)
			}
		}
	}
	last, ids := newest("acme")
	if last != second || fmt.Sprint(ids) != fmt.Sprintf("[call-2 call-%d]", schemas.MaxBatch+2) {
		t.Errorf("the newest are %v up to %d, want up to %d", ids, last, second)
	}
	appended("acme", last, someCalls("acme", 1, 9000, 1))
	var read []string
	if err := c.ReadBack(ctx, callSubject("acme", 1), func(h schemas.CallHeader) { read = append(read, fmt.Sprint(h.Call, h.Revision)) }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(read) != "[c01 c11 c21 c90001]" {
		t.Errorf("window 1 has %v", read)
	}
	if keeps, err := c.Keeps(ctx); err != nil || keeps != 400*24*time.Hour {
		t.Errorf("it keeps %v: %v", keeps, err)
	}
	whole := 0
	err := c.Read(ctx, callSubject("acme", 1), func(m schemas.Stored) error {
		whole += min(len(m.Body), 1)
		return nil
	})
	if err != nil || whole != len(read) {
		t.Errorf("read %d of %d messages whole: %v", whole, len(read), err)
	}
}

func TestCallsBehindOneFence(t *testing.T) {
	t.Parallel()
	oneFence(t, ready(t).Calls())
}

// In a cluster the leader has a second check, on what is on its way.
func TestCallsBehindOneFenceOfACluster(t *testing.T) {
	t.Parallel()
	urls := bustest.Cluster(t, 3)
	b := open(t, nil, func(o *Options) { o.URL = urls })
	hubtest.Ensure(t, b.conn, func(o *assets.Options) { o.Replicas = 3 })
	oneFence(t, b.Calls())
	read := make(chan error, 2)
	last, err := b.Calls().Newest(t.Context(), "acme", func(schemas.Stored) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for window := range 2 { // at once
		go func() {
			_, err := b.Calls().Append(bustest.Limited(t, time.Minute), "acme", someCalls("acme", 10+window, 0, 100), last)
			read <- err
		}()
	}
	if one, other := <-read, <-read; (one == nil) == (other == nil) {
		t.Errorf("of two writers at once one gets %v, the other %v", one, other)
	}
}

func TestCallsOnTheirSubjectsOnly(t *testing.T) {
	t.Parallel()
	c := ready(t).Calls()
	var p *schemas.Permanent
	if _, err := c.Append(t.Context(), "acme", rows(1, 0, 1), 0); !errors.As(err, &p) {
		t.Errorf("a row among calls: %v", err)
	}
}
