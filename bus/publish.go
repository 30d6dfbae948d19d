package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	mayBeStored := false
	err = b.retry(ctx, b.publishTo[stream], func(ctx context.Context) error {
		if mayBeStored && !b.opts.breakage.noLookBack {
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
	if err != nil {
		return fmt.Errorf("publish on %s: %w", m.Subject, err)
	}
	return nil
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
func (b *Bus) send(ctx context.Context, stream string, m schemas.Message) error {
	ack, err := b.js.PublishMsg(ctx, wire(m), jetstream.WithExpectStream(stream), jetstream.WithRetryAttempts(0))
	switch {
	case err == nil:
	case isTooLarge(err):
		return &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("stream %s does not answer; it may be missing: %w", stream, err)
	default:
		return err
	}
	b.metrics.published.WithLabelValues(stream).Inc()
	if ack.Duplicate {
		b.metrics.duplicates.Inc()
		return b.storeAgain(ctx, stream, m, ack.Sequence)
	}
	return nil
}

// storeAgain makes sure of a message that the server calls a duplicate. It knows
// an id until the window has passed, also when the message has been purged
// since; then the message goes out once more, without the id.
func (b *Bus) storeAgain(ctx context.Context, stream string, m schemas.Message, seq uint64) error {
	s, err := b.stream(ctx, stream)
	if err != nil {
		return err
	}
	if _, err = s.GetMsg(ctx, seq); !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	again := wire(m)
	again.Header.Del(schemas.HeaderMsgID)
	_, err = b.js.PublishMsg(ctx, again, jetstream.WithExpectStream(stream), jetstream.WithRetryAttempts(0))
	return err
}

// isLast reports whether the last message of m's subject is m. It closes the
// hole that the deduplication window leaves when an outage outlasts it.
func (b *Bus) isLast(ctx context.Context, stream string, m schemas.Message) (bool, error) {
	last, found, err := b.last(ctx, stream, m.Subject)
	if err != nil || !found {
		return false, err
	}
	h := m.Headers()
	same := last.Get("ce-id") == h["ce-id"][0] && last.Get("ce-source") == h["ce-source"][0]
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
