// Package embedded runs a nats-server with JetStream inside the process: the
// hub of a bridge without an external NATS, and the spool of one with it.
//
// Invariants:
//
//   - An acknowledged message is on disk: file storage, fsync before every
//     acknowledgement (SyncAlways). The server's own default acknowledges first
//     and syncs every two minutes.
//   - One process per directory: a lock file says so before a second server
//     could damage the streams.
//   - At most one listener, for clients. WebSocket, MQTT, leaf nodes, routes,
//     gateways, monitoring and profiling stay off.
//   - The store limit is below the free space, so that a full store is a clean,
//     passing refusal (error 10023) and not a write error that sticks.
//   - The server installs no signal handlers and never ends the process.
package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// Defaults of [Options].
const (
	DefaultName            = "bridge"
	DefaultMaxPayloadBytes = 1 << 20
	DefaultStartTimeout    = 30 * time.Second
)

// lockFile guards a directory against a second server.
const lockFile = "bridge.lock"

// Options say where the server keeps its data and who may reach it.
type Options struct {
	// Dir holds the streams; made when missing. Required.
	Dir string
	// Listen is the host:port for clients; port 0 picks a free one. "": no
	// listener, in-process connections only.
	Listen string
	// Name is the server's name. Default "bridge".
	Name string
	// MaxStoreBytes limits all streams together. The limit in force is never
	// above 80 % of the space that is free or already used by Dir. 0: that.
	MaxStoreBytes int64
	// MaxPayloadBytes limits one message. Default 1 MiB, as every NATS server.
	MaxPayloadBytes int
	// StartTimeout limits the wait until the server takes connections once its
	// streams are recovered. The recovery itself grows with the streams and has
	// no limit. Default 30 s.
	StartTimeout time.Duration
	// Logger gets the server's warnings and errors.
	Logger zerolog.Logger
}

// Server is a running server. It is safe for concurrent use.
type Server struct {
	options Options
	lock    *os.File

	mu     sync.Mutex
	server *server.Server
	opts   *server.Options
	port   int // the listener's, kept over a restart
}

// Lock makes dir, if it is missing, and locks it against a second process until
// the result is closed. The error of a locked one says what to do.
func Lock(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	return lockDir(filepath.Join(dir, lockFile))
}

// Start locks the directory and starts the server, which is ready when Start
// returns. ctx is checked once, before the start.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Dir == "" {
		return nil, errors.New("start embedded nats: no directory given")
	}
	o.Name = cmp.Or(o.Name, DefaultName)
	o.MaxPayloadBytes = cmp.Or(o.MaxPayloadBytes, DefaultMaxPayloadBytes)
	o.StartTimeout = cmp.Or(o.StartTimeout, DefaultStartTimeout)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start embedded nats: %w", err)
	}
	lock, err := lockDir(filepath.Join(o.Dir, lockFile))
	if err != nil {
		return nil, fmt.Errorf("start embedded nats: %w", err)
	}
	s := &Server{options: o, lock: lock, port: -1}
	if err := s.start(); err != nil {
		_ = lock.Close() // closing unlocks; the start error says more
		return nil, fmt.Errorf("start embedded nats: %w", err)
	}
	return s, nil
}

// start runs a new server over the directory. The caller holds s.mu or is alone.
func (s *Server) start() error {
	opts, err := s.serverOptions()
	if err != nil {
		return err
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	log := &logger{log: s.options.Logger}
	ns.SetLoggerV2(log, false, false, false)
	ns.Start() // returns once the streams are recovered and the listener is open
	if err = log.fatal(); err == nil && !ns.ReadyForConnections(s.options.StartTimeout) {
		err = fmt.Errorf("not ready after %s", s.options.StartTimeout)
	}
	if err == nil && !ns.JetStreamEnabled() {
		err = errors.New("jetstream did not start")
	}
	if err != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
		return err
	}
	if addr, ok := ns.Addr().(*net.TCPAddr); ok && !opts.DontListen {
		s.port = addr.Port
	}
	s.server, s.opts = ns, opts
	return nil
}

func (s *Server) serverOptions() (*server.Options, error) {
	o := s.options
	limit, err := maxStore(o.Dir, o.MaxStoreBytes)
	if err != nil {
		return nil, err
	}
	opts := &server.Options{
		ServerName:             o.Name,
		DontListen:             o.Listen == "",
		NoSigs:                 true,
		NoLog:                  true, // no logger of its own; ours is set before the start
		MaxPayload:             int32(o.MaxPayloadBytes),
		JetStream:              true,
		StoreDir:               o.Dir,
		JetStreamMaxStore:      limit,
		SyncAlways:             true,
		DisableJetStreamBanner: true,
	}
	if o.Listen == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: want host:port", o.Listen)
	}
	opts.Host = host
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("listen address %q: want a port number", o.Listen)
	}
	if opts.Port == 0 {
		opts.Port = s.port // a random one at first (-1), the same one after a restart
	}
	return opts, nil
}

// InProcessConn opens a connection without a socket. It makes a Server a
// provider for [nats.InProcessServer], also over restarts.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil, errors.New("embedded nats is shut down")
	}
	return s.server.InProcessConn()
}

// Conn connects a client without a socket.
func (s *Server) Conn(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append([]nats.Option{nats.InProcessServer(s)}, opts...)...)
}

// ClientURL is where clients connect, "" without a listener.
func (s *Server) ClientURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil || s.options.Listen == "" {
		return ""
	}
	return s.server.ClientURL()
}

// MaxStoreBytes is the store limit in force.
func (s *Server) MaxStoreBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.JetStreamMaxStore
}

// Healthy reports what stops streams from taking messages. A write error, such
// as a full disk, makes a stream refuse everything until [Server.Restart],
// without an answer to the publisher; only this check shows it.
func (s *Server) Healthy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return errors.New("embedded nats is shut down")
	}
	if h := s.server.Healthz(nil); h.StatusCode >= 400 || h.Error != "" {
		return fmt.Errorf("embedded nats: %s", h.Error)
	}
	return nil
}

// Restart stops the server and starts it again over the same directory and
// port; clients reconnect. It is the cure for a stream that had a write error,
// once there is space again. After an error the server is down.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return errors.New("restart embedded nats: it is shut down")
	}
	s.stop()
	if err := s.start(); err != nil {
		return fmt.Errorf("restart embedded nats: %w", err)
	}
	return nil
}

// Shutdown stops the server, waits until its goroutines have ended, and frees
// the directory. Further calls do nothing.
func (s *Server) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	if s.lock != nil {
		_ = s.lock.Close() // nothing is written to it
		s.lock = nil
	}
}

func (s *Server) stop() {
	if s.server == nil {
		return
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
	s.server = nil
}

// maxStore is the store limit: configured, but at most 80 % of what is free or
// used by the directory already. Counting only free space would shrink the
// limit at each start of a filling store, down to refusing everything.
func maxStore(dir string, configured int64) (int64, error) {
	free, err := freeBytes(dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	used, err := usedBytes(dir)
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", dir, err)
	}
	limit := (free + used) / 5 * 4
	if configured > 0 {
		limit = min(limit, configured)
	}
	return max(limit, 1), nil // 0 would mean: the server's own guess
}

func usedBytes(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
