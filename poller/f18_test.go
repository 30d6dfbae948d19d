package poller

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// certificate is one for a name, signed by itself.
func certificate(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// F18: of a poll that certainly was not sent nothing is lost, and no gap may say so.
func TestF18NotSentIsNoGap(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	cases := map[string]struct {
		fail  error         // of the dial
		name  string        // in the certificate
		until time.Duration // from now
		trust bool
		says  string
	}{
		"no such name": {fail: &net.DNSError{Err: "no such host", Name: "gateway.test", IsNotFound: true}, says: "no such host"},
		"refused":      {fail: refused, says: "connection refused"},
		"IPv6 only":    {fail: &net.OpError{Op: "dial", Net: "tcp6", Err: syscall.ENETUNREACH}, says: "network is unreachable"},
		"expired":      {name: "gateway.test", until: -time.Hour, trust: true, says: "expired"},
		"wrong name":   {name: "elsewhere.test", until: time.Hour, trust: true, says: "not gateway.test"},
		"unknown CA":   {name: "gateway.test", until: time.Hour, says: "unknown authority"},
	}
	gaps := 0
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				good := certificate(t, "gateway.test", time.Now().Add(24*time.Hour))
				shown, trusted := &atomic.Pointer[tls.Certificate]{}, x509.NewCertPool()
				trusted.AddCert(good.Leaf)
				shown.Store(&good)
				if c.name != "" {
					bad := certificate(t, c.name, time.Now().Add(c.until))
					shown.Store(&bad)
					if c.trust {
						trusted.AddCert(bad.Leaf)
					}
				}
				network := newPipes()
				network.setFail(c.fail)
				listener := tls.NewListener(network, &tls.Config{
					GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil },
				})
				polls := &platform{answer: func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(10 * time.Second):
					case <-r.Context().Done():
					}
					withBody(`{"message":"","retcode":"0"}`)(w, r)
				}}
				end := s.against(t, polls, network, listener, ccgateway.Options{URL: "https://gateway.test", RootCAs: trusted})
				s.hand("291", "4f3c1d9e.AgentGateway0")
				p := s.start(session.Agent{ID: "291"})
				pass(30 * time.Second) // a few tries
				if len(polls.began) != 0 {
					t.Errorf("%d polls were sent", len(polls.began))
				}
				network.setFail(nil)
				shown.Store(&good)
				pass(time.Minute)
				p.end()
				end()
				if len(polls.began) < 3 || strings.Count(s.logs.String(), "poll failed; trying again") != 1 || !strings.Contains(s.logs.String(), c.says) {
					t.Errorf("%d polls afterwards; logged: %s", len(polls.began), s.logs.String())
				}
				found := len(bodies[schemas.Gap](s, schemas.TypeGap))
				if gaps += found; found > 0 || len(s.statuses()) != 1 {
					t.Errorf("stored: %v", s.stored())
				}
			})
		})
	}
	if !errors.Is(refused, syscall.ECONNREFUSED) {
		t.Error("the refused dial is none")
	}
	t.Attr("figure", fmt.Sprintf("%d false gaps in %d ways", gaps, len(cases)))
	t.Attr("tries", fmt.Sprint(len(cases)))
	t.Attr("gaps", fmt.Sprintf("0/%d", gaps))
}
