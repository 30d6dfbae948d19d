package proxy

import (
	"bytes"
	"context"
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
)

const (
	answerWithin = 30 * time.Second // from a call's end to the beginning of its answer
	maxIdle      = 1024             // connections kept for reuse
	maxBody      = 64 << 10         // of a sign-in
	maxAnswer    = 1 << 20          // of a call that is read here
)

// passing is the way of the clients' calls to the gateway.
type passing struct {
	base      *url.URL
	transport *http.Transport
	stream    httputil.ReverseProxy
}

// passedKey is that of the badge in the context of a call that is passed on.
type passedKey struct{}

// passed is a call that is passed on.
type passed struct {
	call    call
	session *ccgateway.Agent // nil: of nobody who has signed in
}

func newPassing(gateway *ccgateway.Client, log zerolog.Logger) *passing {
	p := &passing{base: gateway.URL(), transport: gateway.Transport(answerWithin, maxIdle)}
	p.stream = httputil.ReverseProxy{
		Transport: p.transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			of := r.In.Context().Value(passedKey{}).(passed)
			p.address(r.Out, of.call, r.In.URL.RawQuery)
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := r.In.Header[name]; ok { // as they came
					r.Out.Header[name] = values
				}
			}
			for _, name := range []string{"Connection", "Upgrade"} { // a raw pipe would lead round every rule
				r.Out.Header.Del(name)
			}
			sign(of.session, r.In, r.Out)
		},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == http.StatusSwitchingProtocols {
				return errors.New("the gateway switches protocols, which nobody has asked for")
			}
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
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return p
}

// address sends a request to the gateway.
func (p *passing) address(r *http.Request, c call, query string) {
	u := *p.base
	plain, err := url.PathUnescape(c.path)
	if err != nil { // parse has seen to it
		plain = c.path
	}
	u.RawPath = strings.TrimSuffix(u.EscapedPath(), "/") + "/" + c.path
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + plain
	u.RawQuery = query
	r.URL, r.Host = &u, u.Host
}

// sign puts the session's GUID in the place of the client's, and the session's cookies before the
// client's: a cookie names a node, and some clients send that of another agent's.
func sign(s *ccgateway.Agent, in, out *http.Request) {
	own, names := "", map[string]bool{cookieName: true}
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
	for _, piece := range cookies(in) {
		if name, _, _ := strings.Cut(piece, "="); !names[name] {
			all = append(all, piece)
		}
	}
	out.Header.Del("Cookie")
	if len(all) > 0 {
		out.Header.Set("Cookie", strings.Join(all, "; "))
	}
}

// passOn passes a call on; answer and body are streamed. All of it is in one session, also if the
// agent signs in again meanwhile.
func (t *term) passOn(w http.ResponseWriter, r *http.Request, c call, b *badge) {
	s := b.session()
	if s != nil && s.GUID() == "" { // just restored
		t.p.refuse(w, http.StatusServiceUnavailable, codeFailed)
		return
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), passedKey{}, passed{c, s}), callWithin)
	defer cancel()
	t.p.pass.stream.ServeHTTP(w, r.WithContext(ctx))
	t.p.counts.calls.WithLabelValues(t.p.o.Record.Tenant).Observe(time.Since(begun).Seconds())
}

// reply is an answer of the gateway that was read here.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// code is its return code; "": it has none.
func (a reply) code() string { return a.object().Maybe("retcode").Literal() }

func (a reply) object() foreign.Object {
	o, err := foreign.ParseObject(foreign.Clean(a.body, a.header.Get("Content-Type")))
	if err != nil || a.status != http.StatusOK {
		return foreign.Object{}
	}
	return o
}

// hopByHop are headers of a connection, not of a call.
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// exchange passes a call on and reads its answer. It goes on when the client has gone.
func (p *passing) exchange(r *http.Request, c call, body []byte, s *ccgateway.Agent) (a reply, err error) {
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
	p.address(out, c, r.URL.RawQuery)
	sign(s, r, out)
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		return a, hideURL(err)
	}
	defer answer.Body.Close()
	a = reply{status: answer.StatusCode, header: answer.Header}
	if a.body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1)); err == nil && len(a.body) > maxAnswer {
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

// copyTo answers with what the gateway answered, but for the session's GUID.
func (a reply) copyTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	for _, name := range append(hopByHop, "Set-Guid", "Guid", "Content-Length") {
		w.Header().Del(name)
	}
}

// write sends an answer.
func (a reply) write(w http.ResponseWriter) {
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has gone signs in again
}
