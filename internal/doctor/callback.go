package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Callback is the address that the platform is told to call.
type Callback struct {
	URL *url.URL
	// Listen is where a bridge would listen. While one does it is empty: the bridge itself
	// answers then.
	Listen      string
	Certificate *tls.Certificate // of the listener; nil: plain HTTP
}

// about is what lines of callbacks are about.
const aboutCallbacks = "callbacks"

// Look calls the address and sees whether the call comes in here.
func (c Callback) Look(ctx context.Context) (lines []Line) {
	p, expect := patient{aboutCallbacks}, `"resultDesc":"method_not_allowed"`
	if c.Listen != "" {
		expect = rand.Text()
		end, err := c.answer(expect)
		if err != nil {
			return []Line{p.failure("listen", fmt.Sprintf("nothing can listen on %s: %v", c.Listen, plain(err)), "stop what is listening there, or choose another address in listen.callbacks")}
		}
		defer end()
	}
	said, chain, err := c.call(ctx)
	switch {
	case err != nil:
		lines = append(lines, p.failure("reached", fmt.Sprintf("no way from this machine to %s: %v", c.URL.Redacted(), plain(err)),
			"open the way from the platform to listen.callbacks, or correct callbacks.public_url; where this machine itself cannot use the outer address, try `curl -k` from another network: any answer of the bridge is good"))
	case !strings.Contains(said, expect):
		lines = append(lines, p.failure("reached", c.URL.Redacted()+" is answered by something else than the bridge: "+short(said), "have what answers there (an ingress, a proxy) pass calls on to listen.callbacks, path and headers as they came"))
	default:
		lines = append(lines, p.ok("reached", c.URL.Redacted()+" leads here"))
	}
	if c.URL.Scheme == "https" && len(chain) > 0 {
		lines = append(lines, c.trust(chain))
	}
	return lines
}

// answer listens as a bridge would, and answers everything with a word, until end is called.
func (c Callback) answer(word string) (end func(), err error) {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, err
	}
	if c.Certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*c.Certificate}, MinVersion: tls.VersionTLS12})
	}
	server := &http.Server{
		Handler:     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, word) }),
		ReadTimeout: 10 * time.Second,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends with the look
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

// call calls the address, whatever its certificate, and returns what came and the chain.
func (c Callback) call(ctx context.Context) (said string, chain []*x509.Certificate, err error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // the chain is looked at apart
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL.String(), nil)
	if err != nil {
		return "", nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if answer.TLS != nil {
		chain = answer.TLS.PeerCertificates
	}
	return fmt.Sprintf("HTTP %d %s", answer.StatusCode, body), chain, err
}

// trust says whether the platform trusts the certificate by itself. One that it has to be told
// of is no fault: most platforms are, and it cannot be seen from here.
func (c Callback) trust(chain []*x509.Certificate) Line {
	p, between := patient{aboutCallbacks}, x509.NewCertPool()
	for _, one := range chain[1:] {
		between.AddCert(one)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: c.URL.Hostname(), Intermediates: between})
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return p.ok("certificate", "it is signed by a public authority, and valid until "+chain[0].NotAfter.UTC().Format(time.DateOnly))
	case errors.As(err, &invalid):
		return p.failure("certificate", plain(err).Error(), "renew it, and name the new file in callbacks.certificate_file")
	case errors.As(err, &host):
		return p.warning("certificate", plain(err).Error(), "have one issued for the host of callbacks.public_url")
	}
	return p.ok("certificate", "it is signed by no public authority: the platform's operator imports its CA into CC-FS's truststore "+
		"(keytool -importcert -alias bridge -file ca.crt -keystore truststore.jks), restarts CC-FS, and again when the CA changes")
}

// short is a text of foreign origin that fits a line.
func short(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return text
}
