package expiry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Now().Truncate(time.Second)

// chain is a certificate for 127.0.0.1, valid for so long, with that of its authority.
func chain(t *testing.T, leaf, root time.Duration) (c tls.Certificate, roots *x509.CertPool) {
	t.Helper()
	make := func(serial int64, valid time.Duration, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(valid), DNSNames: []string{"example.com"},
			IsCA: parent == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		if parent == nil {
			parent, by = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made, key
	}
	authority, key := make(1, root, nil, nil)
	own, ownKey := make(2, leaf, authority, key)
	roots = x509.NewCertPool()
	roots.AddCert(authority)
	return tls.Certificate{Certificate: [][]byte{own.Raw, authority.Raw}, PrivateKey: ownKey}, roots
}

const name = "aicc_certificates_expiry_timestamp_seconds"

// shows compares what a book shows, which is in the order of tenants and names.
func shows(t *testing.T, b *Book, want ...string) {
	t.Helper()
	text := "# HELP " + name + " " + help(b) + "\n# TYPE " + name + " gauge\n" + strings.Join(want, "\n") + "\n"
	if len(want) == 0 {
		text = ""
	}
	if err := testutil.CollectAndCompare(b, strings.NewReader(text), name); err != nil {
		t.Error(err)
	}
}

func help(b *Book) string {
	_, rest, _ := strings.Cut(b.desc.String(), `help: "`)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

func line(tenant, what string, end time.Time) string {
	return fmt.Sprintf("%s{tenant=%q,what=%q} %v", name, tenant, what, float64(end.Unix()))
}

// TestOwn: of a chain the first end counts, and what is not there is not shown.
func TestOwn(t *testing.T) {
	long, _ := chain(t, 48*time.Hour, 24*time.Hour)
	own := map[string]*tls.Certificate{"callbacks": &long, "admin": nil, "nats": {Certificate: [][]byte{{1, 2}}}}
	b := New(Options{Own: func() map[string]*tls.Certificate { return own }, Registerer: prometheus.NewRegistry()})
	shows(t, b, line("", "callbacks", now.Add(24*time.Hour)))
	delete(own, "callbacks")
	shows(t, b)
}

// TestPeers: what a peer shows in a handshake is noted, whether it is trusted or not, and a renewed
// one takes its place.
func TestPeers(t *testing.T) {
	hub := tls.ConnectionState{}
	encrypted := false
	b := New(Options{Own: func() map[string]*tls.Certificate { return nil }, Hub: func() (tls.ConnectionState, bool) { return hub, encrypted }})
	connect := func(what string, leaf, root time.Duration, insecure bool) {
		t.Helper()
		c, roots := chain(t, leaf, root)
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
		s.StartTLS()
		defer s.Close()
		config := &tls.Config{RootCAs: roots, ServerName: "example.com", VerifyConnection: b.Peer("acme", what)}
		if insecure {
			config.RootCAs, config.InsecureSkipVerify = nil, true
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		defer client.CloseIdleConnections()
		answer, err := client.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	shows(t, b)
	connect("gateway", time.Hour, 24*time.Hour, false)
	connect("files", 24*time.Hour, time.Hour, true)
	shows(t, b, line("acme", "files", now.Add(time.Hour)), line("acme", "gateway", now.Add(time.Hour)))
	connect("gateway", 48*time.Hour, 96*time.Hour, false)
	shows(t, b, line("acme", "files", now.Add(time.Hour)), line("acme", "gateway", now.Add(48*time.Hour)))

	short, long := &x509.Certificate{NotAfter: now.Add(time.Hour)}, &x509.Certificate{NotAfter: now.Add(time.Minute * 90)}
	hub.PeerCertificates, hub.VerifiedChains = []*x509.Certificate{long, short}, [][]*x509.Certificate{{long}, {long, short}}
	encrypted = true
	shows(t, b, line("", "hub", now.Add(90*time.Minute)), line("acme", "files", now.Add(time.Hour)), line("acme", "gateway", now.Add(48*time.Hour)))
}
