package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// A hub that stops reading, without an end of the connection, holds up nobody for
// longer than a few requests take.
func TestAHubThatReadsNothing(t *testing.T) {
	t.Parallel()
	const limit = 25 * time.Second // the client library's own is a minute
	proxy, b, _ := proxied(t, func(o *Options) { o.requestTimeout = 500 * time.Millisecond })
	proxy.Delay(time.Hour)
	m := event("1")
	m.Body = []byte(`"` + strings.Repeat("x", 900<<10) + `"`)
	begin := time.Now()
	for range 30 { // more than the kernel keeps
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := b.Publish(ctx, m); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		cancel()
		if b.Connected() != nil {
			break
		}
	}
	if took := time.Since(begin); took > limit {
		t.Errorf("it took %s", took)
	}
}
