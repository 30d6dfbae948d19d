// Package wire is the listener on which clients of the gateway call the bridge, and knows what
// became of an answer: the protocol has no word for it, so the connection is asked.
//
//	the next poll comes on the same connection          the answer arrived
//	the connection ended in order, all confirmed        it arrived: a client without keep-alive
//	the connection is open, all confirmed               it arrived: a client with several
//	the connection was reset, or bytes are unconfirmed  it did not; it is given again
//
// Invariants:
//
//   - HTTP/1.1 only: HTTP/2 writes the names of headers in lower case, and the platform's own
//     clients look for Set-GUID as it is spelt.
//   - In doubt an answer has not arrived.
//
// "Confirmed" is by the other end of the TCP connection: a further proxy in between confirms what
// its client may never get.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"aiccbridge/internal/capped"
)

// Limits of the listener. Each agent has a connection that waits for events, and a few more.
const (
	maxHeaderBytes    = 32 << 10
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 120 * time.Second
	maxConnections    = 40_000
	maxPerCaller      = maxConnections / 2 // one backend may have thousands of agents
)

// Server serves clients on one listener.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// NewServer serves a handler within the limits of connections; how long a request may take is the
// handler's business. secure nil means plain HTTP; TLS below 1.2 is refused. The server owns
// the listener.
func NewServer(listener net.Listener, secure *tls.Config, handler http.Handler) *Server {
	listener = remembering{capped.Listen(listener, maxConnections, maxPerCaller)}
	if secure != nil {
		secure = secure.Clone()
		secure.MinVersion, secure.NextProtos = max(secure.MinVersion, tls.VersionTLS12), []string{"http/1.1"}
		listener = tls.NewListener(listener, secure)
	}
	var only http.Protocols
	only.SetHTTP1(true)
	return &Server{listener, &http.Server{
		Handler: handler, Protocols: &only, ConnContext: keep,
		MaxHeaderBytes: maxHeaderBytes, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		ErrorLog: log.New(io.Discard, "", 0), // of handshakes that strangers break off
	}}
}

// remembering makes the connections of a listener ones that remember.
type remembering struct{ net.Listener }

func (l remembering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

// Run serves until intake ends, then lets running requests end under work. It returns nil at the
// end, or the listener's error.
func (s *Server) Run(intake, work context.Context) error {
	shut := make(chan error, 1)
	still := context.AfterFunc(intake, func() { shut <- s.http.Shutdown(work) })
	if err := s.http.Serve(s.listener); still() {
		return fmt.Errorf("serve clients on %s: %w", s.listener.Addr(), err)
	}
	if err := <-shut; err != nil {
		return errors.Join(fmt.Errorf("stop serving clients: %w", err), s.http.Close())
	}
	return nil
}
