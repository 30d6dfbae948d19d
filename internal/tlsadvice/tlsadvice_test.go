package tlsadvice

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// authority is a certificate with its key, and those above it.
type authority struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	chain [][]byte // its own first
}

// issue makes a certificate; by nil signs itself.
func issue(t *testing.T, name string, by *authority, edit func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	edit(template)
	own := &authority{key: key}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err == nil {
		own.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	own.chain = [][]byte{der}
	if by != nil {
		own.chain = append(own.chain, by.chain...)
	}
	return own
}

func ca(c *x509.Certificate)   { c.IsCA = true }
func site(c *x509.Certificate) { c.DNSNames = []string{"gw.example.com"} }

func (a *authority) config(length int) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: a.chain[:length], PrivateKey: a.key}}}
}

// get asks a server with this configuration for gw.example.com, trusting root alone.
func get(t *testing.T, config *tls.Config, root *x509.Certificate, host string) error {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = config
	if config == nil {
		s.Start()
	} else {
		s.StartTLS()
	}
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(root)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		},
	}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("https://" + host + ":8043/")
	if err == nil {
		response.Body.Close()
	}
	return err
}

// rsaOnly is a server of old: TLS 1.2, and no key exchange but RSA.
func rsaOnly(t *testing.T, root *authority) *tls.Config {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"gw.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, root.cert, &key.PublicKey, root.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MaxVersion:   tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA},
	}
}

func TestExplain(t *testing.T) {
	root := issue(t, "the root", nil, ca)
	middle := issue(t, "the middle", root, ca)
	good := issue(t, "gw", middle, site)
	with := func(edit func(*x509.Certificate)) *tls.Config {
		return issue(t, "gw.example.com", middle, func(c *x509.Certificate) { site(c); edit(c) }).config(2)
	}
	for name, test := range map[string]struct {
		config *tls.Config
		root   *authority
		host   string
		want   []string // none: it connects
	}{
		"good":                   {good.config(2), root, "", nil},
		"RSA key exchange":       {rsaOnly(t, root), root, "", []string{"RSA key exchange", "TLS_ECDHE_RSA"}},
		"TLS 1.1":                {&tls.Config{Certificates: good.config(2).Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, root, "", []string{"switch on TLS 1.2"}},
		"no TLS":                 {nil, root, "", []string{"does not speak TLS"}},
		"a client's certificate": {&tls.Config{Certificates: good.config(2).Certificates, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, root, "", []string{"client's certificate"}},
		"a client's, TLS 1.3":    {&tls.Config{Certificates: good.config(2).Certificates, ClientAuth: tls.RequireAnyClientCert}, root, "", []string{"client's certificate"}},
		"CN only":                {with(func(c *x509.Certificate) { c.DNSNames = nil }), root, "", []string{"in its CN", "DNS:gw.example.com"}},
		"CN only, an address":    {with(func(c *x509.Certificate) { c.DNSNames = nil }), root, "192.0.2.7", []string{"in its CN", "IP:192.0.2.7"}},
		"another host":           {good.config(2), root, "other.example.com", []string{"is for \"gw.example.com\"", "DNS:other.example.com"}},
		"an address":             {good.config(2), root, "192.0.2.7", []string{"is for \"gw.example.com\"", "IP:192.0.2.7"}},
		"expired":                {with(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(1e9, 0) }), root, "", []string{"expired on 2001-09-09", "renewed"}},
		"of the future":          {with(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), root, "", []string{"is good from", "clock"}},
		"for clients":            {with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), root, "", []string{"serverAuth"}},
		"no intermediate":        {good.config(1), root, "", []string{"is not trusted", "the middle", "ca_file", "intermediate"}},
		"another root":           {good.config(3), issue(t, "another", nil, ca), "", []string{"is not trusted", "the root", "ca_file"}},
		"another root, not sent": {good.config(2), issue(t, "another", nil, ca), "", []string{"is not trusted", "the root", "ca_file"}},
		"signed by itself":       {issue(t, "gw", nil, site).config(1), root, "", []string{"signed by itself", "ca_file"}},
	} {
		host := test.host
		if host == "" {
			host = "gw.example.com"
		}
		err := get(t, test.config, test.root.cert, host)
		got := Explain(err)
		if (got == "") != (len(test.want) == 0) || (err == nil) != (len(test.want) == 0) {
			t.Errorf("%s: %q for %v", name, got, err)
		}
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q does not say %s; %v", name, got, want, err)
			}
		}
		if again := Explain(fmt.Errorf("sign in agent 101: %w", err)); err != nil && again != got {
			t.Errorf("%s: wrapped it says %q", name, again)
		}
		if strings.ContainsAny(got, "\n\r") || len(got) > 400 {
			t.Errorf("%s: not fit for a line: %q", name, got)
		}
	}
}

func TestExplainOthers(t *testing.T) {
	for _, err := range []error{nil, io.EOF, errors.New("dial tcp: connection refused"), context.Canceled, &net.DNSError{}} {
		if got := Explain(err); got != "" {
			t.Errorf("%v: %q", err, got)
		}
	}
	long := &x509.Certificate{Subject: pkix.Name{CommonName: strings.Repeat("x", 1000) + "\n"}}
	if got := Explain(&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: long, Host: "h"}}); len(got) > 300 || strings.Contains(got, "\n") {
		t.Errorf("%q", got)
	}
	for _, err := range []error{x509.SystemRootsError{}, x509.InsecureAlgorithmError(x509.SHA1WithRSA), x509.UnknownAuthorityError{}, errors.New("whatever")} {
		if got := Explain(&tls.CertificateVerificationError{Err: err}); got == "" {
			t.Errorf("%T: nothing", err)
		}
	}
}
