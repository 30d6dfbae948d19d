package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

func publishFiles(t *testing.T, b *Bus, n int) {
	t.Helper()
	for i := range n {
		if err := b.Publish(t.Context(), bustest.File(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// workFunc is work whose end nobody needs to know.
type workFunc func(ctx context.Context, d schemas.Delivery) error

func (f workFunc) Handle(ctx context.Context, d schemas.Delivery) error { return f(ctx, d) }

func (f workFunc) GivenUp(context.Context, schemas.Delivery, *schemas.Permanent) error { return nil }

// consuming runs ConsumeFiles until the test ends.
type consuming struct {
	b           *Bus
	intake      context.CancelFunc
	work        context.CancelFunc
	done        chan error
	deliveries  chan schemas.Delivery
	results     chan error
	contextDone chan struct{} // one value for each handler whose context ended
}

// consume runs workers whose handlers report each delivery, then return what
// comes on results, or the context's error.
func consume(t *testing.T, b *Bus, workers int) *consuming {
	t.Helper()
	intake, stopIntake := context.WithCancel(t.Context())
	work, stopWork := context.WithCancel(t.Context())
	c := &consuming{
		b: b, intake: stopIntake, work: stopWork, done: make(chan error, 1),
		deliveries: make(chan schemas.Delivery, 100), results: make(chan error), contextDone: make(chan struct{}, 100),
	}
	go func() {
		c.done <- b.ConsumeFiles(intake, work, workers, workFunc(func(ctx context.Context, d schemas.Delivery) error {
			c.deliveries <- d
			select {
			case err := <-c.results:
				return err
			case <-ctx.Done():
				c.contextDone <- struct{}{}
				return ctx.Err()
			}
		}))
	}()
	t.Cleanup(stopWork)
	return c
}

func (c *consuming) stop(t *testing.T) {
	t.Helper()
	c.intake()
	if err := <-c.done; err != nil {
		t.Error(err)
	}
}

// pending is what the consumer has not settled yet.
func pending(t *testing.T, b *Bus) (waiting, delivered int) {
	t.Helper()
	c, err := b.conn.JetStream().Consumer(t.Context(), "AICC_FILES", schemas.FileConsumer)
	if err != nil {
		t.Fatal(err)
	}
	i := c.CachedInfo()
	return int(i.NumPending), i.NumAckPending
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	permanent := fmt.Errorf("export: %w", &schemas.Permanent{
		Reason: schemas.ReasonDamagedZip, Object: "AICC_QUARANTINE/x", Err: errors.New("wrong checksum"),
	})
	again := errors.New("platform is away")
	for name, tc := range map[string]struct {
		results  []error // by attempt
		verdicts map[verdict]float64
		reason   schemas.Reason // of the dead letter
		object   string
	}{
		"done":               {[]error{nil}, map[verdict]float64{verdictAck: 1}, "", ""},
		"again, then done":   {[]error{again, nil}, map[verdict]float64{verdictRetry: 1, verdictAck: 1}, "", ""},
		"permanent":          {[]error{permanent}, map[verdict]float64{verdictTerm: 1}, schemas.ReasonDamagedZip, "AICC_QUARANTINE/x"},
		"again, permanent":   {[]error{again, permanent}, map[verdict]float64{verdictRetry: 1, verdictTerm: 1}, schemas.ReasonDamagedZip, "AICC_QUARANTINE/x"},
		"attempts exhausted": {[]error{again, again, again}, map[verdict]float64{verdictRetry: 2, verdictTerm: 1}, schemas.ReasonAttempts, "AICC_FILES/1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := ready(t, func(o *Options) { o.MaxAttempts, o.RetryDelay = 3, time.Millisecond })
			publishFiles(t, b, 1)
			c := consume(t, b, 2)
			for i, result := range tc.results {
				d := <-c.deliveries
				if d.Attempt != i+1 || d.Message.Get("ce-id") != "0" || d.Message.Sequence != 1 {
					t.Errorf("delivery %+v", d)
				}
				c.results <- result
			}
			c.stop(t)
			for _, v := range []verdict{verdictAck, verdictNak, verdictRetry, verdictTerm, verdictLost} {
				if got := b.verdicts(t, v); got != tc.verdicts[v] {
					t.Errorf("%v times %s, want %v", got, v, tc.verdicts[v])
				}
			}
			bustest.Await(t, func() bool { _, n := pending(t, b); return n == 0 })
			checkDeadLetter(t, b, tc.reason, tc.object, len(tc.results))
		})
	}
}

func checkDeadLetter(t *testing.T, b *Bus, reason schemas.Reason, object string, attempts int) {
	t.Helper()
	letters := all(t, b, schemas.StreamDeadLetters)
	if reason == "" {
		if len(letters) != 0 {
			t.Errorf("dead letters %+v", letters)
		}
		return
	}
	if len(letters) != 1 {
		t.Fatalf("%d dead letters", len(letters))
	}
	var d schemas.DeadLetter
	if err := json.Unmarshal(letters[0].Body, &d); err != nil {
		t.Fatal(err)
	}
	if d.Tenant != "acme" || d.Reason != reason || d.Object != object || d.Attempts != attempts ||
		d.Error == "" || string(d.Original) != `{"id":"0"}` || d.Validate() != nil {
		t.Errorf("dead letter %s", letters[0].Body)
	}
	if letters[0].Subject != "aicc.v1.acme.deadletter."+string(reason) || letters[0].Get("ce-id") != "AICC_FILES/1" {
		t.Errorf("dead letter on %s with id %s", letters[0].Subject, letters[0].Get("ce-id"))
	}
	if n := b.counted(t, "dead_letters_total", string(reason)); n != 1 {
		t.Errorf("%v dead letters counted", n)
	}
}

// TestPassedOn: a file that a bridge can't work on costs no attempt there, and another
// bridge has all of its own.
func TestPassedOn(t *testing.T) {
	t.Parallel()
	const passes, attempts = 12, 3
	b := ready(t, func(o *Options) {
		o.MaxAttempts, o.RetryDelay, o.MaxRetryDelay = attempts, time.Millisecond, time.Millisecond
	})
	publishFiles(t, b, 1)
	c := consume(t, b, 1)
	for range passes {
		<-c.deliveries
		c.results <- fmt.Errorf("export: %w", &schemas.Pass{Err: errors.New("not here")})
	}
	for i := range attempts {
		if d := <-c.deliveries; d.Attempt != passes+i+1 {
			t.Errorf("delivery %d, want %d", d.Attempt, passes+i+1)
		}
		c.results <- &schemas.Try{Attempt: i + 1, Err: errors.New("away")}
	}
	bustest.Await(t, func() bool { return b.verdicts(t, verdictTerm) == 1 })
	c.stop(t)
	if b.verdicts(t, verdictPass) != passes || b.verdicts(t, verdictRetry) != attempts-1 {
		t.Errorf("%v passed on, %v tried again", b.verdicts(t, verdictPass), b.verdicts(t, verdictRetry))
	}
	checkDeadLetter(t, b, schemas.ReasonAttempts, "AICC_FILES/1", attempts)
}

// A worker that dies in its handler must not have acknowledged: the message is
// still the consumer's.
func TestNothingIsAcknowledgedBeforeItIsDone(t *testing.T) {
	t.Parallel()
	b := ready(t)
	publishFiles(t, b, 1)
	c := consume(t, b, 1)
	<-c.deliveries
	if err := b.conn.JetStream().Conn().Flush(); err != nil { // whatever was sent has arrived
		t.Fatal(err)
	}
	if waiting, delivered := pending(t, b); waiting != 0 || delivered != 1 {
		t.Errorf("%d delivered and not acknowledged, want 1", delivered)
	}
	c.results <- nil
	c.stop(t)
}

func TestSilenceMovesTheFileOn(t *testing.T) {
	b := ready(t, func(o *Options) { o.AckWait = 500 * time.Millisecond })
	publishFiles(t, b, 1)
	c := consume(t, b, 2)
	first, second := <-c.deliveries, <-c.deliveries // the first worker says nothing
	if first.Attempt != 1 || second.Attempt != 2 || second.Message.Sequence != first.Message.Sequence {
		t.Errorf("deliveries %+v, %+v", first, second)
	}
	c.results <- nil
	c.results <- nil
	c.stop(t)
}

func TestProgressKeepsTheFile(t *testing.T) {
	const wait = time.Second // longer than a busy machine may pause
	b := ready(t, func(o *Options) { o.AckWait = wait })
	publishFiles(t, b, 1)
	c := consume(t, b, 2)
	d := <-c.deliveries
	sent := hubtest.Overhear(t, b.conn, "$JS.ACK.AICC_FILES.>") // what the worker tells the server
	tick := time.NewTicker(wait / 20)
	defer tick.Stop()
	ticks := 0
	for end := time.Now().Add(3 * wait); time.Now().Before(end); ticks++ {
		<-tick.C
		d.Progress()
	}
	if len(c.deliveries) != 0 {
		t.Error("delivered again in spite of progress")
	}
	if n, _, err := sent.Pending(); err != nil || n < 3 || n > 11 {
		t.Errorf("%d messages for %d calls, want about 8, %v", n, ticks, err)
	}
	if err := sent.Unsubscribe(); err != nil {
		t.Error(err)
	}
	c.results <- nil
	c.stop(t)
	if got := b.verdicts(t, verdictAck); got != 1 {
		t.Errorf("%v acknowledged", got)
	}
}

// The consumer is not there yet, and goes away later.
func TestConsumerComesAndGoes(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t))
	c := consume(t, b, 1)
	bustest.Await(t, func() bool { return b.conn.Trouble("asset", schemas.FileConsumer).Active() })
	hubtest.Ensure(t, b.conn)
	publishFiles(t, b, 1)
	<-c.deliveries
	c.results <- nil
	bustest.Await(t, func() bool { return b.verdicts(t, verdictAck) == 1 })
	if err := boss(t, b).DeleteConsumer(t.Context(), "AICC_FILES", schemas.FileConsumer); err != nil {
		t.Fatal(err)
	}
	hubtest.Ensure(t, b.conn)
	if d := <-c.deliveries; d.Message.Sequence != 1 { // a new consumer begins at the first
		t.Errorf("delivery %+v", d)
	}
	c.results <- nil
	c.stop(t)
}

func TestConsumeOverServerRestart(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	b := open(t, s)
	hubtest.Ensure(t, b.conn)
	c := consume(t, b, 1)
	awaitPull(t, b)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	publishFiles(t, b, 1)
	<-c.deliveries
	c.results <- nil
	c.stop(t)
}

func awaitPull(t *testing.T, b *Bus) {
	t.Helper()
	bustest.Await(t, func() bool {
		c, err := b.conn.JetStream().Consumer(t.Context(), "AICC_FILES", schemas.FileConsumer)
		return err == nil && c.CachedInfo().NumWaiting > 0
	})
}

// More files than any limit wait for their next attempt; a good one is not held up.
func TestFilesInBackOffDoNotBlock(t *testing.T) {
	t.Parallel()
	b := ready(t, func(o *Options) { o.RetryDelay, o.MaxRetryDelay = time.Hour, time.Hour })
	const bad = 80
	publishFiles(t, b, bad+1)
	c := consume(t, b, 4)
	for i := range bad + 1 {
		select {
		case <-c.deliveries:
		case <-bustest.Limited(t, time.Minute).Done():
			t.Fatalf("only %d files came", i)
		}
		var result error
		if i < bad {
			result = errors.New("away")
		}
		c.results <- result
	}
	c.stop(t)
}

func TestDeadLetters(t *testing.T) {
	b := &Bus{names: bustest.Names(t), opts: Options{}}
	storedAt := time.Now().Add(time.Hour) // a server whose clock is ahead
	for name, tc := range map[string]struct {
		d            schemas.Delivery
		tenant, want string
	}{
		"not JSON":    {schemas.Delivery{Message: schemas.Stored{Subject: "aicc.v1.=41.file.cdr.ready", Sequence: 7, Body: []byte("plain text")}}, "A", `"plain text"`},
		"large":       {schemas.Delivery{Message: schemas.Stored{Subject: "aicc.v1.b.file.cdr.ready", Body: []byte(strings.Repeat("1", schemas.MaxOriginalBytes+1))}}, "b", ""},
		"odd subject": {schemas.Delivery{Message: schemas.Stored{Subject: "aicc.v1.UP.file.x.ready", Body: []byte("1")}}, "UP", "1"},
	} {
		tc.d.Message.StoredAt = storedAt
		m, err := b.letter(b.queue(schemas.FileConsumer, nil), tc.d, &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: errors.New("e")})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var d schemas.DeadLetter
		if err := json.Unmarshal(m.Body, &d); err != nil {
			t.Fatal(err)
		}
		if d.Tenant != tc.tenant || string(d.Original) != tc.want || !strings.HasPrefix(d.Object, "AICC_FILES/") {
			t.Errorf("%s: %s", name, m.Body)
		}
		if _, ok := b.names.StreamOf(m.Subject); !ok {
			t.Errorf("%s: no stream for %s", name, m.Subject)
		}
	}
}

func TestDelay(t *testing.T) {
	b := &Bus{opts: Options{RetryDelay: defaultRetryDelay, MaxRetryDelay: defaultMaxRetryDelay}}
	for attempt, want := range map[int]time.Duration{
		0: 2 * time.Second, 1: 2 * time.Second, 2: 4 * time.Second, 8: 256 * time.Second, 9: 5 * time.Minute, 1000: 5 * time.Minute,
	} {
		if got := b.delay(attempt); got != want {
			t.Errorf("attempt %d: %s, want %s", attempt, got, want)
		}
	}
}

// A dead letter that cannot be stored must not end its message.
func TestDeadLetterComesFirst(t *testing.T) {
	t.Parallel()
	b := ready(t)
	if err := boss(t, b).DeleteStream(t.Context(), "AICC_DEADLETTERS"); err != nil {
		t.Fatal(err)
	}
	publishFiles(t, b, 1)
	c := consume(t, b, 1)
	<-c.deliveries
	c.results <- &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: errors.New("e")}
	bustest.Await(t, func() bool { return b.conn.Trouble("stream", "AICC_DEADLETTERS").Active() })
	if _, delivered := pending(t, b); delivered != 1 {
		t.Error("the message has ended without its dead letter")
	}
	c.work()
	if err := <-c.done; err != nil {
		t.Error(err)
	}
	if b.verdicts(t, verdictNak) != 1 || b.verdicts(t, verdictTerm) != 0 {
		t.Error("the message did not go back")
	}
	if _, err := b.conn.JetStream().Stream(t.Context(), "AICC_DEADLETTERS"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("a stream was made on the way: %v", err)
	}
}

// TestPassDelay: the pause before a message goes to another bridge varies, within its bounds.
func TestPassDelay(t *testing.T) {
	t.Parallel()
	const most = 30 * time.Second
	seen := map[time.Duration]bool{}
	for range 100 {
		d := passDelay(most)
		if seen[d] = true; d <= most/2 || d > most {
			t.Fatalf("%s, want more than half of %s and no more than it", d, most)
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d pauses of 100 differ", len(seen))
	}
	if d := passDelay(1); d < 0 {
		t.Errorf("%s", d)
	}
}
