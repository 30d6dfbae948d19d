package calls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/exporter/tenure"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// Ledger is what is known of the windows of extracts.
type Ledger interface {
	// Await waits until it has been read.
	Await(ctx context.Context) error
	// Each calls f for every entry of a tenant, in no order; f must not call back.
	Each(tenant string, f func(schemas.WindowEntry))
	// Changes counts the changes of entries.
	Changes() uint64
}

// Rows calls f for every message of a subject of rows, in order.
type Rows func(ctx context.Context, subject string, f func(schemas.Stored) error) error

// Stream is the stream of calls.
type Stream interface {
	// Newest calls f for the last message of each window of a tenant and returns the
	// sequence of the last one, 0 when there is none.
	Newest(ctx context.Context, tenant string, f func(schemas.Stored) error) (last uint64, err error)
	// Kept says since when it has all that was stored; zero: since ever.
	Kept(ctx context.Context) (since time.Time, err error)
	// ReadBack calls f for every message of a subject, in order.
	ReadBack(ctx context.Context, subject string, f func(h schemas.CallHeader, seq uint64)) error
	// At returns the message at a sequence; found is false when it has gone.
	At(ctx context.Context, seq uint64) (m schemas.Stored, found bool, err error)
	// Read calls f for every message of a subject, in order, as it is stored.
	Read(ctx context.Context, subject string, f func(schemas.Stored) error) error
	// Append stores up to [schemas.MaxBatch] messages of one subject, all or none. It is
	// refused with [schemas.ErrConflict] when the last sequence of the tenant is not last.
	Append(ctx context.Context, tenant string, messages []schemas.Message, last uint64) (newLast uint64, err error)
	// Fits reports whether the stream takes a message of this size, as of the last Kept.
	Fits(m schemas.Message) bool
}

// Audio calls f for what is said of the recordings of a tenant, in order: from a sequence of
// their stream on, or, with 0, since a time. A stream that ends before the sequence is
// another one, and read from its beginning. An error of f ends it.
type Audio func(ctx context.Context, from uint64, since time.Time, f func(schemas.Stored) error) error

// Options configure the calls of one tenant. Tenant, Names, Ledger, Rows, Audio, Stream and
// Letter are required.
type Options struct {
	Tenant string
	Names  schemas.Names
	Ledger Ledger
	Rows   Rows
	Audio  Audio
	Stream Stream
	// Letter stores a dead letter: that of a call which the stream does not take.
	Letter func(ctx context.Context, m schemas.Message) error
	// Fetched says that the audio of recordings is fetched.
	Fetched bool
	// Acquire waits until this bridge alone is to make the tenant's calls. nil: there is no
	// other.
	Acquire func(ctx context.Context) (tenure.Lease, error)
	// Reach is how far apart the windows of one call's rows may lie: rows further away are
	// those of another call, or of none. Default 24 h.
	Reach time.Duration
	// Tick is how often the ledger is looked over. Default 1 s.
	Tick time.Duration
	// Listen is how often it is looked what became of recordings. Default 10 s.
	Listen     time.Duration
	Logger     zerolog.Logger        // with the tenant
	Registerer prometheus.Registerer // nil: not registered
}

// Builder makes the calls of one tenant.
type Builder struct {
	o      Options
	tenure *tenure.Tenure
	held   trouble.Episode
	seed   maphash.Seed
	made   *prometheus.CounterVec
	most   int // messages of a batch

	known bool // homes and last are what is in the stream
	last  uint64
	kept  time.Time // since when the stream has all that was stored; zero: since ever
	homes map[schemas.Window]*home

	heard    uint64            // of what became of recordings: up to where it is in all calls
	listened time.Time         // when it was looked
	letters  map[uint64]string // digests of calls that were not taken, by the hashes of their ids

	settled atomic.Uint64            // changes, and 1
	listen  atomic.Uint64            // heard, once all has been
	failing atomic.Pointer[struggle] // nil: all is well
}

// struggle is what goes on when every try fails.
type struggle struct {
	since time.Time
	err   error
}

// New checks the options and fills in defaults. It does no I/O.
func New(o Options) (*Builder, error) {
	if o.Tenant == "" || o.Names == (schemas.Names{}) || o.Ledger == nil || o.Rows == nil || o.Audio == nil || o.Stream == nil || o.Letter == nil {
		return nil, errors.New("calls: tenant, names, ledger, rows, audio, stream and letter are required")
	}
	if o.Reach < 0 || o.Tick < 0 || o.Listen < 0 {
		return nil, errors.New("calls: reach, tick and listen must not be negative")
	}
	o.Reach, o.Tick, o.Listen = cmp.Or(o.Reach, 24*time.Hour), cmp.Or(o.Tick, time.Second), cmp.Or(o.Listen, 10*time.Second)
	own := prometheus.WrapRegistererWith(prometheus.Labels{"tenant": o.Tenant}, o.Registerer)
	return &Builder{
		o: o, most: schemas.MaxBatch, seed: maphash.MakeSeed(), letters: map[uint64]string{}, tenure: tenure.New(tenure.Options{Acquire: o.Acquire, Of: "calls", Logger: o.Logger}),
		made: promauto.With(own).NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "calls", Name: "published_total", Help: "Calls published, by what they are: new, or a later revision.",
		}, []string{"what"}),
	}, nil
}

// Run makes calls whenever it has the lease, until ctx ends. Failures of the bus are retried;
// it returns nil at the end. What is not done then, the next start does.
func (b *Builder) Run(ctx context.Context) error {
	if b.o.Ledger.Await(ctx) != nil {
		return nil
	}
	b.tenure.Run(ctx, ctx, func(held context.Context) {
		b.known = false // somebody else may have made calls since
		defer b.failing.Store(nil)
		for held.Err() == nil {
			b.lookOver(held)
			_ = retry.Wait(held, b.o.Tick) // the loop sees the end
		}
	})
	return nil
}

// Settled reports whether the calls are what the ledger's windows say, as far as this bridge
// knows: it, and no other, makes them.
func (b *Builder) Settled() bool { return b.settled.Load() == b.o.Ledger.Changes()+1 }

// Heard is up to which sequence it is in the calls what became of recordings, as far as this
// bridge knows; 0: nothing is known yet.
func (b *Builder) Heard() uint64 { return b.listen.Load() }

// Failing says why no calls have been made for so long or longer, although this bridge makes
// them and tried; nil when nothing is wrong.
func (b *Builder) Failing(atLeast time.Duration) error {
	f := b.failing.Load()
	if f == nil || time.Since(f.since) < atLeast {
		return nil
	}
	return fmt.Errorf("no calls are made: %w", f.err)
}

// lookOver does what is due, again and again until the bus lets it or ctx ends.
func (b *Builder) lookOver(ctx context.Context) {
	err := backoff.RetryNotify(func() error { return b.tick(ctx) },
		backoff.WithContext(retry.NewBackOff(time.Second, 30*time.Second), ctx),
		func(err error, _ time.Duration) {
			b.known = false
			since := time.Now()
			if f := b.failing.Load(); f != nil {
				since = f.since
			}
			b.failing.Store(&struggle{since, err})
			if _, changed := b.held.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
				b.o.Logger.Warn().Err(err).Msg("calls are held up")
			}
		})
	if err != nil {
		return // ctx has ended
	}
	b.failing.Store(nil)
	if failures, _ := b.held.Over(); failures > 0 {
		b.o.Logger.Info().Int("failures", failures).Msg("calls go on")
	}
}

// tick brings every home up to date that is not.
func (b *Builder) tick(ctx context.Context) error {
	if !b.known {
		if err := b.load(ctx); err != nil {
			return err
		}
	}
	if err := b.hearNews(ctx); err != nil {
		return err
	}
	changes := b.o.Ledger.Changes()
	if b.settled.Load() == changes+1 {
		return nil
	}
	l := b.survey()
	for again := true; again; {
		again = false
		for _, w := range l.of[schemas.KindCDR] {
			rebuilt, err := b.renew(ctx, l, w)
			if err != nil {
				return err
			}
			again = again || rebuilt // it may have left another to be looked at
			if now := b.o.Ledger.Changes(); rebuilt && now != changes {
				changes, l = now, b.survey()
				if err := b.latest(ctx, l); err != nil {
					return err
				}
			}
		}
	}
	b.settled.Store(changes + 1)
	return nil
}

// live is how many of the newest windows come first when there is much to be made.
const live = 48

// latest brings the newest homes up to date: they do not wait for a year's.
func (b *Builder) latest(ctx context.Context, l landscape) error {
	all := l.of[schemas.KindCDR]
	for _, w := range all[max(0, len(all)-live):] {
		if _, err := b.renew(ctx, l, w); err != nil {
			return err
		}
	}
	return nil
}

// renew brings a home up to date if it is due.
func (b *Builder) renew(ctx context.Context, l landscape, w window) (rebuilt bool, err error) {
	if !b.due(l, w) {
		return false, nil
	}
	return true, b.rebuild(ctx, l, w.Window)
}
