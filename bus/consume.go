package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Work is what is done with the messages of a consumer that the bridges share.
type Work interface {
	// Handle does the work of one message. nil: done. A [*schemas.Permanent]: no
	// retry will help. Any other error: try again later. ctx ends when the bridge
	// stops; then return soon, the result does not count unless it is nil. A
	// [*schemas.Pass] is for others to do and costs no attempt; a [*schemas.Later] says
	// when to try again, however often; a [*schemas.Try] around an error says which
	// attempt it was, otherwise each delivery is one.
	Handle(ctx context.Context, d schemas.Delivery) error
	// GivenUp learns of a message that was tried for the last time, or that the server
	// delivers no more, once its dead letter is stored. It may learn of the same one
	// again, also from other bridges, and from one that Handle failed for good. While it
	// fails the message is not over: it is handled once more, and then given up again.
	GivenUp(ctx context.Context, d schemas.Delivery, p *schemas.Permanent) error
}

// stopDelay keeps a message that goes back while stopping from coming straight back
// to a worker whose pull has not ended yet, which would cost it an attempt.
const stopDelay = time.Second

// maxPassDelay is how long a message waits at most that came to a bridge which cannot work
// on it: the next delivery may be to one that can.
const maxPassDelay = 30 * time.Second

// verdict is how a delivery ends.
type verdict string

const (
	verdictAck   verdict = "ack"
	verdictNak   verdict = "nak"
	verdictRetry verdict = "retry"
	verdictPass  verdict = "pass"  // nak, and no attempt
	verdictLater verdict = "later" // nak, for as long as the work says
	verdictTerm  verdict = "term"
	verdictLost  verdict = "lost" // the server did not take the verdict; it delivers again
)

// ConsumeFiles has the files that are ready worked on; see [Bus.consume].
func (b *Bus) ConsumeFiles(intake, work context.Context, workers int, w Work) error {
	return b.consume(intake, work, schemas.FileConsumer, workers, w)
}

// ConsumeRecordings has the rows of the recording index worked on; see [Bus.consume].
func (b *Bus) ConsumeRecordings(intake, work context.Context, workers int, w Work) error {
	return b.consume(intake, work, schemas.RecordingConsumer, workers, w)
}

// queue is a consumer that the bridges share, and what is done with its messages.
type queue struct {
	stream, consumer string
	Work
}

func (b *Bus) queue(consumer string, w Work) queue {
	all := b.names.Consumers()
	i := slices.IndexFunc(all, func(c schemas.Consumer) bool { return c.Name == consumer })
	return queue{b.names.Stream(all[i].Stream), consumer, w}
}

// consume has the messages of a shared consumer worked on in as many goroutines as
// workers. When intake ends nothing new is fetched, and it returns nil as soon as what is
// in hand is done. When work ends, handlers see their context end, and what is unfinished
// goes back: another worker gets it a second later, and each has used one attempt. It
// waits for a consumer that is not there (see [assets.Table.Ensure]), and makes dead
// letters of what the server has given up.
func (b *Bus) consume(intake, work context.Context, consumer string, workers int, w Work) error {
	if workers < 1 {
		return fmt.Errorf("consume from %s: %d workers, want at least 1", consumer, workers)
	}
	intake, cancel := context.WithCancel(intake)
	defer cancel()
	defer context.AfterFunc(work, cancel)()
	q := b.queue(consumer, w)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { b.worker(intake, work, q) })
	}
	group.Go(func() { b.watchAdvisories(intake, work, q) })
	group.Wait()
	return nil
}

// worker fetches until intake ends, over any failure of the server.
func (b *Bus) worker(intake, work context.Context, q queue) {
	t := b.conn.Trouble("asset", q.consumer)
	backOff := wire.NewBackOff()
	_ = backoff.Retry(func() error { // it fails with intake's end only
		start := time.Now()
		err := b.fetch(intake, work, q, func() { t.Over(); backOff.Reset() })
		if intake.Err() != nil {
			return nil
		}
		t.Failed(b.conn.Explain(start, q.consumer, err))
		return err
	}, backoff.WithContext(backOff, intake))
}

// pullTime is how long one pull waits for a message. It is also how long stopping
// takes when nothing comes.
const pullTime = time.Second

// fetch pulls one message after the other, never one ahead, until the server
// fails or intake ends. Each pull ends by itself, and the server says so: dropped
// earlier, a message that is just on its way would wait for AckWait. The client
// library's endless iterators don't do here: after a broken connection they pull
// once more, and then are one ahead for good.
func (b *Bus) fetch(intake, work context.Context, q queue, works func()) error {
	cons, err := b.conn.JetStream().Consumer(intake, q.stream, q.consumer)
	if err != nil {
		return err
	}
	works()
	for intake.Err() == nil {
		if err := b.Connected(); err != nil { // a pull that can't be sent leaves its subscription behind
			return err
		}
		msg, err := cons.Next(jetstream.FetchMaxWait(pullTime))
		switch {
		case errors.Is(err, nats.ErrTimeout): // nothing to do
		case err != nil:
			return err
		default:
			works()
			b.handle(intake, work, msg, q)
		}
	}
	return nil
}

func (b *Bus) handle(intake, work context.Context, msg jetstream.Msg, q queue) {
	meta, err := msg.Metadata()
	if err != nil {
		b.log.Error().Err(err).Str("subject", msg.Subject()).Msg("delivery without metadata")
		return
	}
	d := schemas.Delivery{Message: wire.Stored(msg, meta), Attempt: int(meta.NumDelivered)}
	if intake.Err() != nil { // came while stopping
		b.settle(work, delivered{d, msg, q}, context.Canceled, true)
		return
	}
	d.Progress = b.progress(msg)
	err = q.Handle(work, d)
	b.settle(work, delivered{d, msg, q}, err, work.Err() != nil)
}

// delivered is a message on its way to a verdict.
type delivered struct {
	schemas.Delivery
	msg jetstream.Msg
	of  queue
}

// settle tells the server the verdict and counts it.
func (b *Bus) settle(work context.Context, d delivered, handled error, stopping bool) {
	var try *schemas.Try
	if errors.As(handled, &try) {
		d.Attempt = try.Attempt
	}
	v, err := b.verdict(work, d, handled, stopping)
	log := b.log.With().Str("subject", d.Message.Subject).Uint64("sequence", d.Message.Sequence).Int("attempt", d.Attempt).Logger()
	switch {
	case err != nil:
		v = verdictLost
		log.Warn().Err(err).Msg("verdict not taken; the message will come again")
	case v == verdictRetry:
		log.Warn().Err(handled).Stringer("delay", b.delay(d.Attempt)).Msg("work failed; it will be tried again")
	case v == verdictPass && d.Attempt == 1: // and again and again, until somebody else gets it
		log.Info().Err(handled).Msg("work left to another bridge")
	case v == verdictTerm:
		log.Warn().Err(handled).Msg("message has become a dead letter; what becomes of its window the ledger says")
	}
	b.metrics.verdicts.WithLabelValues(string(v)).Inc()
}

// verdict is the only place that decides about a delivery.
func (b *Bus) verdict(work context.Context, d delivered, handled error, stopping bool) (verdict, error) {
	var permanent *schemas.Permanent
	var pass *schemas.Pass
	var later *schemas.Later
	switch {
	case handled == nil:
		ctx, cancel := b.conn.Try(context.WithoutCancel(work))
		defer cancel()
		return verdictAck, d.msg.DoubleAck(ctx)
	case stopping:
		return verdictNak, d.msg.NakWithDelay(stopDelay)
	case errors.As(handled, &pass):
		return verdictPass, d.msg.NakWithDelay(passDelay(min(b.delay(d.Attempt), maxPassDelay)))
	case errors.As(handled, &later):
		return verdictLater, d.msg.NakWithDelay(later.After)
	case errors.As(handled, &permanent):
		return b.deadLetter(work, d, permanent)
	case d.Attempt >= b.opts.MaxAttempts:
		return b.deadLetter(work, d, &schemas.Permanent{Reason: schemas.ReasonAttempts, Err: handled})
	default:
		return verdictRetry, d.msg.NakWithDelay(b.delay(d.Attempt))
	}
}

// deadLetter stores a dead letter and lets it be known, then ends the message. When work
// ends before that, the message goes back instead. When the server does not hear the
// end, the message comes again and may leave a second dead letter, with the same
// ce-id. So it is after a crash in between.
func (b *Bus) deadLetter(work context.Context, d delivered, p *schemas.Permanent) (verdict, error) {
	err := b.storeLetter(work, d.of, d.Delivery, p)
	if err == nil && p.Reason == schemas.ReasonAttempts {
		err = d.of.GivenUp(work, d.Delivery, p)
	}
	switch {
	case err == nil:
		return verdictTerm, d.msg.TermWithReason(string(p.Reason))
	case work.Err() != nil:
		return verdictNak, d.msg.NakWithDelay(stopDelay)
	default:
		return verdictLost, errors.Join(fmt.Errorf("give work up: %w", err), d.msg.NakWithDelay(b.opts.MaxRetryDelay))
	}
}

func (b *Bus) storeLetter(ctx context.Context, q queue, d schemas.Delivery, p *schemas.Permanent) error {
	letter, err := b.letter(q, d, p)
	if err == nil {
		err = b.Publish(ctx, letter)
	}
	if err != nil {
		return fmt.Errorf("store dead letter: %w", err)
	}
	b.metrics.deadLetters.WithLabelValues(string(p.Reason)).Inc()
	return nil
}

func (b *Bus) letter(q queue, d schemas.Delivery, p *schemas.Permanent) (schemas.Message, error) {
	where := fmt.Sprintf("%s/%d", q.stream, d.Message.Sequence)
	letter := schemas.NewDeadLetter(schemas.TenantOf(d.Message.Subject), p.Reason, p.Err.Error(), d.Message.StoredAt)
	letter.Attempts = max(d.Attempt, 1)
	if now := time.Now(); now.After(letter.FirstAt) { // else the server's clock is ahead of ours
		letter.LastAt = now
	}
	letter.Object = cmp.Or(p.Object, where)
	letter.Keep(d.Message.Body)
	var f schemas.FileReady
	if json.Unmarshal(d.Message.Body, &f) == nil && f.Validate() == nil {
		letter.Kind, letter.Window, letter.ResponseID = f.Kind, f.Window, f.ResponseID
	}
	return b.names.DeadLetterMessage(letter, where)
}

// passDelay is half of most or more, by chance. Pulls last a whole second, and delays do too:
// a message that always comes back at the same part of a second would always be handed to
// the same bridge.
func passDelay(most time.Duration) time.Duration { return most - rand.N(max(most/2, 1)) }

// delay doubles from RetryDelay to MaxRetryDelay.
func (b *Bus) delay(attempt int) time.Duration {
	d := b.opts.RetryDelay
	for range attempt - 1 {
		if d >= b.opts.MaxRetryDelay {
			break
		}
		d *= 2
	}
	return min(d, b.opts.MaxRetryDelay)
}

// progress resets the server's timer, at most every third of AckWait.
func (b *Bus) progress(msg jetstream.Msg) func() {
	var mu sync.Mutex
	last := time.Now()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) < b.opts.AckWait/3 {
			return
		}
		if err := msg.InProgress(); err == nil {
			last = time.Now()
		} // else not connected: the next call tries again
	}
}
