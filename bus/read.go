package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

const (
	// readAhead is how many messages a reader asks for at once.
	readAhead = 1000
	// readerExpiry is when the server forgets a reader that vanished.
	readerExpiry = 30 * time.Second
	// readerHeartbeat is how often the server shows that it knows a reader.
	readerHeartbeat = 5 * time.Second
	// longSilence is after how many requests' time without a message a reader is
	// asked after. The library's own look at heartbeats starts anew with each call,
	// and the calls here are shorter.
	longSilence = 5
)

// errDone ends a scan from inside its callback.
var errDone = errors.New("done")

// Last returns the last message of a subject. The filter may hold wildcards,
// except on rows; it must lie within one stream.
func (b *Bus) Last(ctx context.Context, filter string) (schemas.Stored, bool, error) {
	s, ok := b.streamOf(filter)
	if !ok {
		return schemas.Stored{}, false, fmt.Errorf("last message of %s: it is within no stream of the bridge", filter)
	}
	if s == schemas.StreamRows && strings.ContainsAny(filter, "*>") {
		return schemas.Stored{}, false, fmt.Errorf("last message of %s: no wildcards on rows", filter)
	}
	ctx, cancel := context.WithTimeout(ctx, b.opts.requestTimeout)
	defer cancel()
	start := time.Now()
	last, found, err := b.last(ctx, b.names.Stream(s), filter)
	if err != nil {
		return schemas.Stored{}, false, fmt.Errorf("last message of %s: %w", filter, b.denials.explain(start, b.names.Stream(s), err))
	}
	return last, found, nil
}

func (b *Bus) last(ctx context.Context, stream, filter string) (schemas.Stored, bool, error) {
	s, err := b.stream(ctx, stream)
	if err != nil {
		return schemas.Stored{}, false, err
	}
	m, err := s.GetLastMsgForSubject(ctx, filter)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return schemas.Stored{}, false, nil
	}
	if err != nil {
		return schemas.Stored{}, false, err
	}
	return schemas.Stored{Subject: m.Subject, Sequence: m.Sequence, StoredAt: m.Time, Header: m.Header, Body: m.Data}, true, nil
}

// Read calls f for the messages of a stream that match filter ("": all), from
// a sequence (0: the first) to the end as of the call, then returns. An error of f ends it.
func (b *Bus) Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error {
	s := scan{stream: b.names.Stream(stream), filter: filter, from: from}
	start := time.Now()
	err := b.read(ctx, s, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error { return f(stored(m, meta)) })
	if err != nil {
		return fmt.Errorf("read %s: %w", s.stream, b.denials.explain(start, s.stream, err))
	}
	return nil
}

// Watch calls f for the messages of a stream that match filter ("": all) and
// are stored after the call, each once and in order, however often the
// connection breaks. A stream that is deleted and made anew, or has lost its end,
// is given from its first message. It returns nil when ctx ends, f's error at
// once, and an error when the stream cannot be found at the start.
func (b *Bus) Watch(ctx context.Context, stream schemas.Stream, filter string, f func(schemas.Stored) error) error {
	s := scan{stream: b.names.Stream(stream), filter: filter}
	start := time.Now()
	if _, err := b.identify(ctx, &s); err != nil {
		return fmt.Errorf("watch %s: %w", s.stream, b.denials.explain(start, s.stream, err))
	}
	err := b.follow(ctx, &s, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error { return f(stored(m, meta)) }, nil)
	if err != nil {
		return fmt.Errorf("watch %s: %w", s.stream, err)
	}
	return nil
}

func stored(m jetstream.Msg, meta *jetstream.MsgMetadata) schemas.Stored {
	return schemas.Stored{
		Subject: m.Subject(), Sequence: meta.Sequence.Stream, StoredAt: meta.Timestamp,
		Header: m.Headers(), Body: m.Data(),
	}
}

// end is the last sequence of a stream now.
func (b *Bus) end(ctx context.Context, stream string) (uint64, error) {
	info, err := b.streamInfo(ctx, stream)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

func (b *Bus) streamInfo(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	s, err := b.stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.Info(ctx)
}

// scan says what to read.
type scan struct {
	stream, filter string
	from           uint64 // 0: the first
	headersOnly    bool
	newestOnly     bool // the last message of each subject, then all
	bounded        bool // ask after a silence whether anything is left

	created time.Time // the stream's; another one is another stream
}

type visit func(m jetstream.Msg, meta *jetstream.MsgMetadata) error

// read reads to the end as of now. The end is a sequence, or the moment when
// nothing is pending, whichever comes first: messages may expire meanwhile.
func (b *Bus) read(ctx context.Context, s scan, f visit) error {
	end, err := b.end(ctx, s.stream)
	if err != nil || end == 0 || end < s.from {
		return err
	}
	s.bounded = true
	err = b.scan(ctx, &s, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if meta.Sequence.Stream <= end {
			if err := f(m, meta); err != nil {
				return err
			}
		}
		if meta.Sequence.Stream >= end || meta.NumPending == 0 {
			return errDone
		}
		return nil
	}, func() error { return errDone })
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// handlerError marks an error of the caller's function among those of NATS.
type handlerError struct{ error }

func (h handlerError) Unwrap() error { return h.error }

// errReplaced ends an endless scan whose stream is a new one, or may be: the
// client library has replaced the reader, as it does after a broken connection
// and for a deleted stream. Another scan follows.
var errReplaced = errors.New("reader was replaced")

// identify notes which stream is read, at first to go on from its end. It makes
// the scan start over when the stream is another one than before, or ends before
// the place to go on from.
func (b *Bus) identify(ctx context.Context, s *scan) (anew bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.requestTimeout)
	defer cancel()
	stream, err := b.js.Stream(ctx, s.stream)
	if err != nil {
		return false, err
	}
	info := stream.CachedInfo()
	switch end := info.State.LastSeq + 1; {
	case s.created.IsZero():
		s.from = end
	case !info.Created.Equal(s.created) || s.from > end:
		b.log.Warn().Str("stream", s.stream).Msg("stream was made anew; reading it from the start")
		s.from, anew = 0, true
	}
	s.created = info.Created
	return anew, nil
}

// follow scans until ctx ends, over broken connections; s.from moves along.
func (b *Bus) follow(ctx context.Context, s *scan, f visit, idle func()) error {
	t := b.trouble(s.stream)
	backOff := newBackOff()
	caughtUp := func() error {
		t.over()
		backOff.Reset()
		if idle != nil {
			s.newestOnly = false
			idle()
		}
		return nil
	}
	each := func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if err := f(m, meta); err != nil {
			return handlerError{err}
		}
		s.from = meta.Sequence.Stream + 1
		if meta.NumPending == 0 {
			return caughtUp()
		}
		return nil
	}
	for ctx.Err() == nil {
		var err error
		start := time.Now()
		if s.created.IsZero() {
			_, err = b.identify(ctx, s)
		}
		if err == nil {
			err = b.scan(ctx, s, each, caughtUp)
		}
		var h handlerError
		if errors.As(err, &h) {
			return h.error
		}
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, errReplaced) {
			t.failed(b.denials.explain(start, s.stream, err))
		}
		pause(ctx, backOff.NextBackOff())
	}
	return nil
}

// scan reads with an ordered consumer until f returns an error or the server
// fails for good. caughtUp is called when nothing is pending at the start, and
// in a bounded scan when nothing is after a silence.
func (b *Bus) scan(ctx context.Context, s *scan, f visit, caughtUp func() error) error {
	cons, err := b.js.OrderedConsumer(ctx, s.stream, s.config())
	if err != nil {
		return err
	}
	defer b.forget(ctx, s.stream, cons)
	if !s.bounded { // after the reader was made: it may be on another stream already
		anew, err := b.identify(ctx, s)
		if err != nil {
			return err
		}
		if anew {
			return errReplaced
		}
	}
	reader := cons.CachedInfo()
	if reader.NumPending == 0 {
		if err := caughtUp(); err != nil {
			return err
		}
	}
	iter, err := cons.Messages(jetstream.PullMaxMessages(readAhead), jetstream.PullHeartbeat(readerHeartbeat))
	if err != nil {
		return err
	}
	defer iter.Stop()
	heard := time.Now()
	for {
		m, err := b.next(ctx, iter)
		silence := errors.Is(err, nats.ErrTimeout)
		if err != nil && !silence {
			return err
		}
		if !s.bounded && cons.CachedInfo().Name != reader.Name {
			return errReplaced
		}
		if silence {
			// A broken connection needs no question: the library replaces the reader.
			long := time.Since(heard) > longSilence*b.opts.requestTimeout && b.nc.IsConnected()
			if s.bounded || long {
				if err := b.silent(ctx, cons, long, caughtUp); err != nil {
					return err
				}
			}
			if long {
				heard = time.Now()
			}
			continue
		}
		heard = time.Now()
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if err := f(m, meta); err != nil {
			return err
		}
	}
}

// next waits for a message, but only for a while.
func (b *Bus) next(ctx context.Context, iter jetstream.MessagesContext) (jetstream.Msg, error) {
	try, cancel := context.WithTimeout(ctx, b.opts.requestTimeout)
	defer cancel()
	m, err := iter.Next(jetstream.NextContext(try))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nats.ErrTimeout
	}
	return m, err
}

// silent asks after a silence whether anything is left. After a long one nothing
// may have waited for messages: what the client library asked for is lost with the
// server that knew it, and while our own connection stands it never asks again.
func (b *Bus) silent(ctx context.Context, cons jetstream.Consumer, long bool, caughtUp func() error) error {
	try, cancel := context.WithTimeout(ctx, b.opts.requestTimeout)
	defer cancel()
	info, err := cons.Info(try)
	switch {
	case err != nil:
		return err
	case info.NumPending == 0 && (info.NumWaiting > 0 || !long):
		return caughtUp()
	case info.NumWaiting == 0 && long:
		return errReplaced
	}
	return nil
}

func (s scan) config() jetstream.OrderedConsumerConfig {
	c := jetstream.OrderedConsumerConfig{
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		HeadersOnly:       s.headersOnly,
		InactiveThreshold: readerExpiry,
		// One try: the loops here repeat, and they end with their context.
		MaxResetAttempts: 1,
	}
	if s.filter != "" {
		c.FilterSubjects = []string{s.filter}
	}
	switch {
	case s.newestOnly:
		c.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case s.from > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.from
	}
	return c
}

// forget removes a reader from the server; without an answer it expires there.
func (b *Bus) forget(ctx context.Context, stream string, cons jetstream.Consumer) {
	info := cons.CachedInfo()
	if info == nil || !b.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.opts.requestTimeout)
	defer cancel()
	if err := b.js.DeleteConsumer(ctx, stream, info.Name); err != nil {
		b.log.Debug().Err(err).Str("stream", stream).Msg("reader left to expire")
	}
}

// pause waits, or returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
