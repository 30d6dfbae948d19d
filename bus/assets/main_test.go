package assets

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/wire"
)

func TestMain(m *testing.M) { bustest.Main(m) }

// connect connects a user to a [bustest.Server].
func connect(t *testing.T, p nats.InProcessConnProvider, r Role, timeout time.Duration) *wire.Conn {
	t.Helper()
	if !bustest.Signs {
		r = ""
	}
	return signIn(t, p, r, timeout)
}

func signIn(t *testing.T, p nats.InProcessConnProvider, r Role, timeout time.Duration) *wire.Conn {
	t.Helper()
	o := wire.Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: BridgeInbox, InProcess: p, RequestTimeout: timeout}
	if r != "" {
		o.User, o.Password = string(r), bustest.Password(string(r))
	}
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

// signedIn is the table as a user of a [bustest.PermittedServer] has it.
func signedIn(t *testing.T, p nats.InProcessConnProvider, r Role) *Table {
	t.Helper()
	return NewTable(signIn(t, p, r, 0), Options{Keep: r == RoleBridge || r == RoleReader})
}

// open is a table of a [bustest.Server], without its assets.
func open(t *testing.T, p nats.InProcessConnProvider, r Role, change ...func(*Options)) *Table {
	t.Helper()
	o := Options{Keep: bustest.Signs && r == RoleBridge}
	for _, f := range change {
		f(&o)
	}
	return NewTable(connect(t, p, r, 0), o)
}

// ready is a bridge's table, with its assets.
func ready(t *testing.T) *Table {
	t.Helper()
	s := bustest.Server(t)
	if err := open(t, s, RoleApply).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return open(t, s, RoleBridge)
}

// differ makes one stream of the table with other settings.
func differ(t *testing.T, b *Table, stream string, change func(*jetstream.StreamConfig)) jetstream.StreamConfig {
	t.Helper()
	i := slices.IndexFunc(b.assets, func(a Asset) bool { return a.Name == stream })
	c := b.assets[i].StreamConfig
	c.Description = "by somebody else"
	change(&c)
	if _, err := b.conn.JetStream().CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}
