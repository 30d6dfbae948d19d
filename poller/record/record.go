package record

import (
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"time"

	"aiccbridge/internal/sabotage"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/poller/sequence"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

// Store keeps messages. Publish returns nil only when the message is stored, or
// proven stored before; it may block and retry until ctx ends. An error that is a
// *schemas.Permanent can't be mended by trying again.
type Store interface {
	Publish(ctx context.Context, m schemas.Message) error
}

// Losses tells what was stored of an agent, by its subject filter, and is not in the store
// any more.
type Losses interface {
	// Unsaid are the gaps to be recorded, with all but tenant, agent and position.
	Unsaid(filter string) []schemas.Gap
	// Said takes the first of them away: it is stored.
	Said(filter string)
}

// Options say how the messages of one tenant's agents are made and where they go. All
// but LastStored, Losses, Privacy and Logger are required.
type Options struct {
	Tenant string
	Names  schemas.Names
	Epoch  uint64      // of this ownership of the agents; counts from 1
	Via    schemas.Way // how their events come in; empty: poll
	Store  Store
	States States
	// LastStored returns the last message of a subject filter. Nil: it can't be asked.
	LastStored func(ctx context.Context, filter string) (m schemas.Stored, ok bool, err error)
	Losses     Losses // nil: none are known
	// Privacy is asked for each message: it may be another one the next time. nil, as itself or
	// as what it returns: everything is kept.
	Privacy func() Privacy
	// Heard is called for each event of a queue that is stored, but for repeated ones. nil:
	// nobody wants to know.
	Heard   func(agent string, at time.Time)
	Logger  zerolog.Logger // the zero value discards
	Metrics *Metrics
}

// Tenant is what the recorders of one tenant's agents share: how well the gateway keeps
// to the order of events is learnt from all of them. Safe for concurrent use.
type Tenant struct {
	options Options
	counts  counts
	habits  sequence.Habits
	seed    maphash.Seed // of the hashes by which repeated events are known
}

// NewTenant does no I/O.
func NewTenant(o Options) *Tenant {
	return &Tenant{
		options: o, counts: o.Metrics.of(o.Tenant), seed: maphash.MakeSeed(),
	}
}

// conceal is what one message is concealed by.
func (t *Tenant) conceal() concealer {
	if t.options.Privacy == nil {
		return concealer{}
	}
	return concealer{t.options.Privacy()}
}

// Recorder records what happens to one agent. It is not safe for concurrent use: one
// message is stored after the other, and an agent must have one recorder at a time.
type Recorder struct {
	// Standing is where the agent stands, learnt from all that is recorded.
	Standing *Standing

	tenant  *Tenant
	agent   string
	log     zerolog.Logger
	storing *insist.Trouble

	// Via is how the agent's events come in: at first the tenant's way.
	Via schemas.Way

	seq      uint64           // of the last message stored
	before   schemas.Position // of the last message of earlier owners, as far as known
	order    *sequence.Checker
	recent   recentEvents // to know repeated ones
	stranger string       // the last other agent that an event named
	mark     string       // on each message from now on
	beatAt   time.Time    // when a heartbeat is due; zero: not known yet
	sight    sight        // what a monitor has shown
}

// Recorder returns the recorder of an agent whose last message of this epoch had the
// number seq; 0: there is none.
func (t *Tenant) Recorder(agent string, seq uint64) *Recorder {
	log := t.options.Logger.With().Str("agent", agent).Logger()
	return &Recorder{
		Standing: newStanding(t.options.States, t.options.Tenant, agent, log),
		Via:      cmp.Or(t.options.Via, schemas.WayPoll),
		tenant:   t, agent: agent, log: log, storing: insist.New(log),
		seq: seq, order: sequence.New(&t.habits),
	}
}

// Seq is the number of the last message stored; 0: none of this epoch.
func (r *Recorder) Seq() uint64 { return r.seq }

// Continue goes on after the number seq of this epoch, if it is a higher one.
func (r *Recorder) Continue(seq uint64) { r.seq = max(r.seq, seq) }

// Follow says which message was the last before this recorder's first, as far as the
// caller knows; the last of several counts. A gap without another message before it
// names it.
func (r *Recorder) Follow(p schemas.Position) {
	if p.Epoch > r.before.Epoch || p.Epoch == r.before.Epoch && p.Seq > r.before.Seq {
		r.before = p
	}
}

// Mark puts a word on each message from now on, until another one does: how far something
// is stored that its sender may send again. [Last] has it of the last message, whoever stored
// that. It is printable ASCII; "": none.
func (r *Recorder) Mark(word string) { r.mark = word }

// Forget says that what came before proves nothing about the order of what comes: the
// session is another one, or the platform repeats itself.
func (r *Recorder) Forget() { r.order.Forget() }

// Announce stores one of the bridge's own session events. content may be nil. One that
// can't be stored for good is in the log; the error is the context's.
func (r *Recorder) Announce(ctx context.Context, eventType string, content *SessionContent) error {
	var event schemas.Event
	err := r.publish(ctx, func(o origin) (schemas.Message, error) {
		conceal := r.tenant.conceal()
		plain, err := sessionEvent(eventType, conceal.sessionContent(content), o)
		if err != nil {
			return schemas.Message{}, err
		}
		event = conceal.sessionEvent(plain)
		return r.tenant.options.Names.EventMessage(event)
	})
	if err == nil {
		r.tenant.counts.event(string(event.Group))
		r.sight.heard(event)
		r.Standing.learn(ctx, event)
	}
	return insist.Forgive(ctx, r.log, err, "session event can't be stored")
}

// Heartbeat stores where the agent stands now. One that can't be stored for good is in
// the log; the error is the context's.
func (r *Recorder) Heartbeat(ctx context.Context) error {
	k, now := r.Standing.known, time.Now()
	err := r.publish(ctx, func(o origin) (schemas.Message, error) {
		return r.tenant.options.Names.HeartbeatMessage(schemas.Heartbeat{
			Tenant: o.tenant, Agent: o.agent, State: k.State, Since: k.Since,
			CallID: k.CallID, At: now.UTC(), Position: o.position,
		})
	})
	return insist.Forgive(ctx, r.log, err, "heartbeat can't be stored")
}

// publish numbers a message and stores it; the number is used up only when it is
// stored, so there are no holes. The error is that of the context, of building
// the message, or a *schemas.Permanent.
func (r *Recorder) publish(ctx context.Context, build func(origin) (schemas.Message, error)) error {
	m, err := build(r.origin(time.Now()))
	if err != nil {
		return err
	}
	if r.mark != "" {
		m.Header = maps.Clone(m.Header)
		if m.Header == nil {
			m.Header = map[string]string{}
		}
		m.Header[schemas.HeaderPushed] = r.mark
	}
	if err := r.store(ctx, m); err != nil {
		return err
	}
	sabotage.Point("poll.stored")
	r.seq++
	return nil
}

// origin has the number of the next message.
func (r *Recorder) origin(at time.Time) origin {
	return origin{
		tenant: r.tenant.options.Tenant, agent: r.agent, via: r.Via, receivedAt: at,
		position: schemas.Position{Epoch: r.tenant.options.Epoch, Seq: r.seq + 1},
	}
}

// store blocks until m is stored, ctx ends, or the store says that it never will be.
func (r *Recorder) store(ctx context.Context, m schemas.Message) error {
	begun := time.Now()
	err := r.storing.Insist(ctx, "publish", func(ctx context.Context) error {
		return r.tenant.options.Store.Publish(ctx, m)
	})
	if err == nil {
		r.tenant.counts.stored(begun)
	}
	return err
}
