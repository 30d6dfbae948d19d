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

	"aiccbridge/internal/tlsadvice"
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

// Look calls the address and sees whether the call comes in here. What the platform sends
// meanwhile it is told to send again.
func (c Callback) Look(ctx context.Context) (lines []Line) {
	p, word := patient{aboutCallbacks}, ""
	if c.Listen != "" {
		word = rand.Text()
		end, err := c.answer(word)
		if err != nil {
			return []Line{p.failure("listen", fmt.Sprintf("nothing can listen on %s: %v", c.Listen, plain(err)), "stop what is listening there, or choose another address in listen.callbacks")}
		}
		defer end()
	}
	said, chain, err := c.call(ctx)
	if lines = append(lines, c.reached(said, word, err)); c.URL.Scheme == "https" && len(chain) > 0 {
		lines = append(lines, c.trust(chain))
	}
	return lines
}

// unseen is what to do where this machine cannot tell.
const unseen = "try `curl -k` from the platform's network: any answer of the bridge is good. Otherwise correct callbacks.public_url, " +
	"open the way to listen.callbacks, and have what stands before it pass calls on, path and headers as they came"

// reached judges what answered. What does not answer from here may answer the platform.
func (c Callback) reached(said, word string, err error) Line {
	p, at := patient{aboutCallbacks}, c.URL.Redacted()
	switch {
	case err != nil:
		return p.warning("reached", fmt.Sprintf("no way from this machine to %s: %v", at, plain(err)), unseen)
	case word != "" && strings.Contains(said, word):
		return p.ok("reached", at+" leads here")
	case strings.Contains(said, `"resultDesc":"unknown_path"`):
		return p.failure("reached", at+" is answered by a bridge that does not know the path", "have what stands before it pass the path on as it came, or write into callbacks.public_url what comes in")
	case strings.Contains(said, `"resultDesc":"forbidden"`):
		return p.ok("reached", at+" leads to a bridge, which does not let this machine call: callbacks.allow")
	case strings.Contains(said, `"resultCode":"1","resultDesc":"`):
		return p.ok("reached", at+" leads to a bridge")
	}
	return p.warning("reached", at+" is answered by something else than a bridge: "+short(said), unseen)
}

// answer listens as a bridge would until end is called: whoever asks for the address gets a word,
// calls of the platform are not taken.
func (c Callback) answer(word string) (end func(), err error) {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, err
	}
	if c.Certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*c.Certificate}, MinVersion: tls.VersionTLS12})
	}
	server := &http.Server{Handler: c.standIn(word), ReadTimeout: 10 * time.Second}
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

// standIn answers as long as no bridge does.
func (c Callback) standIn(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := "/" + strings.Trim(c.URL.Path, "/")
		switch tail := "/" + strings.Trim(r.URL.Path, "/"); {
		case r.Method != http.MethodGet:
			http.Error(w, "no bridge runs here", http.StatusServiceUnavailable) // the platform repeats it
		case strings.HasSuffix(own, tail) || tail == "/":
			_, _ = io.WriteString(w, word)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"resultCode":"1","resultDesc":"unknown_path"}`)
		}
	})
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
	var all tls.Certificate
	for _, one := range chain {
		all.Certificate = append(all.Certificate, one.Raw)
	}
	ends := tlsadvice.Expiry(all, time.Now())
	switch {
	case ends != nil && chain[0].NotAfter.Before(time.Now()):
		return p.failure("certificate", ends.Error(), "renew it where it is: callbacks.certificate_file, or what stands before the bridge")
	case ends != nil:
		return p.warning("certificate", ends.Error(), "renew it where it is: callbacks.certificate_file, or what stands before the bridge")
	case err == nil:
		return p.ok("certificate", "it is signed by a public authority, and valid until "+chain[0].NotAfter.UTC().Format(time.DateOnly))
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
