package wire_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
)

// A hub that stops reading, without an end of the connection, holds up nobody for
// longer than a few requests take.
func TestAHubThatReadsNothing(t *testing.T) {
	t.Parallel()
	const limit = 25 * time.Second // the client library's own is a minute
	proxy, c, _ := hubtest.Proxied(t, hubtest.Quick(500*time.Millisecond))
	publisher := wire.NewPublisher(c, wire.PublisherOptions{})
	proxy.Delay(time.Hour)
	m := bustest.Event("1")
	m.Body = []byte(`"` + strings.Repeat("x", 900<<10) + `"`)
	begin := time.Now()
	for range 30 { // more than the kernel keeps
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := publisher.Publish(ctx, "AICC_EVENTS", wire.Message(m)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		cancel()
		if c.Connected() != nil {
			break
		}
	}
	if took := time.Since(begin); took > limit {
		t.Errorf("it took %s", took)
	}
}
