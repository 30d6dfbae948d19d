package bus

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/faultproxy"
	"aiccbridge/schemas"
)

// proxied is a server behind a proxy, and a bus that reaches it through that.
func proxied(t *testing.T, change ...func(*Options)) (proxy *faultproxy.Proxy, through, direct *Bus) {
	t.Helper()
	s := hubOn(t, t.TempDir(), 0)
	proxy, err := faultproxy.Listen(strings.TrimPrefix(s.ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	direct = open(t, s, change...)
	if err := ensure(t, direct); err != nil {
		t.Fatal(err)
	}
	o := direct.opts
	o.InProcess, o.URL, o.Registerer = nil, "nats://"+proxy.Addr(), nil
	if through, err = Connect(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(through.Close)
	return proxy, through, direct
}

// However often the connection breaks while a worker is at work, it is never one
// ahead afterwards: what it does not get would wait for AckWait.
func TestConsumeOverManyReconnects(t *testing.T) {
	t.Parallel()
	const cuts, files = 8, 40
	var log logLines
	proxy, b, direct := proxied(t, func(o *Options) { o.Logger = zerolog.New(&log) })
	atWork, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var done atomic.Int64
	intake, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.ConsumeFiles(intake, t.Context(), 2, func(context.Context, schemas.Delivery) error {
			once.Do(func() { close(atWork); <-goOn })
			done.Add(1)
			return nil
		})
	}()
	t.Cleanup(func() { stop(); <-ended })
	publishFiles(t, direct, 1)
	<-atWork
	for i := range uint64(cuts) {
		proxy.Cut()
		await(t, func() bool { return b.nc.Stats().Reconnects == i+1 && b.nc.IsConnected() })
	}
	close(goOn)
	for i := 1; i < files; i++ {
		m := file(time.Now().String())
		if err := direct.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool { return done.Load() >= files }) // long before AckWait
	await(t, func() bool { waiting, unsettled := pending(t, direct); return waiting+unsettled == 0 })
	if strings.Contains(log.String(), "slow consumer") || done.Load() != files {
		t.Errorf("%d deliveries of %d files:\n%s", done.Load(), files, log.String())
	}
}
