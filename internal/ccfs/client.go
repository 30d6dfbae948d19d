package ccfs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/heads"
	"aiccbridge/internal/viaproxy"
)

// Options configure a Client. URL and Key are needed, the rest has defaults.
type Options struct {
	// URL is the base address, https://host:port/CCFS/resource/ccfs. Its host is signed as
	// written: keep the name the platform knows, firewalls refuse bare addresses (418).
	URL string
	// Form is what a URL looks like, for errors about one. Default: the file store's.
	Form    string
	Key     c2sign.Key
	Profile c2sign.Profile // zero value: the platform's own form
	RootCAs *x509.CertPool // nil: the system's
	// InsecureSkipVerify accepts any certificate. For a first connection only: whoever
	// answers then sees the signed requests and may send any file.
	InsecureSkipVerify bool
	// AllowHTTP accepts a URL that begins with http://, for a file store behind a TLS
	// proxy on the same host.
	AllowHTTP bool
	// AllowLinkLocal lets the client connect to link-local addresses and to those of
	// clouds' metadata services, which are refused otherwise, after the look-up of the
	// name. It is about the client's own dialer, not about DialContext.
	AllowLinkLocal bool
	// Proxy is a forward proxy on the way; nil means none. The proxy's address is held to
	// AllowLinkLocal as well.
	Proxy *viaproxy.Proxy
	// Peer is told of each TLS handshake with the file store itself; an error refuses the
	// connection. nil: nobody is.
	Peer   func(tls.ConnectionState) error
	Logger zerolog.Logger // zero value: silent
	// Sibling is another client under the same key, of another tenant space: the two share
	// the one call at a time, the count of refusals and the pauses, since the platform locks
	// whoever sends too many wrong signatures, not a tenant space. Nil: there is none.
	Sibling *Client
	// Heads keeps the heads of answers. nil: nobody does.
	Heads *heads.Log

	// DialContext replaces the dialer, e.g. to connect to an address that DNS does not
	// give for the host of URL. Nil dials normally.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock for signatures, pauses and skew. Nil means time.Now.
	Now func() time.Time

	MaxFileBytes   int64         // longest file of rows accepted, compressed; default 2 GiB
	MaxSoundBytes  int64         // longest recording, or ZIP of recordings; default 512 MiB
	MaxAnswerBytes int64         // longest JSON answer read; default 64 KiB
	AnswerTimeout  time.Duration // from dialing to the first bytes of a file or the end of a JSON answer; default 2 min
	IdleTimeout    time.Duration // longest silence while a file arrives; default 60 s
	AuthPause      time.Duration // no calls for so long after two 401 in a row; default 10 min
	LockPause      time.Duration // no calls for so long after a 403 lock; default 30 min
}

// Client talks to one file store under one developer account, for one tenant space. Safe for concurrent use.
type Client struct {
	base     *url.URL
	access   *atomic.Pointer[access]
	play     *http.Client   // the same server, without a signature
	objects  []*http.Client // other servers; each trusts other roots
	platform http.RoundTripper
	circuit  *circuit
	clock    *clock
	options  Options

	shortIDs *atomic.Bool    // RequestStored knows how the platform wants call ids
	further  func() []string // secrets besides the key; nil: none. A func prints as such
}

// access is what requests are signed with.
type access struct {
	key    c2sign.Key
	before c2sign.Key   // whose requests may still be under way; no key: none
	http   *http.Client // signs
}

// signed is a client that signs with a key. It fails if that cannot sign.
func (c *Client) signed(key c2sign.Key) (*http.Client, error) {
	o := c.options
	trial := c2sign.Request{Header: map[string]string{"host": c.base.Host, "content-length": "0", "content-type": contentType}}
	if _, err := c2sign.Sign(key, o.Profile, trial, o.Now()); err != nil {
		return nil, fmt.Errorf("platform client: %w", err)
	}
	return going(c2sign.NewTransport(c.platform, key, o.Profile, o.Now)), nil
}

// ChangeKey checks another key. take signs with it from the next call on; calls in progress end
// under the one they began with. Calls that were stopped because the old one was refused are
// made again. The key of now is no change. Siblings are to be given the same key.
func (c *Client) ChangeKey(key c2sign.Key) (take func(), err error) {
	if key.Fingerprint() == c.access.Load().key.Fingerprint() {
		return func() {}, nil
	}
	with, err := c.signed(key)
	return func() {
		c.access.Store(&access{key, c.access.Load().key, with})
		c.circuit.renewed()
	}, err
}

// New checks the options and returns a Client; it does no I/O.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.URL, cmp.Or(o.Form, "https://host:port/CCFS/resource/ccfs"), o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	o.MaxFileBytes = cmp.Or(o.MaxFileBytes, 2<<30)
	o.MaxSoundBytes = cmp.Or(o.MaxSoundBytes, 512<<20)
	o.MaxAnswerBytes = cmp.Or(o.MaxAnswerBytes, 64<<10)
	o.AnswerTimeout = cmp.Or(o.AnswerTimeout, 2*time.Minute)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, time.Minute)
	o.AuthPause = cmp.Or(o.AuthPause, 10*time.Minute)
	o.LockPause = cmp.Or(o.LockPause, 30*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	stop, err := o.circuit()
	if err != nil {
		return nil, err
	}
	platform := newTransport(o, base.Scheme)
	c := &Client{
		base:     base,
		access:   new(atomic.Pointer[access]),
		platform: platform,
		play:     going(platform),
		objects:  objectClients(o),
		circuit:  stop,
		clock:    &clock{now: o.Now, logger: o.Logger},
		options:  o,

		shortIDs: new(atomic.Bool),
	}
	with, err := c.signed(o.Key)
	if err != nil {
		return nil, err
	}
	c.access.Store(&access{key: o.Key, http: with})
	return c, nil
}

// going follows no redirects.
func going(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// objectClients are for the servers of addresses that the platform names: whatever the
// file store's own address is allowed, theirs is held to package dialguard. Such a server
// has a certificate of the company's authority, or of a public one.
func objectClients(o Options) (all []*http.Client) {
	roots := []*x509.CertPool{o.RootCAs}
	if o.RootCAs != nil {
		roots = append(roots, nil)
	}
	o.DialContext, o.AllowLinkLocal, o.Peer = nil, false, nil
	for _, o.RootCAs = range roots {
		all = append(all, going(newTransport(o, "https")))
	}
	return all
}

// circuit is that of the sibling, or a new one.
func (o Options) circuit() (*circuit, error) {
	if o.Sibling == nil {
		return &circuit{
			now: o.Now, authPause: o.AuthPause, lockPause: o.LockPause,
			logger: o.Logger, slot: make(chan struct{}, 1),
		}, nil
	}
	theirs := o.Sibling.access.Load().key
	if theirs.AccessKey != o.Key.AccessKey || theirs.Reveal() != o.Key.Reveal() {
		return nil, errors.New("platform client: a sibling has another key")
	}
	return o.Sibling.circuit, nil
}

// Close drops idle connections. Calls in progress go on.
func (c *Client) Close() {
	c.play.CloseIdleConnections()
	for _, o := range c.objects {
		o.CloseIdleConnections()
	}
}

// Skew returns the platform's clock minus ours, from the last answer that had a Date
// header, to about a second; false when there was none yet.
func (c *Client) Skew() (time.Duration, bool) { return c.clock.read() }

func newTransport(o Options, scheme string) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // HTTP/2 replaces the signed Host header
	dial := o.DialContext
	if dial == nil {
		dial = dialguard.Dialer(net.Dialer{Timeout: 30 * time.Second}, o.AllowLinkLocal).DialContext
	}
	t := &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, InsecureSkipVerify: o.InsecureSkipVerify, VerifyConnection: o.Peer, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    30 * time.Second,
		Protocols:              &protocols,
		DisableCompression:     true, // net/http would ask for gzip by itself
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	t.DialContext = o.Proxy.Use(t, scheme, dial, o.AllowLinkLocal) // none of the environment
	return t
}

func parseBase(s, form string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("the platform's URL cannot be parsed; write " + form)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if problem := problemOf(u, s, allowHTTP); problem != "" {
		return nil, fmt.Errorf("the platform's URL %s; write %s", problem, form)
	}
	return u, nil
}

// problemOf says why a URL, written as s, can't be the file store's; empty: it can.
func problemOf(u *url.URL, s string, allowHTTP bool) string {
	if u.Scheme != "https" && !(allowHTTP && u.Scheme == "http") {
		return "must begin with https://"
	}
	if u.Hostname() == "" {
		return "has no host"
	}
	if u.User != nil {
		return "must not hold a user name or password"
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "must not have a query"
	}
	if strings.Contains(s, "#") {
		return "must not have a fragment"
	}
	if u.EscapedPath() != u.Path || strings.ContainsAny(u.Path, "%;") {
		return "holds characters in its path that need escaping"
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }) {
		return "holds a zone or a character outside ASCII in its host"
	}
	return ""
}
