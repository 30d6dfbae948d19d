package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// permitted starts a server with the shipped rights, lets apply make the assets,
// and connects as bridge.
func permitted(t *testing.T, change ...func(*Options)) (*permittedServer, *Bus) {
	t.Helper()
	s := startPermitted(t)
	if err := open(t, s, signIn(RoleApply)).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := open(t, s, append([]func(*Options){signIn(RoleBridge)}, change...)...)
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, b
}

// TestEverythingAsBridge: the server refuses nothing of what a running bridge does.
func TestEverythingAsBridge(t *testing.T) {
	t.Parallel()
	log := &logLines{}
	_, b := permitted(t, func(o *Options) { o.Logger, o.LeaseTTL = zerolog.New(log), DefaultLeaseTTL })
	ctx := limited(t, 20*time.Second)
	n := names(t)
	steps := []struct {
		name string
		do   func() error
	}{
		{"check", func() error { return b.Check(ctx) }},
		{"publish", func() error { return b.Publish(ctx, event("1")) }},
		{"publish again", func() error { return b.Publish(ctx, event("1")) }},
		{"publish a file", func() error { return b.Publish(ctx, message(n.FileReady("acme", schemas.KindCDR), "f1", true)) }},
		{"publish coverage", func() error { return b.Publish(ctx, message(n.Coverage("acme", schemas.KindCDR), "c1", false)) }},
		{"append", func() error { _, err := b.Rows().Append(ctx, rows(1, 0, 1000), 0); return err }},
		{"append one", func() error { _, err := b.Rows().Append(ctx, rows(2, 0, 1), 0); return err }},
		{"read back", func() error {
			seq, err := b.Rows().ReadBack(ctx, rowSubject(1), func(schemas.RowHeader, uint64) {})
			return errors.Join(err, check(seq == 1000, "sequence %d", seq))
		}},
		{"last", func() error {
			_, found, err := b.Last(ctx, event("1").Subject)
			return errors.Join(err, check(found, "not found"))
		}},
		{"last row", func() error {
			_, found, err := b.Last(ctx, rowSubject(1))
			return errors.Join(err, check(found, "not found"))
		}},
		{"buckets", func() error { return useBuckets(ctx, b) }},
		{"lease", func() error {
			l, err := b.Lease(ctx, "acme", "0", 7)
			if err != nil {
				return err
			}
			return errors.Join(l.renew(ctx), l.Release(ctx))
		}},
		{"objects", func() error { return useObjects(ctx, b) }},
		{"read", func() error { return readAll(ctx, b) }},
		{"watch", func() error { return watchOne(ctx, b) }},
		{"consume", func() error { return consumeOne(ctx, b) }},
		{"dead letter", func() error { return buryOne(ctx, b) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	sub, err := b.nc.SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + n.Stream(schemas.StreamFiles) + ".>")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Contains(strings.ToLower(text), "permission") || b.denials.any.Load() {
		t.Errorf("the server refused something:\n%s\n%+v", text, b.denials.list)
	}
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func useBuckets(ctx context.Context, b *Bus) error {
	for _, bucket := range []schemas.Bucket{schemas.BucketWindows, schemas.BucketSessions, schemas.BucketState} {
		k := b.Bucket(bucket)
		revision, ok, err := k.Swap(ctx, "acme.1", []byte("a"), 0)
		if err != nil || !ok {
			return fmt.Errorf("%s: %v %w", bucket, ok, err)
		}
		if _, ok, err = k.Swap(ctx, "acme.1", []byte("b"), revision); err != nil || !ok {
			return fmt.Errorf("%s: %v %w", bucket, ok, err)
		}
		_, _, getErr := k.Get(ctx, "acme.1")
		_, putErr := k.Put(ctx, "acme.2", []byte("c"))
		watching, stop := context.WithCancel(ctx)
		keys := 0
		watchErr := k.Watch(watching, ">", func(string, []byte, uint64) { keys++ }, stop)
		if err := errors.Join(getErr, putErr, watchErr, k.Delete(ctx, "acme.2"), check(keys == 2, "%d keys", keys)); err != nil {
			return fmt.Errorf("%s: %w", bucket, err)
		}
	}
	return nil
}

// useObjects replaces an object, which purges the chunks of the first.
func useObjects(ctx context.Context, b *Bus) error {
	big := bytes.Repeat([]byte("x"), 3<<20)
	for range 2 {
		if _, err := b.Quarantine().Put(ctx, "f.zip", nil, bytes.NewReader(big)); err != nil {
			return err
		}
	}
	has, err := b.Quarantine().Has(ctx, "f.zip")
	if err != nil || !has {
		return fmt.Errorf("has: %v %w", has, err)
	}
	r, found, err := b.Quarantine().Get(ctx, "f.zip")
	if err != nil || !found {
		return fmt.Errorf("get: %v %w", found, err)
	}
	got, err := io.ReadAll(r)
	info, infoErr := b.js.Stream(ctx, objectStreamPrefix+b.names.Bucket(schemas.BucketQuarantine))
	if err := errors.Join(err, r.Close(), infoErr, check(bytes.Equal(got, big), "%d bytes", len(got))); err != nil {
		return err
	}
	if n := info.CachedInfo().State.Bytes; n > 4<<20 {
		return fmt.Errorf("the replaced object's chunks are still there: %d bytes", n)
	}
	return nil
}

func readAll(ctx context.Context, b *Bus) error {
	for _, s := range allStreams {
		if s == schemas.StreamDeadLetters {
			continue // nothing there yet
		}
		n := 0
		err := b.Read(ctx, s, "", 0, func(schemas.Stored) error { n++; return nil })
		if err != nil || n == 0 {
			return fmt.Errorf("%s: %d messages, %w", s, n, err)
		}
	}
	return b.Read(ctx, schemas.StreamEvents, event("1").Subject, 1, func(schemas.Stored) error { return nil })
}

var errSeen = errors.New("seen")

func watchOne(ctx context.Context, b *Bus) error {
	seen := make(chan error, 1)
	go func() {
		seen <- b.Watch(ctx, schemas.StreamEvents, "", func(schemas.Stored) error { return errSeen })
	}()
	for i := 0; ; i++ {
		if err := b.Publish(ctx, event(fmt.Sprintf("w%d", i))); err != nil {
			return errors.Join(err, <-seen)
		}
		select {
		case err := <-seen:
			return check(errors.Is(err, errSeen), "watch: %v", err)
		default:
		}
	}
}

func consumeOne(ctx context.Context, b *Bus) error {
	intake, stop := context.WithCancel(ctx)
	defer stop()
	files := 0
	err := b.ConsumeFiles(intake, ctx, 1, func(_ context.Context, d schemas.Delivery) error {
		files++
		d.Progress()
		if d.Attempt == 1 {
			return errors.New("once more")
		}
		stop()
		return nil
	})
	return errors.Join(err, check(files == 2, "%d deliveries", files))
}

func buryOne(ctx context.Context, b *Bus) error {
	if err := b.Publish(ctx, message(b.names.FileReady("acme", schemas.KindCDR), "f2", true)); err != nil {
		return err
	}
	intake, stop := context.WithCancel(ctx)
	defer stop()
	err := b.ConsumeFiles(intake, ctx, 1, func(context.Context, schemas.Delivery) error {
		stop()
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: errors.New("broken")}
	})
	_, found, lastErr := b.Last(ctx, b.names.StreamSubjects(schemas.StreamDeadLetters))
	return errors.Join(err, lastErr, check(found, "no dead letter"))
}

// TestRefusedAsBridge: what a running bridge must not do, it cannot.
func TestRefusedAsBridge(t *testing.T) {
	t.Parallel()
	s, b := permitted(t)
	if err := b.Publish(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	events, err := b.js.Stream(ctx, "AICC_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(context.Context) error{
		"purge":          func(ctx context.Context) error { return events.Purge(ctx) },
		"delete message": func(ctx context.Context) error { return events.DeleteMsg(ctx, 1) },
		"delete stream":  func(ctx context.Context) error { return b.js.DeleteStream(ctx, "AICC_EVENTS") },
		"update stream": func(ctx context.Context) error {
			_, err := b.js.UpdateStream(ctx, events.CachedInfo().Config)
			return err
		},
		"create stream": func(ctx context.Context) error {
			_, err := b.js.CreateStream(ctx, jetstream.StreamConfig{Name: "OTHER"})
			return err
		},
		"delete consumer": func(ctx context.Context) error { return b.js.DeleteConsumer(ctx, "AICC_FILES", FileConsumer) },
		"change consumer": func(ctx context.Context) error {
			_, err := b.js.CreateOrUpdateConsumer(ctx, "AICC_FILES", b.opts.fileConsumer())
			return err
		},
		"publish elsewhere": func(ctx context.Context) error { _, err := b.nc.RequestWithContext(ctx, "other", nil); return err },
	} {
		try, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		start := time.Now()
		err := b.denials.explain(start, "", do(try))
		cancel()
		if !isDenied(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	boss := open(t, s, signIn(RoleAdmin))
	if err := boss.Check(ctx); err != nil {
		t.Errorf("something was changed: %v", err)
	}
	if list := all(t, boss, schemas.StreamEvents); len(list) != 1 {
		t.Errorf("%d events, want 1", len(list))
	}
	if _, err := boss.js.Stream(ctx, "OTHER"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("a stream was made: %v", err)
	}
}

// TestKeepAssets: without the streams the bridge says who makes them, and makes none.
func TestKeepAssets(t *testing.T) {
	t.Parallel()
	s := startPermitted(t)
	b := open(t, s, signIn(RoleBridge))
	err := b.Ensure(limited(t, 10*time.Second))
	var missing *AssetError
	if !errors.As(err, &missing) || len(missing.Differences) != 12 || !strings.Contains(err.Error(), "missing on the nats server") || !strings.Contains(err.Error(), "run `bridge apply`") {
		t.Fatalf("error %v", err)
	}
	boss := open(t, s, signIn(RoleAdmin))
	if config(t, boss, "AICC_EVENTS") != nil {
		t.Error("a stream was made")
	}
	// Buckets by somebody's script lack what the bridge would add.
	leases := weakening{"KV_AICC_LEASES", func(c *jetstream.StreamConfig) {
		c.AllowMsgTTL, c.AllowRollup, c.SubjectDeleteMarkerTTL = false, false, 0
	}}
	leases.make(t, boss)
	err = b.Ensure(limited(t, 10*time.Second))
	for _, want := range []string{"AICC_LEASES.allow_msg_ttl: is false", "AICC_LEASES.allow_rollup_hdrs: is false", "AICC_EVENTS.exists: is false", "weaker than the bridge needs"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := open(t, s, signIn(RoleApply)).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Ensure(t.Context()); err != nil {
		t.Errorf("after apply: %v", err)
	}
}

// TestDeniedIsSaid: a refusal has no answer; still nothing waits for ever, and the
// subject is named, once per change in the log.
func TestDeniedIsSaid(t *testing.T) {
	t.Parallel()
	s := startPermitted(t)
	var denied *DeniedError

	// Somebody who may only read wants to make the streams: an error at once.
	log := &logLines{}
	quick := func(o *Options) {
		o.requestTimeout, o.KeepAssets, o.Logger = 300*time.Millisecond, false, zerolog.New(log)
	}
	b := open(t, s, signIn(RoleBridge), quick)
	err := b.Ensure(limited(t, 20*time.Second))
	if !errors.As(err, &denied) || !strings.HasPrefix(denied.Subject, "$JS.API.STREAM.CREATE.AICC_") ||
		!strings.Contains(err.Error(), "permission denied: "+denied.Subject) || !strings.Contains(err.Error(), "see docs/nats") {
		t.Errorf("ensure: %v", err)
	}

	// Publishing goes on until its context ends, as for any failure, and says why.
	if err := open(t, s, signIn(RoleApply)).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply := open(t, s, signIn(RoleApply), quick)
	err = apply.Publish(limited(t, time.Second), event("1"))
	if !errors.As(err, &denied) || denied.Subject != event("1").Subject || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish: %v", err)
	}
	if n := strings.Count(log.String(), "permission denied: "+event("1").Subject); n != 1 {
		t.Errorf("said %d times in the log, want once:\n%s", n, log.String())
	}
	if _, err = apply.Rows().Append(limited(t, time.Second), rows(1, 0, 3), 0); !errors.As(err, &denied) {
		t.Errorf("append: %v", err)
	}
	if _, err = apply.Quarantine().Put(limited(t, time.Second), "x", nil, strings.NewReader("x")); !errors.As(err, &denied) {
		t.Errorf("put: %v", err)
	}
	if err = apply.Read(limited(t, time.Second), schemas.StreamEvents, "", 0, func(schemas.Stored) error { return nil }); err != nil {
		t.Errorf("read of an empty stream: %v", err) // its end is all that is asked for
	}
	if _, _, err = apply.Last(limited(t, time.Second), event("1").Subject); !errors.As(err, &denied) {
		t.Errorf("last: %v", err)
	}

	// A reader has another inbox: the bus hears no answer at all, and says so.
	reader := Options{Names: names(t), Instance: "one", InProcess: s, requestTimeout: 300 * time.Millisecond,
		User: string(RoleReader), Password: testPassword(RoleReader)}
	_, err = Connect(limited(t, 10*time.Second), reader)
	if !errors.As(err, &denied) || !denied.Subscribe || !strings.HasPrefix(denied.Subject, InboxPrefix) {
		t.Errorf("connect as reader: %v", err)
	}
	reader.InboxPrefix = ReaderInbox
	if b, err = Connect(limited(t, 10*time.Second), reader); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Read(limited(t, 10*time.Second), schemas.StreamEvents, "", 0, func(schemas.Stored) error { return nil }); err != nil {
		t.Errorf("read as reader: %v", err)
	}
	if err := b.Publish(limited(t, time.Second), event("1")); !isDenied(err) {
		t.Errorf("publish as reader: %v", err)
	}
}

// TestReader: everything that consumers do, with a client of their own.
func TestReader(t *testing.T) {
	t.Parallel()
	s, b := permitted(t)
	if err := b.Publish(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	var refused nats.ErrHandler = func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("refused: %v", err) }
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(string(RoleReader), testPassword(RoleReader)), nats.ErrorHandler(refused))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := limited(t, 10*time.Second)
	durable, err := js.CreateOrUpdateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "reports", FilterSubject: "aicc.v1.acme.>", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	m, err := durable.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(ctx); err != nil {
		t.Error(err)
	}
	ordered, err := js.OrderedConsumer(ctx, "AICC_EVENTS", jetstream.OrderedConsumerConfig{})
	if err == nil {
		_, err = ordered.Next()
	}
	if err != nil {
		t.Errorf("ordered: %v", err)
	}
	state, err := js.KeyValue(ctx, "AICC_STATE")
	if err == nil {
		_, err = state.Keys(ctx)
	}
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		t.Errorf("bucket: %v", err)
	}
	live, err := nc.SubscribeSync("aicc.v1.acme.agent.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(nc.Flush(), b.Publish(ctx, event("2"))); err != nil {
		t.Fatal(err)
	}
	if _, err := live.NextMsgWithContext(ctx); err != nil {
		t.Errorf("live: %v", err)
	}
}
