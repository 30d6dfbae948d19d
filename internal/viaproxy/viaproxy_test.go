package viaproxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/proxytest"
	"aiccbridge/internal/viaproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// company opens a proxy.
func company(t *testing.T, o proxytest.Options) *proxytest.Proxy {
	t.Helper()
	p, err := proxytest.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// server is one that tells what it was asked.
func server(t *testing.T, secure bool) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.RequestURI+" of "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	pool := x509.NewCertPool()
	if secure {
		s.StartTLS()
		pool.AddCert(s.Certificate())
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, pool
}

// get asks a server by way of a proxy.
func get(t *testing.T, p *viaproxy.Proxy, server string, trusted *x509.CertPool) (string, error) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	transport.DialContext = p.Use(transport, u.Scheme, dialguard.Dialer(net.Dialer{}, false).DialContext, false)
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server, nil)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme == "https" { // a proxy for plain HTTP goes by it
		request.Host = "known.example.com:8043"
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func at(t *testing.T, scheme, address, credentials string) *viaproxy.Proxy {
	t.Helper()
	return &viaproxy.Proxy{URL: &url.URL{Scheme: scheme, Host: address}, Credentials: credentials}
}

// TestThrough: servers of both schemes are reached by proxies of both, with their Host as
// it was and without what is the proxy's. The environment's proxies are not asked.
func TestThrough(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	t.Setenv("NO_PROXY", "*")
	lender, roots := server(t, true) // of a certificate for 127.0.0.1
	for _, secure := range []bool{false, true} {
		s, pool := server(t, secure)
		for _, scheme := range []string{"http", "https"} {
			o := proxytest.Options{Credentials: "us er:p:ä"}
			if scheme == "https" {
				o.TLS = &tls.Config{Certificates: lender.TLS.Certificates}
			}
			c := company(t, o)
			p := at(t, scheme, c.Addr(), o.Credentials)
			p.RootCAs = roots
			got, err := get(t, p, s.URL+"/a/b", pool)
			host := "known.example.com:8043"
			if !secure {
				host = s.Listener.Addr().String()
			}
			if err != nil || got != "GET /a/b of "+host+" " {
				t.Errorf("by %s to %s: %q, %v", scheme, s.URL, got, err)
			}
			want := "CONNECT " + s.Listener.Addr().String()
			if !secure {
				want = "GET " + s.URL + "/a/b"
			}
			if asked := c.Asked(); len(asked) != 1 || asked[0] != want {
				t.Errorf("asked %q, want %q", asked, want)
			}
		}
	}
	if got, err := get(t, nil, lender.URL+"/x", roots); err != nil || !strings.HasPrefix(got, "GET /x of") {
		t.Errorf("without a proxy: %q, %v", got, err)
	}
}

// TestRefusals: each names the proxy and what to do, and no secret.
func TestRefusals(t *testing.T) {
	s, pool := server(t, true)
	for name, c := range map[string]struct {
		o           proxytest.Options
		refuse      int
		credentials string
		want        string
	}{
		"no credentials":    {proxytest.Options{Credentials: "u:hunter2"}, 0, "", "refused with status 407 Proxy Authentication Required; name a file with user:password in proxy_credentials_file"},
		"wrong credentials": {proxytest.Options{Credentials: "u:hunter2"}, 0, "u:hunter3", "407 Proxy Authentication Required; correct user and password in proxy_credentials_file"},
		"not Basic":         {proxytest.Options{Credentials: "u:hunter2", Offers: "Negotiate"}, 0, "u:hunter3", "take Basic authentication"},
		"403":               {proxytest.Options{}, 403, "", "status 403 Forbidden; have this host and port allowed in the proxy's rules"},
		"405":               {proxytest.Options{}, 405, "", "have this host and port allowed"},
		"502":               {proxytest.Options{}, 502, "", "502 Bad Gateway; the proxy does not reach the server: look at the host and port of url"},
		"503":               {proxytest.Options{}, 503, "", "the proxy does not reach the server"},
		"504":               {proxytest.Options{}, 504, "", "the proxy does not reach the server"},
		"500":               {proxytest.Options{}, 500, "", "look at proxy_url, and at the proxy"},
		"302":               {proxytest.Options{}, 302, "", "look at proxy_url"},
	} {
		company := company(t, c.o)
		company.Refuse(c.refuse)
		_, err := get(t, at(t, "http", company.Addr(), c.credentials), s.URL, pool)
		var failed *viaproxy.Error
		var refused *viaproxy.Refused
		if !errors.As(err, &failed) || !errors.As(err, &refused) || failed.Proxy != "http://"+company.Addr() || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "proxy http://"+company.Addr()+": CONNECT "+s.Listener.Addr().String()) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "says no")) {
			t.Errorf("%s: %v repeats too much", name, err)
		}
	}
}

// raw answers whoever connects with these bytes and closes.
func raw(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for in := bufio.NewScanner(c); in.Scan() && in.Text() != ""; {
				continue
			}
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// TestNoProxyThere: what is at the address is no proxy, or nobody, or one that says nothing.
func TestNoProxyThere(t *testing.T) {
	s, pool := server(t, true)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	lender, _ := server(t, true)
	secure := company(t, proxytest.Options{TLS: &tls.Config{Certificates: lender.TLS.Certificates}})
	for name, c := range map[string]struct{ scheme, address, want string }{
		"nobody":       {"http", free.Addr().String(), "connection refused; look at proxy_url, and whether the proxy runs"},
		"TLS":          {"http", raw(t, "\x15\x03\x01\x00\x02\x02\x0a"), "the answer is not HTTP; write https:// in proxy_url: it answers in TLS"},
		"SSH":          {"http", raw(t, "SSH-2.0-x\r\n\r\n"), "the answer is not HTTP; look at proxy_url: this is no HTTP proxy"},
		"closes":       {"http", raw(t, ""), "EOF; look at proxy_url, and at the proxy"},
		"says more":    {"http", raw(t, "HTTP/1.1 200 OK\r\n\r\nhello"), "it sent more than the answer"},
		"endless head": {"http", raw(t, "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 20_000)), "look at proxy_url"},
		"no TLS":       {"https", company(t, proxytest.Options{}).Addr(), "does not speak TLS"},
		"unknown CA":   {"https", secure.Addr(), "into proxy_ca_file"},
	} {
		_, err := get(t, at(t, c.scheme, c.address, "u:hunter2"), s.URL, pool)
		var failed *viaproxy.Error
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.scheme+"://"+c.address) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStalled: a proxy that says nothing ends the try when its time is over.
func TestStalled(t *testing.T) {
	c := company(t, proxytest.Options{})
	c.Stall(true)
	p := at(t, "http", c.Addr(), "")
	dial := p.Use(&http.Transport{}, "https", (&net.Dialer{}).DialContext, false)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := dial(ctx, "tcp", "server.example.com:443")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer to CONNECT server.example.com:443") {
		t.Error(err)
	}
}

// TestLinkLocal: neither the proxy nor the server behind it may be at such an address.
func TestLinkLocal(t *testing.T) {
	c := company(t, proxytest.Options{})
	good := at(t, "http", c.Addr(), "")
	for _, server := range []string{"https://169.254.169.254/x", "http://169.254.169.254/x", "https://[fd00:ec2::254]:8043/"} {
		var refused *dialguard.Error
		if _, err := get(t, good, server, nil); !errors.As(err, &refused) {
			t.Errorf("%s: %v", server, err)
		}
	}
	var refused *dialguard.Error
	if _, err := get(t, at(t, "http", "169.254.169.254:3128", ""), "https://192.0.2.1/", nil); !errors.As(err, &refused) {
		t.Errorf("the proxy itself: %v", err)
	}
	if asked := c.Asked(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
}
