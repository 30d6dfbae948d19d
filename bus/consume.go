package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Handler does the work of one file. nil: done. A [*schemas.Permanent]: no
// retry will help. Any other error: try again later. ctx ends when the bridge
// stops; then return soon, the result does not count unless it is nil.
type Handler func(ctx context.Context, d schemas.Delivery) error

// stopDelay keeps a file that goes back while stopping from coming straight back
// to a worker whose pull has not ended yet, which would cost it an attempt.
const stopDelay = time.Second

// verdict is how a delivery ends.
type verdict string

const (
	verdictAck   verdict = "ack"
	verdictNak   verdict = "nak"
	verdictRetry verdict = "retry"
	verdictTerm  verdict = "term"
	verdictLost  verdict = "lost" // the server did not take the verdict; it delivers again
)

// ConsumeFiles hands files to h in as many goroutines as workers. When intake
// ends nothing new is fetched, and it returns nil as soon as the files in hand
// are done. When work ends, handlers see their context end, and unfinished
// files go back: another worker gets them a second later, and each has used one
// attempt. It waits for a consumer that is not there (see [assets.Table.Ensure]), and
// makes dead letters of files that the server has given up.
func (b *Bus) ConsumeFiles(intake, work context.Context, workers int, h Handler) error {
	if workers < 1 {
		return fmt.Errorf("consume files: %d workers, want at least 1", workers)
	}
	intake, cancel := context.WithCancel(intake)
	defer cancel()
	defer context.AfterFunc(work, cancel)()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { b.worker(intake, work, h) })
	}
	group.Go(func() { b.watchAdvisories(intake, work) })
	group.Wait()
	return nil
}

// worker fetches until intake ends, over any failure of the server.
func (b *Bus) worker(intake, work context.Context, h Handler) {
	t := b.conn.Trouble("asset", schemas.FileConsumer)
	backOff := wire.NewBackOff()
	_ = backoff.Retry(func() error { // it fails with intake's end only
		start := time.Now()
		err := b.fetch(intake, work, h, func() { t.Over(); backOff.Reset() })
		if intake.Err() != nil {
			return nil
		}
		t.Failed(b.conn.Explain(start, schemas.FileConsumer, err))
		return err
	}, backoff.WithContext(backOff, intake))
}

// pullTime is how long one pull waits for a file. It is also how long stopping
// takes when nothing comes.
const pullTime = time.Second

// fetch pulls one message after the other, never one ahead, until the server
// fails or intake ends. Each pull ends by itself, and the server says so: dropped
// earlier, a message that is just on its way would wait for AckWait. The client
// library's endless iterators don't do here: after a broken connection they pull
// once more, and then are one ahead for good.
func (b *Bus) fetch(intake, work context.Context, h Handler, works func()) error {
	cons, err := b.conn.JetStream().Consumer(intake, b.names.Stream(schemas.StreamFiles), schemas.FileConsumer)
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
			b.handle(intake, work, msg, h)
		}
	}
	return nil
}

func (b *Bus) handle(intake, work context.Context, msg jetstream.Msg, h Handler) {
	meta, err := msg.Metadata()
	if err != nil {
		b.log.Error().Err(err).Str("subject", msg.Subject()).Msg("delivery without metadata")
		return
	}
	d := schemas.Delivery{Message: wire.Stored(msg, meta), Attempt: int(meta.NumDelivered)}
	if intake.Err() != nil { // came while stopping
		b.settle(work, msg, d, context.Canceled, true)
		return
	}
	d.Progress = b.progress(msg)
	err = h(work, d)
	b.settle(work, msg, d, err, work.Err() != nil)
}

// settle tells the server the verdict and counts it.
func (b *Bus) settle(work context.Context, msg jetstream.Msg, d schemas.Delivery, handled error, stopping bool) {
	v, err := b.verdict(work, msg, d, handled, stopping)
	log := b.log.With().Str("subject", d.Message.Subject).Uint64("sequence", d.Message.Sequence).Int("attempt", d.Attempt).Logger()
	switch {
	case err != nil:
		v = verdictLost
		log.Warn().Err(err).Msg("verdict not taken; the file will come again")
	case v == verdictRetry:
		log.Warn().Err(handled).Stringer("delay", b.delay(d.Attempt)).Msg("file failed; it will be tried again")
	case v == verdictTerm:
		log.Error().Err(handled).Msg("file given up; see the dead letter")
	}
	b.metrics.verdicts.WithLabelValues(string(v)).Inc()
}

// verdict is the only place that decides about a delivery.
func (b *Bus) verdict(work context.Context, msg jetstream.Msg, d schemas.Delivery, handled error, stopping bool) (verdict, error) {
	var permanent *schemas.Permanent
	switch {
	case handled == nil:
		ctx, cancel := b.conn.Try(context.WithoutCancel(work))
		defer cancel()
		return verdictAck, msg.DoubleAck(ctx)
	case stopping:
		return verdictNak, msg.NakWithDelay(stopDelay)
	case errors.As(handled, &permanent):
		return b.deadLetter(work, msg, d, permanent)
	case d.Attempt >= b.opts.MaxAttempts:
		return b.deadLetter(work, msg, d, &schemas.Permanent{Reason: schemas.ReasonAttempts, Err: handled})
	default:
		return verdictRetry, msg.NakWithDelay(b.delay(d.Attempt))
	}
}

// deadLetter stores a dead letter, then ends the message. When work ends before it
// is stored, the message goes back instead. When the server does not hear the
// end, the message comes again and may leave a second dead letter, with the same
// ce-id.
func (b *Bus) deadLetter(work context.Context, msg jetstream.Msg, d schemas.Delivery, p *schemas.Permanent) (verdict, error) {
	letter, err := b.letter(d, p)
	if err == nil {
		err = b.Publish(work, letter)
	}
	switch {
	case err == nil:
		b.metrics.deadLetters.WithLabelValues(string(p.Reason)).Inc()
		return verdictTerm, msg.TermWithReason(string(p.Reason))
	case work.Err() != nil:
		return verdictNak, msg.NakWithDelay(stopDelay)
	default:
		return verdictLost, errors.Join(fmt.Errorf("store dead letter: %w", err), msg.NakWithDelay(b.opts.MaxRetryDelay))
	}
}

func (b *Bus) letter(d schemas.Delivery, p *schemas.Permanent) (schemas.Message, error) {
	where := fmt.Sprintf("%s/%d", b.names.Stream(schemas.StreamFiles), d.Message.Sequence)
	letter := schemas.NewDeadLetter(schemas.TenantOf(d.Message.Subject), p.Reason, p.Err.Error(), d.Message.StoredAt)
	letter.Attempts = max(d.Attempt, 1)
	if now := time.Now(); now.After(letter.FirstAt) { // else the server's clock is ahead of ours
		letter.LastAt = now
	}
	letter.Object = cmp.Or(p.Object, where)
	letter.Keep(d.Message.Body)
	return b.names.DeadLetterMessage(letter, where)
}

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
