package bus

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/faultproxy"
	"aiccbridge/schemas"
)

func rowSubject(window int) string { return fmt.Sprintf("aicc.v1.acme.row.cdr.w%d", window) }

func rows(window, from, n int) []schemas.Message {
	list := make([]schemas.Message, n)
	for i := range list {
		list[i] = bustest.Message(rowSubject(window), fmt.Sprintf("row-%d", from+i), false)
	}
	return list
}

func TestMain(m *testing.M) { bustest.Main(m) }

// open connects a bus without making assets.
func open(t testing.TB, p nats.InProcessConnProvider, change ...func(*Options)) *Bus {
	t.Helper()
	o := Options{Registerer: prometheus.NewRegistry()}
	o.Names, o.Instance, o.InProcess = bustest.Names(t), "one", p
	if bustest.Signs {
		signIn(assets.RoleBridge)(&o)
	}
	for _, f := range change {
		f(&o)
	}
	b, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// signIn makes a bus that of a user of a [bustest.PermittedServer].
func signIn(r assets.Role) func(*Options) {
	return func(o *Options) { o.User, o.Password = string(r), bustest.Password(string(r)) }
}

// ready connects a bus and makes its assets.
func ready(t testing.TB, change ...func(*Options)) *Bus {
	t.Helper()
	b := open(t, bustest.Server(t), change...)
	hubtest.Ensure(t, b.conn, func(o *assets.Options) { o.AckWait = b.opts.AckWait })
	return b
}

// boss is JetStream for somebody who may do everything on b's server.
func boss(t testing.TB, b *Bus) jetstream.JetStream { return hubtest.Superior(t, b.conn).JetStream() }

// proxied is a bus that reaches its server through a proxy, and one that does not.
func proxied(t *testing.T, change ...func(*Options)) (proxy *faultproxy.Proxy, through, direct *Bus) {
	t.Helper()
	proxy, c, d := hubtest.Proxied(t)
	to := func(c *wire.Conn) func(*Options) {
		return func(o *Options) { o.URL = hubtest.URL(c) }
	}
	through = open(t, nil, append([]func(*Options){to(c)}, change...)...)
	direct = open(t, d.JetStream().Conn().Opts.InProcessServer, change...)
	return proxy, through, direct
}

// all reads a stream to its end.
func all(t testing.TB, b *Bus, s schemas.Stream) []schemas.Stored {
	t.Helper()
	return hubtest.All(t, b.conn, s)
}

// counted is the value of one of the bus's metrics; label "": it has none.
func (b *Bus) counted(t testing.TB, metric, label string) (sum float64) {
	t.Helper()
	families, err := b.opts.Registerer.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "aicc_bus_"+metric && (label == "" || m.GetLabel()[0].GetValue() == label) {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// verdicts is how often files ended so.
func (b *Bus) verdicts(t testing.TB, v verdict) float64 {
	t.Helper()
	return b.counted(t, "verdicts_total", string(v))
}
