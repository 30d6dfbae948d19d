package rawnats

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ServerVersion is that of the server.
const ServerVersion = server.VERSION

// Server is a NATS server that syncs every write.
type Server struct{ s *server.Server }

// StartServer runs one in this process, on the port of a URL; empty: a free one.
func StartServer(dir, at string) (*Server, error) {
	port := server.RANDOM_PORT
	if at != "" {
		var err error
		if port, err = strconv.Atoi(at[strings.LastIndexByte(at, ':')+1:]); err != nil {
			return nil, fmt.Errorf("start nats server at %s: %w", at, err)
		}
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "bench", Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
		JetStreamMaxMemory: 1 << 30, JetStreamMaxStore: 1 << 40,
	})
	if err != nil {
		return nil, fmt.Errorf("start nats server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		s.Shutdown()
		return nil, errors.New("start nats server: it is not ready after a minute")
	}
	return &Server{s}, nil
}

// URL is where clients connect.
func (s *Server) URL() string { return s.s.ClientURL() }

// InProcess is a connection without a network.
func (s *Server) InProcess() (net.Conn, error) { return s.s.InProcessConn() }

// Stop ends it and waits until it has.
func (s *Server) Stop() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// Dial connects a raw client.
func Dial(url string) (net.Conn, error) {
	return net.DialTimeout("tcp", url[len("nats://"):], 10*time.Second)
}

// Stream is a client for all that is not measured.
type Stream struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Connect opens one.
func Connect(url string) (*Stream, error) {
	nc, err := nats.Connect(url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	js, err := jetstream.New(nc)
	return &Stream{nc, js}, err
}

// Close ends the connection.
func (s *Stream) Close() { s.nc.Close() }
