package assets

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
	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/wire"
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
		if merged, differs := improve(c, b.assets[i].StreamConfig); differs {
			t.Errorf("%s is not settled: %+v", c.Name, merged)
		}
		if before[i].Name != c.Name || before[i].Description != c.Description {
			t.Errorf("%s changed", c.Name)
		}
	}
}

func configs(t *testing.T, b *Table) []jetstream.StreamConfig {
	t.Helper()
	var list []jetstream.StreamConfig
	for _, a := range b.assets {
		list = append(list, *config(t, b, a.Name))
	}
	return list
}

// config is nil when there is no such stream.
func config(t *testing.T, b *Table, name string) *jetstream.StreamConfig {
	t.Helper()
	c, err := b.conn.StreamConfig(t.Context(), name)
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
		"rows window":     by["AICC_ROWS"].Duplicates == 100*time.Millisecond,
		"calls window":    by["AICC_CALLS"].Duplicates == 100*time.Millisecond,
		"events atomic":   by["AICC_EVENTS"].AllowAtomicPublish,
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
	if len(by) != 15 {
		t.Errorf("%d assets, want 15", len(by))
	}
	// The buckets are what every NATS tool takes for one.
	for _, name := range []string{"AICC_WINDOWS", "AICC_SESSIONS", "AICC_CLIENTS", "AICC_STATE", "AICC_SCHEMAS", "AICC_PULSE", "AICC_LEASES"} {
		if _, err := b.conn.JetStream().KeyValue(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWeakerIsRefused(t *testing.T) {
	t.Parallel()
	const events, rowStream, leases = "AICC_EVENTS", "AICC_ROWS", "KV_AICC_LEASES"
	for want, tc := range map[string]struct {
		stream string
		change func(*jetstream.StreamConfig)
	}{
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
		"AICC_EVENTS.persist_mode": {events, func(c *jetstream.StreamConfig) {
			c.PersistMode, c.AllowAtomicPublish = jetstream.AsyncPersistMode, false
		}},
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
			b := open(t, bustest.Server(t), RoleAdmin)
			made := differ(t, b, tc.stream, tc.change)
			err := b.Ensure(t.Context())
			var weak *Error
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
	b := open(t, bustest.Server(t), RoleAdmin)
	differ(t, b, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	differ(t, b, "AICC_FILES", func(*jetstream.StreamConfig) {})
	later := time.Now().Add(time.Hour)
	_, err := b.conn.JetStream().CreateConsumer(t.Context(), "AICC_FILES", jetstream.ConsumerConfig{
		Durable: schemas.FileConsumer, MaxDeliver: 5, AckWait: time.Second, FilterSubject: "aicc.v1.acme.file.cdr.ready",
		AckPolicy: jetstream.AckExplicitPolicy, ReplayPolicy: jetstream.ReplayOriginalPolicy,
		MaxAckPending: 64, MaxRequestExpires: time.Second, PauseUntil: &later,
	})
	if err != nil {
		t.Fatal(err)
	}
	var weak *Error
	if err := b.Ensure(t.Context()); !errors.As(err, &weak) {
		t.Fatalf("error %v", err)
	}
	var got []string
	for _, d := range weak.Differences {
		got = append(got, d.Name())
	}
	want := []string{
		"AICC_EVENTS.max_age",
		"exporter.replay_policy", "exporter.ack_wait", "exporter.max_deliver", "exporter.max_ack_pending",
		"exporter.max_expires", "exporter.filter_subjects", "exporter.pause_until",
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
}

func TestStrongerIsKept(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t), RoleAdmin)
	differ(t, b, "AICC_EVENTS", func(c *jetstream.StreamConfig) {
		c.MaxAge, c.Duplicates = 0, time.Hour
		c.Metadata = map[string]string{"team": "voice"}
		c.Subjects = append(c.Subjects, "more.>")
		c.DenyDelete = true
	})
	differ(t, b, "AICC_ROWS", func(c *jetstream.StreamConfig) {
		c.Compression, c.AllowDirect, c.Duplicates = jetstream.NoCompression, false, time.Hour
	})
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
	if c.Duplicates != 100*time.Millisecond {
		t.Errorf("rows have no ids, and the server looks for those of %v at each start", c.Duplicates)
	}
}

var update = flag.Bool("update", false, "write the golden files")

// Every setting of every asset, as the server gets it.
// A stream of a version that knew fewer kinds of messages captures the others from the
// next start on, and whatever somebody added beside.
func TestNarrowerSubjectsAreAdded(t *testing.T) {
	t.Parallel()
	const coverage = "AICC_COVERAGE"
	b := open(t, bustest.Server(t), RoleAdmin)
	differ(t, b, coverage, func(c *jetstream.StreamConfig) { c.Subjects = []string{c.Subjects[0], "more"} })
	var weak *Error
	if err := b.Check(t.Context()); !errors.As(err, &weak) || !strings.Contains(err.Error(), coverage+".subjects: is ") {
		t.Errorf("check says %v", err)
	}
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"aicc.v1.*.coverage.*", "more", "aicc.v1.*.drift.*", "aicc.v1.*.audit.*", "aicc.v1.*.reconcile.*", "aicc.v1.*.reconstructed.*"}
	if have := config(t, b, coverage).Subjects; !slices.Equal(have, want) {
		t.Errorf("subjects %q, want %q", have, want)
	}
}

func TestAssetsGolden(t *testing.T) {
	b := ready(t)
	golden := struct {
		Streams   []jetstream.StreamConfig
		Consumers []Consumer
	}{Consumers: b.consumers()}
	for _, a := range b.assets {
		golden.Streams = append(golden.Streams, a.StreamConfig)
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
	s := bustest.Listening(t, t.TempDir(), 0)
	for name, tc := range map[string]struct {
		o    wire.Options
		want int
	}{
		"external":       {wire.Options{URL: s.ClientURL()}, 1},
		"in the process": {wire.Options{InProcess: s}, 0},
	} {
		var out bytes.Buffer
		tc.o.Names, tc.o.Instance, tc.o.InboxPrefix, tc.o.Logger = bustest.Names(t), "one", BridgeInbox, zerolog.New(zerolog.SyncWriter(&out))
		c, err := wire.Open(tc.o)
		if err != nil {
			t.Fatal(err)
		}
		table := NewTable(c, Options{})
		for range 2 {
			if err := table.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		}
		c.Close()
		if got := strings.Count(out.String(), "fewer than 3 replicas"); got != tc.want {
			t.Errorf("%s: said %d times, want %d:\n%s", name, got, tc.want, out.String())
		}
	}
}

// Waiting does not mend these, so they come at once.
func TestEnsureSaysWhatCannotBeMended(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t), RoleAdmin, func(o *Options) { o.Replicas = 3 })
	if err := b.Ensure(bustest.Limited(t, time.Minute)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("replicas without a cluster: %v", err)
	}
	b = open(t, bustest.Server(t), RoleAdmin)
	if _, err := b.conn.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"aicc.>"}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Ensure(bustest.Limited(t, time.Minute)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("subjects that another stream has: %v", err)
	}
}

// TestCheckSeesWhatChangesWhileRunning: deleted, weakened, put right again.
func TestCheckSeesWhatChangesWhileRunning(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t), RoleAdmin)
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func() string {
		err := b.Check(t.Context())
		var weaker *Error
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
	if _, err := b.conn.JetStream().UpdateStream(t.Context(), weak); err != nil {
		t.Fatal(err)
	}
	if got := check(); !strings.Contains(got, "AICC_EVENTS.max_age") {
		t.Errorf("weakened: %s", got)
	}
	if _, err := b.conn.JetStream().UpdateStream(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if got := check(); got != "" {
		t.Errorf("put right: %s", got)
	}
	if err := b.conn.JetStream().DeleteStream(t.Context(), "AICC_COVERAGE"); err != nil {
		t.Fatal(err)
	}
	if got := check(); got != "AICC_COVERAGE.exists" {
		t.Errorf("deleted: %s", got)
	}
	if _, err := b.conn.JetStream().Stream(t.Context(), "AICC_COVERAGE"); err == nil {
		t.Error("the check made a stream")
	}
}

// A server that is slow to answer is waited for, in Connect and in Ensure.
func TestStartOverASlowServer(t *testing.T) {
	t.Parallel()
	l := bustest.NewLossy(bustest.Server(t))
	l.Drop("account_info_response", 2)
	b := NewTable(connect(t, l, RoleAdmin, 200*time.Millisecond), Options{})
	for _, answer := range []string{"stream_info_response", "stream_create_response", "consumer_info_response", "consumer_create_response"} {
		l.Drop(answer, 1)
		if err := b.Ensure(bustest.Limited(t, 20*time.Second)); err != nil {
			t.Errorf("lost %s: %v", answer, err)
		}
		if answer == "consumer_info_response" { // all is there; make it missing
			if err := b.conn.JetStream().DeleteConsumer(t.Context(), "AICC_FILES", schemas.FileConsumer); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestKeepAssets: without the streams the bridge says who makes them, and makes none.
func TestKeepAssets(t *testing.T) {
	t.Parallel()
	s := bustest.StartPermitted(t, "")
	b := signedIn(t, s, RoleBridge)
	err := b.Ensure(bustest.Limited(t, time.Minute))
	var missing *Error
	if !errors.As(err, &missing) || len(missing.Differences) != 17 || !strings.Contains(err.Error(), "missing on the nats server") || !strings.Contains(err.Error(), "run `bridge apply`") {
		t.Fatalf("error %v", err)
	}
	boss := signedIn(t, s, RoleAdmin)
	if config(t, boss, "AICC_EVENTS") != nil {
		t.Error("a stream was made")
	}
	// Buckets by somebody's script lack what the bridge would add.
	differ(t, boss, "KV_AICC_LEASES", func(c *jetstream.StreamConfig) {
		c.AllowMsgTTL, c.AllowRollup, c.SubjectDeleteMarkerTTL = false, false, 0
	})
	err = b.Ensure(bustest.Limited(t, time.Minute))
	for _, want := range []string{"AICC_LEASES.allow_msg_ttl: is false", "AICC_LEASES.allow_rollup_hdrs: is false", "AICC_EVENTS.exists: is false", "weaker than the bridge needs"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := signedIn(t, s, RoleApply).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Ensure(t.Context()); err != nil {
		t.Errorf("after apply: %v", err)
	}
}

// TestWhatAnOlderBridgeMade is given what it lacks: the subjects of recordings, and the
// filter without which the workers would be given those as well.
func TestWhatAnOlderBridgeMade(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t), RoleAdmin)
	n := bustest.Names(t)
	differ(t, b, "AICC_FILES", func(c *jetstream.StreamConfig) { c.Subjects = c.Subjects[:1] })
	older := b.consumers()[0]
	older.FilterSubject = ""
	if _, err := b.conn.JetStream().CreateConsumer(t.Context(), older.Stream, older.ConsumerConfig); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AICC_FILES.subjects: is [aicc.v1.*.file.*.ready]", "exporter.filter_subjects: is none"} {
		if err := b.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	have, err := b.consumerConfig(t.Context(), b.consumers()[0])
	if err != nil || have == nil || have.FilterSubject != n.Consumers()[0].Filter {
		t.Errorf("consumer %+v, %v", have, err)
	}
	if c := config(t, b, "AICC_FILES"); !slices.Equal(c.Subjects, n.StreamSubjects(schemas.StreamFiles)) {
		t.Errorf("subjects %v", c.Subjects)
	}
}

// TestWhatANewerBridgeMade: what a newer version describes otherwise stays so, and what it lacks
// for this one is added all the same.
func TestWhatANewerBridgeMade(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t), RoleAdmin)
	differ(t, b, "AICC_ROWS", func(c *jetstream.StreamConfig) {
		c.Description, c.Duplicates, c.AllowDirect = "Rows, and more.", time.Hour, false
		c.Metadata = map[string]string{metaOwner: "aicc", metaContract: "v2", metaSettings: "2"}
	})
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := config(t, b, "AICC_ROWS")
	if c.Description != "Rows, and more." || c.Duplicates != time.Hour || c.Metadata[metaContract] != "v2" || c.Metadata[metaSettings] != "2" {
		t.Errorf("the newer bridge's stream became %+v", c)
	}
	if !c.AllowDirect {
		t.Error("the stream still lacks what this version needs")
	}
	if c := config(t, b, "AICC_FILES"); c.Metadata[metaSettings] != "1" {
		t.Errorf("the metadata is %v", c.Metadata)
	}
}
