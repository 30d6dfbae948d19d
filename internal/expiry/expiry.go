// Package expiry shows until when certificates are valid: those that the bridge shows, and those
// that its peers showed at the last TLS handshake with them.
//
// Of a chain the certificate that ends first counts, whichever it is. A peer is seen when there
// is a handshake, so what is shown of it is as old as that: a certificate that was renewed
// meanwhile is noticed with the next connection. Nothing is checked here, and nothing refused.
package expiry

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what a book needs.
type Options struct {
	// Own are the bridge's certificates now, by what shows them; nil ones are left out.
	Own func() map[string]*tls.Certificate
	// Hub is the TLS of the connection to NATS; false: there is none. nil: there never is.
	Hub        func() (tls.ConnectionState, bool)
	Registerer prometheus.Registerer // nil: not registered
}

// Book knows until when certificates are valid. It is safe for concurrent use.
type Book struct {
	o    Options
	desc *prometheus.Desc

	mu    sync.Mutex
	peers map[peer]time.Time
}

// peer is who showed a certificate.
type peer struct{ tenant, what string }

// New registers the metric.
func New(o Options) *Book {
	b := &Book{o: o, peers: map[peer]time.Time{}, desc: prometheus.NewDesc(
		"aicc_certificates_expiry_timestamp_seconds",
		"When the first certificate of a chain expires: those that the bridge shows (callbacks, admin, nats, nats_client; no tenant), and those that peers showed last (gateway, files; hub, which has no tenant).",
		[]string{"tenant", "what"}, nil,
	)}
	if o.Registerer != nil {
		o.Registerer.MustRegister(b)
	}
	return b
}

// Peer notes the chain of a handshake with a tenant's peer. It is for VerifyConnection of a
// [tls.Config], and has no other error than nil.
func (b *Book) Peer(tenant, what string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if end, ok := ofConnection(s); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.peers[peer{tenant, what}] = end
		}
		return nil
	}
}

// ofConnection is when what a peer showed expires: of the chains that lead to a root that is
// trusted the one that lasts longest; without any, all that was shown.
func ofConnection(s tls.ConnectionState) (end time.Time, ok bool) {
	for _, chain := range s.VerifiedChains {
		if first, any := ofChain(chain); any && first.After(end) {
			end, ok = first, true
		}
	}
	if ok {
		return end, true
	}
	return ofChain(s.PeerCertificates)
}

// ofChain is when the first of some certificates expires; false when there is none.
func ofChain(chain []*x509.Certificate) (end time.Time, ok bool) {
	for _, c := range chain {
		if !ok || c.NotAfter.Before(end) {
			end, ok = c.NotAfter, true
		}
	}
	return end, ok
}

// ofOwn is ofChain of a certificate that the bridge shows. What can't be parsed is nobody's.
func ofOwn(c *tls.Certificate) (time.Time, bool) {
	if c == nil {
		return time.Time{}, false
	}
	var chain []*x509.Certificate
	for _, der := range c.Certificate {
		if one, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, one)
		}
	}
	return ofChain(chain)
}

// Describe and Collect make it a collector.
func (b *Book) Describe(to chan<- *prometheus.Desc) { to <- b.desc }

// Collect shows all that is known now.
func (b *Book) Collect(to chan<- prometheus.Metric) {
	put := func(tenant, what string, end time.Time) {
		to <- prometheus.MustNewConstMetric(b.desc, prometheus.GaugeValue, float64(end.Unix()), tenant, what)
	}
	for what, c := range b.o.Own() {
		if end, ok := ofOwn(c); ok {
			put("", what, end)
		}
	}
	if b.o.Hub != nil {
		if s, encrypted := b.o.Hub(); encrypted {
			if end, ok := ofConnection(s); ok {
				put("", "hub", end)
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, end := range b.peers {
		put(p.tenant, p.what, end)
	}
}
