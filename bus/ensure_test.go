package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

func TestEnsureIsIdempotent(t *testing.T) {
	t.Parallel()
	b := ready(t)
	before := configs(t, b)
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := configs(t, b)
	for i, c := range after {
		if merged, differs := improve(c, b.opts.assets()[i].streamConfig); differs {
			t.Errorf("%s is not settled: %+v", c.Name, merged)
		}
		if before[i].Name != c.Name || before[i].Description != c.Description {
			t.Errorf("%s changed", c.Name)
		}
	}
}

func configs(t *testing.T, b *Bus) []jetstream.StreamConfig {
	t.Helper()
	var list []jetstream.StreamConfig
	for _, a := range b.opts.assets() {
		list = append(list, *config(t, b, a.Name))
	}
	return list
}

// config is nil when there is no such stream.
func config(t *testing.T, b *Bus, name string) *jetstream.StreamConfig {
	t.Helper()
	c, err := b.streamConfig(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAssetsAsDesigned(t *testing.T) {
	t.Parallel()
	b := ready(t)
	by := map[string]jetstream.StreamConfig{}
	for _, c := range configs(t, b) {
		by[c.Name] = c
		if c.Storage != jetstream.FileStorage || c.Metadata[metaOwner] != "aicc" || c.Description == "" {
			t.Errorf("%s: %+v", c.Name, c)
		}
	}
	checks := map[string]bool{
		"events age":      by["AICC_EVENTS"].MaxAge == 30*day,
		"events discard":  by["AICC_EVENTS"].Discard == jetstream.DiscardOld,
		"events window":   by["AICC_EVENTS"].Duplicates == 2*time.Minute,
		"files age":       by["AICC_FILES"].MaxAge == 90*day,
		"files window":    by["AICC_FILES"].Duplicates == day,
		"rows age":        by["AICC_ROWS"].MaxAge == 400*day,
		"rows atomic":     by["AICC_ROWS"].AllowAtomicPublish,
		"rows compressed": by["AICC_ROWS"].Compression == jetstream.S2Compression,
		"rows direct":     by["AICC_ROWS"].AllowDirect,
		"coverage":        by["AICC_COVERAGE"].MaxMsgsPerSubject == 1000,
		"dead letters":    by["AICC_DEADLETTERS"].MaxAge == 90*day,
		"leases":          by["KV_AICC_LEASES"].MaxAge == 30*time.Second,
		"windows forever": by["KV_AICC_WINDOWS"].MaxAge == 0,
	}
	for what, ok := range checks {
		if !ok {
			t.Errorf("%s is wrong", what)
		}
	}
	if len(by) != 11 {
		t.Errorf("%d assets, want 11", len(by))
	}
	// The buckets are what every NATS tool takes for one.
	for _, name := range []string{"AICC_WINDOWS", "AICC_SESSIONS", "AICC_STATE", "AICC_LEASES"} {
		if _, err := b.js.KeyValue(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// weakening makes one stream with a setting that is not as it should be.
type weakening struct {
	stream string
	change func(*jetstream.StreamConfig)
}

func (w weakening) make(t *testing.T, b *Bus) jetstream.StreamConfig {
	t.Helper()
	list := b.opts.assets()
	i := slices.IndexFunc(list, func(a asset) bool { return a.Name == w.stream })
	c := list[i].streamConfig
	c.Description = "by somebody else"
	w.change(&c)
	if _, err := superior(t, b).js.CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWeakerIsRefused(t *testing.T) {
	t.Parallel()
	const events, rowStream, leases = "AICC_EVENTS", "AICC_ROWS", "KV_AICC_LEASES"
	for want, tc := range map[string]weakening{
		"AICC_EVENTS.max_age":              {events, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		"AICC_EVENTS.storage":              {events, func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		"AICC_EVENTS.discard":              {events, func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew }},
		"AICC_EVENTS.retention":            {events, func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }},
		"AICC_EVENTS.max_bytes":            {events, func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }},
		"AICC_EVENTS.max_msgs":             {events, func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 }},
		"AICC_EVENTS.max_msgs_per_subject": {events, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 10 }},
		"AICC_EVENTS.max_msg_size":         {events, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10 }},
		"AICC_EVENTS.duplicate_window":     {events, func(c *jetstream.StreamConfig) { c.Duplicates = time.Second }},
		"AICC_EVENTS.subjects":             {events, func(c *jetstream.StreamConfig) { c.Subjects = []string{"other"} }},
		"AICC_EVENTS.no_ack":               {events, func(c *jetstream.StreamConfig) { c.NoAck = true }},
		"AICC_EVENTS.allow_msg_counter":    {events, func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true }},
		"AICC_EVENTS.persist_mode":         {events, func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }},
		"AICC_EVENTS.subject_transform": {events, func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: ">", Destination: "x.>"}
		}},
		"AICC_EVENTS.max_consumers": {events, func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 }},
		"AICC_EVENTS.allow_direct":  {events, func(c *jetstream.StreamConfig) { c.AllowDirect = true }},
		"AICC_ROWS.allow_atomic":    {rowStream, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }},
		"AICC_LEASES.max_age":       {leases, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			b := open(t, server(t), as(RoleAdmin))
			made := tc.make(t, b)
			err := b.Ensure(t.Context())
			var weak *AssetError
			if !errors.As(err, &weak) {
				t.Fatalf("error %v", err)
			}
			if got := weak.Differences; len(got) != 1 || got[0].Name() != want || !strings.Contains(err.Error(), want+": is ") {
				t.Errorf("differences %+v", got)
			}
			if have := config(t, b, tc.stream); have.Description != made.Description {
				t.Error("the refused stream was changed")
			}
			if config(t, b, "AICC_FILES") != nil {
				t.Error("others were made all the same")
			}
			b.opts.AcceptWeaker = []string{want}
			if err := b.Ensure(t.Context()); err != nil && want != "AICC_EVENTS.subjects" {
				t.Errorf("accepted by name: %v", err)
			}
		})
	}
}

func TestEveryDifferenceIsListed(t *testing.T) {
	t.Parallel()
	b := open(t, server(t), as(RoleAdmin), func(o *Options) { o.Replicas = 3 })
	w := weakening{"AICC_EVENTS", func(c *jetstream.StreamConfig) { c.Replicas, c.MaxAge = 1, time.Hour }}
	w.make(t, b)
	w = weakening{"AICC_FILES", func(c *jetstream.StreamConfig) { c.Replicas = 1 }}
	w.make(t, b)
	later := time.Now().Add(time.Hour)
	_, err := b.js.CreateConsumer(t.Context(), "AICC_FILES", jetstream.ConsumerConfig{
		Durable: FileConsumer, MaxDeliver: 5, AckWait: time.Second, FilterSubject: "aicc.v1.acme.file.cdr.ready",
		AckPolicy: jetstream.AckExplicitPolicy, ReplayPolicy: jetstream.ReplayOriginalPolicy,
		MaxAckPending: 64, MaxRequestExpires: time.Second, PauseUntil: &later,
	})
	if err != nil {
		t.Fatal(err)
	}
	var weak *AssetError
	if err := b.Ensure(t.Context()); !errors.As(err, &weak) {
		t.Fatalf("error %v", err)
	}
	var got []string
	for _, d := range weak.Differences {
		got = append(got, d.Name())
	}
	want := []string{
		"AICC_EVENTS.max_age", "AICC_EVENTS.num_replicas", "AICC_FILES.num_replicas",
		"exporter.replay_policy", "exporter.ack_wait", "exporter.max_deliver", "exporter.max_ack_pending",
		"exporter.max_expires", "exporter.filter_subjects", "exporter.pause_until",
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
}

func TestStrongerIsKept(t *testing.T) {
	t.Parallel()
	b := open(t, server(t), as(RoleAdmin))
	longer := weakening{"AICC_EVENTS", func(c *jetstream.StreamConfig) {
		c.MaxAge, c.Duplicates = 0, time.Hour
		c.Metadata = map[string]string{"team": "voice"}
		c.Subjects = append(c.Subjects, "more.>")
		c.DenyDelete = true
	}}
	longer.make(t, b)
	plain := weakening{"AICC_ROWS", func(c *jetstream.StreamConfig) {
		c.Compression, c.AllowDirect = jetstream.NoCompression, false
	}}
	plain.make(t, b)
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := config(t, b, "AICC_EVENTS")
	if c.MaxAge != 0 || c.Duplicates != time.Hour || c.Metadata["team"] != "voice" || len(c.Subjects) != 2 || !c.DenyDelete {
		t.Errorf("what was stronger is gone: %+v", c)
	}
	if c.Metadata[metaOwner] != "aicc" || c.Description == "by somebody else" {
		t.Errorf("what the bridge owns is not set: %+v", c)
	}
	c = config(t, b, "AICC_ROWS")
	if c.Compression != jetstream.S2Compression || !c.AllowDirect {
		t.Errorf("what may be added was not: %+v", c)
	}
}

func TestEveryStreamIsInTheTable(t *testing.T) {
	n := names(t)
	for _, s := range allStreams {
		subject := strings.NewReplacer("*", "x", ">", "x.y").Replace(n.StreamSubjects(s))
		for _, other := range allStreams {
			if got := matches(n.StreamSubjects(other), subject); got != (s == other) {
				t.Errorf("%s on %s: %v", subject, other, got)
			}
		}
	}
	if _, ok := (&Bus{names: n}).streamOf(n.FileReady("acme", schemas.KindCDR)); !ok {
		t.Error("a file has no stream")
	}
}

var update = flag.Bool("update", false, "write the golden files")

// Every setting of every asset, as the server gets it.
func TestAssetsGolden(t *testing.T) {
	o := ready(t).opts
	golden := struct {
		Streams  []jetstream.StreamConfig
		Consumer jetstream.ConsumerConfig
	}{Consumer: o.fileConsumer()}
	for _, a := range o.assets() {
		golden.Streams = append(golden.Streams, a.streamConfig)
	}
	got, err := json.MarshalIndent(golden, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/assets.golden.json"
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("settings changed; if they should, run the test with -update:\n%s", diff)
	}
}

// The bridge cannot see whether an external server syncs; it says so, once.
func TestReplicasAdvice(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(t.Context(), embedded.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	for name, tc := range map[string]struct {
		o    Options
		want int
	}{
		"external":       {Options{URL: s.ClientURL()}, 1},
		"in the process": {Options{InProcess: s}, 0},
	} {
		var out bytes.Buffer
		tc.o.Names, tc.o.Instance, tc.o.Logger = names(t), "one", zerolog.New(zerolog.SyncWriter(&out))
		b, err := Connect(t.Context(), tc.o)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := b.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		}
		b.Close()
		if got := strings.Count(out.String(), "fewer than 3 replicas"); got != tc.want {
			t.Errorf("%s: said %d times, want %d:\n%s", name, got, tc.want, out.String())
		}
	}
}

// Waiting does not mend these, so they come at once.
func TestEnsureSaysWhatCannotBeMended(t *testing.T) {
	t.Parallel()
	b := open(t, server(t), as(RoleAdmin), func(o *Options) { o.Replicas = 3 })
	if err := b.Ensure(limited(t, 10*time.Second)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("replicas without a cluster: %v", err)
	}
	b = open(t, server(t), as(RoleAdmin))
	if _, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"aicc.>"}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Ensure(limited(t, 10*time.Second)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("subjects that another stream has: %v", err)
	}
}

func TestMetricNames(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	m, err := newMetrics(r)
	if err != nil {
		t.Fatal(err)
	}
	m.published.WithLabelValues("x").Inc()
	families, err := r.Gather()
	if err != nil || len(families) == 0 {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "aicc_bus_") {
			t.Errorf("metric %s", f.GetName())
		}
	}
}

// TestCheckSeesWhatChangesWhileRunning: deleted, weakened, put right again.
func TestCheckSeesWhatChangesWhileRunning(t *testing.T) {
	t.Parallel()
	b := ready(t, as(RoleAdmin))
	check := func() string {
		err := b.Check(t.Context())
		var weaker *AssetError
		switch {
		case err == nil:
			return ""
		case errors.As(err, &weaker) && len(weaker.Differences) == 1:
			return weaker.Differences[0].Name()
		}
		return err.Error()
	}
	if got := check(); got != "" {
		t.Fatalf("at the start: %s", got)
	}
	events := *config(t, b, "AICC_EVENTS")
	weak := events
	weak.MaxAge, weak.Duplicates = time.Hour, time.Minute
	if _, err := b.js.UpdateStream(t.Context(), weak); err != nil {
		t.Fatal(err)
	}
	if got := check(); !strings.Contains(got, "AICC_EVENTS.max_age") {
		t.Errorf("weakened: %s", got)
	}
	if _, err := b.js.UpdateStream(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if got := check(); got != "" {
		t.Errorf("put right: %s", got)
	}
	if err := b.js.DeleteStream(t.Context(), "AICC_COVERAGE"); err != nil {
		t.Fatal(err)
	}
	if got := check(); got != "AICC_COVERAGE.exists" {
		t.Errorf("deleted: %s", got)
	}
	if _, err := b.js.Stream(t.Context(), "AICC_COVERAGE"); err == nil {
		t.Error("the check made a stream")
	}
}
