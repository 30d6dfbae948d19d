// Package post pushes events to clients in the platform's two dialects.
//
//	callBackUri and serviceToken   POST {"workNo":…,"eventList":[…]}, the token in a header;
//	                               taken over by 200 with retcode "0"
//	pushUrl                        POST the envelope of a poll, with one event; taken over by 200
//	                               with an empty body or retcode 0
//
// It knows nothing of queues: what was not taken over its caller pushes again. Addresses are
// others' words, so only hosts that are listed are called, no redirect is followed, and an address
// at which the machine would answer to itself is refused.
//
// It imports leaves only.
package post

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/foreign"
)

const (
	answerWithin = 10 * time.Second
	maxAnswer    = 16 << 10
	maxURI       = 2 << 10 // callBackUri has 200 at most; a pushUrl may carry more
	maxToken     = 50
	idleTimeout  = 60 * time.Second
)

// ErrToken is of a serviceToken that the platform would refuse.
var ErrToken = errors.New("serviceToken must have 1 to 50 letters, digits, - or _")

// Options configure a Poster.
type Options struct {
	Hosts          []string       // that may be called, as host or host:port; none: nobody
	RootCAs        *x509.CertPool // nil: the system's
	AllowHTTP      bool           // plain HTTP to other machines than this one; it carries tokens and numbers
	AllowLinkLocal bool
}

// Way is how a client wants its events.
type Way struct {
	Old   bool   `json:"old,omitempty"` // pushUrl, and not callBackUri
	URI   string `json:"uri"`
	Token string `json:"token,omitempty"` // serviceToken
}

// Format keeps the address, in which there may be a token, and the token out of every print.
func (w Way) Format(f fmt.State, _ rune) { fmt.Fprint(f, "push(***)") }

// Poster pushes. It is safe for concurrent use.
type Poster struct {
	hosts     []string
	allowHTTP bool
	client    http.Client
	transport *http.Transport
}

// New does no I/O.
func New(o Options) *Poster {
	dial := dialguard.Dialer(net.Dialer{Timeout: answerWithin}, o.AllowLinkLocal)
	p := &Poster{allowHTTP: o.AllowHTTP, transport: &http.Transport{
		DialContext: dial.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: 256,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 only
	}}
	for _, h := range o.Hosts {
		p.hosts = append(p.hosts, strings.ToLower(h))
	}
	p.client = http.Client{Transport: p.transport, Timeout: answerWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p
}

// Close closes idle connections.
func (p *Poster) Close() { p.transport.CloseIdleConnections() }

// Check reports why a client can't be pushed to. The error quotes no more than the host.
func (p *Poster) Check(w Way) error {
	u, err := url.Parse(w.URI)
	switch {
	case err != nil || len(w.URI) > maxURI || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil:
		return errors.New("the address for pushes is no http or https URL")
	case !slices.Contains(p.hosts, strings.ToLower(u.Hostname())) && !slices.Contains(p.hosts, strings.ToLower(u.Host)):
		return fmt.Errorf("host %.64q is not in proxy.push_hosts", u.Host)
	case u.Scheme == "http" && !p.allowHTTP && !loopback(u.Hostname()):
		return fmt.Errorf("host %.64q is to be pushed to over plain http, and proxy.allow_insecure_http is not set", u.Host)
	case !w.Old && !token(w.Token):
		return ErrToken
	}
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func token(s string) bool {
	plain := func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, plain)
}

// Token reports whether s can be a serviceToken.
func Token(s string) bool { return token(s) }

// Most is how many events go into one push.
func (w Way) Most() int {
	if w.Old {
		return 1
	}
	return 100
}

// Post pushes events, no more than w takes. nil: they were taken over. The error quotes nothing
// of the address or the answer.
func (p *Poster) Post(ctx context.Context, w Way, guid, agent string, events []json.RawMessage) error {
	body := w.encode(agent, events)
	// From a reader of bytes, so it has a length: some clients can't read chunks.
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URI, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address for pushes is no URL")
	}
	r.GetBody = nil // what may have arrived is pushed again by the caller alone
	r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	r.Header.Set("Guid", guid)
	if !w.Old {
		r.Header["service_token"] = []string{w.Token}
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return plain(err)
	}
	defer answer.Body.Close()
	return taken(answer, w.Old)
}

// encode joins the events as they came: encoding/json would write some of their signs otherwise.
func (w Way) encode(agent string, events []json.RawMessage) []byte {
	if w.Old {
		return slices.Concat([]byte(`{"message":"","retcode":"0","event":`), events[0], []byte("}"))
	}
	all := make([][]byte, len(events))
	for i, e := range events {
		all[i] = e
	}
	return slices.Concat([]byte(`{"workNo":`+strconv.Quote(agent)+`,"eventList":[`), bytes.Join(all, []byte(",")), []byte("]}"))
}

// plain is an error without the URL that net/http puts into it.
func plain(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("push: %w", err)
}

// taken reads an answer.
func taken(answer *http.Response, old bool) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("push is answered with HTTP status %d", answer.StatusCode)
	case err != nil:
		return fmt.Errorf("push: read answer: %w", err)
	case old && len(bytes.TrimSpace(body)) == 0:
		return nil
	}
	o, err := foreign.ParseObject(foreign.Clean(body, answer.Header.Get("Content-Type")))
	if err != nil {
		return errors.New("push is answered with something that is no JSON object")
	}
	if code := o.Maybe("retcode").Literal(); code != "0" {
		return errors.New("push is refused")
	}
	return nil
}
