package bus

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"aiccbridge/schemas"
)

// atOnce is how many tests run beside each other: they wait for servers and disks
// more than they compute.
const atOnce = 6

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func names(t *testing.T) schemas.Names {
	t.Helper()
	n, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// server is the one place where the servers of most tests come from.
func server(t *testing.T) *testServer {
	t.Helper()
	return startServer(t)
}

// open connects a bus without making assets.
func open(t *testing.T, p nats.InProcessConnProvider, change ...func(*Options)) *Bus {
	t.Helper()
	o := Options{Names: names(t), Instance: "one", InProcess: p}
	as(RoleBridge)(&o)
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

// ensure makes the assets, as whoever may, and lets b see to them.
func ensure(t *testing.T, b *Bus) error {
	t.Helper()
	m := maker(t, b)
	if err := m.Ensure(t.Context()); err != nil || m == b {
		return err
	}
	return b.Ensure(t.Context())
}

// overhear listens to what somebody sends to the server.
func overhear(t *testing.T, b *Bus, subject string) *nats.Subscription {
	t.Helper()
	b = superior(t, b)
	sub, err := b.nc.SubscribeSync(subject)
	if err == nil {
		err = b.nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// ready connects a bus and makes its assets.
func ready(t *testing.T, change ...func(*Options)) *Bus {
	t.Helper()
	b := open(t, server(t), change...)
	if err := ensure(t, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func message(subject, id string, dedupe bool) schemas.Message {
	return schemas.Message{
		Subject: subject, ID: id, Type: "aicc.v1.event", Source: "/aicc/acme/test",
		Time: time.Now(), Schema: "urn:aicc:schema:v1:event", Dedupe: dedupe,
		Body: json.RawMessage(`{"id":"` + id + `"}`),
	}
}

func event(id string) schemas.Message {
	return message("aicc.v1.acme.agent.291.call.ringing", id, true)
}

func rowSubject(window int) string { return fmt.Sprintf("aicc.v1.acme.row.cdr.w%d", window) }

func rows(window, from, n int) []schemas.Message {
	list := make([]schemas.Message, n)
	for i := range list {
		list[i] = message(rowSubject(window), fmt.Sprintf("row-%d", from+i), false)
	}
	return list
}

// all reads a stream to its end.
func all(t *testing.T, b *Bus, s schemas.Stream) []schemas.Stored {
	t.Helper()
	var list []schemas.Stored
	err := b.Read(t.Context(), s, "", 0, func(m schemas.Stored) error {
		list = append(list, m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func limited(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
