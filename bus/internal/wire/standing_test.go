package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/denied"
	"aiccbridge/schemas"
)

// TestDeadLettersAreCounted: those of the time asked about, the newest hundred, and why.
func TestDeadLettersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Publisher
		expect := func(want int, reason schemas.Reason) {
			t.Helper()
			if n, last := p.DeadLetters(time.Hour); n != want || last != reason {
				t.Errorf("%d, the last because of %q; want %d, %q", n, last, want, reason)
			}
		}
		expect(0, "")
		for i := range 12 {
			p.letters.Add([]byte(fmt.Sprintf(`{"reason":"reason_%d"}`, i)))
			time.Sleep(5 * time.Minute)
		}
		expect(12, "reason_11") // the first is an hour old
		time.Sleep(time.Second)
		expect(11, "reason_11")
		time.Sleep(30 * time.Minute)
		expect(5, "reason_11")
		for range 300 {
			p.letters.Add(nil)
		}
		expect(100, "")
		time.Sleep(2 * time.Hour)
		expect(0, "")
	})
}

// TestReportsAreSaidOnce: what the client library says again and again is one line, until
// there was peace for a while.
func TestReportsAreSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		l := &listener{log: zerolog.New(&log)}
		count := func() int { return strings.Count(log.String(), "nats reported an error") }
		for i := range 80 {
			l.report(fmt.Errorf("nats: message %d of the hub refused", i))
			time.Sleep(time.Second)
		}
		if count() != 1 {
			t.Errorf("%d lines for 80 errors of one kind", count())
		}
		l.report(errors.New("nats: slow consumer"))
		if count() != 2 {
			t.Errorf("%d lines after another error", count())
		}
		time.Sleep(reportsOver + time.Second)
		l.report(errors.New("nats: slow consumer"))
		if count() != 3 {
			t.Errorf("%d lines after some peace", count())
		}
	})
}

// TestNotSent: that nats is away is no matter of buffers.
func TestNotSent(t *testing.T) {
	c := &Conn{denials: &denied.List{}}
	err := c.Explain(time.Now(), "", fmt.Errorf("ask: %w", nats.ErrReconnectBufExceeded))
	if err == nil || strings.Contains(err.Error(), "buffer") || !strings.Contains(err.Error(), "nats is away") || !certainlyNotStored(err) {
		t.Errorf("it says %v", err)
	}
	if c.Explain(time.Now(), "", nil) != nil {
		t.Error("success is explained")
	}
}
