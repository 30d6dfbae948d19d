package ccgateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/time/rate"

	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/http1"
)

// connectTimeout bounds name lookup, TCP connect, the way through a proxy and TLS handshake
// together.
const connectTimeout = 10 * time.Second

// open sets up how connections are made. HTTP/1.1 only: one lost HTTP/2 connection would
// break the polls of many agents at once. Only a proxy that is named stands in the way: the
// environment can't put a stranger there.
func (c *Client) open(o Options) {
	host, port := c.base.Hostname(), "80"
	if c.base.Scheme == "https" {
		port = "443"
		c.tls = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            o.RootCAs,
			InsecureSkipVerify: o.InsecureSkipVerify,
			VerifyConnection:   o.Peer,
			ServerName:         host,
			ClientSessionCache: tls.NewLRUClientSessionCache(0),
		}
	}
	c.address = net.JoinHostPort(host, cmp.Or(c.base.Port(), port))
	direct := o.DialContext
	if direct == nil {
		direct = dialguard.Dialer(net.Dialer{Timeout: connectTimeout}, o.AllowLinkLocal).DialContext
	}
	var route http.Transport // only what the proxy makes of it is used
	c.dialRaw = o.Proxy.Use(&route, c.base.Scheme, direct, o.AllowLinkLocal)
	c.forward = route.Proxy
	c.wire = http1.New(http1.Options{
		Dial:        func(ctx context.Context) (net.Conn, error) { return c.dial(ctx, c.connects) },
		MaxIdle:     cmp.Or(o.MaxConnections, DefaultMaxConnections),
		IdleTimeout: idleTimeout, MaxHead: maxHeaderBytes,
	})
}

// Transport is another way to the gateway, for requests that are somebody else's: with connections
// of its own, made as those of the client and as quickly, twice as many at most as idle ones are
// kept for reuse. It follows no environment. The caller closes its idle connections.
func (c *Client) Transport(answerWithin time.Duration, idle int) *http.Transport {
	turns := rate.NewLimiter(c.connects.Limit(), c.connects.Burst()) // the polls' own are not used up
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, turns) }
	return &http.Transport{
		Proxy: c.forward, DialContext: dial, DialTLSContext: dial, DisableCompression: true,
		MaxIdleConns: idle, MaxIdleConnsPerHost: idle, MaxConnsPerHost: 2 * idle, IdleConnTimeout: idleTimeout,
		ResponseHeaderTimeout: answerWithin, MaxResponseHeaderBytes: maxHeaderBytes,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 only
	}
}

// URL is the base of all calls.
func (c *Client) URL() *url.URL { u := *c.base; return &u }

// dial makes a connection when its turn has come.
func (c *Client) dial(ctx context.Context, turns *rate.Limiter) (net.Conn, error) {
	if err := turns.Wait(ctx); err != nil {
		return nil, fmt.Errorf("wait for the turn to connect: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := c.dialRaw(ctx, "tcp", c.address)
	if err != nil || c.tls == nil {
		return raw, err
	}
	secure := tls.Client(raw, c.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // it is the handshake that failed
		return nil, fmt.Errorf("TLS handshake with %s: %w", c.address, err)
	}
	return secure, nil
}
