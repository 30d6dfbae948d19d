package ccfs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener is a listener without sockets, so that the clock can be virtual.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// inVirtualTime runs test against a platform that answers with handle; the clock jumps.
func inVirtualTime(t *testing.T, handle http.HandlerFunc, test func(t *testing.T, c *Client)) {
	lender := httptest.NewTLSServer(nil) // only for its certificate
	certificate, leaf := lender.TLS.Certificates, lender.Certificate()
	lender.Close()
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		server := &http.Server{Handler: handle, ErrorLog: discardLog()}
		served := make(chan error)
		go func() { served <- server.Serve(tls.NewListener(l, &tls.Config{Certificates: certificate})) }()
		c, err := New(Options{URL: "https://" + testHost + testBase, Key: testKey, RootCAs: roots, DialContext: l.dial})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { // also after t.Fatal: a bubble must not be left with goroutines
			c.Close()
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}()
		test(t, c)
	})
}

// drip sends body in that many parts, with a pause before each.
func drip(body []byte, parts int, pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // lets the server notice when the client leaves
		w.Header().Set("Content-Type", asBytes)
		for i := range parts {
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(body[len(body)*i/parts : len(body)*(i+1)/parts])
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func TestSlowButSteadyDownloadSucceeds(t *testing.T) {
	body := aZIP(t, 16<<10)
	inVirtualTime(t, drip(body, 200, 59*time.Second), func(t *testing.T, c *Client) {
		start := time.Now()
		got, err := download(t, c)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d of %d bytes, %v", len(got), len(body), err)
		}
		if took := time.Since(start); took < 3*time.Hour {
			t.Errorf("took %v: not slow at all", took)
		}
	})
}

func TestSilenceDuringADownloadEndsIt(t *testing.T) {
	body := aZIP(t, 16<<10)
	inVirtualTime(t, drip(body, 10, 61*time.Second), func(t *testing.T, c *Client) {
		start := time.Now()
		got, err := download(t, c)
		e := asError(t, err)
		if e.Class != Again || !errors.Is(err, errSilent) || !strings.Contains(e.Message, "ended early") || len(got) != len(body)/10 {
			t.Errorf("%d bytes, %+v", len(got), e)
		}
		if took := time.Since(start); took != 121*time.Second { // 61 s to the first part, 60 s of silence
			t.Errorf("took %v", took)
		}
	})
}

func TestSilenceBeforeTheAnswerEndsIt(t *testing.T) {
	cut := `{"resultCode":"0"`
	handlers := map[string]http.HandlerFunc{
		"nothing at all": drip([]byte(cut), 1, time.Hour),
		"endless JSON":   drip(bytes.Repeat([]byte(`{`), 1000), 1000, time.Second),
		"blanks only":    drip(bytes.Repeat([]byte(" "), 1000), 1000, time.Second),
	}
	for name, handle := range handlers {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, handle, func(t *testing.T, c *Client) {
				start := time.Now()
				e := asError(t, query(t, c))
				if e.Class != Again || !errors.Is(e, errSilent) || !strings.Contains(e.Message, "no complete answer within 2m0s") {
					t.Errorf("got %+v", e)
				}
				if took := time.Since(start); took != 2*time.Minute {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// slowWriter is a disk that needs longer than the platform may be silent.
type slowWriter struct{ bytes.Buffer }

func (s *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(5 * time.Minute) // virtual
	return s.Buffer.Write(p)
}

func TestSlowWriterIsNotSilence(t *testing.T) {
	body := aZIP(t, 128<<10)
	inVirtualTime(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(body)
	}, func(t *testing.T, c *Client) {
		var w slowWriter
		if _, err := c.DownloadBills(t.Context(), testFile, &w); err != nil || !bytes.Equal(w.Bytes(), body) {
			t.Errorf("%d bytes, %v", w.Len(), err)
		}
	})
}

func TestPausesAreMeasuredInTime(t *testing.T) {
	inVirtualTime(t, reply(401, asJSON, "{}"), func(t *testing.T, c *Client) {
		sent := 0
		for start := time.Now(); time.Since(start) < 24*time.Hour; time.Sleep(10 * time.Second) { // a caller that never gives up
			if e := asError(t, query(t, c)); !e.Local {
				sent++
			}
		}
		if want := 2 + 24*6 - 1; sent > want {
			t.Errorf("%d refused calls in a day, want at most %d", sent, want)
		}
	})
}

// TestAnEndAfterHangingUpProvesNothing: a server that notices our leaving may end its body
// in good order, so what looks complete is not.
func TestAnEndAfterHangingUpProvesNothing(t *testing.T) {
	c, err := New(Options{URL: "https://" + testHost + testBase, Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errSilent)
	watchdog := time.AfterFunc(time.Hour, func() {})
	defer watchdog.Stop()
	res := &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(sample(t, "query_success.json")))}
	if _, err := c.read(ctx, "queryBillData", res, watchdog); !errors.Is(err, errSilent) {
		t.Errorf("JSON: %v", err)
	}
	var w bytes.Buffer
	if _, err := c.stream(ctx, "downloadBillFile", &answer{status: 200, file: strings.NewReader("PK"), kind: zipFile, length: -1}, &w, 1<<20, zipFile); !errors.Is(err, errSilent) {
		t.Errorf("file: %v", err)
	}
}
