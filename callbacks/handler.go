package callbacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/internal/c2sign"
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
	breakage
}

// breakage breaks the handler on purpose, to show that a test would notice.
type breakage struct {
	answerFirst bool // 200 before the notice is stored
	anySender   bool // a wrong signature is as good as a right one
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
		variants: &changes{last: map[string]string{}},
	}
	if o.Registerer != nil {
		if err := errors.Join(o.Registerer.Register(h.counts), o.Registerer.Register(h.skew)); err != nil {
			return nil, fmt.Errorf("callbacks: register metrics: %w", err)
		}
	}
	return h, nil
}

// answer is what goes back: a status and one constant word, which is also the
// metric's label.
type answer struct {
	status int
	result string
}

var (
	accepted    = answer{http.StatusOK, "accepted"}
	badPath     = answer{http.StatusNotFound, "unknown_path"}
	badMethod   = answer{http.StatusMethodNotAllowed, "method_not_allowed"}
	tooLarge    = answer{http.StatusRequestEntityTooLarge, "too_large"}
	unreadable  = answer{http.StatusBadRequest, "unreadable"}
	refused     = answer{http.StatusUnauthorized, "unauthorized"}
	badBody     = answer{http.StatusBadRequest, "bad_request"}
	unavailable = answer{http.StatusServiceUnavailable, "unavailable"}
	panicked    = answer{http.StatusInternalServerError, "internal_error"}
)

// ServeHTTP answers one callback.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			h.o.Logger.Error().Str("panic", fmt.Sprintf("%T", p)).Msg("callback handler panicked")
			h.reply(w, panicked, "")
		}
	}()
	a, s := h.handle(r)
	h.reply(w, a, s)
}

func (h *Handler) handle(r *http.Request) (answer, standing) {
	if !h.onPath(r.URL.Path) {
		return badPath, ""
	}
	if r.Method != http.MethodPost {
		return badMethod, ""
	}
	if r.ContentLength > h.o.MaxBodyBytes {
		return tooLarge, ""
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, h.o.MaxBodyBytes+1))
	switch {
	case err != nil:
		return unreadable, ""
	case int64(len(body)) > h.o.MaxBodyBytes:
		return tooLarge, ""
	}
	from, ok := h.verify(r, body)
	if h.anySender {
		from, ok = h.guess(r.Header.Get("Authorization"))
	}
	if !ok {
		return refused, ""
	}
	if h.answerFirst {
		return accepted, from.standing
	}
	return h.store(r.Context(), from, body), from.standing
}

// onPath reports whether path is the public URL's, or a tail of it.
func (h *Handler) onPath(path string) bool {
	public := "/" + strings.Trim(h.o.PublicURL.Path, "/")
	path = "/" + strings.Trim(path, "/")
	return path == "/" || strings.HasSuffix(public, path)
}

func (h *Handler) store(ctx context.Context, from sender, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, h.o.StoreTimeout)
	defer cancel()
	n, err := decode(body)
	stale := from.standing == old && h.o.Verify != Observe
	if stale && (err != nil || !h.o.Store.Knows(from.tenant, n.ResponseID)) {
		return refused
	}
	if err != nil {
		return h.reject(ctx, from.tenant, body, err)
	}
	n.Tenant, n.Via, n.ReceivedAt = from.tenant, schemas.ViaCallback, time.Now().UTC()
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

// reply writes status and a small JSON body in the platform's own envelope.
func (h *Handler) reply(w http.ResponseWriter, a answer, s standing) {
	h.counts.WithLabelValues(a.result, string(s)).Inc()
	code, text := "1", a.result
	if a == accepted {
		code, text = "0", "success"
	}
	body := `{"resultCode":"` + code + `","resultDesc":"` + text + `"}`
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, body) // a caller that has gone repeats its callback
}
