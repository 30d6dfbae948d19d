package c2sign

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// transport is the RoundTripper of NewTransport.
type transport struct {
	base    http.RoundTripper
	key     Key
	profile Profile
	now     func() time.Time
}

// NewTransport returns a RoundTripper that signs a clone of each request and sends it
// through base; the caller's request is not altered (its body is read and closed). It
// signs exactly what goes on the wire: Host is set explicitly, the body is read into memory
// and sent with a Content-Length, never chunked. base must speak HTTP/1.1 and must not
// rewrite Host. Nil base means http.DefaultTransport, nil now means time.Now.
func NewTransport(base http.RoundTripper, k Key, p Profile, now func() time.Time) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if now == nil {
		now = time.Now
	}
	return &transport{base: base, key: k, profile: p, now: now}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := readBody(req)
	if err != nil {
		return nil, err
	}
	clone, err := t.prepare(req, body)
	if err != nil {
		return nil, err
	}
	return t.base.RoundTrip(clone)
}

// CloseIdleConnections lets http.Client reach the connections of base.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func readBody(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if err = cmp.Or(err, req.Body.Close()); err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	return body, nil
}

func (t *transport) prepare(req *http.Request, body []byte) (*http.Request, error) {
	clone := req.Clone(req.Context())
	if clone.Header == nil {
		clone.Header = make(http.Header)
	}
	if clone.Host == "" {
		clone.Host = clone.URL.Host
	}
	if strings.ContainsFunc(clone.Host, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }) {
		// net/http would send another text than the one signed.
		return nil, errors.New("sign: the host holds a zone or a character outside ASCII")
	}
	if clone.URL.Opaque != "" {
		return nil, errors.New("sign: the URL has no path")
	}
	clone.TransferEncoding, clone.Trailer = nil, nil
	clone.ContentLength = int64(len(body))
	clone.Body = http.NoBody
	if len(body) > 0 {
		clone.Body = io.NopCloser(bytes.NewReader(body))
		clone.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	authorization, err := t.sign(clone, body)
	if err != nil {
		return nil, err
	}
	clone.Header.Set("Authorization", authorization)
	return clone, nil
}

func (t *transport) sign(req *http.Request, body []byte) (string, error) {
	r, err := newRequest(req, req.URL.EscapedPath(), req.Host, req.ContentLength, body)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if len(body) == 0 && req.Method != http.MethodPost && req.Method != http.MethodPut && req.Method != http.MethodPatch {
		delete(r.Header, "content-length") // net/http sends none
	}
	for _, name := range t.profile.names() {
		if len(req.Header.Values(name)) > 1 {
			return "", fmt.Errorf("sign: signed header %q has several values", name)
		}
	}
	return Sign(t.key, t.profile, r, t.now())
}
