package poller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// Defaults of Options.
const (
	DefaultEventGap    = 200 * time.Millisecond
	DefaultIdleGap     = 400 * time.Millisecond
	DefaultErrorGap    = 1100 * time.Millisecond
	DefaultMaxSilence  = 240 * time.Second
	DefaultHeartbeat   = 5 * time.Minute
	DefaultStartSpread = 10 * time.Second
)

// The platform's limits and what follows from them.
const (
	minGap      = 200 * time.Millisecond // cec_07_1274: 200 to 500 ms between polls
	maxGap      = 500 * time.Millisecond
	minErrorGap = time.Second      // cec_07_1274: more than that after a status other than 200
	maxErrorGap = 15 * time.Second // leaves room for several tries within the 120 s of cec_05_4012
	maxFails    = 10               // bad polls in a row after which the session is given up

	resumeWithin  = 110 * time.Second // an older session was signed out by the gateway (120 s)
	recoverWithin = 5 * time.Minute   // how long a site switchover may answer 000-004, 105-002, 105-003
	stableAfter   = time.Minute       // a session that lasted so long resets the sign-in back-off
	refreshAfter  = 20 * time.Second  // + one hold of 10 s: the entry is never older than 30 s
	lookAgain     = 10 * time.Second  // how often an agent without password looks for a GUID
	maxSignInGap  = time.Minute
	storeGap      = time.Second     // before a store or bucket that gave up is asked again
	lastChance    = 3 * time.Second // for storing what was popped, after the end of work
	drainWithin   = 5 * time.Second // before a sign-out: no further poll is begun after that
	cookiesAfter  = 5 * time.Second // new cookies alone are not written more often
	sideLimit     = 5 * time.Second // time limit of what must not keep a poll waiting
	stateLimit    = time.Second     // the same for a write of the state, of which there are more
	skillAttempts = 3
	asksPerSecond = 100 // of a pool; after a restart of the gateway all its agents have a gap
	askAttempts   = 3   // after a gap, how often the gateway is asked where the agent stands
	maxDenials    = 2   // sign-ins in a row answered with 401 or 403
)

// Store keeps messages. Publish returns nil only when the message is stored, or
// proven stored before; it may block and retry until ctx ends. An error that is a
// *schemas.Permanent can't be mended by trying again.
type Store interface {
	Publish(ctx context.Context, m schemas.Message) error
}

// Bucket is a key-value bucket with compare-and-set.
type Bucket interface {
	// Get returns revision 0 and no error for a key that does not exist.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Swap writes if the key is still at revision (0: does not exist). ok is false
	// if somebody was faster.
	Swap(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, ok bool, err error)
	// Put writes whatever is there.
	Put(ctx context.Context, key string, value []byte) (revision uint64, err error)
}

// Sealer keeps GUIDs from being read in the bucket. What was sealed opens with the
// same context only: the key of the entry, so that nobody can give one agent the
// session of another.
type Sealer interface {
	Seal(plain []byte, context string) (string, error)
	Open(sealed, context string) ([]byte, error)
}

// Session is one agent's session with the gateway; *ccgateway.Agent is one.
type Session interface {
	Poll(ctx context.Context) ccgateway.Poll
	SignIn(ctx context.Context, s ccgateway.SignIn) (ccgateway.SignedIn, error)
	ForceSignIn(ctx context.Context, s ccgateway.SignIn) (ccgateway.SignedIn, error)
	ResetSkills(ctx context.Context) error
	SignOut(ctx context.Context) error
	Status(ctx context.Context) (ccgateway.Status, error)
	UpdateGUID(ctx context.Context) error
	Resume(ticket string)
	Ticket() string // GUID and cookies
	GUID() string
}

// Agent is one wanted agent. Two that differ in any field make the pool restart
// the agent; the session is kept, so fields of the sign-in count from the next
// sign-in on.
type Agent struct {
	ID    string // workNo, digits
	Phone string // number of the seat, needed to sign in
	// Password to sign in with. Empty: the bridge does not sign the agent in, it
	// polls with a GUID that another system puts into the bucket SESSIONS.
	Password      string
	AutoAnswer    *bool // nil: the gateway's default, true
	AutoEnterIdle *bool // nil: the gateway's default, true
	Status        int   // after sign-in: 3 busy, 4 idle, 5 wrap-up; 0: the gateway's default, 4
}

// Format keeps password and phone number out of every print.
func (a Agent) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "agent %s", a.ID) }

// MarshalJSON keeps password and phone number out of structured logs.
func (a Agent) MarshalJSON() ([]byte, error) { return []byte(fmt.Sprintf("%q", a.ID)), nil }

// Options configure a Pool. Tenant, Names, Agent, Store, Sessions, States, Seal
// and Epoch are required; of every other field the zero value is usable.
type Options struct {
	Tenant string
	Names  schemas.Names
	// Agent returns the session of an agent; called once per agent id.
	Agent    func(id string) Session
	Store    Store
	Sessions Bucket // AICC_SESSIONS: schemas.Session by schemas.AgentKey
	States   Bucket // AICC_STATE: schemas.AgentState by schemas.AgentKey
	Seal     Sealer
	// Epoch numbers this ownership of the agents: that of the lease. It must be
	// higher than that of every earlier Pool for the same agents: an agent whose
	// entry has the same or a higher epoch is not polled.
	Epoch uint64
	// LastStored returns the last message of a subject filter. It makes the bounds
	// of a gap between two owners exact, and finds one that the session entry, which
	// others may write, does not show. Nil: the entry alone counts, and its bounds
	// are up to 30 s old.
	LastStored func(ctx context.Context, filter string) (m schemas.Stored, ok bool, err error)

	EventGap    time.Duration // from an answer with an event to the next poll; 200 to 500 ms, default 200 ms
	IdleGap     time.Duration // the same after an empty answer; 200 to 500 ms, default 400 ms
	ErrorGap    time.Duration // least pause after a bad poll; above 1 s, at most 15 s, default 1.1 s
	MaxSilence  time.Duration // without a good poll for longer the session is given up; default 240 s
	Heartbeat   time.Duration // between two heartbeat messages of an agent; default 5 min, negative: none
	StartSpread time.Duration // first starts are spread over it by a hash of the id; default 10 s, negative: none

	// ForceSignIn throws out whoever is signed in as the agent, at most once per
	// start of the agent: two clients that force expel each other in turns.
	ForceSignIn bool
	// SignOutOnShutdown signs agents out when the pool stops or an agent is no
	// longer wanted. Otherwise the session stays alive, to be resumed; nobody
	// resuming it, the gateway ends it after 120 s.
	SignOutOnShutdown bool

	// Privacy alters personal data before anything is stored. Nil: everything is kept.
	Privacy Privacy

	Logger     zerolog.Logger        // the zero value discards
	Registerer prometheus.Registerer // nil: no metrics. Pools may share one.

	asking *rate.Limiter // of questions where agents stand; tests set a slower one
}

func (o Options) withDefaults() Options {
	o.EventGap = cmp.Or(o.EventGap, DefaultEventGap)
	o.IdleGap = cmp.Or(o.IdleGap, DefaultIdleGap)
	o.ErrorGap = cmp.Or(o.ErrorGap, DefaultErrorGap)
	o.MaxSilence = cmp.Or(o.MaxSilence, DefaultMaxSilence)
	o.Heartbeat = cmp.Or(o.Heartbeat, DefaultHeartbeat)
	o.StartSpread = cmp.Or(o.StartSpread, DefaultStartSpread)
	o.asking = cmp.Or(o.asking, rate.NewLimiter(asksPerSecond, asksPerSecond))
	return o
}

func (o Options) validate() error {
	within := func(d, low, high time.Duration) bool { return d >= low && d <= high }
	switch {
	case o.Tenant == "" || o.Names.Prefix() == "":
		return errors.New("poller options: tenant and names must be set")
	case o.Agent == nil || o.Store == nil || o.Sessions == nil || o.States == nil || o.Seal == nil:
		return errors.New("poller options: agent, store, sessions, states and seal must be set")
	case o.Epoch == 0:
		return errors.New("poller options: epochs count from 1")
	case !within(o.EventGap, minGap, maxGap) || !within(o.IdleGap, minGap, maxGap):
		return fmt.Errorf("poller options: event gap %s and idle gap %s must be between %s and %s, as the platform asks",
			o.EventGap, o.IdleGap, minGap, maxGap)
	case o.ErrorGap <= minErrorGap || o.ErrorGap > maxErrorGap:
		return fmt.Errorf("poller options: error gap %s must be above %s and at most %s", o.ErrorGap, minErrorGap, maxErrorGap)
	case o.MaxSilence < 0:
		return fmt.Errorf("poller options: max silence %s is negative", o.MaxSilence)
	}
	return nil
}
