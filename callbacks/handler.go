package callbacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	// key of the developer account that asked for the file.
	Tenants map[string]string
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
	// Window is how old or how far ahead a signature may be. Default
	// [c2sign.DefaultWindow]; negative: any age.
	Window time.Duration
	// Verify is the mode, default [Enforce].
	Verify Mode
	// MaxBodyBytes limits a body. Default 16 KiB; the documented ones have about
	// 200 bytes.
	MaxBodyBytes int64
	// StoreTimeout limits how long Accept may take before 503 is answered.
	// Default 4 s: the platform should have its answer within 5.
	StoreTimeout time.Duration
	Logger       zerolog.Logger
	Registerer   prometheus.Registerer // nil: not registered
}

// Handler answers callbacks. It is safe for concurrent use.
type Handler struct {
	o        Options
	verifier c2sign.Verifier
	counts   *prometheus.CounterVec
	skew     prometheus.Gauge
	variants *changes
	gate     *gate
	tenants  []string
	breakage
}

// breakage breaks the handler on purpose, to show that a test would notice.
type breakage struct {
	answerFirst bool // 200 before the notice is stored
	anySender   bool // a wrong signature is as good as a right one
	noneKnown   bool // an old signature is refused although its file was asked for
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
	five := sabotage.Broken("five_minute_window")
	if five {
		o.Window = 5 * time.Minute
	}
	o.Window = max(0, cmp.Or(o.Window, c2sign.DefaultWindow)) // a Verifier takes 0 for any age
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = 16 << 10
	}
	if o.StoreTimeout <= 0 {
		o.StoreTimeout = 4 * time.Second
	}
	h := &Handler{
		o:        o,
		verifier: c2sign.Verifier{Keys: o.Keys, Window: o.Window, PublicURL: o.PublicURL},
		counts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_callbacks_total", Help: "Callbacks answered, by result and by what the signature was worth.",
		}, []string{"result", "signature"}),
		skew: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aicc_callback_skew_seconds", Help: "Time of the last good signature minus the time of its receipt.",
		}),
		variants: &changes{last: map[string]string{}}, gate: newGate(),
		tenants:  slices.Compact(slices.Sorted(maps.Values(o.Tenants))),
		breakage: breakage{answerFirst: sabotage.Broken("answer_before_store"), noneKnown: five},
	}
	if o.Registerer != nil {
		if err := errors.Join(o.Registerer.Register(h.counts), o.Registerer.Register(h.skew)); err != nil {
			return nil, fmt.Errorf("callbacks: register metrics: %w", err)
		}
	}
	return h, nil
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

// handle takes one callback. What costs least comes first: nothing is read from a
// caller that is not allowed, calls too often, or does not know the path.
func (h *Handler) handle(r *http.Request) (answer, standing) {
	caller := h.caller(r)
	if !h.allowed(caller) {
		return forbidden, ""
	}
	leave, ok := h.gate.enter(caller)
	if !ok {
		return tooMany, ""
	}
	defer leave()
	at, ok := h.place(r.URL.Path)
	if !ok {
		return badPath, ""
	}
	if r.Method != http.MethodPost {
		return badMethod, ""
	}
	body, bad := h.read(r)
	if bad != (answer{}) {
		return bad, ""
	}
	from, ok := h.verify(r, body, at)
	if h.anySender {
		from, ok = h.guess(r.Header.Get("Authorization"), at)
	}
	if !ok {
		return refused, ""
	}
	sabotage.Point("callback.verified")
	if h.answerFirst {
		return accepted, from.standing
	}
	a := h.store(r.Context(), from, at, body)
	if a == accepted {
		sabotage.Point("callback.stored")
	}
	return a, from.standing
}

// read returns the body, or the answer to one that is not taken.
func (h *Handler) read(r *http.Request) ([]byte, answer) {
	// No documented callback is packed, and what is signed is the text itself.
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, badEncoding
	}
	if r.ContentLength > h.o.MaxBodyBytes {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, h.o.MaxBodyBytes+1))
	switch {
	case err != nil:
		return nil, unreadable
	case int64(len(body)) > h.o.MaxBodyBytes:
		return nil, tooLarge
	}
	return body, answer{}
}

// place is what a callback's path says beside that it is ours.
type place struct {
	token   string // "": none
	tenant  string // that the token was made for
	request *schemas.WindowRequest
}

// place reads a path: the public URL's or a tail of it, with or without a token
// behind it.
func (h *Handler) place(at string) (place, bool) {
	if h.onPath(at) {
		return place{}, true
	}
	before, last := path.Split(at)
	if h.o.Tokens == nil || !h.onPath(before) {
		return place{}, false
	}
	tenant, request, ok := h.o.Tokens.check(last, h.tenants)
	return place{last, tenant, &request}, ok
}

// onPath reports whether path is the public URL's, or a tail of it.
func (h *Handler) onPath(path string) bool {
	public := "/" + strings.Trim(h.o.PublicURL.Path, "/")
	path = "/" + strings.Trim(path, "/")
	return path == "/" || strings.HasSuffix(public, path)
}

func (h *Handler) store(ctx context.Context, from sender, at place, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, h.o.StoreTimeout)
	defer cancel()
	n, err := decode(body)
	if stale := from.standing == old && h.o.Verify != Observe; stale {
		known := err == nil && !h.noneKnown && (at.request != nil || h.o.Store.Knows(from.tenant, n.ResponseID))
		if !known {
			return refused
		}
	}
	if err != nil {
		return h.reject(ctx, from.tenant, body, err)
	}
	n.Tenant, n.Via, n.ReceivedAt, n.Request = from.tenant, schemas.ViaCallback, time.Now().UTC(), at.request
	err = h.o.Store.Accept(ctx, n)
	var p *schemas.Permanent
	switch {
	case err == nil:
		return accepted
	case errors.As(err, &p):
		return h.reject(ctx, from.tenant, body, p.Err)
	}
	h.o.Logger.Error().Err(err).Str("tenant", from.tenant).Msg("callback not stored")
	return unavailable
}

// reject keeps a callback that no repeat can make good as a dead letter.
func (h *Handler) reject(ctx context.Context, tenant string, body []byte, cause error) answer {
	now := time.Now().UTC()
	m, err := h.o.Names.DeadLetterMessage(schemas.DeadLetter{
		Tenant: tenant, Reason: schemas.ReasonUndecodable, Error: "callback: " + cause.Error(),
		Attempts: 1, FirstAt: now, LastAt: now, Original: schemas.Quote(body),
	}, "callback."+digest(body))
	if err == nil {
		err = h.o.Store.Publish(ctx, m)
	}
	if err != nil {
		h.o.Logger.Error().Err(err).Str("tenant", tenant).Msg("unreadable callback not stored")
		return unavailable
	}
	return badBody
}
