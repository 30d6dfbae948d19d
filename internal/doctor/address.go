package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/tlsadvice"
)

// Address is a server that the bridge connects to.
type Address struct {
	About string // e.g. gateway of acme
	Key   string // of the configuration, that names it
	URL   *url.URL
	TLS   *tls.Config // nil: without
	// Dial connects to it; nil: directly. Behind a proxy the name is the proxy's to resolve.
	Dial           func(ctx context.Context, network, address string) (net.Conn, error)
	AllowLinkLocal bool   // as the setting; of a direct connection
	Authority      string // the key that names its CA, if it is not ca_file
	// Clock is set for a server that may be asked for its time with a request without
	// credentials.
	Clock bool
	Now   func() time.Time // nil: time.Now
}

// Look resolves the name, connects, shakes hands, looks at the certificate and the clock.
func (a Address) Look(ctx context.Context) (lines []Line) {
	p := patient{a.About}
	if a.Dial == nil {
		line, ok := a.resolve(ctx)
		if lines = append(lines, line); !ok {
			return lines
		}
		a.Dial = dialguard.Dialer(net.Dialer{}, a.AllowLinkLocal).DialContext
	}
	start := time.Now()
	conn, err := a.Dial(ctx, "tcp", a.hostPort())
	if err != nil {
		return append(lines, p.failure("connect", fmt.Sprintf("no connection to %s: %v", a.hostPort(), plain(err)), "correct "+a.Key+", start the server, or open the way: a firewall or a wrong port keeps it closed"))
	}
	defer conn.Close()
	lines = append(lines, p.ok("connect", fmt.Sprintf("%s answers within %s", a.hostPort(), time.Since(start).Round(time.Millisecond))))
	if a.TLS != nil {
		line, ok := a.shake(ctx, conn)
		if lines = append(lines, line...); !ok {
			return lines
		}
	}
	if a.Clock {
		lines = append(lines, a.clock(ctx))
	}
	return lines
}

// AnyOf looks at addresses of which one is enough: those that fail beside one that does not are
// warnings.
func AnyOf(all []Address) Look {
	return func(ctx context.Context) (lines []Line) {
		good := false
		for _, a := range all {
			own := a.Look(ctx)
			good = good || !slices.ContainsFunc(own, func(l Line) bool { return l.Status == Failure })
			lines = append(lines, own...)
		}
		for i := range lines {
			if good && lines[i].Status == Failure {
				lines[i].Status = Warning
			}
		}
		return lines
	}
}

// hostPort is where to connect to.
func (a Address) hostPort() string {
	port := a.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "nats": "4222", "tls": "4222", "ws": "80", "wss": "443"}[a.URL.Scheme]
	}
	return net.JoinHostPort(a.URL.Hostname(), port)
}

func (a Address) resolve(ctx context.Context) (Line, bool) {
	p, host := patient{a.About}, a.URL.Hostname()
	if net.ParseIP(host) != nil {
		return p.ok("dns", host+" is an address"), true
	}
	all, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return p.failure("dns", fmt.Sprintf("%s has no address: %v", host, plain(err)), "correct the name in "+a.Key+", or have this machine's DNS know it"), false
	}
	return p.ok("dns", fmt.Sprintf("%s is %s", host, strings.Join(all, ", "))), true
}

// shake shakes hands and looks at the certificate.
func (a Address) shake(ctx context.Context, conn net.Conn) (lines []Line, ok bool) {
	p, c := patient{a.About}, a.TLS.Clone()
	c.Time = a.now
	if c.ServerName == "" {
		c.ServerName = a.URL.Hostname()
	}
	secure := tls.Client(conn, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		cure := tlsadvice.Explain(err)
		if a.Authority != "" {
			cure = strings.ReplaceAll(cure, "ca_file", a.Authority)
		}
		if cure == "" {
			cure = "see whether the port of " + a.Key + " speaks TLS, and what stands in between"
		}
		return []Line{p.failure("tls", plain(err).Error(), cure)}, false
	}
	state := secure.ConnectionState()
	says := tls.VersionName(state.Version)
	if len(state.PeerCertificates) > 0 {
		says += ", its certificate is valid until " + state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly)
	}
	if c.InsecureSkipVerify {
		return []Line{p.warning("tls", says+", and is not checked", "name the file of its CA in ca_file, and take insecure_skip_verify away")}, true
	}
	var chain tls.Certificate
	for _, one := range state.PeerCertificates {
		chain.Certificate = append(chain.Certificate, one.Raw)
	}
	if err := tlsadvice.Expiry(chain, a.now()); err != nil {
		return []Line{p.warning("tls", err.Error(), "have it renewed by who runs the server: from then on nothing connects")}, true
	}
	return []Line{p.ok("tls", says)}, true
}

func (a Address) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// clock compares the server's clock with this machine's.
func (a Address) clock(ctx context.Context) Line {
	p := patient{a.About}
	transport := &http.Transport{TLSClientConfig: a.TLS, DialContext: a.Dial, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL.String(), nil)
	if err != nil {
		return p.warning("clock", "its time cannot be asked for: "+err.Error(), "correct "+a.Key)
	}
	sent := a.now()
	answer, err := client.Do(request)
	if err != nil {
		return p.warning("clock", "its time cannot be asked for: "+plain(err).Error(), "see whether "+a.Key+" leads to a server that speaks HTTP")
	}
	defer answer.Body.Close()
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return p.warning("clock", "it does not say what time it is", "compare the clocks of both machines, and let them be set by NTP")
	}
	return Skew(a.About, date.Sub(sent.Add(a.now().Sub(sent)/2)))
}

// How far two clocks may be apart. What the platform tolerates is not documented; signatures
// hold the time, and callbacks are taken within callbacks.window, a quarter of an hour by default.
const (
	someSkew = time.Minute
	muchSkew = 10 * time.Minute
)

// Skew judges how far another clock is ahead of this machine's.
func Skew(about string, ahead time.Duration) Line {
	p, cure := patient{about}, "have this machine's clock, or the other, set by NTP: signatures hold the time, and windows are cut by it"
	says := fmt.Sprintf("its clock is %s ahead of this machine's", ahead.Abs().Round(time.Second))
	if ahead < 0 {
		says = fmt.Sprintf("its clock is %s behind this machine's", ahead.Abs().Round(time.Second))
	}
	switch {
	case ahead.Abs() >= muchSkew:
		return p.failure("clock", says, cure)
	case ahead.Abs() >= someSkew:
		return p.warning("clock", says, cure)
	}
	return p.ok("clock", "its clock and this machine's agree")
}

// plain is an error without what was tried, which the line says.
func plain(err error) error {
	var of *net.OpError
	var request *url.Error
	switch {
	case errors.As(err, &request):
		return plain(request.Err)
	case errors.As(err, &of) && of.Err != nil:
		return of.Err
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	}
	return err
}
