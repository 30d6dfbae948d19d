package bus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
	if err := c.ReadBack(ctx, callSubject("acme", 1), func(h schemas.CallHeader, seq uint64) {
		if m, found, err := c.At(ctx, seq); !found || m.Get(schemas.HeaderCall) != h.Call {
			t.Errorf("call %s is not at %d: %v", h.Call, seq, err)
		}
		read = append(read, fmt.Sprint(h.Call, h.Revision))
	}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(read) != "[c01 c11 c21 c90001]" {
		t.Errorf("window 1 has %v", read)
	}
	if since, err := c.Kept(ctx); err != nil || time.Since(since).Round(time.Hour) != 400*24*time.Hour {
		t.Errorf("it has all since %v: %v", since, err)
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

// What is said of recordings is read of one tenant, from a sequence or since a time, and from
// the first when the stream is another one.
func TestHeard(t *testing.T) {
	t.Parallel()
	b := ready(t)
	c := b.Calls()
	say := func(tenant string, n int) {
		t.Helper()
		if err := b.Publish(t.Context(), bustest.Message(fmt.Sprintf("aicc.v1.%s.recording.101.stored", tenant), fmt.Sprint(tenant, n), true)); err != nil {
			t.Fatal(err)
		}
	}
	heard := func(from uint64, since time.Time) (ids []string) {
		t.Helper()
		err := c.Heard(t.Context(), "acme", from, since, func(m schemas.Stored) error {
			ids = append(ids, m.Get("ce-id"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if ids := heard(1, time.Time{}); ids != nil {
		t.Errorf("nothing was said, and %v is heard", ids)
	}
	for n := range 3 {
		say("acme", n)
		say("other", n)
	}
	for _, want := range []struct {
		from  uint64
		since time.Time
		ids   string
	}{
		{1, time.Time{}, "[acme0 acme1 acme2]"}, {2, time.Time{}, "[acme1 acme2]"}, {6, time.Time{}, "[]"}, {7, time.Time{}, "[]"},
		{8, time.Time{}, "[acme0 acme1 acme2]"}, {0, time.Now().Add(-time.Hour), "[acme0 acme1 acme2]"}, {0, time.Now().Add(time.Hour), "[]"},
	} {
		if ids := fmt.Sprint(heard(want.from, want.since)); ids != want.ids {
			t.Errorf("from %d since %v: %s, want %s", want.from, want.since, ids, want.ids)
		}
	}
	enough := errors.New("enough")
	if err := c.Heard(t.Context(), "acme", 1, time.Time{}, func(schemas.Stored) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of f ends it with %v", err)
	}
}

// A stream that somebody limited takes what it takes, and says what it has let go.
func TestLimitedCalls(t *testing.T) {
	t.Parallel()
	b := ready(t)
	c := b.Calls()
	others := boss(t, b) // somebody who may
	limit := func(change func(*jetstream.StreamConfig)) {
		t.Helper()
		s, err := others.Stream(t.Context(), "AICC_CALLS")
		if err != nil {
			t.Fatal(err)
		}
		config := s.CachedInfo().Config
		change(&config)
		if _, err := others.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	large := someCalls("acme", 1, 0, 1)[0]
	large.Body = fmt.Appendf(nil, "%q", strings.Repeat("x", 3000))
	if _, err := c.Kept(t.Context()); err != nil || !c.Fits(large) {
		t.Errorf("it does not fit: %v", err)
	}
	limit(func(s *jetstream.StreamConfig) { s.MaxMsgSize = 2000 })
	var p *schemas.Permanent
	if _, err := c.Append(t.Context(), "acme", []schemas.Message{large}, 0); !errors.As(err, &p) || p.Reason != schemas.ReasonOversized {
		t.Errorf("it is stored: %v", err)
	}
	if _, err := c.Kept(t.Context()); err != nil || c.Fits(large) || !c.Fits(someCalls("acme", 1, 0, 1)[0]) {
		t.Errorf("it is not seen that it does not fit: %v", err)
	}
	last := uint64(0)
	for n := range 3 {
		var err error
		if last, err = c.Append(t.Context(), "acme", someCalls("acme", n, n, 1), last); err != nil {
			t.Fatal(err)
		}
	}
	limit(func(s *jetstream.StreamConfig) { s.MaxMsgs, s.AllowAtomicPublish = 1, true })
	if since, err := c.Kept(t.Context()); err != nil || time.Since(since) > time.Hour {
		t.Errorf("it let go all but the last, and has all since %v: %v", since, err)
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
