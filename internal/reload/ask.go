package reload

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"aiccbridge/config"
)

const (
	askLimit       = 30 * time.Second
	maxAnswerBytes = 4 << 20
)

// errOtherCertificate is why a bridge is not believed to be ours.
var errOtherCertificate = errors.New("another certificate than that of admin_certificate_file is shown; one that was renewed is taken within seconds, then try again")

// Ask has the bridge of a configuration reload, and returns what it answers; one that refused
// says so in [Answer.Error]. The error is a sentence that says what to do.
func Ask(ctx context.Context, l config.Listen) (a Answer, err error) {
	if l.Admin == "" {
		return a, errors.New("listen.admin is off, so the bridge takes no requests; send it SIGHUP, as in: kill -HUP PID; its log says what came of it")
	}
	scheme, transport := "http", &http.Transport{}
	defer transport.CloseIdleConnections()
	if own := l.AdminCertificate; own != nil {
		scheme = "https"
		// Its name and its authority are for those who come from elsewhere. We know it itself.
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			if !s.PeerCertificates[0].Equal(own.Leaf) {
				return errOtherCertificate
			}
			return nil
		}}
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://"+reachable(l.Admin)+Path, http.NoBody)
	if err != nil {
		return a, fmt.Errorf("ask the bridge: %w", err)
	}
	if token := l.AdminToken.Reveal(); token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Client{Transport: transport}).Do(q)
	if errors.Is(err, context.DeadlineExceeded) {
		return a, fmt.Errorf("the bridge has not answered within %s; its log says what comes of it", askLimit)
	}
	if err != nil {
		return a, fmt.Errorf("no bridge answers at listen.admin: %w; does it run, and with this listen.admin? Otherwise send it SIGHUP", err)
	}
	defer answer.Body.Close()
	return read(answer)
}

// read reads what a bridge answers.
func read(answer *http.Response) (a Answer, err error) {
	switch answer.StatusCode {
	case http.StatusOK, http.StatusConflict, http.StatusUnprocessableEntity:
	case http.StatusUnauthorized:
		return a, errors.New("the bridge wants another token than that of listen.admin_token_file; one that was renewed is taken within seconds, then try again")
	default:
		return a, fmt.Errorf("what answers at listen.admin knows nothing of it (status %d); is it a bridge, and of this version?", answer.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswerBytes)).Decode(&a); err != nil {
		return a, fmt.Errorf("read the bridge's answer: %w", err)
	}
	return a, nil
}

// reachable is where a listener can be called on this machine.
func reachable(listen string) string {
	at, err := netip.ParseAddrPort(listen)
	if err != nil || !at.Addr().IsUnspecified() {
		return listen
	}
	return net.JoinHostPort("localhost", fmt.Sprint(at.Port()))
}
