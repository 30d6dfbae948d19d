package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/schemas"
)

// memory is a hub's streams.
type memory map[schemas.Stream][]schemas.Stored

func (m memory) Read(_ context.Context, stream schemas.Stream, _ string, from uint64, f func(schemas.Stored) error) error {
	for _, s := range m[stream] {
		if s.Sequence < from {
			continue
		}
		if err := f(s); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	return nil
}

func (m memory) ReadSince(_ context.Context, stream schemas.Stream, _ string, since time.Time, f func(schemas.Stored) error) error {
	for _, s := range m[stream] {
		if s.StoredAt.Before(since) {
			continue
		}
		if err := f(s); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	return nil
}

var begin = time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)

// filled is streams with so many messages each, made at random within an hour and stored a
// while later, in the order of their making. Every tenth has no time of its own.
func filled(random *rand.Rand, messages int) memory {
	m := memory{}
	for _, stream := range schemas.Streams() {
		var made []time.Duration
		for range messages {
			made = append(made, time.Duration(random.Int64N(int64(time.Hour))))
		}
		slices.Sort(made)
		for i, after := range made {
			at := begin.Add(after)
			s := schemas.Stored{Subject: string(stream), Sequence: uint64(i) + 1, StoredAt: at, Header: map[string][]string{}}
			if i%10 > 0 {
				s.Header["ce-time"], s.StoredAt = []string{at.Format(time.RFC3339Nano)}, at.Add(10*time.Second)
			}
			m[stream] = append(m[stream], s)
		}
	}
	return m
}

// TestMerged: every message once, in the order of their times, each stream's in its own.
func TestMerged(t *testing.T) {
	t.Parallel()
	const messages = 2*piece + 7
	o := Options{Hub: filled(rand.New(rand.NewPCG(1, 2)), messages), Streams: schemas.Streams(), From: begin, To: begin.Add(time.Hour), Late: time.Minute}
	var last time.Time
	next := map[schemas.Stream]uint64{}
	s, err := Run(t.Context(), o, func(m Message) error {
		next[m.Stream]++
		if m.Time.Before(last) || m.Sequence != next[m.Stream] {
			return fmt.Errorf("%s %d at %s, after %s", m.Stream, m.Sequence, m.Time, last)
		}
		last = m.Time
		return nil
	})
	if err != nil || s.Messages != messages*len(o.Streams) || !s.Last.Equal(last) || s.First.Before(begin) {
		t.Errorf("%+v %v", s, err)
	}
}

// TestWithin: only what was made between the times, stored in time, and is wanted.
func TestWithin(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	message := func(seq uint64, made, stored int) schemas.Stored {
		return schemas.Stored{Sequence: seq, StoredAt: at(stored), Header: map[string][]string{"ce-time": {at(made).Format(time.RFC3339Nano)}}}
	}
	hub := memory{schemas.StreamEvents: {message(1, -100, -99), message(2, -1, 0), message(3, 0, 1), message(4, 5, 6), message(5, 9, 50), message(6, 10, 50), message(7, 9, 100), message(8, 9, 60)}}
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"all":         {func(*Options) {}, "[3 4 5]"},
		"one stored":  {func(o *Options) { o.Late = 10 * time.Minute }, "[3 4 5 7 8]"},
		"not wanted":  {func(o *Options) { o.Wants = func(m schemas.Stored) bool { return m.Sequence != 4 } }, "[3 5]"},
		"after some":  {func(o *Options) { o.After = map[schemas.Stream]uint64{schemas.StreamEvents: 4} }, "[5]"},
		"no stream":   {func(o *Options) { o.Streams = nil }, "[]"},
		"other times": {func(o *Options) { o.From, o.To = at(5), at(6) }, "[4]"},
	} {
		o := Options{Hub: hub, Streams: []schemas.Stream{schemas.StreamEvents, schemas.StreamRows}, From: begin, To: at(10), Late: time.Minute}
		c.change(&o)
		got := []uint64{}
		if _, err := Run(t.Context(), o, func(m Message) error { got = append(got, m.Sequence); return nil }); err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s (%v)", name, got, c.want, err)
		}
	}
}

// TestPace: ten times as fast, an hour takes six minutes, and each message comes when it is
// its turn.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Hub: filled(rand.New(rand.NewPCG(3, 4)), 300), Streams: schemas.Streams(), From: begin, To: begin.Add(time.Hour), Late: time.Minute, Speed: 10}
		start := time.Now()
		var first time.Time
		s, err := Run(t.Context(), o, func(m Message) error {
			if first.IsZero() {
				first = m.Time
			}
			if took := time.Since(start); (took - m.Time.Sub(first)/10).Abs() > time.Microsecond {
				return fmt.Errorf("a message of %s after the first comes after %s", m.Time.Sub(first), took)
			}
			return nil
		})
		if err != nil || s.Messages != 300*len(o.Streams) {
			t.Errorf("%+v %v", s, err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := Run(ctx, o, func(Message) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended by %v", err)
		}
	})
}

// TestResume: cut off anywhere, and gone on with, it gives what it would have given at once.
func TestResume(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	o := Options{Hub: filled(random, 400), Streams: schemas.Streams(), From: begin.Add(10 * time.Minute), To: begin.Add(50 * time.Minute), Late: time.Minute}
	name := func(m Message) string { return fmt.Sprint(m.Stream, m.Sequence) }
	var whole []string
	if _, err := Run(t.Context(), o, func(m Message) error { whole = append(whole, name(m)); return nil }); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	for range 20 {
		var got []string
		after := map[schemas.Stream]uint64{}
		for len(got) < len(whole) {
			left := 1 + random.IntN(500)
			again := o
			again.After = after
			_, err := Run(t.Context(), again, func(m Message) error {
				if left--; left < 0 {
					return enough
				}
				got, after[m.Stream] = append(got, name(m)), m.Sequence
				return nil
			})
			if err != nil && !errors.Is(err, enough) {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, whole) {
			t.Fatalf("%d messages in pieces, %d at once", len(got), len(whole))
		}
	}
}
