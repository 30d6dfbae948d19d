package wallboard

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// Hub is what a board reads.
type Hub interface {
	ask.Hub
	// Follow calls f for the entries of a bucket, and for each change as it comes, until ctx
	// ends; made is when the bucket was. idle is called whenever nothing is left to read.
	Follow(ctx context.Context, bucket schemas.Bucket, f func(key string, e schemas.Stored, made time.Time), idle func(made time.Time)) error
	// End is the sequence of the last message of a stream.
	End(ctx context.Context, stream schemas.Stream) (uint64, error)
	// Connected says why there is no connection; nil: there is one.
	Connected() error
}

// Options say what is shown, and to whom. Hub, Names, Lease and Bridges must be set.
type Options struct {
	Hub   Hub
	Names schemas.Names
	// Lease names the partition under whose lease an agent is polled.
	Lease func(agent string) string
	// Bridges are what the bridges say of themselves. While the hub is away, or with an error,
	// they may be some of them.
	Bridges func(context.Context) ([]ask.Bridge, error)
	// Zone is that of a tenant's days; nil, or nil of a tenant: the machine's.
	Zone func(tenant string) *time.Location
	// Token that a viewer must give, asked for each time; nil, "": none.
	Token func() string
	// Viewers is how many may look at a time. Default: 64.
	Viewers int
	// Linger is how long the hub is still read after the last viewer. Default: 30 s.
	Linger time.Duration
	Logger zerolog.Logger
}

const (
	defaultViewers = 64
	defaultLinger  = 30 * time.Second
)

// Board is the page with what it shows.
type Board struct {
	o      Options
	q      ask.Questions
	sheet  *sheet
	assets string        // the version of page, style and script
	ended  chan struct{} // closed when Run ends

	mu      sync.Mutex
	viewers int
	left    time.Time     // when the last viewer did
	wake    chan struct{} // there are viewers, or none any more
}

// New makes a board, which shows something while it runs.
func New(o Options) *Board {
	if o.Viewers == 0 {
		o.Viewers = defaultViewers
	}
	if o.Linger == 0 {
		o.Linger = defaultLinger
	}
	if o.Zone == nil {
		o.Zone = func(string) *time.Location { return nil }
	}
	return &Board{
		o: o, q: ask.Questions{Hub: o.Hub, Names: o.Names, Lease: o.Lease},
		sheet: newSheet(uuid.NewString()), assets: assetsOf(pages), ended: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// Run reads the hub whenever somebody looks, until ctx ends; streams to viewers end with it.
func (b *Board) Run(ctx context.Context) error {
	defer close(b.ended)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		}
		if b.watched() {
			b.watchWhile(ctx)
		}
	}
}

// watchWhile reads the hub until nobody looks any more, or ctx ends.
func (b *Board) watchWhile(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.watch(ctx)
	}()
	tick := time.NewTicker(b.o.Linger/4 + time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil && b.watched() {
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-tick.C:
		}
	}
	stop()
	<-done
}

// watched reports whether somebody looks, or did a moment ago.
func (b *Board) watched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.viewers > 0 || time.Since(b.left) < b.o.Linger
}

// look makes one viewer more; false: there are as many as may be.
func (b *Board) look() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.viewers >= b.o.Viewers {
		return false
	}
	b.viewers++
	b.poke()
	return true
}

func (b *Board) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.viewers--
	b.left = time.Now()
	b.poke()
}

func (b *Board) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
