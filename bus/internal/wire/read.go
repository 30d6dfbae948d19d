package wire

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Range says what to read of a stream: to its end as of the call.
type Range struct {
	Stream      string // its full name
	Filter      string // "": all
	From        uint64 // a sequence; 0: the first
	HeadersOnly bool
}

// Read calls f for the messages of a range, in order. The end is the last sequence
// as of the call, or the moment when nothing is pending, whichever comes first:
// messages may expire meanwhile. An error of f ends it. It reads once; after an
// error the caller begins again.
func (c *Conn) Read(ctx context.Context, r Range, f func(schemas.Stored) error) error {
	end, err := c.End(ctx, r.Stream)
	if err != nil || end == 0 || end < r.From {
		return err
	}
	config := readerConfig(r.Filter)
	config.HeadersOnly = r.HeadersOnly
	if r.From > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.From
	}
	reader, err := c.newReader(ctx, r.Stream, config)
	if err != nil {
		return err
	}
	defer reader.forget(ctx)
	if reader.pending == 0 {
		return nil
	}
	if err := reader.start(); err != nil {
		return err
	}
	defer reader.iter.Stop()
	return reader.readTo(ctx, end, f)
}

func (r *reader) readTo(ctx context.Context, end uint64, f func(schemas.Stored) error) error {
	for {
		m, pending, err := r.next(ctx)
		switch {
		case errors.Is(err, errSilence):
			if done, err := r.idle(ctx, r.longSilent()); done || err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case m.Sequence <= end:
			if err := f(m); err != nil {
				return err
			}
		}
		if m.Sequence >= end || pending == 0 {
			return nil
		}
	}
}

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

var (
	// errSilence says that nothing came for a request's time.
	errSilence = errors.New("nothing came")
	// errReplaced ends a read whose stream is a new one, or may be: the client library
	// has replaced the reader, as it does after a broken connection and for a deleted
	// stream.
	errReplaced = errors.New("reader was replaced")
)

// reader is an ordered consumer of one stream, and the messages that come.
type reader struct {
	conn    *Conn
	stream  string
	cons    jetstream.Consumer
	name    string // of the consumer, as it was made
	pending uint64 // how many messages there were to read
	iter    jetstream.MessagesContext
	heard   time.Time
}

// newReader makes a reader on the server. Nothing comes before start.
func (c *Conn) newReader(ctx context.Context, stream string, config jetstream.OrderedConsumerConfig) (*reader, error) {
	cons, err := c.js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return nil, err
	}
	info := cons.CachedInfo()
	return &reader{conn: c, stream: stream, cons: cons, name: info.Name, pending: info.NumPending}, nil
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
	r.heard = time.Now()
	return err
}

// next waits for a message, but only for a while; then it returns errSilence.
// pending is how many are left behind it.
func (r *reader) next(ctx context.Context) (m schemas.Stored, pending uint64, err error) {
	try, cancel := r.conn.Try(ctx)
	defer cancel()
	msg, err := r.iter.Next(jetstream.NextContext(try))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return m, 0, errSilence
	}
	if err != nil {
		return m, 0, err
	}
	r.heard = time.Now()
	meta, err := msg.Metadata()
	if err != nil {
		return m, 0, err
	}
	return Stored(msg, meta), meta.NumPending, nil
}

// replaced reports that the client library reads with another consumer by now.
func (r *reader) replaced() bool { return r.cons.CachedInfo().Name != r.name }

// longSilent reports a silence that is worth a question. A broken connection needs
// none: the library replaces the reader.
func (r *reader) longSilent() bool {
	return time.Since(r.heard) > longSilence*r.conn.RequestTimeout() && r.conn.Connected() == nil
}

// idle asks after a silence whether nothing is left. After a long one nothing may
// have waited for messages: what the client library asked for is lost with the
// server that knew it, and while our own connection stands it never asks again.
func (r *reader) idle(ctx context.Context, long bool) (bool, error) {
	try, cancel := r.conn.Try(ctx)
	defer cancel()
	info, err := r.cons.Info(try)
	if err != nil {
		return false, err
	}
	if long {
		r.heard = time.Now()
		if info.NumWaiting == 0 {
			return false, errReplaced
		}
	}
	return info.NumPending == 0, nil
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
