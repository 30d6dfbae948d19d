// Package hubtest is connections for the tests of the bus's rooms: with the rights that
// a bridge has, and the assets made by whoever may.
//
// Only tests may import it. It may import schemas, bus/assets, bus/internal/bustest,
// bus/internal/wire and internal/faultproxy.
package hubtest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/faultproxy"
	"aiccbridge/schemas"
)

// SignIn makes a connection that of a user of a [bustest.PermittedServer].
func SignIn(r assets.Role) func(*wire.Options) {
	return func(o *wire.Options) { o.User, o.Password = string(r), bustest.Password(string(r)) }
}

// As makes a connection to a [bustest.Server] that of a user.
func As(r assets.Role) func(*wire.Options) {
	if bustest.Signs {
		return SignIn(r)
	}
	return func(*wire.Options) {}
}

// Quick shortens a connection's tries.
func Quick(d time.Duration) func(*wire.Options) {
	return func(o *wire.Options) { o.RequestTimeout = d }
}

// unhurried is what a request may take by itself, and more than a test shortens it to.
const unhurried = 2 * time.Second

// Patient is for a connection to a server that answers: however busy the machine is.
func Patient(o *wire.Options) { o.RequestTimeout = time.Minute }

// Open connects a bridge without making assets.
func Open(t testing.TB, p nats.InProcessConnProvider, change ...func(*wire.Options)) *wire.Conn {
	t.Helper()
	o := wire.Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: assets.BridgeInbox, InProcess: p}
	As(assets.RoleBridge)(&o)
	for _, f := range change {
		f(&o)
	}
	return connect(t, o)
}

func connect(t testing.TB, o wire.Options) *wire.Conn {
	t.Helper()
	c, err := wire.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// again are the options that c was made with, as far as tests set them.
func again(c *wire.Conn) wire.Options {
	client := c.JetStream().Conn().Opts
	return wire.Options{
		Names: c.Names(), Instance: c.Instance(), URL: URL(c), InProcess: client.InProcessServer,
		User: client.User, Password: client.Password, InboxPrefix: client.InboxPrefix,
		RequestTimeout: c.RequestTimeout(), Logger: c.Logger(),
	}
}

// URL is where c connects; "": to a server in the process.
func URL(c *wire.Conn) string {
	if !c.External() {
		return ""
	}
	return strings.Join(c.JetStream().Conn().Opts.Servers, ",")
}

// another is a connection to c's server for what is no part of a test: of another user, where users
// sign in, and not as quick as c may be.
func another(t testing.TB, c *wire.Conn, r assets.Role) *wire.Conn {
	t.Helper()
	o := again(c)
	signs := bustest.Signs && o.User != string(assets.RoleAdmin)
	if !signs && o.RequestTimeout >= unhurried {
		return c
	}
	if signs {
		SignIn(r)(&o)
		if r == assets.RoleReader {
			o.InboxPrefix = assets.ReaderInbox
		}
	}
	Patient(&o)
	return connect(t, o)
}

// Twin is a further connection of c's user.
func Twin(t testing.TB, c *wire.Conn) *wire.Conn {
	t.Helper()
	return connect(t, again(c))
}

// Reader is a connection that may read and ask on c's server.
func Reader(t testing.TB, c *wire.Conn) *wire.Conn { return another(t, c, assets.RoleReader) }

// Superior is a connection that may do everything on c's server.
func Superior(t testing.TB, c *wire.Conn) *wire.Conn { return another(t, c, assets.RoleAdmin) }

// Table is the table for a connection, kept by others if its user may not make streams.
func Table(c *wire.Conn, change ...func(*assets.Options)) *assets.Table {
	user := assets.Role(c.JetStream().Conn().Opts.User)
	o := assets.Options{Keep: user == assets.RoleBridge || user == assets.RoleReader}
	for _, f := range change {
		f(&o)
	}
	return assets.NewTable(c, o)
}

// Ensure makes the assets, as whoever may, and lets c see to them.
func Ensure(t testing.TB, c *wire.Conn, change ...func(*assets.Options)) {
	t.Helper()
	maker := another(t, c, assets.RoleApply)
	err := Table(maker, change...).Ensure(t.Context())
	if err == nil && maker != c {
		err = Table(c, change...).Ensure(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// LeaseTTL sets how long leases live.
func LeaseTTL(d time.Duration) func(*assets.Options) {
	return func(o *assets.Options) { o.LeaseTTL = d }
}

// Accept lets a stream's setting be weaker.
func Accept(setting string) func(*assets.Options) {
	return func(o *assets.Options) { o.AcceptWeaker = []string{setting} }
}

// Ready connects a bridge to a server of its own and makes its assets.
func Ready(t testing.TB, change ...func(*wire.Options)) *wire.Conn {
	t.Helper()
	c := Open(t, bustest.Server(t), change...)
	Ensure(t, c)
	return c
}

// MakeBuckets makes the buckets that a spool has.
func MakeBuckets(t testing.TB, c *wire.Conn, leaseTTL time.Duration) {
	t.Helper()
	n := c.Names()
	c = another(t, c, assets.RoleApply)
	for _, b := range []schemas.Bucket{schemas.BucketSessions, schemas.BucketState, schemas.BucketLeases} {
		if err := c.MakeStream(t.Context(), Config(t, c, n.BucketStream(b), LeaseTTL(leaseTTL))); err != nil {
			t.Fatal(err)
		}
	}
}

// Config is a stream of the table.
func Config(t testing.TB, c *wire.Conn, stream string, change ...func(*assets.Options)) jetstream.StreamConfig {
	t.Helper()
	all := Table(c, change...).Assets()
	i := slices.IndexFunc(all, func(a assets.Asset) bool { return a.Name == stream })
	if i < 0 {
		t.Fatalf("no stream %s in the table", stream)
	}
	return all[i].StreamConfig
}

// Differ makes one stream of the table with other settings.
func Differ(t testing.TB, c *wire.Conn, stream string, change func(*jetstream.StreamConfig)) jetstream.StreamConfig {
	t.Helper()
	config := Config(t, c, stream)
	config.Description = "by somebody else"
	change(&config)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // else it is as long as a request of c may take
	defer cancel()
	if _, err := Superior(t, c).JetStream().CreateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	return config
}

// All reads a stream to its end.
func All(t testing.TB, c *wire.Conn, s schemas.Stream) (all []schemas.Stored) {
	t.Helper()
	err := Reader(t, c).Read(t.Context(), wire.Range{Stream: c.Names().Stream(s)}, func(m schemas.Stored) error {
		all = append(all, m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// AwaitConsumer waits until somebody waits for messages of a stream.
func AwaitConsumer(t testing.TB, c *wire.Conn, stream string) {
	t.Helper()
	boss := Superior(t, c)
	bustest.Await(t, func() bool {
		s, err := boss.JetStream().Stream(t.Context(), stream)
		if err != nil {
			return false
		}
		waiting := false
		for info := range s.ListConsumers(t.Context()).Info() {
			waiting = waiting || info.NumWaiting > 0
		}
		return waiting
	})
}

// Overhear listens to what somebody sends to the server.
func Overhear(t testing.TB, c *wire.Conn, subject string) *nats.Subscription {
	t.Helper()
	nc := Superior(t, c).JetStream().Conn()
	sub, err := nc.SubscribeSync(subject)
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// Proxied is a server behind a proxy, with its assets, a connection that reaches it
// through that, and one that does not.
func Proxied(t testing.TB, change ...func(*wire.Options)) (proxy *faultproxy.Proxy, through, direct *wire.Conn) {
	t.Helper()
	s := bustest.Listening(t, t.TempDir(), 0)
	proxy, err := faultproxy.Listen(strings.TrimPrefix(s.ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	direct = Open(t, s, change...)
	Ensure(t, direct)
	o := again(direct)
	o.InProcess, o.URL = nil, "nats://"+proxy.Addr()
	return proxy, connect(t, o), direct
}
