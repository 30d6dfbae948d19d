package wire_test

import (
	"bytes"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// A reader's first request may come to a server of the cluster that has not heard of the
// reader yet, and answers that nobody listens. All of the range comes all the same.
func TestF31RequestUnheard(t *testing.T) {
	t.Parallel()
	const messages = 20
	var unheard atomic.Int32
	s := bustest.Server(t)
	publishTo(t, s, messages)
	link := &bustest.Link{InProcessConnProvider: s}
	link.Write = func(c net.Conn, p []byte) (int, error) {
		request := []byte("$JS.API.CONSUMER.MSG.NEXT.AICC_EVENTS.")
		if bytes.Contains(p, request) && unheard.CompareAndSwap(0, 1) {
			p = bytes.Replace(p, request, bytes.Replace(request, []byte("$JS"), []byte("$NO"), 1), 1)
		}
		return c.Write(p)
	}
	c := hubtest.Open(t, link)
	got := 0
	err := c.Read(t.Context(), wire.Range{Stream: "AICC_EVENTS"}, func(schemas.Stored) error { got++; return nil })
	if err != nil || got != messages || unheard.Load() != 1 {
		t.Errorf("got %d of %d, %v, %d requests unheard", got, messages, err, unheard.Load())
	}
	t.Attr("figure", fmt.Sprintf("%d of %d messages after a request that nobody heard", got, messages))
}
