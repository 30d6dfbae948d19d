// Package admin serves what operators ask: metrics and health, on loopback, or with TLS
// to whoever has the token.
//
// Invariants: with a token nothing is answered without it but to probes, which learn no more
// than that and whether the bridge works, and by the wallboard, which asks for it itself; on
// loopback nothing but probes is answered to a Host from elsewhere; every read and write has a
// time limit, and who reads nothing holds up no end. It knows no component: what answers comes
// in as handlers. It imports nothing of ours.
package admin

import (
	"cmp"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// Options say what is served. Listener, Metrics and Health must be set.
type Options struct {
	Listener net.Listener  // closed at the end of [Server.Run]
	Host     string        // the address as it was written: a listener on loopback answers to its host, too
	TLS      *tls.Config   // nil: plain HTTP
	Token    func() string // that a caller must send as a bearer token, asked for each; nil, "": none
	Metrics  prometheus.Gatherer
	Health   http.Handler // of GET /healthz
	Ready    http.Handler // of GET /readyz, without a token; nil: always ready
	Reload   http.Handler // of POST /-/reload; nil: it is not served
	Answers  http.Handler // of GET /answers, the heads of the platform's last ones; nil: it is not served
	Wall     http.Handler // of / and what is below /wallboard/, without a token; nil: they are not served
	Logger   zerolog.Logger
}

// Server is the listener with what it serves.
type Server struct {
	listener net.Listener
	server   *http.Server
}

// New makes a server; it answers while it runs.
func New(o Options) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", o.Health)
	if o.Reload != nil {
		mux.Handle("POST /-/reload", o.Reload)
	}
	if o.Answers != nil {
		mux.Handle("GET /answers", o.Answers)
	}
	probes := http.NewServeMux()
	probes.HandleFunc("GET /livez", alive)
	if o.Ready == nil {
		o.Ready = http.HandlerFunc(alive)
	}
	probes.Handle("GET /readyz", o.Ready)
	l := o.Listener
	probes.Handle("/", fromHere(l, o.Host, withToken(o.Token, mux)))
	if o.Wall != nil {
		wall := fromHere(l, o.Host, o.Wall)
		probes.Handle("/{$}", wall)
		probes.Handle("/wallboard/", wall)
	}
	if o.TLS != nil {
		l = tls.NewListener(l, o.TLS)
	}
	return &Server{listener: l, server: &http.Server{
		Handler: probes, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: stdlog.New(lines{o.Logger}, "", 0),
	}}
}

// alive answers whoever asks whether the process still does.
func alive(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("ok\n")) // the client may have gone
}

// lines makes net/http's own lines, refused TLS handshakes mostly, ours.
type lines struct{ log zerolog.Logger }

func (l lines) Write(p []byte) (int, error) {
	l.log.Debug().Str("detail", strings.TrimSpace(string(p))).Msg("admin listener")
	return len(p), nil
}

// withToken answers only who sends the token, if there is one.
func withToken(token func() string, next http.Handler) http.Handler {
	if token == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := token()
		if want != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+want)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token of listen.admin_token_file is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// lastAnswers is how long what is being answered at the end has, at most.
const lastAnswers = 2 * time.Second

// Run serves until intake ends; what is being answered then has until work ends, and 2 s at
// most: a viewer that does not read would take its own time limit. That one was cut off is no
// error.
func (s *Server) Run(intake, work context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", s.listener.Addr(), err)
	case <-intake.Done():
	}
	limited, cancel := context.WithTimeout(work, lastAnswers)
	defer cancel()
	err := s.server.Shutdown(limited)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && work.Err() == nil {
			err = nil
		}
		err = cmp.Or(err, s.server.Close())
	}
	<-failed
	return err
}
