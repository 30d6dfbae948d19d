package agents

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/process"
)

// The pauses that the platform asks for, as the bridge makes them.
const (
	eventGap = 200 * time.Millisecond
	idleGap  = 400 * time.Millisecond
)

// LongPoll is the plain client: net/http as it is, with a goroutine for each agent, which
// polls and forgets what it gets. It runs until ctx or in ends.
func LongPoll(ctx context.Context, url, dir string, n int, in io.Reader, out io.Writer) error {
	pem, err := os.ReadFile(filepath.Join(dir, platform.CertificateFile))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	t := &http.Transport{MaxIdleConnsPerHost: n, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	client := &http.Client{Transport: t, Timeout: 2 * time.Minute} // nineteen thousand handshakes take longer than a poll
	polling, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	start := func(ctx context.Context, _ string) (any, error) {
		all.Go(func() {
			for i := range n {
				all.Go(func() { pollOn(polling, client, fmt.Sprintf("%s/agentevent/%d", url, 100_001+i)) })
				if i%10 == 9 && wait(polling, 10*time.Millisecond) != nil { // a thousand a second
					return
				}
			}
		})
		return "polling", nil
	}
	err = process.Serve(ctx, in, out, "ready", start)
	stop()
	all.Wait()
	t.CloseIdleConnections()
	return err
}

// pollOn polls one agent until ctx ends.
func pollOn(ctx context.Context, client *http.Client, url string) {
	for ctx.Err() == nil {
		gap := time.Second
		if r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err == nil {
			if res, err := client.Do(r); err == nil {
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				gap = idleGap
				if err == nil && strings.Contains(string(body), `"event"`) {
					gap = eventGap
				}
			}
		}
		_ = wait(ctx, gap) // the loop looks
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
