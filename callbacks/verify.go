package callbacks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
	"time"

	"aiccbridge/internal/c2sign"
)

// verify finds the tenant of a callback. old says that all is valid but for the
// signature's age; ok is false when it must be refused.
func (h *Handler) verify(r *http.Request, body []byte) (tenant string, old, ok bool) {
	authorization := r.Header.Get("Authorization")
	if h.o.Verify == Off {
		tenant, ok = h.guess(authorization)
		return tenant, false, ok
	}
	var match c2sign.Match
	request, err := c2sign.FromHTTP(r, body)
	if err == nil {
		match, err = h.verifier.Verify(request, authorization, time.Now())
	}
	switch {
	case err == nil, errors.Is(err, c2sign.ErrSkew):
		tenant, ok = h.o.Tenants[match.AccessKey]
		h.note(tenant, match.String())
		return tenant, err != nil, ok
	case h.o.Verify == Observe:
		tenant, ok = h.guess(authorization)
		h.note(tenant, "not verified: "+err.Error())
		return tenant, false, ok
	default:
		h.note("", "refused: "+err.Error())
		return "", false, false
	}
}

// guess names the tenant of an unverified callback: by its access key, or the
// only one there is.
func (h *Handler) guess(authorization string) (tenant string, ok bool) {
	if header, err := c2sign.ParseHeader(authorization); err == nil {
		if tenant, ok := h.o.Tenants[header.AccessKey]; ok {
			return tenant, true
		}
	}
	if len(h.o.Tenants) == 1 {
		for _, tenant := range h.o.Tenants {
			return tenant, true
		}
	}
	return "", false
}

// note logs how signatures of a tenant verify, when it changes: the variant
// shows how the platform signs, so that a profile can be pinned.
func (h *Handler) note(tenant, variant string) {
	if h.variants.changed(tenant, variant) {
		h.o.Logger.Info().Str("tenant", tenant).Str("variant", variant).Msg("callback signature variant")
	}
}

type changes struct {
	mu   sync.Mutex
	last map[string]string
}

func (c *changes) changed(key, value string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last[key] == value {
		return false
	}
	c.last[key] = value
	return true
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
