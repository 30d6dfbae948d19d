package callbacks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"aiccbridge/internal/c2sign"
)

// standing is what the signature of a callback is worth.
type standing string

// The standings, which are also the words for metrics.
const (
	verified   standing = "verified"   // signature and time are good
	old        standing = "old"        // the signature is good, its time is too far from ours
	unverified standing = "unverified" // not checked, or let through in mode observe
)

const noTenant = "its tenant is not known"

// sender is who sent a callback, as far as that is known.
type sender struct {
	tenants []Tenant // of the access key; not empty
	standing
}

// verify finds out who sent a callback, or why it must be refused, in constant
// words.
func (h *Handler) verify(r *http.Request, body []byte, at place) (from sender, why string) {
	authorization := r.Header.Get("Authorization")
	if h.o.Verify == Off {
		return h.guess(authorization, at)
	}
	match, err := h.check(r, body, at)
	good := err == nil || errors.Is(err, c2sign.ErrSkew)
	if !good && h.o.Verify == Enforce {
		return sender{}, class(err) + "; if it was a good one, " + cure(err) + "try callbacks.verify: observe"
	}
	if !good {
		s, why := h.guess(authorization, at)
		if why == "" {
			h.refusals.do(label(s.tenants)+" "+class(err), func() {
				h.o.Logger.Warn().Str("tenant", label(s.tenants)).Str("reason", class(err)).Msg("callback accepted although its signature is not good")
			})
		}
		return s, why
	}
	s := sender{h.senders.Load().of[match.AccessKey], verified}
	switch {
	case len(s.tenants) == 0:
		return sender{}, noTenant
	case at.token != "" && !has(s.tenants, at.tenant):
		return sender{}, "its path and its signature are of two tenants"
	}
	if err != nil {
		s.standing = old
	}
	if err == nil { // an old one is repeated as it was
		h.skew.Set(match.Skew.Seconds())
	}
	h.note(s.tenants, match.String())
	return s, ""
}

// check verifies the signature over the request as it arrived.
func (h *Handler) check(r *http.Request, body []byte, at place) (c2sign.Match, error) {
	if len(r.Header.Values("Authorization")) > 1 { // which of them a proxy in front believed cannot be known
		return c2sign.Match{}, c2sign.ErrMalformed
	}
	request, err := c2sign.FromHTTP(r, body)
	if err != nil {
		return c2sign.Match{}, err
	}
	verifier := h.verifier
	if at.token != "" { // the platform was given this request's own address
		verifier.PublicURL = withToken(h.o.PublicURL, at.token)
	}
	return verifier.Verify(request, r.Header.Get("Authorization"), time.Now())
}

// guess names the tenants of an unverified callback: by the token in its path or
// its access key, or those of the only key there is. With several keys and neither it
// is refused.
func (h *Handler) guess(authorization string, at place) (from sender, why string) {
	header, err := c2sign.ParseHeader(authorization)
	known := h.senders.Load()
	for key, tenants := range known.of {
		if at.tenant != "" && has(tenants, at.tenant) || at.tenant == "" && known.only {
			return sender{tenants, unverified}, ""
		}
		if at.tenant == "" && err == nil && header.AccessKey == key {
			return sender{tenants, unverified}, ""
		}
	}
	return sender{}, noTenant
}

// class is the reason of a refusal in constant words: nothing that a stranger
// sent gets into the log.
func class(err error) string {
	for _, known := range []error{c2sign.ErrMissing, c2sign.ErrUnknownKey, c2sign.ErrSignature} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return c2sign.ErrMalformed.Error()
}

// cure names the keys that make a good callback look bad.
func cure(err error) string {
	switch {
	case errors.Is(err, c2sign.ErrUnknownKey):
		return "look at access_key of the tenants' files, or "
	case errors.Is(err, c2sign.ErrSignature):
		return "look at secret_key_file of the tenant's files and at callbacks.public_url, or "
	}
	return ""
}

// note logs how the signatures of a key's tenants verify, when it changes: the variant
// shows how the platform signs, so that a profile can be pinned.
func (h *Handler) note(of []Tenant, variant string) {
	if before, _ := h.variants.Swap(label(of), variant); before != variant {
		h.o.Logger.Debug().Str("tenant", label(of)).Str("variant", variant).Msg("callback signature variant")
	}
}

// warn logs why a callback was refused; a good one may have been meant.
func (h *Handler) warn(from netip.Addr, why string) {
	h.refusals.do(why, func() {
		h.o.Logger.Warn().Str("reason", why).Stringer("from", from).Msg("callback refused")
	})
}

// hourly lets each text through once an hour: strangers choose what comes when,
// but can neither flood the log nor keep other reasons out of it.
type hourly struct{ last sync.Map } // text: *rate.Sometimes

func (o *hourly) do(text string, say func()) {
	last, _ := o.last.LoadOrStore(text, &rate.Sometimes{Interval: time.Hour})
	last.(*rate.Sometimes).Do(say)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
