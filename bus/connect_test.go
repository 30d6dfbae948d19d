package bus

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/wire"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	n, s := bustest.Names(t), bustest.Server(t)
	registry := prometheus.NewRegistry()
	for name, o := range map[string]wire.Options{
		"names":    {Instance: "one", InProcess: s},
		"instance": {Names: n, InProcess: s},
		"either":   {Names: n, Instance: "one"},
		"URL":      {Names: n, Instance: "one", URL: "nats://me:canary@a b"},
	} {
		b, err := Connect(t.Context(), Options{Options: o})
		if err == nil {
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	open(t, s, func(o *Options) { o.Registerer = registry })
	defer func() {
		if recover() == nil {
			t.Error("the same metrics registered twice")
		}
	}()
	_, _ = Open(Options{Options: wire.Options{Names: n, Instance: "two", InProcess: s}, Registerer: registry})
}

func TestCloseEndsPublish(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.Close()
	if err := b.Publish(t.Context(), bustest.Event("1")); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("error %v", err)
	}
}
