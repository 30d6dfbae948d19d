package callbacks

import (
	"io"
	"net/http"
	"net/netip"
	"path"
	"strings"

	"aiccbridge/schemas"
)

// callback is a request that was let through.
type callback struct {
	caller      netip.Addr
	from        sender
	at          place
	body        []byte
	contentType string
}

// admit reads and verifies a request, or says why not. What costs least comes
// first: nothing is read from a caller that is not allowed, calls too often, or
// does not know the path. Admission is limited for strangers only: who is verified does
// not count as inside while a slow store keeps it, for the platform may bring all it
// has at once, from one address, and repeats what is refused after ten minutes.
func (h *Handler) admit(r *http.Request) (callback, answer) {
	caller := h.caller(r)
	if !h.allowed(caller) {
		h.warn(caller, "its address is not in callbacks.allow")
		return callback{}, forbidden
	}
	leave, ok := h.admission.enter(caller)
	if !ok {
		h.warn(caller, "too many requests from its address; a proxy belongs into callbacks.trusted_proxies")
		return callback{}, tooMany
	}
	defer leave()
	at, ok := h.place(r.URL.Path)
	if !ok {
		h.warn(caller, "unknown path")
		return callback{}, badPath
	}
	if r.Method != http.MethodPost {
		return callback{}, badMethod
	}
	body, bad := h.read(r)
	if bad != (answer{}) {
		return callback{}, bad
	}
	from, why := h.verify(r, body, at)
	if why != "" {
		h.warn(caller, why)
		return callback{}, refused
	}
	return callback{caller, from, at, body, r.Header.Get("Content-Type")}, answer{}
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
	if err != nil {
		return nil, unreadable
	}
	if int64(len(body)) > h.o.MaxBodyBytes {
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
