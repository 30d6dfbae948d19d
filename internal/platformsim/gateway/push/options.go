package push

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
)

// Options are the properties of pushing. Zero values are the documented defaults, and
// ours where no page has one.
type Options struct {
	// Truth, Faults and Now are required; the gateway has them set.
	Truth  *truth.Log       `yaml:"-"`
	Faults *fault.Book      `yaml:"-"`
	Now    func() time.Time `yaml:"-"`
	Logger zerolog.Logger   `yaml:"-"`

	// Roots are trusted with the certificates of receivers; nil: the system's.
	Roots *x509.CertPool `yaml:"-"`
	// Dial replaces the network; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `yaml:"-"`
	// TrustAll is eventpush.ssl.trustAll: any certificate will do.
	TrustAll bool `yaml:"trust_all"`
	// Allowed is the white list of callBackUri; empty: all are allowed.
	Allowed []string `yaml:"allowed"`
	// Ways are those that the edition has: "list", "single" or "both" (default). What asks
	// for another is passed over, and the events are polled.
	Ways string `yaml:"ways"`
	// Timeout of one POST, default 10 s.
	Timeout time.Duration `yaml:"timeout"`
	// RepeatEvery is EVENT_PUSH_FAIL_INTERVALTIME, between POSTs of a list that is not
	// taken, default 10 s; after GiveUp, EVENT_PUSH_FAIL_TOTALTIME, default 120 s, of
	// nothing but failures the agent is signed out.
	RepeatEvery time.Duration `yaml:"repeat_every"`
	GiveUp      time.Duration `yaml:"give_up"`
	// Tries of a single event, default 3, Pause apart, default 1 s.
	Tries int           `yaml:"tries"`
	Pause time.Duration `yaml:"pause"`
	// MaxSilence is EVENT_PUSH_HANDSHAKE_MAXTIME: so long without a heartbeat ends the
	// session, default 120 s.
	MaxSilence time.Duration `yaml:"max_silence"`
}

// WithDefaults fills in what is not set.
func (o Options) WithDefaults() (Options, error) {
	o.Ways = cmp.Or(o.Ways, "both")
	if !slices.Contains([]string{"both", "list", "single"}, o.Ways) {
		return o, fmt.Errorf("ways of push %q are not known", o.Ways)
	}
	if o.Allowed == nil {
		o.Allowed = []string{}
	}
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.RepeatEvery = cmp.Or(o.RepeatEvery, 10*time.Second)
	o.GiveUp = cmp.Or(o.GiveUp, 120*time.Second)
	o.Tries = cmp.Or(o.Tries, 3)
	o.Pause = cmp.Or(o.Pause, time.Second)
	o.MaxSilence = cmp.Or(o.MaxSilence, 120*time.Second)
	return o, nil
}

// The faults of pushes.
const (
	late       = "push.late"
	unheard    = "push.unheard"
	twice      = "push.twice"
	wrongToken = "push.wrong_token"
)

// FaultKinds lists the faults of pushes.
func FaultKinds() []fault.Kind {
	scope := fault.Scope{Agent: true}
	return []fault.Kind{
		{Name: late, What: "the POST waits before it is sent", Takes: fault.Rule{Delay: fault.Duration(3 * time.Second)}, Scope: scope},
		{Name: unheard, What: "the answer is not heard: what was taken comes again", Scope: scope},
		{Name: twice, What: "what was taken is sent a second time at once", Scope: scope},
		{Name: wrongToken, What: "the service_token is not the one of the sign-in", Scope: scope},
	}
}

// dialect is one of the two ways.
type dialect int

const (
	list dialect = iota
	single
)

func (d dialect) String() string { return [...]string{"list", "single"}[d] }

// Target is where the events of a session go, and how.
type Target struct {
	address string
	way     dialect
}

// List is the way of callBackUri, Single that of pushUrl. An address that is none, or
// not allowed, is refused.
func (o Options) List(address string) (Target, bool) { return o.target(address, list) }

// Single is the way of pushUrl; its address may have a query, which is kept.
func (o Options) Single(address string) (Target, bool) { return o.target(address, single) }

func (o Options) target(address string, way dialect) (Target, bool) {
	r, err := http.NewRequest(http.MethodPost, address, nil)
	ok := err == nil && r.URL.Host != "" && (r.URL.Scheme == "https" || r.URL.Scheme == "http")
	if way == list && len(o.Allowed) > 0 {
		ok = ok && slices.Contains(o.Allowed, address)
	}
	return Target{address, way}, ok
}
