package ccgateway

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/idna"
	"golang.org/x/time/rate"

	"aiccbridge/internal/heads"
	"aiccbridge/internal/http1"
	"aiccbridge/internal/viaproxy"
)

// Defaults of Options.
const (
	// DefaultHold is how long an idle gateway holds a poll: AGENT_POLL_WAIT_TIMES
	// × AGENT_POLL_WAIT_INTERVAL of its basic.properties.
	DefaultHold = 10 * time.Second
	// DefaultPollMargin is added to the hold to get the poll's time limit.
	DefaultPollMargin = 20 * time.Second
	// DefaultCallTimeout limits every call but the poll.
	DefaultCallTimeout = 20 * time.Second
	// DefaultMaxBodyBytes limits an answer. Real ones are below 20 KiB (call data
	// of a preview call-out is at most 16 KB).
	DefaultMaxBodyBytes = 1 << 20
	// DefaultMaxConnections is the number of connections kept open: one per agent.
	DefaultMaxConnections = 20_000
	// DefaultConnectRate is how many connections are made in a second: all of 5,000
	// agents are polled within 5 s of a restart, and a gateway that comes back is not
	// run over.
	DefaultConnectRate = 1000
)

const (
	// idleTimeout is far above the longest pause between two polls of an agent
	// (30 s), and below the 120 s after which the gateway drops a silent agent.
	idleTimeout = 90 * time.Second
	// maxHeaderBytes limits the headers of an answer.
	maxHeaderBytes = 64 << 10
)

// Options configure a Client. The zero value of every field but URL is usable.
type Options struct {
	// URL is the base of all calls, e.g.
	// https://gateway.example.com:8043/agentgateway/resource. Must be http or
	// https, without user, query and fragment. All calls of an agent go to it:
	// a session lives on one node of the gateway.
	URL string
	// Nodes are further bases, of single nodes of the gateway: [Agent.Move] goes there. All
	// other options are as for URL.
	Nodes []string
	// RootCAs are the authorities trusted to sign the gateway's certificate;
	// nil means those of the system.
	RootCAs *x509.CertPool
	// InsecureSkipVerify accepts any certificate. Whoever sits between bridge
	// and gateway can then read passwords and GUIDs.
	InsecureSkipVerify bool
	// Hold is how long the gateway holds a poll without events; 0 means
	// DefaultHold. It is longer where a site switchover takes longer
	// (cec_07_1274).
	Hold time.Duration
	// PollTimeout ends a poll without an answer; 0 means Hold + DefaultPollMargin.
	// Must be above Hold: a poll given up may take an event with it.
	PollTimeout time.Duration
	// CallTimeout ends any other call; 0 means DefaultCallTimeout.
	CallTimeout time.Duration
	// MaxBodyBytes limits an answer; 0 means DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// MaxConnections is how many idle connections are kept for reuse; 0 means
	// DefaultMaxConnections. Should not be below the number of agents.
	MaxConnections int
	// ConnectRate is how many connections are made in a second at most, each with a TLS
	// handshake if the URL is https; 0 means DefaultConnectRate. A tenth of them may be
	// made at once.
	ConnectRate int
	// AllowLinkLocal lets the client connect to link-local addresses and to those
	// of clouds' metadata services. Without it they are refused, after the look-up
	// of the name; nothing is sent. It is about the client's own dialer, not about
	// DialContext.
	AllowLinkLocal bool
	// Proxy is a forward proxy on the way; nil means none. The proxy's address is held
	// to AllowLinkLocal as well.
	Proxy *viaproxy.Proxy
	// Heads keeps the heads of answers. nil: nobody does.
	Heads *heads.Log
	// DialContext replaces the TCP dialer, also to a proxy; nil means a net.Dialer. TLS, if the
	// URL asks for it, is laid over what it returns.
	DialContext viaproxy.Dial
	// Peer is told of each TLS handshake; an error refuses the connection. nil: nobody is.
	Peer func(tls.ConnectionState) error
	// Logger: the zero value discards.
	Logger zerolog.Logger
}

// Client holds the connections to one gateway. It is safe for concurrent use.
type Client struct {
	nodes       map[string]*Client // by their bases
	base        *url.URL
	target      string        // the path of every call begins with it
	tls         *tls.Config   // nil: none
	dialRaw     viaproxy.Dial // below TLS
	address     string        // of the gateway
	connects    *rate.Limiter
	forward     func(*http.Request) (*url.URL, error) // a proxy to be asked in plain HTTP; nil: none
	idle        atomic.Pointer[idleAnswer]
	wire        *http1.Client
	pollTimeout time.Duration
	callTimeout time.Duration
	maxBody     int64
	heads       *heads.Log
	log         zerolog.Logger
}

// New checks the options and returns a Client. It does no I/O.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.URL)
	if err != nil {
		return nil, err
	}
	hold, perSecond := cmp.Or(o.Hold, DefaultHold), cmp.Or(o.ConnectRate, DefaultConnectRate)
	c := &Client{
		base:        base,
		target:      strings.TrimSuffix("/"+strings.TrimPrefix(base.JoinPath("x").EscapedPath(), "/"), "x"),
		connects:    rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/10)),
		pollTimeout: cmp.Or(o.PollTimeout, hold+DefaultPollMargin),
		callTimeout: cmp.Or(o.CallTimeout, DefaultCallTimeout),
		maxBody:     cmp.Or(o.MaxBodyBytes, DefaultMaxBodyBytes),
		heads:       o.Heads,
		log:         o.Logger,
	}
	if hold < 0 || c.callTimeout < 0 || c.maxBody < 0 || o.MaxConnections < 0 || perSecond < 0 {
		return nil, errors.New("gateway options: a duration or limit is negative; use 0 for its default")
	}
	if c.pollTimeout <= hold {
		return nil, fmt.Errorf("gateway options: poll timeout %s must be longer than the hold of %s, or every idle poll would be broken off", c.pollTimeout, hold)
	}
	if err := c.openNodes(o); err != nil {
		return nil, err
	}
	c.open(o)
	if o.InsecureSkipVerify {
		c.log.Warn().Str("gateway", base.Host).Msg("gateway certificate is not verified")
	}
	return c, nil
}

// Close closes idle connections. Polls in flight end by themselves.
func (c *Client) Close() {
	for _, node := range c.nodes {
		node.Close()
	}
	c.wire.Close()
}

// openNodes makes a client for each node.
func (c *Client) openNodes(o Options) (err error) {
	nodes := o.Nodes
	o.Nodes, c.nodes = nil, map[string]*Client{}
	for _, base := range nodes {
		o.URL = base
		if c.nodes[plainBase(base)], err = New(o); err != nil {
			return fmt.Errorf("node of the gateway: %w", err)
		}
	}
	return nil
}

// plainBase is a base URL without what makes no difference.
func plainBase(base string) string { return strings.TrimRight(base, "/") }

func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// url.Error repeats the text, which may hold a password.
		return nil, errors.New("gateway URL can't be parsed; give https://host:8043/agentgateway/resource")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("gateway URL must begin with https://host; give https://host:8043/agentgateway/resource")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("gateway URL must not have a user, a query or a fragment; remove it")
	}
	if ascii, err := idna.Lookup.ToASCII(u.Hostname()); err == nil { // as DNS, TLS and Host want it
		u.Host = strings.Replace(u.Host, u.Hostname(), ascii, 1)
	}
	return u, nil
}
