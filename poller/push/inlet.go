package push

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/sabotage"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// Limits and how long things take, where the options do not say.
const (
	defaultMaxBody = 4 << 20
	defaultInside  = 256
	maxBytesInside = 64 << 20 // of bodies, at one time
	// defaultAnswer leaves time to answer within 3 s; how long the gateway waits is not
	// documented.
	defaultAnswer = 2500 * time.Millisecond

	handshakeEvery = 30 * time.Second // cec_07_1204
	pulseEvery     = 60 * time.Second // of a pushUrl, as the vendor's clients do
)

// errNoEvent is the error of a dead letter whose bytes stood where an event should.
var errNoEvent = errors.New("item of the push is no event")

// Options configure an [Inlet]. Tenant, Names, Key and Letters are required.
type Options struct {
	Tenant string
	Names  schemas.Names
	// Key is secret, and the same in all bridges: tokens and what recognises lists that come
	// again are made with it.
	Key []byte
	// Secrets are the tokens of agents that others sign in, several while one is replaced; it
	// is asked for each push. nil: pushes are taken for agents only that the bridge signs in.
	Secrets func() []string
	// URL is what the gateway is told to push to, in sign-ins of the bridge's. nil: none are.
	URL *url.URL
	// PushURL has the bridge sign in with pushUrl, the older dialect, instead of callBackUri.
	PushURL bool
	// Letters takes dead letters of bodies that name no agent.
	Letters record.Store
	// Text returns what may be kept of such a body. nil: everything.
	Text func([]byte) []byte

	MaxBodyBytes int64         // default 4 MiB
	MaxInside    int           // pushes in hand at one time; default 256
	AnswerWithin time.Duration // then 503 is answered; default 2.5 s
	Logger       zerolog.Logger
	Metrics      *Metrics // nil: none
}

// Inlet answers the pushes of one tenant. It is safe for concurrent use.
type Inlet struct {
	o      Options
	tokens tokens
	counts counts
	desk   atomic.Pointer[Desk] // nil: this bridge does not have the agents
	inside chan struct{}
	bytes  atomic.Int64 // of the bodies inside, at most, and of those behind an answer of 503

	refusals sync.Map // by reason: when it was logged last
}

// New checks the options.
func New(o Options) (*Inlet, error) {
	if o.Tenant == "" || o.Names == (schemas.Names{}) || len(o.Key) < 16 || o.Letters == nil {
		return nil, errors.New("push inlet: tenant, names, letters and a key of at least 16 bytes are required")
	}
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, defaultMaxBody)
	o.AnswerWithin = cmp.Or(o.AnswerWithin, defaultAnswer)
	if o.Secrets == nil {
		o.Secrets = func() []string { return nil }
	}
	if o.Text == nil {
		o.Text = func(text []byte) []byte { return text }
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	i := &Inlet{
		o: o, tokens: tokens{o.Key, o.Tenant}, counts: o.Metrics.of(o.Tenant),
		inside: make(chan struct{}, cmp.Or(o.MaxInside, defaultInside)),
	}
	if o.URL != nil {
		if to := i.pushTo("1", time.Now()); len(to.CallBackURI) > ccgateway.MaxCallBackURI {
			return nil, fmt.Errorf("push inlet: the address %s is longer than the %d characters that the gateway takes", o.URL.Redacted(), ccgateway.MaxCallBackURI)
		}
	}
	return i, nil
}

// pushTo is what a sign-in at the given time asks for.
func (i *Inlet) pushTo(agent string, at time.Time) ccgateway.PushTo {
	token := i.tokens.issue(agent, at)
	if !i.o.PushURL {
		return ccgateway.PushTo{CallBackURI: i.o.URL.String(), ServiceToken: token}
	}
	u := *i.o.URL
	u.RawQuery = url.Values{"token": {token}}.Encode()
	return ccgateway.PushTo{PushURL: u.String()}
}

// patience is how long the gateway surely repeats what is not taken. How often it tries a
// pushUrl is not documented.
func (i *Inlet) patience(pushURL bool) time.Duration {
	if pushURL {
		return 0
	}
	return givesUpAfter
}

func (i *Inlet) heartbeatEvery() time.Duration {
	if i.o.PushURL {
		return pulseEvery
	}
	return handshakeEvery
}

// answer is what goes back: a status and one constant word, which is also the metric's label.
type answer struct {
	status int
	result string
}

var (
	taken       = answer{http.StatusOK, "taken"}
	deadLetter  = answer{http.StatusOK, "dead_letter"}
	here        = answer{http.StatusOK, "here"}
	badMethod   = answer{http.StatusMethodNotAllowed, "method_not_allowed"}
	forbidden   = answer{http.StatusForbidden, "forbidden"}
	tooLarge    = answer{http.StatusRequestEntityTooLarge, "too_large"}
	unreadable  = answer{http.StatusBadRequest, "unreadable"}
	elsewhere   = answer{http.StatusServiceUnavailable, "elsewhere"}
	crowded     = answer{http.StatusServiceUnavailable, "crowded"}
	unavailable = answer{http.StatusServiceUnavailable, "not_stored"}
)

// ServeHTTP answers one push. GET and HEAD ask whether this bridge has the agents: 200 or
// 503, for a load balancer that looks for the one that has.
func (i *Inlet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := i.handle(r)
	body := `{"message":"success","retcode":"0"}`
	if a.status != http.StatusOK {
		body = `{"message":"` + a.result + `","retcode":"1"}`
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if a == tooLarge || a == forbidden {
		w.Header().Set("Connection", "close") // or the server would read on to the next request
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, body) // who has gone comes again
	if r.Method == http.MethodPost {
		i.counts.pushes.WithLabelValues(a.result).Inc()
	}
}

func (i *Inlet) handle(r *http.Request) answer {
	desk := i.desk.Load()
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		if desk == nil {
			return elsewhere
		}
		return here
	case r.Method != http.MethodPost:
		return badMethod
	}
	who, ok := i.admit(r)
	switch {
	case !ok:
		return i.forbid("its token is not one of this tenant's")
	case desk == nil:
		return elsewhere
	}
	asked := time.Now()
	select {
	case i.inside <- struct{}{}:
		defer func() { <-i.inside }()
	default:
		return i.refuse(desk, who, r, begin(r.Body), asked, crowded)
	}
	room := i.o.MaxBodyBytes
	if r.ContentLength >= 0 {
		room = min(room, r.ContentLength)
	}
	hold := i.hold(room)
	defer hold.letGo()
	if i.bytes.Load() > max(maxBytesInside, i.o.MaxBodyBytes) {
		return i.refuse(desk, who, r, begin(r.Body), asked, crowded)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, i.o.MaxBodyBytes+1))
	switch {
	case int64(len(body)) > i.o.MaxBodyBytes:
		i.o.Logger.Error().Str("tenant", i.o.Tenant).Int64("limit", i.o.MaxBodyBytes).Msg("push refused: its body is larger than any list of events")
		return i.refuse(desk, who, r, body, asked, tooLarge)
	case err != nil:
		return i.refuse(desk, who, r, body, asked, unreadable)
	}
	hold.is(int64(len(body)))
	ctx, cancel := context.WithTimeout(r.Context(), i.o.AnswerWithin)
	defer cancel()
	return i.take(ctx, desk, incoming{r, who, body, hold, asked})
}

// incoming is a push that was let in.
type incoming struct {
	*http.Request
	who   pass
	body  []byte
	held  *held
	asked time.Time // when it began to come in
}

// admit looks at a push's token, in its header or its query.
func (i *Inlet) admit(r *http.Request) (who pass, ok bool) {
	shown := r.Header.Values("service_token")
	if len(shown) == 0 {
		shown = r.URL.Query()["token"]
	}
	if len(shown) != 1 || shown[0] == "" {
		return pass{}, false
	}
	if admits(i.o.Secrets(), shown[0]) {
		return pass{}, true
	}
	who, ok = i.tokens.check(shown[0])
	who.address = len(r.Header.Values("service_token")) == 0
	return who, ok
}

// forbid answers a push that may not come in, and says so once an hour for each reason:
// strangers choose what comes when.
func (i *Inlet) forbid(why string) answer {
	last, _ := i.refusals.LoadOrStore(why, &rate.Sometimes{Interval: time.Hour})
	last.(*rate.Sometimes).Do(func() {
		i.o.Logger.Warn().Str("tenant", i.o.Tenant).Str("reason", why).
			Msg("push refused; if it was the gateway's, look at push.token_file and at the token that whoever signs the agent in gives it")
	})
	return forbidden
}

// take stores the body of a push.
func (i *Inlet) take(ctx context.Context, desk *Desk, in incoming) answer {
	got := record.Receipt{Asked: in.asked, At: time.Now()}
	decoded, err := ccgateway.DecodePush(in.body, in.Header.Get("Content-Type"))
	agent := agentOf(decoded, in.who, in.URL.Query().Get("agent"))
	switch {
	case in.who.agent != "" && decoded.WorkNo != "" && decoded.WorkNo != in.who.agent:
		return i.forbid("its token is another agent's")
	case in.who.agent != "" && !desk.accepts(in.who):
		return i.forbid("its token was replaced, or its session is long over")
	}
	list := decoded.Items
	if err != nil {
		list = []ccgateway.Item{{Bad: in.body}}
	}
	switch {
	case !agentForm.MatchString(agent):
		return i.letter(ctx, in.body, cmp.Or(err, errors.New("it names no agent")))
	case len(list) == 0:
		return taken
	}
	err = desk.take(ctx, agent, pushed{list, got, sessionOf(in.Request), i.patience(len(in.Header.Values("service_token")) == 0), in.held})
	if err != nil {
		desk.refused(agent, in.asked)
		i.o.Logger.Debug().Err(err).Str("tenant", i.o.Tenant).Str("agent", agent).Msg("push is not stored; it is to come again")
		return unavailable
	}
	desk.took(agent, in.asked)
	sabotage.Point("push.stored")
	return taken
}

// letter keeps a body that names no agent.
func (i *Inlet) letter(ctx context.Context, body []byte, cause error) answer {
	kept := i.o.Text(body)
	sum := sha256.Sum256(kept)
	letter := schemas.NewDeadLetter(i.o.Tenant, schemas.ReasonUndecodable, "push: "+cause.Error(), time.Now().UTC())
	letter.Keep(kept)
	m, err := i.o.Names.DeadLetterMessage(letter, "push."+hex.EncodeToString(sum[:16]))
	if err == nil {
		err = i.o.Letters.Publish(ctx, m)
	}
	if err != nil {
		i.o.Logger.Error().Err(err).Str("tenant", i.o.Tenant).Msg("the dead letter of a push is not stored; it is to come again")
		return unavailable
	}
	return deadLetter
}
