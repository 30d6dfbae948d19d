package assets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/bustest"
)

// Somebody makes consumers without end on an external server, where nothing but its own
// limit stops him: an alarm names the stream while there is still room for the bridge.
func TestF39CrowdedHub(t *testing.T) {
	t.Parallel()
	const limit = 20
	scenes := map[string]jetstream.StreamConfig{
		"by the stream's limit": {Name: "AICC_EVENTS", MaxConsumers: limit},
		"by the server's":       {Name: "KV_AICC_WINDOWS"},
	}
	unnamed := 0
	for name, stream := range scenes {
		s := bustest.Server(t)
		admin := connect(t, s, RoleAdmin, 0).JetStream()
		if _, err := admin.CreateStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		table := open(t, s, RoleBridge)
		most := serverMax
		if stream.MaxConsumers > 0 {
			most = stream.MaxConsumers
		}
		add := func() {
			t.Helper()
			c := jetstream.ConsumerConfig{MemoryStorage: true, InactiveThreshold: time.Hour}
			if _, err := admin.CreateConsumer(t.Context(), stream.Name, c); err != nil {
				t.Fatal(err)
			}
		}
		for range most / 5 * 4 {
			add()
		}
		if err := table.Crowded(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		add()
		want := fmt.Sprintf("stream %s has %d consumers of at most %d; see whose", stream.Name, most/5*4+1, most)
		if err := table.Crowded(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			unnamed++
			t.Errorf("%s: alarm %v, want %s", name, err, want)
		}
	}
	t.Attr("tries", fmt.Sprint(len(scenes)))
	t.Attr("figure", fmt.Sprintf("%d streams of an external server filled with consumers, %d not named before they were full", len(scenes), unnamed))
}

// A reader with the shipped rights to one consumer of that name has it, and no other.
func TestF39NamedReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rights, err := os.ReadFile("../../docs/nats/named-reader.conf")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "named-reader.conf"), rights, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "server.conf"), []byte(`
			listen: "127.0.0.1:-1"
			jetstream { store_dir: "`+filepath.Join(dir, "store")+`" }
			accounts { AICC { jetstream: enabled, users: [
				{ user: admin, password: test-only-admin }
				{
					user: analytics
					password: test-only-analytics
					include named-reader.conf
				}
			] } }`), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	opts, err := natsd.ProcessConfigFile(filepath.Join(dir, "server.conf"))
	if err != nil {
		t.Fatal(err)
	}
	opts.NoLog, opts.NoSigs = true, true
	s, err := natsd.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	as := func(user string) (*nats.Conn, jetstream.JetStream) {
		nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, "test-only-"+user), nats.CustomInboxPrefix("_INBOX_"+user),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		return nc, js
	}
	ctx := bustest.Limited(t, time.Minute)
	_, admin := as("admin")
	if _, err := admin.CreateStream(ctx, jetstream.StreamConfig{Name: "AICC_EVENTS", Subjects: []string{"e"}}); err != nil {
		t.Fatal(err)
	}
	const events = 5
	for range events {
		if _, err := admin.Publish(ctx, "e", nil); err != nil {
			t.Fatal(err)
		}
	}
	theirs, err := admin.CreateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "theirs", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	pending, err := theirs.Next()
	if err != nil {
		t.Fatal(err)
	}
	nc, js := as("analytics")
	own, err := js.CreateOrUpdateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "analytics", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "e"})
	if err != nil {
		t.Fatal(err)
	}
	for range events {
		m, err := own.Next(jetstream.FetchMaxWait(time.Minute))
		if err == nil {
			err = m.DoubleAck(ctx)
		}
		if err != nil {
			t.Fatalf("his own: %v", err)
		}
	}
	tries := map[string]string{
		"$JS.API.CONSUMER.CREATE.AICC_EVENTS":                 `{"stream_name":"AICC_EVENTS","config":{}}`,
		"$JS.API.CONSUMER.CREATE.AICC_EVENTS.another":         `{"stream_name":"AICC_EVENTS","config":{"name":"another"}}`,
		"$JS.API.CONSUMER.CREATE.AICC_EVENTS.analytics":       `{"stream_name":"AICC_EVENTS","config":{"name":"another"}}`,
		"$JS.API.CONSUMER.CREATE.AICC_EVENTS.analytics.e":     `{"stream_name":"AICC_EVENTS","config":{"name":"theirs","durable_name":"theirs","filter_subject":"e"}}`,
		"$JS.API.CONSUMER.DURABLE.CREATE.AICC_EVENTS.another": `{"stream_name":"AICC_EVENTS","config":{"durable_name":"another"}}`,
		"$JS.API.CONSUMER.DELETE.AICC_EVENTS.theirs":          "",
		"$JS.API.CONSUMER.MSG.NEXT.AICC_EVENTS.theirs":        "",
		pending.Reply(): "+TERM",
	}
	for subject, body := range tries {
		if m, err := nc.Request(subject, []byte(body), 200*time.Millisecond); err == nil && !strings.Contains(string(m.Data), `"error"`) {
			t.Errorf("%s: %s", subject, m.Data)
		}
	}
	stream, err := admin.Stream(ctx, "AICC_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	info, err := theirs.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	touched := events - info.NumAckPending - int(info.NumPending)
	if touched != 0 || stream.CachedInfo().State.Consumers != 2 {
		t.Errorf("%d messages taken, %d consumers", touched, stream.CachedInfo().State.Consumers)
	}
	t.Attr("tries", fmt.Sprint(len(tries)))
	t.Attr("lost", fmt.Sprint(touched))
	t.Attr("figure", fmt.Sprintf("%d tries of a reader with one consumer to have others, %d messages taken", len(tries), touched))
}
