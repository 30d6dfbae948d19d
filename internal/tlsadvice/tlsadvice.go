// Package tlsadvice says what cures a TLS connection that does not come about. What
// crypto/tls says is true and names no cure: the other end's "handshake failure" is all
// that is seen of a server that offers old cipher suites only.
//
// Invariants: the advice is one sentence in the words of the configuration, ends without
// a full stop, and quotes of the server's certificate names and dates only, shortened. It
// is an addition to the error and never takes its place. The package imports the standard
// library only.
package tlsadvice

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Explain returns what to do about err, "" if that is not known. err may be any error of
// a connection or a request.
func Explain(err error) string {
	var untrusted *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &untrusted):
		return ofCertificate(untrusted.Err, untrusted.UnverifiedCertificates)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the port does not speak TLS: correct the port of the URL, or a proxy in between"
	}
	for _, a := range alerts {
		if strings.Contains(err.Error(), a.text) {
			return a.cure
		}
	}
	return ""
}

// alerts are errors that crypto/tls gives no type to.
var alerts = []struct{ text, cure string }{
	{"remote error: tls: handshake failure", oldCiphers},
	{"remote error: tls: insufficient security level", oldCiphers},
	{"tls: server chose an unconfigured cipher suite", oldCiphers},
	{"remote error: tls: protocol version not supported", oldProtocol},
	{"tls: server selected unsupported protocol version", oldProtocol},
	{"remote error: tls: unrecognized name", "the server has no certificate for this name: correct the host of the URL, or the server's"},
	{"remote error: tls: certificate required", wantsCertificate},
	{"remote error: tls: bad certificate", wantsCertificate},
	{"-bit keys are insecure", "its certificate has too short a key: have it issued again with an RSA key of 2048 bits or an elliptic one"},
	{"tls: failed to parse certificate from server", "its certificate is malformed: have it issued again"},
}

const (
	oldCiphers = "the server has no cipher suite that is accepted, perhaps only those with an RSA key exchange: " +
		"switch on TLS 1.3, or for TLS 1.2 suites with forward secrecy such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, there or in a proxy before it (or it wants a client's certificate, and the bridge has none)"
	oldProtocol      = "the server speaks older versions of TLS only: switch on TLS 1.2 or 1.3, there or in a proxy before it"
	wantsCertificate = "the server wants a client's certificate, and the bridge has none: switch that off for the bridge's address"
)

// ofCertificate explains why a server's certificate, the first of the chain that it sent,
// is refused.
func ofCertificate(err error, chain []*x509.Certificate) string {
	var (
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		noRoots x509.SystemRootsError
		weak    x509.InsecureAlgorithmError
	)
	switch {
	case errors.As(err, &host):
		return ofHost(host)
	case errors.As(err, &invalid):
		return ofValidity(invalid)
	case errors.As(err, &weak):
		return fmt.Sprintf("its certificate is signed with %s, which can be forged: have it issued again with SHA-256", x509.SignatureAlgorithm(weak))
	case errors.As(err, &noRoots):
		return "this machine has no CA certificates: install them, or name a file with them in ca_file"
	case errors.As(err, &unknown) && len(chain) > 0:
		return ofIssuer(chain)
	}
	return "its certificate is not trusted: put the certificate of its CA into ca_file"
}

func ofHost(e x509.HostnameError) string {
	kind := "DNS"
	if net.ParseIP(e.Host) != nil {
		kind = "IP"
	}
	names := slices.Clone(e.Certificate.DNSNames)
	for _, ip := range e.Certificate.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("its certificate names no host but in its CN (%s), which does not count: have it issued again with the subject alternative name %s:%s",
			short(e.Certificate.Subject.CommonName), kind, e.Host)
	}
	return fmt.Sprintf("its certificate is for %s: write that name into the URL, or have it issued again with the subject alternative name %s:%s",
		short(strings.Join(names, ", ")), kind, e.Host)
}

func ofValidity(e x509.CertificateInvalidError) string {
	switch e.Reason {
	case x509.Expired:
		const day = "2006-01-02 15:04 MST"
		if now := time.Now(); now.Before(e.Cert.NotBefore) {
			return fmt.Sprintf("its certificate (%s) is good from %s on: correct this machine's clock, or have it issued again", subject(e.Cert), e.Cert.NotBefore.UTC().Format(day))
		}
		return fmt.Sprintf("its certificate (%s) has expired on %s: have it renewed, or correct this machine's clock", subject(e.Cert), e.Cert.NotAfter.UTC().Format(day))
	case x509.IncompatibleUsage:
		return "its certificate is not made for servers: have it issued again with the extended key usage serverAuth"
	}
	return "its certificate breaks the rules of its CA: have it issued again"
}

// ofIssuer names the certificate that is missing: the one that signed the last of those
// that hang together.
func ofIssuer(chain []*x509.Certificate) string {
	last := chain[0]
	for range chain {
		i := slices.IndexFunc(chain, func(c *x509.Certificate) bool {
			return c != last && bytes.Equal(c.RawSubject, last.RawIssuer)
		})
		if i < 0 || bytes.Equal(last.RawSubject, last.RawIssuer) {
			break
		}
		last = chain[i]
	}
	switch {
	case bytes.Equal(last.RawSubject, last.RawIssuer) && last == chain[0]:
		return "its certificate is not trusted, being signed by itself: put it into ca_file"
	case bytes.Equal(last.RawSubject, last.RawIssuer):
		return fmt.Sprintf("its certificate is not trusted: put that of the CA that it ends with, %s, into ca_file", subject(last))
	case last == chain[0]:
		return fmt.Sprintf("its certificate is not trusted: put that of %s, which signed it, into ca_file; if that is an intermediate, the server does not send it and should", issuer(last))
	}
	return fmt.Sprintf("its certificate is not trusted: put that of %s, which signed the last one that the server sends, into ca_file", issuer(last))
}

func subject(c *x509.Certificate) string { return short(c.Subject.String()) }
func issuer(c *x509.Certificate) string  { return short(c.Issuer.String()) }

// short makes what a stranger wrote fit for a line.
func short(text string) string { return fmt.Sprintf("%.80q", text) }
