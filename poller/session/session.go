package session

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session/custody"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// Agent is one wanted agent. The fields of the sign-in count from the next sign-in on.
type Agent struct {
	ID    string // workNo, digits
	Phone string // number of the agent's phone, needed to sign in
	// Password to sign in with. Empty: the bridge does not sign the agent in, nor out; it
	// polls with a GUID that another system puts into the bucket SESSIONS.
	Password string
	// Entry is the revision of the agent's entry there, as last heard of: a loop that knows
	// an older one looks at once. 0: nobody listens.
	Entry         uint64
	AutoAnswer    *bool       // nil: the gateway's default, true
	AutoEnterIdle *bool       // nil: the gateway's default, true
	Via           schemas.Way // how its events come in; empty: as the tenant's
	Status        int         // after sign-in: 3 busy, 4 idle, 5 wrap-up; 0: the gateway's default, 4
}

// SignIn is what the agent is signed in with.
func (a Agent) SignIn() ccgateway.SignIn {
	return ccgateway.SignIn{
		Password: a.Password, Phone: a.Phone, AutoAnswer: a.AutoAnswer, AutoEnterIdle: a.AutoEnterIdle, Status: a.Status,
	}
}

// Format keeps password and phone number out of every print.
func (a Agent) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "agent %s", a.ID) }

// MarshalJSON keeps password and phone number out of structured logs.
func (a Agent) MarshalJSON() ([]byte, error) { return []byte(fmt.Sprintf("%q", a.ID)), nil }

// Gateway is one agent's session with the gateway; *ccgateway.Agent is one.
type Gateway interface {
	Poll(ctx context.Context) ccgateway.Poll
	SignIn(ctx context.Context, s ccgateway.SignIn) (ccgateway.SignedIn, error)
	ForceSignIn(ctx context.Context, s ccgateway.SignIn) (ccgateway.SignedIn, error)
	ResetSkills(ctx context.Context) error
	SignOut(ctx context.Context) error
	Status(ctx context.Context) (ccgateway.Status, error)
	custody.Session
	// Move goes on at a node of the gateway; "": at the gateway's own address.
	Move(url string) error
}

const (
	sideLimit     = 5 * time.Second // time limit of what must not keep a poll waiting
	startsAtOnce  = 256             // agents of a tenant whose sessions are looked for
	asksPerSecond = 100             // of a tenant; after a restart of the gateway all its agents have a gap
)

// Limits hold for all agents of a tenant, whatever ownership they are in.
type Limits struct {
	asking   *rate.Limiter // of questions where agents stand
	starting chan struct{} // has room for those that are starting
}

// NewLimits allows so many questions a second where agents stand; 0: 100.
func NewLimits(asks int) *Limits {
	asks = cmp.Or(asks, asksPerSecond)
	return &Limits{rate.NewLimiter(rate.Limit(asks), asks), make(chan struct{}, startsAtOnce)}
}

// Options are those of one tenant's agents. Tenant, Epoch, Sessions, Seal and Metrics
// are required; of every other field the zero value is usable.
type Options struct {
	Tenant string
	// Epoch numbers this ownership of the agents. It must be higher than that of every
	// earlier one: an agent whose entry has the same or a higher epoch is not polled.
	Epoch uint64
	// Copied is when the store was last found to be a copy; zero: never. An owner whose
	// last sign of life is not later may have gone on elsewhere, which is a gap.
	Copied   time.Time
	Sessions custody.Bucket // AICC_SESSIONS: schemas.Session by schemas.AgentKey
	Seal     custody.Sealer
	Plain    bool // sessions that others hand over stand in the bucket in clear
	// Alone: nobody else writes the entry of an agent while the loop runs, which need not look for
	// that. Default: whoever signs the agent in may.
	Alone bool

	EventGap    time.Duration // from an answer with an event to the next poll; 200 to 500 ms, default 200 ms
	IdleGap     time.Duration // the same after an empty answer; 200 to 500 ms, default 400 ms
	ErrorGap    time.Duration // least pause after a bad poll; above 1 s, at most 15 s, default 1.1 s
	PollTimeout time.Duration // of the gateway's polls; default 30 s
	MaxSilence  time.Duration // without a good poll for longer the session is given up; default 240 s
	Heartbeat   time.Duration // between two heartbeat messages of an agent; default 5 min, negative: none

	ForceSignIn       bool // once per loop whoever else is signed in as the agent is thrown out
	SignOutOnShutdown bool // agents are signed out at the end, and not left to be resumed

	Observer Observer // nil: nobody is told
	Sights   *Sights  // what a monitor shows of the agents; nil: there is none
	Limits   *Limits  // nil: the default, for these agents only
	Metrics  *Metrics
	Logger   zerolog.Logger // the zero value discards
}

// Observer is told what becomes of the sessions of agents. The loop of the agent waits for it: a
// call must not take long, and those for one agent don't overlap.
type Observer interface {
	// Delivered tells that what the platform gave for an event is stored: raw is the event as it
	// was sent, or what stood in its place. at is the position of the last message stored.
	Delivered(agent string, raw json.RawMessage, at schemas.Position)
	// Ended tells that the agent has no session, or none any more.
	Ended(agent string)
	// Fenced tells that somebody else has the agent, under an epoch that is the same or higher.
	// What becomes of the session is not told here any more.
	Fenced(agent string)
}

// nobody observes.
type nobody struct{}

func (nobody) Delivered(string, json.RawMessage, schemas.Position) {}
func (nobody) Ended(string)                                        {}
func (nobody) Fenced(string)                                       {}

// Tenant is what the loops of one tenant's agents share. Safe for concurrent use.
type Tenant struct {
	options Options
	counts  counts
}

// NewTenant checks the options. It does no I/O.
func NewTenant(o Options) (*Tenant, error) {
	o.EventGap = cmp.Or(o.EventGap, defaultEventGap)
	o.IdleGap = cmp.Or(o.IdleGap, defaultIdleGap)
	o.ErrorGap = cmp.Or(o.ErrorGap, defaultErrorGap)
	o.MaxSilence = cmp.Or(o.MaxSilence, defaultMaxSilence)
	o.Heartbeat = cmp.Or(o.Heartbeat, defaultHeartbeat)
	if o.Limits == nil {
		o.Limits = NewLimits(0)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Tenant{options: o, counts: o.Metrics.of(o.Tenant)}, nil
}

// Parts are what outlives the loop of an agent, and what others see of it.
type Parts struct {
	Gateway Gateway
	Record  *record.Recorder // nobody else uses it while the loop runs
	Contact *Contact
	// SignInAfter delays the first sign-in, if there is to be one.
	SignInAfter time.Duration
	// Changes brings other descriptions of the agent, for sign-ins from then on; a halted agent
	// tries again. Whether there is a password must stay as it is. nil: there are none.
	Changes <-chan Agent
	// Seat is for a [Runner] that is no [Loop].
	Seat *Seat
}

// Runner is one stay of an agent in the wanted set: a [Loop], or what cares for an agent in
// another way. Run returns some time after the end of intake, and at once at the end of work.
type Runner interface {
	Run(intake, work context.Context)
}

func (t *Tenant) logger(agent string) zerolog.Logger {
	return t.options.Logger.With().Str("agent", agent).Logger()
}

func (o Options) custody(a Agent, g Gateway, log zerolog.Logger) custody.Options {
	return custody.Options{
		Tenant: o.Tenant, Agent: a.ID, Epoch: o.Epoch, Entries: o.Sessions, Seal: o.Seal,
		OthersSignIn: a.handedOver(), Watched: o.Alone || a.Entry > 0, Plain: o.Plain, PollTimeout: o.PollTimeout, Move: g.Move, Logger: log,
	}
}

// handedOver reports an agent whom another system signs in.
func (a Agent) handedOver() bool { return a.Password == "" }
