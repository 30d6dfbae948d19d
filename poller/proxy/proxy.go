package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/poller/proxy/kept"
	"aiccbridge/poller/proxy/onward"
	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

const (
	defaultForget = 120 * time.Second // as long as the platform waits for a poll (cec_05_4012)
	keepEvery     = time.Second       // what clients confirmed is written so often
	lookEvery     = 5 * time.Second   // for clients that have gone
)

// Options configure a Proxy. Every field is required that is not said to be optional.
type Options struct {
	// Record and Session are those of the tenant's agents, but for the epoch.
	Record  record.Options
	Session session.Options
	Gateway *ccgateway.Client

	// Sessions calls f with the value of each session of the tenant that is known, and its revision.
	Sessions func(ctx context.Context, f func(value []byte, revision uint64)) error
	Clients  kept.Bucket
	// Known calls f with each value of the tenant in Clients, and its revision.
	Known func(ctx context.Context, f func(value []byte, revision uint64)) error
	// Stored calls f with the messages of an agent that were stored at a time or later.
	Stored func(ctx context.Context, filter string, since time.Time, f func(schemas.Stored) error) error
	Poster *post.Poster
	// Hold is how long a poll without events is held. Default [ccgateway.DefaultHold].
	Hold time.Duration
	// Forget is after how long without a word a client has gone. Default 120 s.
	Forget time.Duration
	// KeepSilent lets an agent stay signed in when its last client has gone without a word.
	KeepSilent bool
	// PassUnstored gives events to clients, and goes on polling, while nothing can be stored:
	// what waits then is in memory, and lost if the bridge ends before it is stored.
	PassUnstored bool
	Metrics      *Metrics       // optional
	Logger       zerolog.Logger // the zero value discards
}

// Proxy serves the clients of one tenant. It is for one [Proxy.Serve] at a time, and calls of
// [Proxy.ServeCall] may come at any time.
type Proxy struct {
	o      Options
	counts *Metrics
	pass   *onward.Way
	losses *emptied
	log    zerolog.Logger
	// keeping is the trouble of writing to Clients.
	keeping *insist.Trouble
	now     atomic.Pointer[term] // nil: another bridge serves, or none
}

// New checks the options. It does no I/O.
func New(o Options) (*Proxy, error) {
	if o.Gateway == nil || o.Sessions == nil || o.Clients == nil || o.Known == nil || o.Stored == nil || o.Poster == nil {
		return nil, errors.New("proxy options: one that is required is not set")
	}
	o.Hold, o.Forget = cmp.Or(o.Hold, ccgateway.DefaultHold), cmp.Or(o.Forget, defaultForget)
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	p := &Proxy{o: o, counts: o.Metrics, log: o.Logger.With().Str("tenant", o.Record.Tenant).Logger()}
	p.losses = newEmptied(o.Record.Losses)
	p.o.Record.Losses = p.losses
	p.pass = onward.New(o.Gateway, cookieName, func(why string) { p.counts.failed.WithLabelValues(o.Record.Tenant, why).Inc() }, p.log)
	p.keeping = insist.New(p.log)
	o.Metrics.Begin(o.Record.Tenant)
	return p, nil
}

// Close closes idle connections to the gateway.
func (p *Proxy) Close() { p.pass.Close() }

// Serve is one term of office under an epoch, until held ends; owned ends what is in hand. The error
// is a *record.Outgrown if a later owner was found.
func (p *Proxy) Serve(held, owned context.Context, epoch uint64) error {
	t, err := p.newTerm(held, owned, epoch)
	if err != nil {
		return err
	}
	defer t.end()
	if err := t.restore(held); err != nil {
		return nil // held has ended
	}
	p.log.Info().Uint64("epoch", epoch).Int("agents", len(t.desks)).Msg("clients of the gateway are served")
	p.now.Store(t)
	defer p.counts.show(p.o.Record.Tenant, survey{})
	defer p.now.Store(nil)
	keep, look := time.NewTicker(keepEvery), time.NewTicker(lookEvery)
	defer keep.Stop()
	defer look.Stop()
	for {
		select {
		case <-t.intake.Done():
			return t.deposed()
		case <-keep.C:
			t.keep(held)
		case <-look.C:
			t.look()
			p.counts.show(p.o.Record.Tenant, t.survey())
		}
	}
}

// Floor is what the epoch of a term must be above: the highest that a session, or the tenant's last event,
// shows.
func (p *Proxy) Floor(ctx context.Context) (highest uint64) {
	see := func(value []byte, _ uint64) {
		var at schemas.Position
		if json.Unmarshal(value, &at) == nil {
			highest = max(highest, at.Epoch)
		}
	}
	if err := p.o.Sessions(ctx, see); err != nil && ctx.Err() == nil {
		p.log.Warn().Err(err).Msg("sessions can't be asked for their epochs; the lease's counts")
	}
	if last := p.o.Record.LastStored; last != nil {
		m, found, err := last(ctx, p.o.Record.Names.Agents(p.o.Record.Tenant))
		if err == nil && found {
			see(m.Body, 0)
		}
	}
	return highest
}

// Serves reports whether this bridge serves the tenant's clients now.
func (p *Proxy) Serves() bool { return p.now.Load() != nil }

// Failing is why no call of a client has got through to the gateway for so long; nil: one has, or this
// bridge serves nobody.
func (p *Proxy) Failing(lasting time.Duration) error {
	if !p.Serves() {
		return nil
	}
	return p.pass.Failing(lasting)
}

// key is that of an agent in the buckets.
func (p *Proxy) key(agent string) string { return schemas.AgentKey(p.o.Record.Tenant, agent) }
