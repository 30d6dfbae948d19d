// Package viaproxy reaches a server through a forward proxy, as companies have them at
// their border.
//
//	https server:  dial proxy ─► [TLS to it] ─► CONNECT host:port ─► 200 ─► TLS to the server
//	http server:   dial proxy ─► [TLS to it] ─► GET http://host/path
//
// Invariants:
//
//   - The proxy is the one that is named, never one of the environment, and what is to go
//     through it never goes past it.
//   - Of a request to an https server no byte is sent before the tunnel stands: an [*Error]
//     says that nothing was. It names the proxy and the key of the configuration to look
//     at, and repeats neither credentials nor what the proxy wrote.
//   - The server's Host, TLS and certificate are as without a proxy.
package viaproxy

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/tlsadvice"
)

const (
	// answerTimeout bounds TLS to the proxy and its answer to CONNECT, the proxy's own
	// dialling included.
	answerTimeout = 30 * time.Second
	// maxAnswerBytes limits the head of that answer.
	maxAnswerBytes = 64 << 10
)

// Dial is how a TCP connection is made.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Proxy is a forward proxy. URL is needed.
type Proxy struct {
	URL         *url.URL       // http://host:port, or https:// for TLS to the proxy itself
	Credentials string         // user:password; empty: none are sent
	RootCAs     *x509.CertPool // of an https:// proxy; nil: the system's
}

// Use makes a transport's requests to a server of this scheme go through the proxy.
// It returns how the transport has to dial, below the server's TLS. The proxy itself is
// dialled with dial. Servers at link-local addresses are refused unless they are allowed;
// what a name stands for only the proxy knows. A nil Proxy changes nothing.
func (p *Proxy) Use(t *http.Transport, scheme string, dial Dial, allowLinkLocal bool) Dial {
	if p == nil {
		return dial
	}
	r := route{p, dial, allowLinkLocal}
	if scheme == "https" {
		return r.tunnel
	}
	t.Proxy = func(request *http.Request) (*url.URL, error) {
		if err := r.refused(request.URL.Hostname()); err != nil {
			return nil, err
		}
		u := &url.URL{Scheme: "http", Host: p.address()} // TLS to the proxy is below
		if user, password, ok := strings.Cut(p.Credentials, ":"); ok {
			u.User = url.UserPassword(user, password)
		}
		return u, nil
	}
	return func(ctx context.Context, network, _ string) (net.Conn, error) { return r.connect(ctx, network) }
}

// address is the proxy's, with a port.
func (p *Proxy) address() string {
	port := "80"
	if p.URL.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(p.URL.Hostname(), cmp.Or(p.URL.Port(), port))
}

// route is a proxy as it is used.
type route struct {
	*Proxy
	dial           Dial
	allowLinkLocal bool
}

// refused is the rule of package dialguard for a server that is dialled by somebody else.
func (r route) refused(host string) error {
	if to, err := netip.ParseAddr(host); err == nil && dialguard.Refused(to) && !r.allowLinkLocal {
		return &dialguard.Error{Address: to}
	}
	return nil
}

// connect dials the proxy.
func (r route) connect(ctx context.Context, network string) (net.Conn, error) {
	conn, err := r.dial(ctx, network, r.address())
	if err != nil {
		return nil, r.fails(fmt.Errorf("connect: %w", err), "look at proxy_url, and whether the proxy runs")
	}
	if r.URL.Scheme != "https" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: r.URL.Hostname(), RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // it is the handshake that failed
		cure := strings.ReplaceAll(tlsadvice.Explain(err), "ca_file", "proxy_ca_file")
		return nil, r.fails(fmt.Errorf("TLS handshake: %w", err), cmp.Or(cure, "look at proxy_url and proxy_ca_file"))
	}
	return secure, nil
}

// tunnel dials a server through the proxy.
func (r route) tunnel(ctx context.Context, network, server string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(server)
	if err == nil {
		err = r.refused(host)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := r.connect(ctx, network)
	if err != nil {
		return nil, err
	}
	overdue := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends reads and writes
	err = r.ask(conn, server)
	if !overdue() {
		err = r.fails(fmt.Errorf("no answer to CONNECT %s: %w", server, context.Cause(ctx)), "look at proxy_url, and at the proxy")
	}
	if err != nil {
		_ = conn.Close() // the error says enough
		return nil, err
	}
	return conn, nil
}

// ask sends CONNECT and reads the answer.
func (r route) ask(conn net.Conn, server string) error {
	head := "CONNECT " + server + " HTTP/1.1\r\nHost: " + server + "\r\nUser-Agent: aicc-bridge\r\n"
	if r.Credentials != "" {
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(r.Credentials)) + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return r.fails(fmt.Errorf("ask for a connection to %s: %w", server, err), "look at proxy_url, and at the proxy")
	}
	in := bufio.NewReader(io.LimitReader(conn, maxAnswerBytes))
	answer, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return r.noAnswer(server, err)
	}
	if answer.StatusCode/100 == 2 && in.Buffered() == 0 {
		return nil
	}
	if answer.StatusCode/100 == 2 { // the server says nothing before TLS begins
		return r.fails(fmt.Errorf("it sent more than the answer to CONNECT %s", server), "look at proxy_url: this is no proxy for CONNECT")
	}
	return r.fails(&Refused{Server: server, Status: answer.StatusCode}, r.cure(answer))
}

func (r route) noAnswer(server string, err error) error {
	cure := "look at proxy_url, and at the proxy"
	if text := err.Error(); strings.Contains(text, "malformed") { // with what it wrote in it
		err = errors.New("the answer is not HTTP")
		if cure = "look at proxy_url: this is no HTTP proxy"; strings.Contains(text, `\x15\x03`) && r.URL.Scheme == "http" {
			cure = "write https:// in proxy_url: it answers in TLS"
		}
	}
	return r.fails(fmt.Errorf("answer to CONNECT %s: %w", server, err), cure)
}

// cure is what to do about a refusal.
func (r route) cure(answer *http.Response) string {
	switch status := answer.StatusCode; {
	case status == http.StatusProxyAuthRequired:
		return r.authentication(answer.Header.Values("Proxy-Authenticate"))
	case status == http.StatusForbidden, status == http.StatusMethodNotAllowed, status == http.StatusUnauthorized:
		return "have this host and port allowed in the proxy's rules, or look at proxy_url"
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return "the proxy does not reach the server: look at the host and port of url, and at the proxy's own way out"
	}
	return "look at proxy_url, and at the proxy"
}

// authentication is the cure when the proxy wants to know who asks.
func (r route) authentication(offers []string) string {
	basic := len(offers) == 0
	for _, o := range offers {
		scheme, _, _ := strings.Cut(strings.TrimSpace(o), " ")
		basic = basic || strings.EqualFold(scheme, "basic")
	}
	switch {
	case !basic:
		return "have the proxy take Basic authentication from this machine, or none: the bridge knows no other"
	case r.Credentials == "":
		return "name a file with user:password in proxy_credentials_file"
	}
	return "correct user and password in proxy_credentials_file"
}

func (r route) fails(err error, cure string) error {
	return &Error{Proxy: r.URL.Scheme + "://" + r.URL.Host, Cure: cure, Err: err}
}

// Error is why the proxy gave no way to a server. Nothing was sent to that.
type Error struct {
	Proxy string // its URL
	Cure  string // what to do
	Err   error
}

// Error names the proxy, the reason and what to do.
func (e *Error) Error() string { return fmt.Sprintf("proxy %s: %v; %s", e.Proxy, e.Err, e.Cure) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Refused is a proxy's answer to CONNECT other than a success.
type Refused struct {
	Server string // host:port
	Status int    // of HTTP
}

// Error names server and status.
func (e *Refused) Error() string {
	return strings.TrimSpace(fmt.Sprintf("CONNECT %s refused with status %d %s", e.Server, e.Status, http.StatusText(e.Status)))
}
