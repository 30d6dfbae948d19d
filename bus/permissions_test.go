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

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/denied"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/kv"
	"aiccbridge/bus/lease"
	"aiccbridge/schemas"
)

// permitted starts a server with the shipped rights, lets apply make the assets,
// and connects as bridge.
func permitted(t *testing.T, change ...func(*Options)) (*bustest.PermittedServer, *Bus) {
	t.Helper()
	s := bustest.StartPermitted(t, "")
	for _, r := range []assets.Role{assets.RoleApply, assets.RoleBridge} {
		if err := hubtest.Table(open(t, s, signIn(r)).conn).Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s, open(t, s, append([]func(*Options){signIn(assets.RoleBridge)}, change...)...)
}

// TestEverythingAsBridge: the server refuses nothing of what a running bridge does.
func TestEverythingAsBridge(t *testing.T) {
	t.Parallel()
	log := &bustest.Log{}
	_, b := permitted(t, func(o *Options) { o.Logger = zerolog.New(log) })
	ctx := bustest.Limited(t, 20*time.Second)
	n := bustest.Names(t)
	steps := []struct {
		name string
		do   func() error
	}{
		{"check", func() error { return hubtest.Table(b.conn).Check(ctx) }},
		{"publish", func() error { return b.Publish(ctx, bustest.Event("1")) }},
		{"publish again", func() error { return b.Publish(ctx, bustest.Event("1")) }},
		{"publish a file", func() error { return b.Publish(ctx, bustest.Message(n.FileReady("acme", schemas.KindCDR), "f1", true)) }},
		{"publish coverage", func() error { return b.Publish(ctx, bustest.Message(n.Coverage("acme", schemas.KindCDR), "c1", false)) }},
		{"append", func() error { _, err := b.Rows().Append(ctx, rows(1, 0, 1000), 0); return err }},
		{"append one", func() error { _, err := b.Rows().Append(ctx, rows(2, 0, 1), 0); return err }},
		{"read back", func() error {
			seq, err := b.Rows().ReadBack(ctx, rowSubject(1), func(schemas.RowHeader, uint64) {})
			return errors.Join(err, check(seq == 1000, "sequence %d", seq))
		}},
		{"last", func() error {
			_, found, err := b.Last(ctx, bustest.Event("1").Subject)
			return errors.Join(err, check(found, "not found"))
		}},
		{"last row", func() error {
			_, found, err := b.Last(ctx, rowSubject(1))
			return errors.Join(err, check(found, "not found"))
		}},
		{"calls", func() error {
			last, err := b.Calls().Append(ctx, "acme", someCalls("acme", 1, 0, 2), 0)
			newest, readErr := b.Calls().Newest(ctx, "acme", func(schemas.Stored) error { return nil })
			return errors.Join(err, readErr, check(last == newest, "the newest is %d, want %d", newest, last))
		}},
		{"buckets", func() error { return useBuckets(ctx, b) }},
		{"lease", func() error {
			l := lease.NewAtHub(b.conn, lease.Options{Tenant: "acme", Partition: "0", Floor: 7, TTL: time.Second})
			if _, err := l.Acquire(ctx); err != nil {
				return err
			}
			renewing, stop := context.WithTimeout(ctx, time.Second/2) // once
			defer stop()
			return errors.Join(l.Run(renewing), l.Release(ctx))
		}},
		{"objects", func() error { return useObjects(ctx, b) }},
		{"read", func() error { return readAll(ctx, b) }},
		{"follow", func() error { return followOne(ctx, b) }},
		{"consume", func() error { return consumeOne(ctx, b) }},
		{"dead letter", func() error { return deadLetterOne(ctx, b) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	sub, err := b.conn.JetStream().Conn().SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + n.Stream(schemas.StreamFiles) + ".>")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends
	if err := b.conn.JetStream().Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	refused := b.conn.Explain(time.Time{}, "", context.DeadlineExceeded) // whatever it was
	if text := log.String(); strings.Contains(strings.ToLower(text), "permission") || Denied(refused) {
		t.Errorf("the server refused something:\n%s\n%v", text, refused)
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
		k := kv.Open(b.conn, bucket)
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
		if _, err := kv.OpenObjects(b.conn, schemas.BucketQuarantine).Put(ctx, "f.zip", nil, bytes.NewReader(big)); err != nil {
			return err
		}
	}
	_, has, err := kv.OpenObjects(b.conn, schemas.BucketQuarantine).Find(ctx, "f.zip")
	if err != nil || !has {
		return fmt.Errorf("has: %v %w", has, err)
	}
	r, found, err := kv.OpenObjects(b.conn, schemas.BucketQuarantine).Get(ctx, "f.zip")
	if err != nil || !found {
		return fmt.Errorf("get: %v %w", found, err)
	}
	got, err := io.ReadAll(r)
	info, infoErr := b.conn.JetStream().Stream(ctx, b.names.ObjectStream(schemas.BucketQuarantine))
	if err := errors.Join(err, r.Close(), infoErr, check(bytes.Equal(got, big), "%d bytes", len(got))); err != nil {
		return err
	}
	if n := info.CachedInfo().State.Bytes; n > 4<<20 {
		return fmt.Errorf("the replaced object's chunks are still there: %d bytes", n)
	}
	return nil
}

func readAll(ctx context.Context, b *Bus) error {
	for _, s := range schemas.Streams() {
		if s == schemas.StreamDeadLetters {
			continue // nothing there yet
		}
		n := 0
		err := b.Read(ctx, s, "", 0, func(schemas.Stored) error { n++; return nil })
		if err != nil || n == 0 {
			return fmt.Errorf("%s: %d messages, %w", s, n, err)
		}
	}
	return b.Read(ctx, schemas.StreamEvents, bustest.Event("1").Subject, 1, func(schemas.Stored) error { return nil })
}

var errSeen = errors.New("seen")

func followOne(ctx context.Context, b *Bus) error {
	seen := make(chan error, 1)
	go func() {
		seen <- b.Follow(ctx, schemas.StreamEvents, "", func(schemas.Stored) error { return errSeen })
	}()
	for i := 0; ; i++ {
		if err := b.Publish(ctx, bustest.Event(fmt.Sprintf("w%d", i))); err != nil {
			return errors.Join(err, <-seen)
		}
		select {
		case err := <-seen:
			return check(errors.Is(err, errSeen), "follow: %v", err)
		default:
		}
	}
}

func consumeOne(ctx context.Context, b *Bus) error {
	intake, stop := context.WithCancel(ctx)
	defer stop()
	files := 0
	err := b.ConsumeFiles(intake, ctx, 1, workFunc(func(_ context.Context, d schemas.Delivery) error {
		files++
		d.Progress()
		if d.Attempt == 1 {
			return errors.New("once more")
		}
		stop()
		return nil
	}))
	return errors.Join(err, check(files == 2, "%d deliveries", files))
}

func deadLetterOne(ctx context.Context, b *Bus) error {
	if err := b.Publish(ctx, bustest.Message(b.names.FileReady("acme", schemas.KindCDR), "f2", true)); err != nil {
		return err
	}
	intake, stop := context.WithCancel(ctx)
	defer stop()
	err := b.ConsumeFiles(intake, ctx, 1, workFunc(func(context.Context, schemas.Delivery) error {
		stop()
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: errors.New("broken")}
	}))
	_, found, lastErr := b.Last(ctx, b.names.StreamSubjects(schemas.StreamDeadLetters)[0])
	return errors.Join(err, lastErr, check(found, "no dead letter"))
}

// TestRefusedAsBridge: what a running bridge must not do, it cannot.
func TestRefusedAsBridge(t *testing.T) {
	t.Parallel()
	s, b := permitted(t)
	if err := b.Publish(t.Context(), bustest.Event("1")); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	events, err := b.conn.JetStream().Stream(ctx, "AICC_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(context.Context) error{
		"purge":          func(ctx context.Context) error { return events.Purge(ctx) },
		"delete message": func(ctx context.Context) error { return events.DeleteMsg(ctx, 1) },
		"delete stream":  func(ctx context.Context) error { return b.conn.JetStream().DeleteStream(ctx, "AICC_EVENTS") },
		"update stream": func(ctx context.Context) error {
			_, err := b.conn.JetStream().UpdateStream(ctx, events.CachedInfo().Config)
			return err
		},
		"create stream": func(ctx context.Context) error {
			_, err := b.conn.JetStream().CreateStream(ctx, jetstream.StreamConfig{Name: "OTHER"})
			return err
		},
		"delete consumer": func(ctx context.Context) error {
			return b.conn.JetStream().DeleteConsumer(ctx, "AICC_FILES", schemas.FileConsumer)
		},
		"change consumer": func(ctx context.Context) error {
			_, err := b.conn.JetStream().CreateOrUpdateConsumer(ctx, "AICC_FILES", jetstream.ConsumerConfig{Durable: schemas.FileConsumer, AckPolicy: jetstream.AckExplicitPolicy})
			return err
		},
		"publish elsewhere": func(ctx context.Context) error {
			_, err := b.conn.JetStream().Conn().RequestWithContext(ctx, "other", nil)
			return err
		},
	} {
		try, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		start := time.Now()
		err := b.conn.Explain(start, "", do(try))
		cancel()
		if !Denied(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	boss := open(t, s, signIn(assets.RoleAdmin))
	if err := hubtest.Table(boss.conn).Check(ctx); err != nil {
		t.Errorf("something was changed: %v", err)
	}
	if list := all(t, boss, schemas.StreamEvents); len(list) != 1 {
		t.Errorf("%d events, want 1", len(list))
	}
	if _, err := boss.conn.JetStream().Stream(ctx, "OTHER"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("a stream was made: %v", err)
	}
}

// TestDeniedAtOnce: a bucket that a user may not read is refused when the server says so, not
// when the request times out.
func TestDeniedAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := permitted(t)
	reader := open(t, s, signIn(assets.RoleReader), func(o *Options) { o.InboxPrefix, o.RequestTimeout = assets.ReaderInbox, time.Hour })
	for _, b := range []schemas.Bucket{schemas.BucketSessions, schemas.BucketLeases} {
		if err := kv.Open(reader.conn, b).Each(bustest.Limited(t, 20*time.Second), ">", func(string, schemas.Stored) error { return nil }); !Denied(err) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", b, err)
		}
	}
	if err := kv.Open(reader.conn, schemas.BucketState).Each(t.Context(), ">", func(string, schemas.Stored) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestDeniedIsSaid: a refusal has no answer; still nothing waits for ever, and the
// subject is named, once per change in the log.
func TestDeniedIsSaid(t *testing.T) {
	t.Parallel()
	s := bustest.StartPermitted(t, "")
	var denied *denied.Error

	// Somebody who may only read wants to make the streams: an error at once.
	log := &bustest.Log{}
	quick := func(o *Options) {
		o.RequestTimeout, o.Logger = 300*time.Millisecond, zerolog.New(log)
	}
	b := open(t, s, signIn(assets.RoleBridge), quick)
	err := assets.NewTable(b.conn, assets.Options{}).Ensure(bustest.Limited(t, 20*time.Second))
	if !errors.As(err, &denied) || !strings.HasPrefix(denied.Subject, "$JS.API.STREAM.CREATE.AICC_") ||
		!strings.Contains(err.Error(), "permission denied: "+denied.Subject) || !strings.Contains(err.Error(), "see docs/nats") {
		t.Errorf("ensure: %v", err)
	}

	// Publishing goes on until its context ends, as for any failure, and says why.
	if err := hubtest.Table(open(t, s, signIn(assets.RoleApply)).conn).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply := open(t, s, signIn(assets.RoleApply), quick)
	err = apply.Publish(bustest.Limited(t, time.Second), bustest.Event("1"))
	if !errors.As(err, &denied) || denied.Subject != bustest.Event("1").Subject || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish: %v", err)
	}
	if n := strings.Count(log.String(), "permission denied: "+bustest.Event("1").Subject); n != 1 {
		t.Errorf("said %d times in the log, want once:\n%s", n, log.String())
	}
	if _, err = apply.Rows().Append(bustest.Limited(t, time.Second), rows(1, 0, 3), 0); !errors.As(err, &denied) {
		t.Errorf("append: %v", err)
	}
	if _, err = kv.OpenObjects(apply.conn, schemas.BucketQuarantine).Put(bustest.Limited(t, time.Second), "x", nil, strings.NewReader("x")); !errors.As(err, &denied) {
		t.Errorf("put: %v", err)
	}
	patient := func(o *Options) { o.RequestTimeout = time.Minute } // it is answered, however busy the machine is
	if err = open(t, s, signIn(assets.RoleApply), patient).Read(bustest.Limited(t, time.Minute), schemas.StreamEvents, "", 0, func(schemas.Stored) error { return nil }); err != nil {
		t.Errorf("read of an empty stream: %v", err) // its end is all that is asked for
	}
	if _, _, err = apply.Last(bustest.Limited(t, time.Second), bustest.Event("1").Subject); !errors.As(err, &denied) {
		t.Errorf("last: %v", err)
	}

	// A reader has another inbox: the bus hears no answer at all, and says so.
	var reader Options
	reader.Names, reader.Instance, reader.InProcess, reader.RequestTimeout = bustest.Names(t), "one", s, 300*time.Millisecond
	reader.User, reader.Password = bustest.Reader, bustest.Password(bustest.Reader)
	_, err = Connect(bustest.Limited(t, time.Minute), reader)
	if !errors.As(err, &denied) || !denied.Subscribe || !strings.HasPrefix(denied.Subject, assets.BridgeInbox) {
		t.Errorf("connect as reader: %v", err)
	}
	reader.InboxPrefix = assets.ReaderInbox
	patient(&reader)
	if b, err = Connect(bustest.Limited(t, time.Minute), reader); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Read(bustest.Limited(t, time.Minute), schemas.StreamEvents, "", 0, func(schemas.Stored) error { return nil }); err != nil {
		t.Errorf("read as reader: %v", err)
	}
	if err := b.Publish(bustest.Limited(t, time.Second), bustest.Event("1")); !Denied(err) {
		t.Errorf("publish as reader: %v", err)
	}
}

// TestReader: everything that consumers do, with a client of their own.
func TestReader(t *testing.T) {
	t.Parallel()
	s, b := permitted(t)
	if err := b.Publish(t.Context(), bustest.Event("1")); err != nil {
		t.Fatal(err)
	}
	var refused nats.ErrHandler = func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("refused: %v", err) }
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(string(assets.RoleReader), bustest.Password(bustest.Reader)), nats.ErrorHandler(refused))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := bustest.Limited(t, time.Minute)
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
	if err := errors.Join(nc.Flush(), b.Publish(ctx, bustest.Event("2"))); err != nil {
		t.Fatal(err)
	}
	if _, err := live.NextMsgWithContext(ctx); err != nil {
		t.Errorf("live: %v", err)
	}
}
