package tlsadvice

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"
)

// certificateOf is a certificate without its key.
func certificateOf(t *testing.T, from, to time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"bridge.example"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestExpiry(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	good := certificateOf(t, now.Add(-day), now.Add(90*day))
	for name, c := range map[string]struct {
		chain [][]byte
		want  string // "": nothing
	}{
		"long valid":          {[][]byte{good}, ""},
		"fifteen days":        {[][]byte{certificateOf(t, now.Add(-day), now.Add(15*day))}, ""},
		"fourteen days":       {[][]byte{certificateOf(t, now.Add(-day), now.Add(14*day))}, "expires on 2027-03-15"},
		"an hour":             {[][]byte{certificateOf(t, now.Add(-day), now.Add(time.Hour))}, "expires on 2027-03-01"},
		"a second ago":        {[][]byte{certificateOf(t, now.Add(-day), now.Add(-time.Second))}, "expired on 2027-03-01"},
		"years ago":           {[][]byte{certificateOf(t, now.Add(-2000*day), now.Add(-1000*day))}, "expired on 2024-06-04"},
		"intermediate, soon":  {[][]byte{good, certificateOf(t, now.Add(-day), now.Add(2*day))}, "expires on 2027-03-03"},
		"intermediate, ended": {[][]byte{certificateOf(t, now.Add(-day), now.Add(2*day)), certificateOf(t, now.Add(-9*day), now.Add(-day))}, "expired on 2027-02-28"},
		"not yet":             {[][]byte{certificateOf(t, now.Add(time.Hour), now.Add(90*day))}, "valid from 2027-03-01 13:00:00"},
	} {
		err := Expiry(tls.Certificate{Certificate: c.chain}, now)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
