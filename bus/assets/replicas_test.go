package assets

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/wire"
)

// lines is what a table logs.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// clustered is a table on a cluster, and what it logs.
func clustered(t *testing.T, urls string, o Options) (b *Table, log *lines) {
	t.Helper()
	log = &lines{}
	c, err := wire.Open(wire.Options{
		Names: bustest.Names(t), Instance: "one", InboxPrefix: BridgeInbox, URL: urls,
		Logger: zerolog.New(log).Level(zerolog.InfoLevel),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = NewTable(c, o)
	b.patience = time.Second
	return b, log
}

// copies are how many replicas each stream and consumer have.
func copies(t *testing.T, b *Table) map[int][]string {
	t.Helper()
	by := map[int][]string{}
	for _, c := range configs(t, b) {
		by[c.Replicas] = append(by[c.Replicas], c.Name)
	}
	for _, c := range b.consumers() {
		info, err := b.conn.JetStream().Consumer(t.Context(), c.Stream, c.Durable)
		if err != nil {
			t.Fatal(err)
		}
		n := 1
		if cluster := info.CachedInfo().Cluster; cluster != nil {
			n += len(cluster.Replicas)
		}
		by[n] = append(by[n], c.Durable)
	}
	return by
}

func all(by map[int][]string, n int) bool { return len(by) == 1 && len(by[n]) == 17 }

// TestF31ReplicasAreRaised: what a cluster can give is given, also to what is there with
// fewer; what has more stays, and that is said.
func TestF31ReplicasAreRaised(t *testing.T) {
	t.Parallel()
	urls := bustest.Cluster(t, 3)
	ensure := func(o Options) (*Table, string) {
		b, log := clustered(t, urls, o)
		if err := b.Ensure(bustest.Limited(t, 60*time.Second)); err != nil {
			t.Fatal(err)
		}
		return b, log.String()
	}
	b, said := ensure(Options{Replicas: 1})
	if got := copies(t, b); !all(got, 1) || !strings.Contains(said, "fewer than 3 replicas") {
		t.Errorf("one asked for: %v\n%s", got, said)
	}
	if err := NewTable(b.conn, Options{Replicas: 3}).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "AICC_WINDOWS.num_replicas: is 1, want 3") {
		t.Errorf("a check for three: %v", err)
	}
	fixed := b.consumers()[0] // somebody's who said one
	fixed.Replicas = 1
	if _, err := b.conn.JetStream().UpdateConsumer(t.Context(), fixed.Stream, fixed.ConsumerConfig); err != nil {
		t.Fatal(err)
	}
	kept, _ := clustered(t, urls, Options{Keep: true, Replicas: 3})
	if err := kept.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "exporter.num_replicas: is 1, want 3") {
		t.Errorf("a bridge that makes no streams: %v", err)
	}
	accepting, _ := ensure(Options{Replicas: 3, AcceptWeaker: []string{"AICC_EVENTS.num_replicas", "exporter.num_replicas"}})
	bustest.Await(t, func() bool { return fmt.Sprint(copies(t, accepting)[1]) == "[AICC_EVENTS exporter]" })
	b, said = ensure(Options{})
	bustest.Await(t, func() bool { return all(copies(t, b), 3) })
	if !strings.Contains(said, `"replicas":3,"message":"streams and buckets are kept`) {
		t.Errorf("nobody was told:\n%s", said)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	less, said := ensure(Options{Replicas: 1})
	if got := copies(t, less); !all(got, 3) || !strings.Contains(said, "more replicas than nats.replicas asks for") {
		t.Errorf("lowered: %v\n%s", got, said)
	}
	lowered := *config(t, b, "AICC_EVENTS")
	lowered.Replicas = 1
	if _, err := b.conn.JetStream().UpdateStream(t.Context(), lowered); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "AICC_EVENTS.num_replicas: is 1, want 3") {
		t.Errorf("a stream that somebody lowered: %v", err)
	}
	t.Attr("figure", "raised from 1 to 3, lowered never")
}

// TestF31ClusterThatCannot: what is asked for and can't be given is refused with what to do;
// what nobody asks for is done without.
func TestF31ClusterThatCannot(t *testing.T) {
	t.Parallel()
	urls := bustest.Cluster(t, 2)
	b, _ := clustered(t, urls, Options{Replicas: 3})
	err := b.Ensure(bustest.Limited(t, 60*time.Second))
	var few *replicasError
	if !errors.As(err, &few) || !strings.Contains(err.Error(), "set nats.replicas to what they can give") {
		t.Errorf("three on two servers: %v", err)
	}
	b, log := clustered(t, urls, Options{})
	if err := b.Ensure(bustest.Limited(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := copies(t, b); !all(got, 1) || !strings.Contains(log.String(), "gives no place for so many replicas") {
		t.Errorf("nobody asks: %v\n%s", got, log.String())
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	b, _ = clustered(t, urls, Options{Replicas: 3}) // all are there, with fewer
	if err := b.Ensure(bustest.Limited(t, 60*time.Second)); !errors.As(err, &few) {
		t.Errorf("raised on two servers: %v", err)
	}
	single := bustest.Listening(t, t.TempDir(), 0)
	b, _ = clustered(t, single.ClientURL(), Options{Replicas: 3})
	if err := b.Ensure(bustest.Limited(t, 60*time.Second)); !errors.As(err, &few) || !strings.Contains(err.Error(), "is in no cluster") {
		t.Errorf("three on one server: %v", err)
	}
	t.Attr("figure", "3 of 2 and 3 of 1 refused with what to do")
}

// No stream gets fewer than it has, nor more than it was accepted with.
func TestReplicasOfOneStream(t *testing.T) {
	t.Parallel()
	b := &Table{opts: Options{AcceptWeaker: []string{"AICC_EVENTS.num_replicas"}}}
	for label, want := range map[string]int{"AICC_EVENTS": 1, "AICC_ROWS": 3} {
		a := Asset{Label: label, StreamConfig: jetstream.StreamConfig{Replicas: 3}}
		if got := b.raise(a, jetstream.StreamConfig{Replicas: 1}); got != want {
			t.Errorf("%s: raised to %d, want %d", label, got, want)
		}
		if got := b.raise(a, jetstream.StreamConfig{Replicas: 5}); got != 5 {
			t.Errorf("%s: lowered to %d", label, got)
		}
	}
}
