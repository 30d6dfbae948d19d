package ccfs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aiccbridge/internal/dialguard"
)

// An address at which the machine would answer to itself is refused before
// anything is sent, and the error says what to do.
func TestLinkLocalIsRefused(t *testing.T) {
	for _, url := range []string{"https://169.254.169.254/x", "https://[::ffff:169.254.169.254]/x", "https://[fd00:ec2::254]/x", "http://169.254.0.1:80/x"} {
		c, err := New(Options{URL: url, Key: testKey, AllowHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		e := asError(t, query(t, c))
		var refused *dialguard.Error
		if e.Class != Again || e.Status != 0 || !errors.As(e, &refused) || !strings.Contains(e.Error(), "allow_link_local: true") {
			t.Errorf("%s: %+v", url, e)
		}
		c.Close()
	}
}

// The download follows no redirect either: the file comes from the configured host.
func TestDownloadFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := newPlatform(t, nil)
		p.handle = func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+testHost+testBase+"other", status)
		}
		got, err := download(t, p.client())
		if e := asError(t, err); e.Status != status || len(got) != 0 || p.calls() != 1 {
			t.Errorf("%d: %d bytes, %d calls, %+v", status, len(got), p.calls(), e)
		}
	}
}

// TestHostileCertificates: what a server says about itself must hold, or it gets
// no signed request.
func TestHostileCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request came through")
	}))
	s.Config.ErrorLog = discardLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	old := httptest.NewUnstartedServer(s.Config.Handler)
	old.Config.ErrorLog = discardLog()
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	t.Cleanup(old.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for name, o := range map[string]Options{
		"unknown CA": {URL: s.URL, RootCAs: x509.NewCertPool()},
		"wrong name": {URL: strings.Replace(s.URL, "127.0.0.1", "localhost", 1), RootCAs: pool},
		"TLS 1.1":    {URL: old.URL, InsecureSkipVerify: true},
	} {
		o.Key = testKey
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if e := asError(t, query(t, c)); e.Class != Again || e.Status != 0 {
			t.Errorf("%s: %+v", name, e)
		}
		c.Close()
	}
}
