package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Publish stores one message. It returns nil only when the message is stored:
// acknowledged by its stream, or found there. It tries again until ctx ends; a
// message that is too large or not valid is refused at once with a
// [*schemas.Permanent].
//
// It may be stored twice when an acknowledgement was lost and the next try came
// after the deduplication window. Before that try Publish looks at the subject's
// last message, which prevents it for a subject with one writer that waits for
// each acknowledgement (an agent's events), and not for others.
func (b *Bus) Publish(ctx context.Context, m schemas.Message) error {
	stream, err := b.check(m)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := b.publish(ctx, stream, wire(m)); err != nil {
		return fmt.Errorf("publish on %s: %w", m.Subject, err)
	}
	return nil
}

// publish tries until the stream has the message, it is refused for good, or
// ctx ends.
func (b *Bus) publish(ctx context.Context, stream string, m *nats.Msg) error {
	mayBeStored := false
	return b.retry(ctx, b.publishTo[stream], func(ctx context.Context) error {
		if mayBeStored {
			stored, err := b.isLast(ctx, stream, m)
			if stored || err != nil {
				return err
			}
		}
		err := b.send(ctx, stream, m)
		if err != nil && !isPermanent(err) {
			b.metrics.retries.Inc()
			mayBeStored = mayBeStored || !certainlyNotStored(err)
		}
		return err
	})
}

// check validates a message and returns the name of its stream.
func (b *Bus) check(m schemas.Message) (stream string, err error) {
	if err := m.Validate(); err != nil {
		return "", &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err}
	}
	s, ok := b.streamOf(m.Subject)
	if !ok {
		return "", &schemas.Permanent{
			Reason: schemas.ReasonInvalid,
			Err:    fmt.Errorf("subject %s belongs to no stream of the bridge", m.Subject),
		}
	}
	return b.names.Stream(s), nil
}

// send tries once.
func (b *Bus) send(ctx context.Context, stream string, m *nats.Msg) error {
	ack, err := b.sendOnce(ctx, stream, m)
	if err != nil {
		return err
	}
	b.metrics.published.WithLabelValues(stream).Inc()
	if ack.Duplicate {
		b.metrics.duplicates.Inc()
		return b.storeAgain(ctx, stream, m, ack.Sequence)
	}
	return nil
}

// sendOnce publishes and classifies the failure.
func (b *Bus) sendOnce(ctx context.Context, stream string, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	opts = append(opts, jetstream.WithExpectStream(stream), jetstream.WithRetryAttempts(0))
	start := time.Now()
	ack, err := b.js.PublishMsg(ctx, m, opts...)
	err = b.denials.explain(start, m.Subject, err)
	switch {
	case isTooLarge(err):
		return nil, &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return nil, fmt.Errorf("stream %s does not answer; it may be missing: %w", stream, err)
	}
	return ack, err
}

// storeAgain makes sure of a message that the server calls a duplicate. It knows
// an id until the window has passed, also when the message has been purged
// since; then the message goes out once more, without the id. What is missing in
// a spool is at the hub: nobody else removes anything there.
func (b *Bus) storeAgain(ctx context.Context, stream string, m *nats.Msg, seq uint64) error {
	if b.opts.isSpool {
		return nil
	}
	has, err := b.has(ctx, stream, seq)
	if has || err != nil {
		return err
	}
	_, err = b.sendOnce(ctx, stream, withoutID(m))
	return err
}

// has reports whether a stream still holds a message.
func (b *Bus) has(ctx context.Context, stream string, seq uint64) (bool, error) {
	s, err := b.stream(ctx, stream)
	if err != nil {
		return false, err
	}
	_, err = s.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

func withoutID(m *nats.Msg) *nats.Msg {
	again := *m
	again.Header = maps.Clone(m.Header)
	again.Header.Del(schemas.HeaderMsgID)
	return &again
}

// isLast reports whether the last message of m's subject is m. It closes the
// hole that the deduplication window leaves when an outage outlasts it.
func (b *Bus) isLast(ctx context.Context, stream string, m *nats.Msg) (bool, error) {
	last, found, err := b.last(ctx, stream, m.Subject)
	if err != nil || !found {
		return false, err
	}
	same := last.Get("ce-id") == m.Header.Get("ce-id") && last.Get("ce-source") == m.Header.Get("ce-source")
	if same {
		b.metrics.duplicates.Inc()
	}
	return same, nil
}

func wire(m schemas.Message) *nats.Msg {
	return &nats.Msg{Subject: m.Subject, Header: m.Headers(), Data: m.Body}
}

// streamOf finds the stream that captures a subject.
func (b *Bus) streamOf(subject string) (schemas.Stream, bool) {
	for _, s := range allStreams {
		if matches(b.names.StreamSubjects(s), subject) {
			return s, true
		}
	}
	return "", false
}

// matches reports whether pattern covers subject. The subject may itself hold
// wildcards, as a filter does; then it has to be no wider than the pattern.
func matches(pattern, subject string) bool {
	for {
		p, patternRest, morePattern := strings.Cut(pattern, ".")
		s, subjectRest, moreSubject := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return s != ""
		case s == "" || s == ">":
			return false
		case p != "*" && p != s:
			return false
		case !morePattern || !moreSubject:
			return morePattern == moreSubject
		}
		pattern, subject = patternRest, subjectRest
	}
}
