package callbacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// Store keeps what a callback says.
type Store interface {
	// Accept returns nil when the notice is stored, now or by an earlier call.
	Accept(ctx context.Context, n schemas.FileNotice) error
	// Knows reports whether a file with this response id was asked for, now or
	// before. A signature of any age is then accepted: the platform repeats a
	// callback for an hour and more, and may repeat it unchanged.
	Knows(tenant, responseID string) bool
	// Expects reports whether the response id of a file that was asked for may not be
	// known yet: the callback may be faster than the answer of its own query.
	Expects(tenant string) bool
	// Publish stores a dead letter.
	Publish(ctx context.Context, m schemas.Message) error
}

// Mode says what happens to a callback whose signature does not verify.
type Mode string

// The modes.
const (
	Enforce Mode = "enforce" // 401, nothing stored (default)
	Observe Mode = "observe" // counted and logged, then accepted; for a first connection
	Off     Mode = "off"     // not checked
)

// Options configure a [Handler]. Names, Store and Tenants are required.
type Options struct {
	Names schemas.Names
	Store Store
	// Tenants maps access keys to tenants: a callback is signed with the access
	// key of the developer account that asked for the file. Several tenants of one key
	// are told apart by the token in the path, by who knows the response id, or by the
	// account id in the body. [Handler.Know] changes them.
	Tenants map[string][]Tenant
	// Keys returns the valid keys of an access key, several during a rotation.
	Keys func(accessKey string) []c2sign.Key
	// PublicURL is the address that the platform is told to call. Callbacks are
	// taken on its path and, because an ingress may strip a prefix of it, on every
	// tail of that path, "/" included. A query is not allowed: how the platform
	// would sign it is not documented.
	PublicURL *url.URL
	// Tokens checks the secret at the end of a callback's path. A callback whose
	// path has none is taken as well: the platform may keep only the host of the
	// address it was given. nil: a path with a token is an unknown path. An ingress
	// may strip what is before the token, but not the token: the platform's
	// signature covers it.
	Tokens *Tokens
	// Allow lists the addresses that may call; others get 403 before their request
	// is looked at. Empty: all.
	Allow []netip.Prefix
	// TrustedProxies are the peers whose X-Forwarded-For counts: the right-most
	// address in it that is no trusted proxy is then the caller, for Allow and for
	// the limits.
	TrustedProxies []netip.Prefix
	// MaxSkew is how old or how far ahead a signature may be. Default
	// [c2sign.DefaultMaxSkew]; negative: any age.
	MaxSkew time.Duration
	// Verify is the mode, default [Enforce].
	Verify Mode
	// MaxBodyBytes limits a body. Default 16 KiB; the documented ones have about
	// 200 bytes.
	MaxBodyBytes int64
	// Text returns what may be kept of a callback that cannot be used and becomes a
	// dead letter: nobody knows what its fields hold. nil: everything.
	Text func(tenant string, text []byte) []byte
	// StoreTimeout limits how long Accept may take before 503 is answered.
	// Default 4 s: the platform should have its answer within 5.
	StoreTimeout time.Duration
	Logger       zerolog.Logger
	Registerer   prometheus.Registerer // nil: not registered. [New] panics if it has these metrics already
}

// Tenant is one of those that an access key asks for.
type Tenant struct {
	Name string
	// AccountID is its tenant space, which a callback may name; needed where several
	// tenants have one key.
	AccountID string
}

// Handler answers callbacks. It is safe for concurrent use.
type Handler struct {
	o         Options
	verifier  c2sign.Verifier
	counts    *prometheus.CounterVec
	skew      prometheus.Gauge
	variants  sync.Map // of the signatures, as logged last; by tenant
	refusals  hourly
	admission *admission
	senders   atomic.Pointer[senders]
	tenants   []string // all
}

// New checks the options and returns a handler.
func New(o Options) (*Handler, error) {
	if o.Names == (schemas.Names{}) || o.Store == nil || len(o.Tenants) == 0 {
		return nil, errors.New("callbacks: names, store and tenants are required")
	}
	if o.PublicURL == nil || o.PublicURL.RawQuery != "" {
		return nil, errors.New("callbacks: the public URL is required and must have no query")
	}
	if o.Verify == "" {
		o.Verify = Enforce
	}
	o.MaxSkew = max(0, cmp.Or(o.MaxSkew, c2sign.DefaultMaxSkew)) // a Verifier takes 0 for any age
	if o.Text == nil {
		o.Text = func(_ string, text []byte) []byte { return text }
	}
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = 16 << 10
	}
	if o.StoreTimeout <= 0 {
		o.StoreTimeout = 4 * time.Second
	}
	var tenants []Tenant
	for _, all := range o.Tenants {
		tenants = append(tenants, all...)
	}
	metrics := promauto.With(o.Registerer)
	h := &Handler{
		o:        o,
		verifier: c2sign.Verifier{Keys: o.Keys, MaxSkew: o.MaxSkew, PublicURL: o.PublicURL},
		counts: metrics.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_callbacks_total", Help: "Callbacks answered, by result and by what the signature was worth.",
		}, []string{"result", "signature"}),
		skew: metrics.NewGauge(prometheus.GaugeOpts{
			Name: "aicc_callback_skew_seconds", Help: "Time of the last good signature minus the time of its receipt.",
		}),
		admission: newAdmission(),
		tenants:   names(tenants),
	}
	h.Know(o.Tenants)
	return h, nil
}

// senders are who may have sent a callback, by access key.
type senders struct {
	of   map[string][]Tenant
	only bool // all keys are of the same tenants
}

// Know makes these the access keys and their tenants, who must be those of the options; one
// that was another key's before may have both for a while. It may be called at any time.
func (h *Handler) Know(tenants map[string][]Tenant) {
	labels := map[string]bool{}
	for _, all := range tenants {
		labels[label(all)] = true
	}
	h.senders.Store(&senders{tenants, len(labels) == 1})
}

// ServeHTTP answers one callback.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			h.o.Logger.Error().Str("panic", fmt.Sprintf("%T", p)).Msg("callback handler panicked")
			h.reply(w, panicked, "")
		}
	}()
	if len(r.TransferEncoding) > 0 {
		// A proxy may send on in chunks what was signed with its length: the signature
		// covers the body itself, so that is no harm. But if the request had a length
		// besides, what follows on the connection may be meant as a part of this body.
		w.Header().Set("Connection", "close")
	}
	a, s := h.handle(r)
	h.reply(w, a, s)
}

// handle takes one callback.
func (h *Handler) handle(r *http.Request) (answer, standing) {
	c, bad := h.admit(r)
	if bad != (answer{}) {
		return bad, ""
	}
	sabotage.Point("callback.verified")
	a := h.store(r.Context(), c)
	if a == accepted {
		sabotage.Point("callback.stored")
	}
	return a, c.from.standing
}

func (h *Handler) store(ctx context.Context, c callback) answer {
	ctx, cancel := context.WithTimeout(ctx, h.o.StoreTimeout)
	defer cancel()
	var p *schemas.Permanent
	n, err := decode(c.body, c.contentType)
	if err == nil {
		n.Tenant, err = h.tenantOf(ctx, c, n)
	}
	if stale := c.from.standing == old && h.o.Verify != Observe; stale {
		known := err == nil && (c.at.request != nil || h.o.Store.Knows(n.Tenant, n.ResponseID))
		if !known {
			h.warn(c.caller, "its signature is old, and its file was not asked for")
			return refused
		}
		h.refusals.do("old of "+n.Tenant, func() {
			h.o.Logger.Info().Str("tenant", n.Tenant).
				Msg("callback accepted although its signature is older than callbacks.window: its file was asked for")
		})
	}
	if err == nil {
		n.Via, n.ReceivedAt, n.Request = schemas.ViaCallback, time.Now().UTC(), c.at.request
		if err = h.o.Store.Accept(ctx, n); errors.As(err, &p) {
			err = undecodable(p.Err)
		}
	}
	switch {
	case err == nil:
		return accepted
	case errors.As(err, &p):
		return h.reject(ctx, c, n.ResponseID, p)
	}
	h.o.Logger.Error().Err(err).Str("tenant", label(c.from.tenants)).Msg("callback not stored")
	return unavailable
}

// reject keeps a callback that no repeat can make good as a dead letter.
// responseID is that of its file, "" if that cannot be told.
func (h *Handler) reject(ctx context.Context, c callback, responseID string, p *schemas.Permanent) answer {
	tenant, kept := schemas.NoTenant, c.body
	switch {
	case len(c.from.tenants) == 1:
		tenant = c.from.tenants[0].Name
	case p.Reason == schemas.ReasonUndecodable && c.at.tenant != "":
		tenant = c.at.tenant
	}
	for _, t := range c.from.tenants { // whichever it is of, nothing stays that it withholds
		kept = h.o.Text(t.Name, kept)
	}
	letter := schemas.NewDeadLetter(tenant, p.Reason, "callback: "+p.Err.Error(), time.Now().UTC())
	letter.Keep(kept) // it fits: bodies are limited
	letter.ResponseID = responseID
	if r := c.at.request; r != nil {
		letter.Kind, letter.Window = r.Kind, r.Window
	}
	m, err := h.o.Names.DeadLetterMessage(letter, "callback."+digest(kept))
	if err == nil {
		err = h.o.Store.Publish(ctx, m)
	}
	if err != nil {
		h.o.Logger.Error().Err(err).Str("tenant", tenant).Msg("the dead letter of a callback is not stored; the platform is to call again")
		return unavailable
	}
	return badBody
}
