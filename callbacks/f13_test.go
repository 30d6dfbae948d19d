package callbacks

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// serving runs a server for the rest of the test and returns its address.
func serving(t *testing.T, h *Handler) string {
	t.Helper()
	l := listen(t)
	intake, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	work, cut := context.WithTimeout(context.Background(), time.Millisecond)
	server := NewServer(l, nil, h, zerolog.Nop())
	go func() { done <- server.Run(intake, work) }()
	t.Cleanup(func() {
		defer cut()
		stop()
		<-done // an error says that connections were cut, as these tests leave them open
	})
	return l.Addr().String()
}

// from dials from one of the loopback addresses, as another host would.
func from(t *testing.T, source, address string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	c, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestF13Flood holds connections open from several hosts, some idle, some with
// half a request, and sends bodies that are too large or packed. Callbacks are
// served all the while.
func TestF13Flood(t *testing.T) {
	const idle, slow = 1000, 400
	store := &memory{}
	address := serving(t, newHandler(t, store, nil))
	for n := range idle {
		from(t, fmt.Sprintf("127.0.0.%d", 2+n%4), address)
	}
	for n := range slow {
		c := from(t, fmt.Sprintf("127.0.0.%d", 6+n%2), address)
		// A connection that was closed at once may refuse it.
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\nX-Slow: ")
	}
	var floods sync.WaitGroup
	huge := from(t, "127.0.0.8", address)
	floods.Go(func() {
		_, _ = io.WriteString(huge, "POST /ccfs/callback HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n")
		_, _ = io.CopyN(huge, endless{}, 1<<30) // until the server hangs up
	})
	stream := from(t, "127.0.0.9", address)
	floods.Go(func() {
		_, _ = io.WriteString(stream, "POST /ccfs/callback HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n")
		_, _ = io.CopyN(stream, endless{}, 1<<30)
	})
	const callbacks = 20
	var slowest time.Duration
	now := time.Now()
	for range callbacks {
		start := time.Now()
		if status := exchange(t, address, wire(t, publicPath, sample, now, nil)); status != 200 {
			t.Fatalf("a good callback was answered with %d", status)
		}
		slowest = max(slowest, time.Since(start))
		packed := wire(t, publicPath, sample, now, func(s string) string {
			return strings.Replace(s, "Authorization", "Content-Encoding: gzip\r\nAuthorization", 1)
		})
		if status := exchange(t, address, packed); status != 415 {
			t.Errorf("a packed callback was answered with %d", status)
		}
	}
	floods.Wait()
	if len(store.stored) != callbacks {
		t.Errorf("%d effects, want %d", len(store.stored), callbacks)
	}
	t.Attr("figure", fmt.Sprintf("%d/%d callbacks served under %d idle and %d half-open connections and two endless bodies",
		len(store.stored), callbacks, idle, slow))
	t.Attr("measured", fmt.Sprintf("slowest %d ms", slowest.Milliseconds()))
	t.Attr("tries", fmt.Sprint(callbacks))
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
