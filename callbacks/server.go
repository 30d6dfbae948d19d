package callbacks

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/capped"
)

// Limits of the listener. A callback has a few hundred bytes and comes a few
// times a minute; everything beyond is an attack or a mistake.
const (
	maxHeaderBytes    = 8 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 10 * time.Second
	idleTimeout       = 60 * time.Second
	maxConnections    = 1024
	maxPerCaller      = 256
)

// Server serves the callbacks on one listener.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// NewServer serves a handler within the limits of connections; those of requests
// are the [Handler]'s own. tlsConfig nil means plain HTTP, for a TLS proxy in
// front; TLS below 1.2 is refused. The server owns the listener.
func NewServer(listener net.Listener, tlsConfig *tls.Config, handler http.Handler, log zerolog.Logger) *Server {
	listener = capped.Listen(listener, maxConnections, maxPerCaller)
	if tlsConfig != nil {
		tlsConfig = tlsConfig.Clone()
		tlsConfig.MinVersion = max(tlsConfig.MinVersion, tls.VersionTLS12)
		tlsConfig.NextProtos = []string{"http/1.1"}
		listener = tls.NewListener(listener, tlsConfig)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Server{listener: listener, http: &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          discardLog(log),
	}}
}

// Run serves until intake ends, then lets running requests end under work. It
// returns nil at the end, or the listener's error.
func (s *Server) Run(intake, work context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		failed <- fmt.Errorf("serve callbacks on %s: %w", s.listener.Addr(), err)
	case <-intake.Done():
	}
	err := s.http.Shutdown(work)
	if err != nil {
		err = fmt.Errorf("stop callbacks: %w", cmp.Or(err, s.http.Close()))
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(served, err)
	}
	return err
}
