package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway/push"
	"aiccbridge/internal/platformsim/gateway/softphone"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// Floor is the contact centre behind the gateway; world.World is one.
type Floor interface {
	Agent(id string) (world.Agent, bool)
	SignIn(id string, in world.SignIn) (time.Time, error)
	SignOut(id string, cause int) error
	ResetSkills(id string) error
	Ask(id string, wish world.Wish) error
	AutoAnswer(id string, automatic bool) error
	AutoEnterIdle(id string, idle bool) error
	softphone.Floor
}

// Options are the gateway's properties. Zero values are the platform's
// documented defaults (pages cec_07_1274, cec_05_4012, cec_05_40110).
type Options struct {
	// Floor and Truth are required.
	Floor Floor      `yaml:"-"`
	Truth *truth.Log `yaml:"-"`
	// Now is the clock, default time.Now.
	Now func() time.Time `yaml:"-"`
	// Logger gets sign-ins and their ends. Zero value: discard.
	Logger zerolog.Logger `yaml:"-"`

	// NoHold is AGENT_POLL_WAIT_FLAG=OFF: an idle poll is answered at once.
	NoHold bool `yaml:"no_hold"`
	// WaitTimes × WaitInterval is how long an idle poll is held: 100 × 100 ms.
	WaitTimes    int           `yaml:"wait_times"`
	WaitInterval time.Duration `yaml:"wait_interval"`
	// MaxTime of silence (no poll) ends a session: 120 s.
	MaxTime time.Duration `yaml:"max_time"`
	// AnyRequestCounts lets every request of a session break the silence.
	// Default false: only polls and heartbeats do.
	AnyRequestCounts bool `yaml:"any_request_counts"`
	// StaticGUID is AUTHMODE=1: the GUID of the sign-in stays. Default false:
	// a poll or heartbeat answer carries a new GUID when the newest is
	// GUIDInterval old (60 s), and each GUID dies GUIDTimeout (120 s) after
	// its issue.
	StaticGUID   bool          `yaml:"static_guid"`
	GUIDInterval time.Duration `yaml:"guid_interval"`
	GUIDTimeout  time.Duration `yaml:"guid_timeout"`
	// Heartbeat is the one that the edition has: "handshake", "heartbeat" or "both"
	// (default). The other is no interface then.
	Heartbeat string `yaml:"heartbeat"`
	// NoRestStatus refuses a sign-in with status 8, as editions before 25.200 do.
	NoRestStatus bool `yaml:"no_rest_status"`
	// Push is how events are posted to those who want that.
	Push push.Options `yaml:"push"`
	// MaxQueue events wait per session, default 1000; the oldest give way.
	MaxQueue int `yaml:"max_queue"`
	// NoCookie sets no cookie. Default false: the balancer's names the node that
	// the session is on, and is the same one for all its sessions.
	NoCookie bool `yaml:"no_cookie"`
	// NeedCookie answers 100-006 to a request that brings no cookie, as a balancer
	// does that then asks any node. Default false: it goes by the end of the GUID.
	NeedCookie bool `yaml:"need_cookie"`
	// Nodes share the sessions, default 1. A request with the cookie of another
	// node than its session's is answered 100-006.
	Nodes int `yaml:"nodes"`
	// AllAgents is GET_EVENT_MODE=2: allagentevent works and polls of single
	// agents answer 000-001. Default false: the other way round.
	AllAgents bool `yaml:"all_agents"`
	// AllAgentsCounts lets allagentevent break the silence of every session.
	// Default false, as no page says so: heartbeats keep the agents in.
	AllAgentsCounts bool `yaml:"all_agents_counts"`
	// DisplacedCode answers the GUID of a displaced session: "100-006"
	// (default) or "000-003".
	DisplacedCode string `yaml:"displaced_code"`
	// ShutdownEvent tells a session that others ended: one that polls, displaced or signed
	// out by an inspector, with AgentOther_ShutdownService first; to one whose events are
	// posted that is posted last, also when it was silent.
	ShutdownEvent bool `yaml:"shutdown_event"`
	// SignInTime passes before a sign-in is answered; default none.
	SignInTime time.Duration `yaml:"sign_in_time"`
	// MaxWrongPasswords locks an agent for LockTime: 5, 10 minutes.
	MaxWrongPasswords int           `yaml:"max_wrong_passwords"`
	LockTime          time.Duration `yaml:"lock_time"`
	// Node ends every GUID, default AgentGateway0; of several nodes each has its own
	// number. VDN is vdnid, default 39.
	Node string `yaml:"node"`
	VDN  int    `yaml:"-"`
	// Shape varies the answers within what clients have seen.
	Shape Shape `yaml:"shape"`
	// Faults decides what goes wrong; it knows FaultKinds. nil: nothing does.
	Faults *fault.Book `yaml:"-"`
}

// Shape is how answers are printed.
type Shape = wire.Shape

func (o Options) withDefaults() (_ Options, err error) {
	if o.Floor == nil || o.Truth == nil {
		return o, errors.New("gateway options: floor and truth are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.WaitTimes = cmp.Or(o.WaitTimes, 100)
	o.WaitInterval = cmp.Or(o.WaitInterval, 100*time.Millisecond)
	o.MaxTime = cmp.Or(o.MaxTime, 120*time.Second)
	o.GUIDInterval = cmp.Or(o.GUIDInterval, 60*time.Second)
	o.GUIDTimeout = cmp.Or(o.GUIDTimeout, 120*time.Second)
	if o.Push, err = o.Push.WithDefaults(); err != nil {
		return o, fmt.Errorf("gateway options: %w", err)
	}
	if o.Heartbeat = cmp.Or(o.Heartbeat, "both"); !slices.Contains([]string{"both", "handshake", "heartbeat"}, o.Heartbeat) {
		return o, fmt.Errorf("gateway options: heartbeat %q is not known", o.Heartbeat)
	}
	o.MaxQueue = cmp.Or(o.MaxQueue, 1000)
	o.DisplacedCode = cmp.Or(o.DisplacedCode, "100-006")
	o.MaxWrongPasswords = cmp.Or(o.MaxWrongPasswords, 5)
	o.LockTime = cmp.Or(o.LockTime, 10*time.Minute)
	o.Node, o.Nodes = cmp.Or(o.Node, "AgentGateway0"), cmp.Or(o.Nodes, 1)
	o.VDN = cmp.Or(o.VDN, 39)
	if o.Nodes < 1 {
		return o, fmt.Errorf("gateway options: %d nodes", o.Nodes)
	}
	if !o.StaticGUID && o.GUIDInterval >= o.GUIDTimeout {
		return o, fmt.Errorf("gateway options: GUID interval %v must be shorter than its timeout %v", o.GUIDInterval, o.GUIDTimeout)
	}
	if o.Shape, err = o.Shape.WithDefaults(); err != nil {
		return o, fmt.Errorf("gateway options: %w", err)
	}
	if o.DisplacedCode != "100-006" && o.DisplacedCode != "000-003" {
		return o, fmt.Errorf("gateway options: displaced code %q is not known", o.DisplacedCode)
	}
	if o.Faults == nil {
		o.Faults = fault.NewBook(FaultKinds(), 0, o.Now)
	}
	return o, nil
}
