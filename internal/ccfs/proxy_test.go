package ccfs

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"aiccbridge/internal/proxytest"
	"aiccbridge/internal/viaproxy"
)

// TestThroughAProxy: requests and files come through a tunnel with the Host that is signed;
// without one nothing is sent, and the error names the proxy and the key to look at.
func TestThroughAProxy(t *testing.T) {
	body := aZIP(t, 64<<10)
	p := newPlatform(t, reply(200, asBytes, string(body)))
	company, err := proxytest.Listen(proxytest.Options{Credentials: "u:hunter2", Hosts: map[string]string{testHost: p.server.Listener.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(company.Close)
	client := func(credentials string) *Client {
		return p.client(func(o *Options) {
			o.DialContext = nil
			o.Proxy = &viaproxy.Proxy{URL: &url.URL{Scheme: "http", Host: company.Addr()}, Credentials: credentials}
		})
	}
	if got, err := download(t, client("u:hunter2")); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d of %d bytes, %v", len(got), len(body), err)
	}
	if asked := company.Asked(); len(asked) != 1 || asked[0] != "CONNECT "+testHost {
		t.Errorf("asked %q", asked)
	}
	calls := p.calls()
	e := asError(t, query(t, client("u:other")))
	if e.Class != Again || e.Status != 0 || !strings.Contains(e.Error(), "407") || !strings.Contains(e.Error(), "proxy_credentials_file") || strings.Contains(e.Error(), "hunter2") || p.calls() != calls {
		t.Errorf("%v", e)
	}
	company.Stop()
	e = asError(t, query(t, client("u:hunter2")))
	if e.Class != Again || !strings.Contains(e.Error(), "look at proxy_url") || p.calls() != calls {
		t.Errorf("%v", e)
	}
}

// TestAProxyThatAnswersItself: of plain HTTP it may be the proxy's page that comes back.
func TestAProxyThatAnswersItself(t *testing.T) {
	p := newPlatform(t, reply(407, "text/html", "<html>"))
	if e := asError(t, query(t, p.client())); e.Class != Firewall || e.RetryAfter == 0 || !strings.Contains(e.Error(), "proxy_credentials_file") {
		t.Errorf("%+v", e)
	}
}
