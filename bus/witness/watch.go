package witness

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// Kind says who else may change a stream, and when.
type Kind int

// The kinds.
const (
	Own   Kind = iota // of the server in this process: nobody while it is down
	Spool             // only the spool, which trims its beginning
	Hub               // of an external hub: anybody at any time
)

// How often the streams are looked at; a hub may be far away.
const (
	lookEvery    = 2 * time.Second
	lookEveryHub = 10 * time.Second
	// mostHoles is up to how many deleted messages a stream's holes are looked at.
	mostHoles = 50_000
	// probes is how many of an external hub's newest messages are looked at.
	probes = 100
)

// Watch looks at the streams of one server.
type Watch struct {
	book    *Book
	conn    *wire.Conn
	kind    Kind
	streams []string
	every   time.Duration
	broken  atomic.Bool     // somebody may have put another store in place: not looked at since
	scans   map[string]scan // what is to be read, by stream
}

// scan is the read of a whole stream.
type scan struct {
	noted   shape  // as it was before
	have    shape  // at the look before the read, and as it is noted when that is done
	missing []span // where numbers that lack are damage
	all     bool   // everywhere
}

// NewWatch makes a watch of streams by their full names. every is how often they are
// looked at; 0: 2 s, and 10 s at an external hub.
func NewWatch(b *Book, c *wire.Conn, k Kind, every time.Duration, streams ...string) *Watch {
	if every == 0 {
		if every = lookEvery; k == Hub {
			every = lookEveryHub
		}
	}
	w := &Watch{book: b, conn: c, kind: k, streams: streams, every: every, scans: map[string]scan{}}
	w.broken.Store(true)
	return w
}

// Streams are those of the contract's that are watched where the hub is.
func Streams(n schemas.Names) (list []string) {
	for _, s := range schemas.Streams() {
		list = append(list, n.Stream(s))
	}
	return append(list, n.BucketStream(schemas.BucketWindows), n.BucketStream(schemas.BucketSessions), n.BucketStream(schemas.BucketState))
}

// Look compares the streams with the book, and brings the book up to date. At the start it
// has to come before anything is written to the streams of the own server. Its error is
// that a stream could not be asked.
func (w *Watch) Look(ctx context.Context) error {
	anew := w.broken.Swap(false)
	for _, stream := range w.streams {
		if err := w.look(ctx, stream, anew); err != nil {
			w.broken.Store(w.broken.Load() || anew)
			return fmt.Errorf("look at stream %s: %w", stream, err)
		}
	}
	w.book.mu.Lock()
	err := w.book.save()
	w.book.mu.Unlock()
	w.book.noted(err)
	return nil
}

// Begin is the first look, for as long as it takes. Its error is that ctx has ended, or that
// the server refuses to say.
func (w *Watch) Begin(ctx context.Context) error {
	look := func(context.Context) error { return w.Look(ctx) } // each request has its limit
	return w.conn.Retry(ctx, w.conn.Trouble("asset", "witness"), look)
}

// Run looks again and again until ctx ends, and reads what damage has left. An external
// hub that is away is looked at when it is back.
func (w *Watch) Run(ctx context.Context) error {
	if w.kind == Hub {
		back, end := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- w.conn.Back(back, func() { w.broken.Store(true) }) }()
		defer func() {
			end()
			<-done
		}()
	}
	for ctx.Err() == nil {
		if w.conn.Connected() == nil {
			err := w.Look(ctx)
			if err == nil {
				err = w.read(ctx)
			}
			if err != nil && ctx.Err() == nil {
				w.book.opts.Logger.Debug().Err(err).Msg("streams can't be looked at now")
			}
		}
		_ = retry.Wait(ctx, w.every) // the loop sees the end
	}
	if w.kind != Hub { // what somebody has deleted since is not to look like damage
		last, cancel := w.conn.Try(context.WithoutCancel(ctx))
		defer cancel()
		_ = w.Look(last)
	}
	return nil
}

// note is under which name the book notes how a stream looks. A spool mirrors buckets of the
// hub, which have the same names there.
func (w *Watch) note(stream string) string {
	if w.kind == Spool {
		return "spool/" + stream
	}
	return stream
}

// look judges one stream.
func (w *Watch) look(ctx context.Context, stream string, anew bool) error {
	marks := w.book.marks.of(stream) // before the stream, which only grows
	have, config, err := w.shape(ctx, stream)
	if err != nil || config == nil {
		return err
	}
	w.book.mu.Lock()
	f := finding{noted: w.book.notes.Streams[w.note(stream)], have: have, marks: marks, anew: anew}
	w.book.mu.Unlock()
	if w.kind == Own && !anew && !f.noted.Made.Equal(have.Made) {
		f.noted, f.marks = shape{}, nil // somebody who was there made it anew
	}
	last := f.noted.Last
	for _, m := range f.marks {
		last = max(last, m.sequence)
	}
	f.missing = w.rules(*config, anew).missing(f.noted, have, last)
	f.lost = flagged(f.marks, f.missing)
	switch {
	case w.kind == Spool && w.holdsAgents(stream):
		f.lost = w.unsent(f.marks, have)
	case w.kind == Hub:
		err = w.putBack(ctx, stream, &f)
	}
	if err != nil {
		return err
	}
	return w.conclude(ctx, stream, f)
}

// putBack looks whether an external hub has gone on from an older copy.
func (w *Watch) putBack(ctx context.Context, stream string, f *finding) (err error) {
	f.rewritten = w.book.wentBack(stream)
	if !f.anew || len(f.missing) > 0 {
		return nil
	}
	f.lost, err = w.probe(ctx, stream, f.marks, f.have)
	f.rewritten = f.rewritten || len(f.lost) > 0
	return err
}

// finding is what a look at a stream has found.
type finding struct {
	noted, have shape
	missing     []span
	marks, lost map[string]mark // all, and those whose message has gone, by filter
	anew        bool            // the first look, or the first after a broken connection
	rewritten   bool            // lost messages' sequences have others by now
}

// conclude notes what was found, and how the stream looks now.
func (w *Watch) conclude(ctx context.Context, stream string, f finding) error {
	if len(f.missing) > 0 || len(f.lost) > 0 || f.rewritten {
		gaps, err := w.ends(ctx, stream, f)
		if err != nil {
			return err
		}
		w.book.add(stream, max(count(f.missing), uint64(len(f.lost)), 1), gaps)
	}
	for filter, m := range f.marks {
		if _, gone := f.lost[filter]; gone || m.sequence > f.have.Last {
			w.book.noted(w.book.marks.drop(markKey(stream, filter), m))
		}
	}
	f.have.Unreadable = without(f.noted.Unreadable, []span{{0, max(f.have.First, 1) - 1}})
	noted := f.have
	s, due := w.scans[stream]
	if w.holdsAgents(stream) && (f.anew && w.kind != Hub || f.rewritten || len(f.missing) > 0) {
		s, due = scan{noted: f.noted, missing: f.missing, all: f.rewritten}, true
	}
	if s.have = f.have; due {
		w.scans[stream] = s
		noted.Holes = f.noted.Holes // until it is read
	}
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	w.book.notes.Streams[w.note(stream)] = noted
	return nil
}
