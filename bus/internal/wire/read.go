package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Range says what to read of a stream: to its end as of the call.
type Range struct {
	Stream      string    // its full name
	Filter      string    // "": all
	From        uint64    // a sequence; 0: the first
	Since       time.Time // instead of From: when it was stored; zero: ever
	HeadersOnly bool
	// LastPerSubject reads, instead, of each subject the last message only.
	LastPerSubject bool
}

// Read calls f for the messages of a range, in order, and returns nil when the last one
// that was there at the call has been handed over, or has gone meanwhile: messages may
// expire. An error of f ends it. It reads once; after an error, as after a silence that
// outlasts several requests, the caller begins again.
func (c *Conn) Read(ctx context.Context, r Range, f func(schemas.Stored) error) error {
	end, err := c.End(ctx, r.Stream)
	if err != nil || end == 0 || end < r.From {
		return err
	}
	last, found, err := c.LastIn(ctx, r.Stream, cmp.Or(r.Filter, everything))
	if err != nil || !found || last.Sequence < r.From || last.StoredAt.Before(r.Since) {
		return err
	}
	config := readerConfig(r.Filter)
	config.HeadersOnly = r.HeadersOnly
	switch {
	case r.LastPerSubject:
		config.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case r.From > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.From
	case !r.Since.IsZero():
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.Since
	}
	for range unheardTries {
		if err = c.readOnce(ctx, r.Stream, config, last.Sequence, f); !errors.Is(err, errUnheard) {
			return err
		}
	}
	return err
}

// readOnce reads with one consumer. After errUnheard nothing was handed over.
func (c *Conn) readOnce(ctx context.Context, stream string, config jetstream.OrderedConsumerConfig, end uint64, f func(schemas.Stored) error) error {
	reader, err := c.newReader(ctx, stream, config)
	if err != nil {
		return err
	}
	defer reader.forget(ctx)
	if err := reader.start(); err != nil {
		return err
	}
	defer reader.iter.Stop()
	return reader.readTo(ctx, end, f)
}

// readTo hands over what comes up to a sequence. That nothing is pending ends it only
// when the stream's leader has nothing more either: what is still on its way is pending
// nowhere, and the reader's server may not have all yet.
func (r *reader) readTo(ctx context.Context, end uint64, f func(schemas.Stored) error) error {
	return r.pump(func() (schemas.Stored, uint64, error) {
		return r.next(ctx)
	}, func() (bool, error) {
		return r.over(ctx, end)
	}, func(m schemas.Stored) (bool, error) {
		if m.Sequence > end {
			return true, nil
		}
		return m.Sequence == end, f(m)
	})
}

const (
	// readAhead is how many messages a reader asks for at once.
	readAhead = 1000
	// readerExpiry is when the server forgets a reader that vanished.
	readerExpiry = 30 * time.Second
	// readerHeartbeat is how often the server shows that it knows a reader.
	readerHeartbeat = 5 * time.Second
	// longSilence is after how many requests' time without a message a reader is
	// asked after, or given up if it owes some. The library's own look at heartbeats
	// starts anew with each call, and the calls here are shorter.
	longSilence = 5
	// firstAnswer is after how long without a message a new reader is asked after.
	firstAnswer = 250 * time.Millisecond
	// unheardTries is how many readers in a row may go unheard.
	unheardTries = 5
	// everything is the filter of all subjects that the bridge has. The server answers
	// ">" with the message at the last sequence, and with none when that was deleted.
	everything = "*.>"
)

var (
	// errSilence says that nothing came for a request's time.
	errSilence = errors.New("nothing came")
	// errReplaced ends a read whose stream is a new one, or may be: the client library
	// has replaced the reader, as it does after a broken connection and for a deleted
	// stream.
	errReplaced = errors.New("reader was replaced")
	// errUnheard ends a read whose first request came to a server of a cluster that had not
	// heard of the reader yet. The client library knows, and waits all the same.
	errUnheard = fmt.Errorf("the request for messages was not heard: %w", nats.ErrNoResponders)
	// errOwed ends a read that has not got all that is there, and gets nothing.
	errOwed = errors.New("messages that are stored do not come")
)

// reader is an ordered consumer of one stream, and the messages that come.
type reader struct {
	conn    *Conn
	stream  string
	filter  string
	cons    jetstream.Consumer
	name    string // of the consumer, as it was made
	pending uint64 // how many messages there were to read
	iter    jetstream.MessagesContext
	last    uint64 // the sequence handed over last, or before the first
	silent  int    // how often nothing came, in a row
	heard   bool   // the server knows what was asked for
}

// newReader makes a reader on the server. Nothing comes before start.
func (c *Conn) newReader(ctx context.Context, stream string, config jetstream.OrderedConsumerConfig) (*reader, error) {
	cons, err := c.js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return nil, err
	}
	info := cons.CachedInfo()
	r := &reader{conn: c, stream: stream, filter: everything, cons: cons, name: info.Name, pending: info.NumPending}
	if len(config.FilterSubjects) > 0 {
		r.filter = config.FilterSubjects[0]
	}
	if config.OptStartSeq > 0 {
		r.last = config.OptStartSeq - 1
	}
	return r, nil
}

// readerConfig reads a stream from its first message on.
func readerConfig(filter string) jetstream.OrderedConsumerConfig {
	c := jetstream.OrderedConsumerConfig{
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		InactiveThreshold: readerExpiry,
		// One try: the loops here repeat, and they end with their context.
		MaxResetAttempts: 1,
	}
	if filter != "" {
		c.FilterSubjects = []string{filter}
	}
	return c
}

// start asks for messages. Whoever calls it stops r.iter.
func (r *reader) start() (err error) {
	r.iter, err = r.cons.Messages(jetstream.PullMaxMessages(readAhead), jetstream.PullHeartbeat(readerHeartbeat))
	return err
}

// next waits for a message, but only for a while; then it returns errSilence.
// pending is how many are left behind it.
func (r *reader) next(ctx context.Context) (m schemas.Stored, pending uint64, err error) {
	limit := r.conn.RequestTimeout()
	if !r.heard {
		limit = min(limit, firstAnswer)
	}
	try, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	msg, err := r.iter.Next(jetstream.NextContext(try))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		if !r.heard {
			return m, 0, r.askHeard(ctx)
		}
		r.silent++
		return m, 0, errSilence
	}
	if err != nil {
		return m, 0, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return m, 0, err
	}
	r.last, r.silent, r.heard = meta.Sequence.Stream, 0, true
	return Stored(msg, meta), meta.NumPending, nil
}

// askHeard finds out whether the server has the reader's first request: it waits there, or
// has been answered. The error says whether it goes on.
func (r *reader) askHeard(ctx context.Context) error {
	try, cancel := r.conn.Try(ctx)
	defer cancel()
	info, err := r.cons.Info(try)
	switch {
	case err != nil && try.Err() != nil && ctx.Err() == nil:
		r.silent++
		return errSilence
	case err != nil:
		return err
	case info.NumWaiting == 0 && info.Delivered.Consumer == 0:
		return errUnheard
	}
	r.heard = true
	return errSilence
}

// pump hands over message after message. Whenever nothing is pending, also after each
// silence, it asks atEnd; that and each say whether it ends.
func (r *reader) pump(next func() (schemas.Stored, uint64, error), atEnd func() (bool, error), each func(schemas.Stored) (bool, error)) error {
	for pending := r.pending; ; {
		if pending == 0 {
			if end, err := atEnd(); end || err != nil {
				return err
			}
		}
		m, left, err := next()
		switch {
		case errors.Is(err, errSilence):
			pending = 0
			continue
		case err != nil:
			return err
		}
		if end, err := each(m); end || err != nil {
			return err
		}
		pending = left
	}
}

// replaced reports that the client library reads with another consumer by now.
func (r *reader) replaced() bool { return r.cons.CachedInfo().Name != r.name }

// over asks the stream's leader whether nothing up to a sequence is left behind what
// was handed over. An answer that does not come says nothing; but a reader that owes
// messages is not waited for longer than a long silence.
func (r *reader) over(ctx context.Context, end uint64) (bool, error) {
	m, found, err := r.conn.At(ctx, r.stream, r.last+1, r.filter)
	unanswered := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	switch {
	case err == nil && (!found || m.Sequence > end):
		return true, nil
	case err != nil && !unanswered:
		return false, err
	case r.silent >= longSilence:
		return false, cmp.Or(err, errOwed)
	}
	return false, nil
}

// longSilent reports a silence that is worth a question. A broken connection needs
// none: the library replaces the reader.
func (r *reader) longSilent() bool {
	return r.silent >= longSilence && r.conn.Connected() == nil
}

// forgotten reports after a long silence that nothing waits for messages: what the
// client library asked for is lost with the server that knew it, and while our own
// connection stands it never asks again.
func (r *reader) forgotten(ctx context.Context) (bool, error) {
	try, cancel := r.conn.Try(ctx)
	defer cancel()
	info, err := r.cons.Info(try)
	if err != nil {
		return false, err
	}
	r.silent = 0
	return info.NumWaiting == 0, nil
}

// forget removes the reader from the server.
func (r *reader) forget(ctx context.Context) { r.conn.Forget(ctx, r.stream, r.cons) }

// Forget removes a consumer that only read from the server; without an answer it
// expires there.
func (c *Conn) Forget(ctx context.Context, stream string, cons jetstream.Consumer) {
	info := cons.CachedInfo()
	if info == nil || !c.nc.IsConnected() {
		return
	}
	ctx, cancel := c.Try(context.WithoutCancel(ctx))
	defer cancel()
	if err := c.js.DeleteConsumer(ctx, stream, info.Name); err != nil {
		c.opts.Logger.Debug().Err(err).Str("stream", stream).Msg("reader left to expire")
	}
}
