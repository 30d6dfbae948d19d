package platformsim

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/gateway"
)

// timeouts of one listener. There is no ReadTimeout: it would end the context
// of a held poll.
type timeouts struct {
	header, write, idle time.Duration
}

var (
	// A slow answer is a fault of the gateway, so its limit is wide.
	gatewayTimeouts = timeouts{header: 10 * time.Second, write: 5 * time.Minute, idle: 2 * time.Minute}
	// The file store may drip a large file.
	filesTimeouts      = timeouts{header: 10 * time.Second, write: 30 * time.Minute, idle: 2 * time.Minute}
	managementTimeouts = timeouts{header: 5 * time.Second, write: time.Minute, idle: time.Minute}
)

// maxHeaderBytes is ample for a GUID, a cookie and a signature.
const maxHeaderBytes = 16 << 10

// service is one listener and its server.
type service struct {
	listener net.Listener
	server   *http.Server
	conns    sync.WaitGroup
	handlers sync.WaitGroup // outlive their connection when they cut it
}

func newService(l net.Listener, h http.Handler, t timeouts) *service {
	v := &service{listener: l}
	var protocols http.Protocols
	protocols.SetHTTP1(true) // faults cut connections, which HTTP/2 shares
	v.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v.handlers.Add(1)
			defer v.handlers.Done()
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: t.header, WriteTimeout: t.write, IdleTimeout: t.idle, MaxHeaderBytes: maxHeaderBytes,
		Protocols: &protocols, ConnContext: gateway.ConnContext, ConnState: v.count,
		ErrorLog: log.New(io.Discard, "", 0), // broken handshakes are the clients' business
	}
	return v
}

// count keeps conns; a connection is new before Serve returns.
func (v *service) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		v.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		v.conns.Done()
	}
}

// goodbye is how long answers under way may take when the platform stops.
const goodbye = 500 * time.Millisecond

// run serves until ctx ends. Held polls are cut then, as by a platform that
// stops.
func (v *service) run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	v.server.BaseContext = func(net.Listener) context.Context { return work }
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		cancel()
		last, done := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer done()
		if v.server.Shutdown(last) != nil {
			_ = v.server.Close()
		}
	})
	err := v.server.Serve(v.listener)
	if stop() { // the server failed by itself
		_ = v.server.Close()
	} else {
		<-stopped
	}
	v.conns.Wait()
	v.handlers.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
