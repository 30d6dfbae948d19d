// Package outward has the HTTP client with which the simulated platform calls others:
// callbacks about files, and pushes of events. It imports nothing of ours.
package outward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// Options of a client. The zero value trusts what the system trusts, has no time limit
// and dials the network.
type Options struct {
	Roots    *x509.CertPool
	TrustAll bool // any certificate will do, as with the platform's own switches
	Timeout  time.Duration
	// Dial replaces the network; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// New returns a client that speaks HTTP/1.1, has a connection of its own for each
// request and follows no redirect.
func New(o Options) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:       o.Dial,
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: o.Roots, InsecureSkipVerify: o.TrustAll, MinVersion: tls.VersionTLS12},
			TLSNextProto:      map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
