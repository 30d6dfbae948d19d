// Package onward passes calls of clients on to the gateway, each once, in the session of its agent:
// streamed, or read here.
//
// Invariants:
//
//   - The GUID of a call is the session's, or there is none; that of an answer reaches no client.
//   - No call becomes a raw pipe.
//   - What the gateway lets pages of other origins read, and nothing else, they may read here.
//
// It imports ccgateway, insist, and leaves.
package onward

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/foreign"
	"aiccbridge/poller/internal/insist"
)

const (
	answerWithin = 30 * time.Second // from a call's end to the beginning of its answer
	maxIdle      = 1024             // connections kept for reuse
	maxAnswer    = 1 << 20          // of a call that is read here
)

// Way is the way of the clients' calls to the gateway.
type Way struct {
	own       string // the name of a cookie that is not passed on
	base      *url.URL
	transport *http.Transport
	reach     reach
	origins   origins
	stream    httputil.ReverseProxy
}

// passedKey is that of the badge in the context of a call that is passed on.
type passedKey struct{}

// passed is a call that is passed on.
type passed struct {
	path    string
	session *ccgateway.Agent // nil: of nobody who has signed in
	body    *watched
}

// New makes the way to a gateway, to which the cookie named own is not passed on. failed is told of each
// call that the gateway does not answer, and why: [Unanswered] or [BadStatus].
func New(gateway *ccgateway.Client, own string, failed func(why string), log zerolog.Logger) *Way {
	p := &Way{own: own, reach: reach{trouble: insist.New(log), failed: failed}, base: gateway.URL(), transport: gateway.Transport(answerWithin, maxIdle)}
	p.stream = httputil.ReverseProxy{
		Transport: p.transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			of := r.In.Context().Value(passedKey{}).(passed)
			p.address(r.Out, of.path, r.In.URL.RawQuery)
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := r.In.Header[name]; ok { // as they came
					r.Out.Header[name] = values
				}
			}
			for _, name := range []string{"Connection", "Upgrade"} { // a raw pipe would lead round every rule
				r.Out.Header.Del(name)
			}
			p.sign(of.session, r.In, r.Out)
		},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == http.StatusSwitchingProtocols {
				return errors.New("the gateway switches protocols, which nobody has asked for")
			}
			p.reach.answered(r.StatusCode)
			if of := r.Request.Context().Value(passedKey{}).(passed); of.session != nil {
				of.session.Learn(r.Header)
			}
			for _, name := range []string{"Set-Guid", "Guid"} { // the client's own stays as it is
				r.Header.Del(name)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Debug().Err(hideURL(err)).Msg("call of a client is not passed on")
			body := r.Context().Value(passedKey{}).(passed).body
			if r.Context().Err() == nil && !body.failed.Load() { // else the client has gone, or sends too slowly, or too much
				p.reach.lost(Unanswered, hideURL(err))
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return p
}

// address sends a request to the gateway.
func (p *Way) address(r *http.Request, path, query string) {
	u := *p.base
	plain, err := url.PathUnescape(path)
	if err != nil { // parse has seen to it
		plain = path
	}
	u.RawPath = strings.TrimSuffix(u.EscapedPath(), "/") + "/" + path
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + plain
	u.RawQuery = query
	r.URL, r.Host = &u, u.Host
}

// sign puts the session's GUID in the place of the client's, and the session's cookies before the
// client's: a cookie names a node, and some clients send that of another agent's.
func (p *Way) sign(s *ccgateway.Agent, in, out *http.Request) {
	own, names := "", map[string]bool{p.own: true}
	out.Header.Del("Guid")
	if s != nil {
		out.Header.Set("Guid", s.GUID())
		own = s.Cookies()
	}
	var all []string
	for piece := range strings.SplitSeq(own, "; ") {
		if name, _, ok := strings.Cut(piece, "="); ok {
			names[name], all = true, append(all, piece)
		}
	}
	for _, piece := range Cookies(in) {
		if name, _, _ := strings.Cut(piece, "="); !names[name] {
			all = append(all, piece)
		}
	}
	out.Header.Del("Cookie")
	if len(all) > 0 {
		out.Header.Set("Cookie", strings.Join(all, "; "))
	}
}

// Stream passes a call on; answer and body are streamed. All of it is in one session (nil: nobody
// has signed in), also if the agent signs in again meanwhile.
func (p *Way) Stream(w http.ResponseWriter, r *http.Request, path string, s *ccgateway.Agent) {
	forget(w)
	body := &watched{ReadCloser: r.Body}
	r = r.WithContext(context.WithValue(r.Context(), passedKey{}, passed{path, s, body}))
	r.Body = body
	p.stream.ServeHTTP(w, r)
}

// Failing is why every call has failed for so long; nil: one was answered, or none was made.
func (p *Way) Failing(lasting time.Duration) error { return p.reach.failing(lasting) }

// Close closes idle connections.
func (p *Way) Close() { p.transport.CloseIdleConnections() }

// Reply is an answer of the gateway that was read here.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Code is its return code; "": it has none.
func (a Reply) Code() string { return a.Object().Maybe("retcode").Literal() }

// Object is its body; none if it is no success.
func (a Reply) Object() foreign.Object {
	o, err := foreign.ParseObject(foreign.Clean(a.Body, a.Header.Get("Content-Type")))
	if err != nil || a.Status != http.StatusOK {
		return foreign.Object{}
	}
	return o
}

// hopByHop are headers of a connection, not of a call.
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// Exchange passes a call on and reads its answer. It goes on when the client has gone.
func (p *Way) Exchange(r *http.Request, path string, body []byte, s *ccgateway.Agent) (a Reply, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), answerWithin)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, r.Method, p.base.String(), bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	out.GetBody = nil // it is never sent twice
	out.Header = r.Header.Clone()
	for _, line := range r.Header.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			out.Header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		out.Header.Del(name)
	}
	out.Header.Set("Accept-Encoding", "identity")
	p.address(out, path, r.URL.RawQuery)
	p.sign(s, r, out)
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		p.reach.lost(Unanswered, hideURL(err))
		return a, hideURL(err)
	}
	p.reach.answered(answer.StatusCode)
	defer answer.Body.Close()
	a = Reply{Status: answer.StatusCode, Header: answer.Header}
	if a.Body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1)); err == nil && len(a.Body) > maxAnswer {
		err = fmt.Errorf("the gateway's answer exceeds %d bytes", maxAnswer)
	}
	return a, err
}

// hideURL keeps an address with what a client put into it out of an error.
func hideURL(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}

// Text is the text, or the number, of a member of an answer's result.
func Text(result json.RawMessage, name string) string {
	all, err := foreign.ParseObject(result)
	if err != nil {
		return ""
	}
	return all.Maybe(name).Literal()
}

// CopyTo answers with what the gateway answered, but for the session's GUID.
func (a Reply) CopyTo(w http.ResponseWriter) {
	forget(w)
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	for _, name := range append(hopByHop, "Set-Guid", "Guid", "Content-Length") {
		w.Header().Del(name)
	}
}

// Write sends an answer.
func (a Reply) Write(w http.ResponseWriter) {
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // a client that has gone signs in again
}

// Cookies are the pieces of the header Cookie, as they came: some clients send ones that are none.
func Cookies(r *http.Request) (pieces []string) {
	for _, line := range r.Header.Values("Cookie") {
		for piece := range strings.SplitSeq(line, ";") {
			if piece = strings.TrimSpace(piece); piece != "" {
				pieces = append(pieces, piece)
			}
		}
	}
	return pieces
}
