package bus

import (
	"cmp"
	"context"
	"encoding/json"
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

// Work is what is done with files.
type Work interface {
	// Handle does the work of one file. nil: done. A [*schemas.Permanent]: no
	// retry will help. Any other error: try again later. ctx ends when the bridge
	// stops; then return soon, the result does not count unless it is nil. A
	// [*schemas.Pass] is for others to do and costs no attempt; a [*schemas.Try]
	// around an error says which attempt it was, otherwise each delivery is one.
	Handle(ctx context.Context, d schemas.Delivery) error
	// GivenUp learns of a file that was tried for the last time, or that the server
	// delivers no more, once its dead letter is stored. It may learn of the same one
	// again, also from other bridges, and from one that Handle failed for good. While it
	// fails the file is not over: it is handled once more, and then given up again.
	GivenUp(ctx context.Context, d schemas.Delivery, p *schemas.Permanent) error
}

// stopDelay keeps a file that goes back while stopping from coming straight back
// to a worker whose pull has not ended yet, which would cost it an attempt.
const stopDelay = time.Second

// maxPassDelay is how long a file waits at most that came to a bridge which cannot work
// on it: the next delivery may be to one that can.
const maxPassDelay = 30 * time.Second

// verdict is how a delivery ends.
type verdict string

const (
	verdictAck   verdict = "ack"
	verdictNak   verdict = "nak"
	verdictRetry verdict = "retry"
	verdictPass  verdict = "pass" // nak, and no attempt
	verdictTerm  verdict = "term"
	verdictLost  verdict = "lost" // the server did not take the verdict; it delivers again
)

// ConsumeFiles has files worked on in as many goroutines as workers. When intake
// ends nothing new is fetched, and it returns nil as soon as the files in hand
// are done. When work ends, handlers see their context end, and unfinished
// files go back: another worker gets them a second later, and each has used one
// attempt. It waits for a consumer that is not there (see [assets.Table.Ensure]), and
// makes dead letters of files that the server has given up.
func (b *Bus) ConsumeFiles(intake, work context.Context, workers int, f Work) error {
	if workers < 1 {
		return fmt.Errorf("consume files: %d workers, want at least 1", workers)
	}
	intake, cancel := context.WithCancel(intake)
	defer cancel()
	defer context.AfterFunc(work, cancel)()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { b.worker(intake, work, f) })
	}
	group.Go(func() { b.watchAdvisories(intake, work, f) })
	group.Wait()
	return nil
}

// worker fetches until intake ends, over any failure of the server.
func (b *Bus) worker(intake, work context.Context, f Work) {
	t := b.conn.Trouble("asset", schemas.FileConsumer)
	backOff := wire.NewBackOff()
	_ = backoff.Retry(func() error { // it fails with intake's end only
		start := time.Now()
		err := b.fetch(intake, work, f, func() { t.Over(); backOff.Reset() })
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
func (b *Bus) fetch(intake, work context.Context, f Work, works func()) error {
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
			b.handle(intake, work, msg, f)
		}
	}
	return nil
}

func (b *Bus) handle(intake, work context.Context, msg jetstream.Msg, f Work) {
	meta, err := msg.Metadata()
	if err != nil {
		b.log.Error().Err(err).Str("subject", msg.Subject()).Msg("delivery without metadata")
		return
	}
	d := schemas.Delivery{Message: wire.Stored(msg, meta), Attempt: int(meta.NumDelivered)}
	if intake.Err() != nil { // came while stopping
		b.settle(work, delivered{d, msg, f}, context.Canceled, true)
		return
	}
	d.Progress = b.progress(msg)
	err = f.Handle(work, d)
	b.settle(work, delivered{d, msg, f}, err, work.Err() != nil)
}

// delivered is a file on its way to a verdict.
type delivered struct {
	schemas.Delivery
	msg  jetstream.Msg
	work Work
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
		log.Warn().Err(err).Msg("verdict not taken; the file will come again")
	case v == verdictRetry:
		log.Warn().Err(handled).Stringer("delay", b.delay(d.Attempt)).Msg("file failed; it will be tried again")
	case v == verdictPass && d.Attempt == 1: // and again and again, until somebody else gets it
		log.Info().Err(handled).Msg("file left to another bridge")
	case v == verdictTerm:
		log.Warn().Err(handled).Msg("file has become a dead letter; what becomes of its window the ledger says")
	}
	b.metrics.verdicts.WithLabelValues(string(v)).Inc()
}

// verdict is the only place that decides about a delivery.
func (b *Bus) verdict(work context.Context, d delivered, handled error, stopping bool) (verdict, error) {
	var permanent *schemas.Permanent
	var pass *schemas.Pass
	switch {
	case handled == nil:
		ctx, cancel := b.conn.Try(context.WithoutCancel(work))
		defer cancel()
		return verdictAck, d.msg.DoubleAck(ctx)
	case stopping:
		return verdictNak, d.msg.NakWithDelay(stopDelay)
	case errors.As(handled, &pass):
		return verdictPass, d.msg.NakWithDelay(min(b.delay(d.Attempt), maxPassDelay))
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
	err := b.storeLetter(work, d.Delivery, p)
	if err == nil && p.Reason == schemas.ReasonAttempts {
		err = d.work.GivenUp(work, d.Delivery, p)
	}
	switch {
	case err == nil:
		return verdictTerm, d.msg.TermWithReason(string(p.Reason))
	case work.Err() != nil:
		return verdictNak, d.msg.NakWithDelay(stopDelay)
	default:
		return verdictLost, errors.Join(fmt.Errorf("give file up: %w", err), d.msg.NakWithDelay(b.opts.MaxRetryDelay))
	}
}

func (b *Bus) storeLetter(ctx context.Context, d schemas.Delivery, p *schemas.Permanent) error {
	letter, err := b.letter(d, p)
	if err == nil {
		err = b.Publish(ctx, letter)
	}
	if err != nil {
		return fmt.Errorf("store dead letter: %w", err)
	}
	b.metrics.deadLetters.WithLabelValues(string(p.Reason)).Inc()
	return nil
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
	var f schemas.FileReady
	if json.Unmarshal(d.Message.Body, &f) == nil && f.Validate() == nil {
		letter.Kind, letter.Window, letter.ResponseID = f.Kind, f.Window, f.ResponseID
	}
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
