package bus

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

// However often the connection breaks while a worker is at work, it is never one
// ahead afterwards: what it does not get would wait for AckWait.
func TestConsumeOverManyReconnects(t *testing.T) {
	t.Parallel()
	const cuts, files = 8, 40
	var log bustest.Log
	proxy, b, direct := proxied(t, func(o *Options) { o.Logger = zerolog.New(&log) })
	atWork, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	release := sync.OnceFunc(func() { close(goOn) })
	var done atomic.Int64
	intake, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.ConsumeFiles(intake, t.Context(), 2, workFunc(func(context.Context, schemas.Delivery) error {
			once.Do(func() { close(atWork); <-goOn })
			done.Add(1)
			return nil
		}))
	}()
	t.Cleanup(func() { stop(); release(); <-ended })
	publishFiles(t, direct, 1)
	<-atWork
	for i := range uint64(cuts) {
		proxy.Cut()
		bustest.Await(t, func() bool {
			return b.conn.JetStream().Conn().Stats().Reconnects >= i+1 && b.conn.JetStream().Conn().IsConnected()
		})
	}
	release()
	for i := 1; i < files; i++ {
		m := bustest.File(time.Now().String())
		if err := direct.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	bustest.Await(t, func() bool { return done.Load() >= files }) // long before AckWait
	bustest.Await(t, func() bool { waiting, unsettled := pending(t, direct); return waiting+unsettled == 0 })
	if strings.Contains(log.String(), "slow consumer") || done.Load() != files {
		t.Errorf("%d deliveries of %d files:\n%s", done.Load(), files, log.String())
	}
}
