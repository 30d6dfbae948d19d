package replay

import (
	"context"
	"errors"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

const (
	// piece is how many messages of a stream are read at once, pieceBytes how much.
	piece      = 1000
	pieceBytes = 4 << 20
	// slack is how far the hub's clock may be off from the bridges'.
	slack = time.Minute
)

// Hub is what is read; see bus.Bus.
type Hub interface {
	Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error
	ReadSince(ctx context.Context, stream schemas.Stream, filter string, since time.Time, f func(schemas.Stored) error) error
}

// Options say what is replayed.
type Options struct {
	Hub     Hub
	Streams []schemas.Stream
	From    time.Time
	To      time.Time
	// Late is how long after its time a message may have been stored: behind a spool it is
	// as long as the hub was away.
	Late time.Duration
	// Wants says which messages; nil: all.
	Wants func(schemas.Stored) bool
	// Speed is how many times as fast as it was; 0: as fast as it goes.
	Speed float64
	// After is up to which sequence of a stream an earlier run has given everything.
	After map[schemas.Stream]uint64
}

// Message is a message that is replayed.
type Message struct {
	schemas.Stored
	Stream schemas.Stream
	Time   time.Time
}

// Summary is what was replayed.
type Summary struct {
	Messages int       `json:"messages"`
	First    time.Time `json:"first,omitzero"` // their times
	Last     time.Time `json:"last,omitzero"`
}

// Run calls emit for each message, when its turn is, until all have been given or ctx ends. An
// error of emit ends it.
func Run(ctx context.Context, o Options, emit func(Message) error) (s Summary, err error) {
	var all []*source
	for _, stream := range o.Streams {
		all = append(all, &source{o: &o, stream: stream, next: o.After[stream] + 1})
	}
	begun := time.Now()
	for {
		m, found, err := earliest(ctx, all)
		if err != nil || !found {
			return s, err
		}
		if s.Messages == 0 {
			s.First = m.Time
		}
		if o.Speed > 0 {
			turn := begun.Add(time.Duration(float64(m.Time.Sub(s.First)) / o.Speed))
			if err := retry.Wait(ctx, time.Until(turn)); err != nil {
				return s, err
			}
		}
		if err := emit(m); err != nil {
			return s, err
		}
		s.Messages, s.Last = s.Messages+1, m.Time
	}
}

// earliest takes the message whose time is the earliest of those that are next.
func earliest(ctx context.Context, all []*source) (m Message, found bool, err error) {
	var from *source
	for _, s := range all {
		head, ok, err := s.head(ctx)
		if err != nil {
			return m, false, err
		}
		if ok && (from == nil || head.Time.Before(m.Time)) {
			m, from = head, s
		}
	}
	if from == nil {
		return m, false, nil
	}
	from.ready = from.ready[1:]
	return m, true, nil
}

// source is one stream, read piece by piece.
type source struct {
	o      *Options
	stream schemas.Stream
	next   uint64 // the sequence that the next piece begins with
	begun  bool
	over   bool
	ready  []Message
}

// head is the next message of the stream.
func (s *source) head(ctx context.Context) (Message, bool, error) {
	for len(s.ready) == 0 && !s.over {
		if err := s.read(ctx); err != nil {
			return Message{}, false, err
		}
	}
	if len(s.ready) == 0 {
		return Message{}, false, nil
	}
	return s.ready[0], true, nil
}

// errPiece ends a read that has a piece.
var errPiece = errors.New("a piece is enough")

// read reads a piece.
func (s *source) read(ctx context.Context) (err error) {
	s.ready = s.ready[:0:0]
	seen, size := 0, 0
	take := func(m schemas.Stored) error {
		seen, size = seen+1, size+len(m.Body)
		s.next = m.Sequence + 1
		if m.StoredAt.After(s.o.To.Add(s.o.Late)) {
			s.over = true
			return errPiece
		}
		if at := timeOf(m); !at.Before(s.o.From) && at.Before(s.o.To) && (s.o.Wants == nil || s.o.Wants(m)) {
			s.ready = append(s.ready, Message{Stored: m, Stream: s.stream, Time: at})
		}
		if seen == piece || size > pieceBytes {
			return errPiece
		}
		return nil
	}
	if s.begun || s.next > 1 {
		err = s.o.Hub.Read(ctx, s.stream, "", s.next, take)
	} else {
		err = s.o.Hub.ReadSince(ctx, s.stream, "", s.o.From.Add(-slack), take)
	}
	s.begun = true
	switch {
	case errors.Is(err, errPiece):
		return nil
	case err == nil:
		s.over = true // up to its end
	}
	return err
}

// timeOf is a message's time.
func timeOf(m schemas.Stored) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, m.Get("ce-time")); err == nil {
		return at
	}
	return m.StoredAt
}
