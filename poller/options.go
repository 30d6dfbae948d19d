package poller

import (
	"cmp"
	"context"
	"errors"
	"time"

	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/poller/session/custody"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

// defaultStartSpread is that of Options.
const defaultStartSpread = 10 * time.Second

// Options configure a Pool. Tenant, Names, Agent, Store, Sessions, States, Seal
// and Epoch are required; of every other field the zero value is usable.
type Options struct {
	Tenant string
	Names  schemas.Names
	Via    schemas.Way // how events come in, of agents that say nothing else; empty: poll
	// Agent returns the session of an agent; called once per agent id.
	Agent    func(id string) session.Gateway
	Store    record.Store
	Sessions custody.Bucket // AICC_SESSIONS: schemas.Session by schemas.AgentKey
	States   record.States  // AICC_STATE: schemas.AgentState by schemas.AgentKey
	Seal     custody.Sealer
	Plain    bool // sessions that another system hands over stand in Sessions in clear, else sealed
	// Epoch numbers this ownership of the agents: that of the lease. It must be
	// higher than that of every earlier Pool for the same agents: an agent whose
	// entry has the same or a higher epoch is not polled.
	Epoch       uint64
	PollTimeout time.Duration // that of the agents' gateway: how long a poll of an owner that is cut off may go on; default 30 s
	// LastStored returns the last message of a subject filter. It makes the bounds
	// of a gap between two owners exact, and finds one that the session entry, which
	// others may write, does not show. Nil: the entry alone counts, and its bounds
	// are up to 70 s old.
	LastStored func(ctx context.Context, filter string) (m schemas.Stored, ok bool, err error)
	// Copied is when the store was last found to be a copy of another one, or an older
	// copy put in its place; zero: never. An owner whose last sign of life is not later
	// may have gone on in the other: what that stored is a gap here.
	Copied time.Time

	EventGap    time.Duration // from an answer with an event to the next poll; 200 to 500 ms, default 200 ms
	IdleGap     time.Duration // the same after an empty answer; 200 to 500 ms, default 400 ms
	ErrorGap    time.Duration // least pause after a bad poll; above 1 s, at most 15 s, default 1.1 s
	MaxSilence  time.Duration // without a good poll for longer the session is given up; default 240 s
	Heartbeat   time.Duration // between two heartbeat messages of an agent; default 5 min, negative: none
	StartSpread time.Duration // first sign-ins are spread over it by a hash of the id; default 10 s, negative: none

	// ForceSignIn throws out whoever is signed in as the agent, at most once per
	// start of the agent: two clients that force expel each other in turns.
	ForceSignIn bool
	// SignOutOnShutdown signs agents out when the pool stops or an agent is no
	// longer wanted. Otherwise the session stays alive, to be resumed; nobody
	// resuming it, the gateway ends it after 120 s.
	SignOutOnShutdown bool

	// Loop makes what cares for an agent, who is not polled then. Nil: the agent is polled.
	Loop func(a session.Agent, p session.Parts) session.Runner

	// Losses tells what the store has lost. Nil: nothing is known.
	Losses record.Losses

	// Privacy returns what alters personal data before a message is stored; it is asked for each.
	// Nil, as itself or as what it returns: everything is kept.
	Privacy func() record.Privacy

	// Heard is called for each event that the platform sent and that is stored, but for
	// repeated ones. Nil: nobody wants to know.
	Heard func(agent string, at time.Time)

	Logger  zerolog.Logger // the zero value discards
	Metrics *Metrics       // nil: none. Pools may share them.

	// Sights take what a monitor shows to the agents who are polled. Nil: there is none.
	Sights *session.Sights

	// Limits hold for all pools that have them. Nil: the default, for this one.
	Limits *session.Limits
}

// WithDefaults is o with its defaults set.
func (o Options) WithDefaults() Options {
	o.StartSpread = cmp.Or(o.StartSpread, defaultStartSpread)
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	o.Logger = o.Logger.With().Str("tenant", o.Tenant).Logger()
	return o
}

func (o Options) validate() error {
	switch {
	case o.Tenant == "" || o.Names.Prefix() == "":
		return errors.New("poller options: tenant and names must be set")
	case o.Agent == nil || o.Store == nil || o.Sessions == nil || o.States == nil || o.Seal == nil:
		return errors.New("poller options: agent, store, sessions, states and seal must be set")
	case o.Epoch == 0:
		return errors.New("poller options: epochs count from 1")
	}
	return nil
}

// Record is what the recorders of the agents need of the options.
func (o Options) Record() record.Options {
	return record.Options{
		Tenant: o.Tenant, Names: o.Names, Epoch: o.Epoch, Via: o.Via,
		Store: o.Store, States: o.States, LastStored: o.LastStored, Losses: o.Losses, Privacy: o.Privacy, Heard: o.Heard,
		Metrics: o.Metrics.record, Logger: o.Logger,
	}
}

// session is what the loops of the agents need of the options.
func (o Options) session() session.Options {
	return session.Options{
		Tenant: o.Tenant, Epoch: o.Epoch, Copied: o.Copied, Sessions: o.Sessions, Seal: o.Seal, Plain: o.Plain,
		EventGap: o.EventGap, IdleGap: o.IdleGap, ErrorGap: o.ErrorGap,
		PollTimeout: o.PollTimeout, MaxSilence: o.MaxSilence, Heartbeat: o.Heartbeat,
		ForceSignIn: o.ForceSignIn, SignOutOnShutdown: o.SignOutOnShutdown,
		Sights: o.Sights, Limits: o.Limits, Metrics: o.Metrics.session, Logger: o.Logger,
	}
}
