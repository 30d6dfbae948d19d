package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"aiccbridge/bus/embedded/internal/serverlog"
	"aiccbridge/schemas"
)

var (
	errRestarting = errors.New("embedded nats is restarting")
	errShutDown   = errors.New("embedded nats is shut down")
)

// firstStart starts the server, without the reserve if the disk is too full.
func (s *Server) firstStart() error {
	if err := errors.Join(s.disk.reserve.adopt(), distrust(s.options.Dir)); err != nil {
		return err
	}
	if free, err := s.options.free(s.options.Dir); err == nil && free < s.disk.reserve.full() {
		s.disk.giveUp()
	}
	err := s.start()
	if err != nil && s.disk.reserve.held && s.disk.giveUp() {
		err = s.start()
	}
	if err != nil {
		return err
	}
	s.look(time.Now())
	return nil
}

// start runs a new server over the directory. The caller holds s.life or is alone.
func (s *Server) start() error {
	opts, err := s.serverOptions()
	if err != nil {
		return err
	}
	d := newDoor(s.signIn)
	if s.signIn != nil {
		opts.CustomClientAuthentication = d
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	log := serverlog.New(s.options.Logger)
	ns.SetLoggerV2(log, false, false, false)
	ns.Start() // returns once the streams are recovered and the listener is open
	if err = log.Fatal(); err == nil && !ns.ReadyForConnections(s.options.StartTimeout) {
		err = fmt.Errorf("not ready after %s", s.options.StartTimeout)
	}
	if err == nil && !ns.JetStreamEnabled() {
		err = errors.New("jetstream did not start")
	}
	if err == nil {
		err = s.setLimit(ns)
	}
	lost := unrecovered(ns)
	if err == nil && s.signIn != nil {
		err = s.letIn(ns, d)
	}
	if err != nil {
		d.open()
		s.desk.close()
		ns.Shutdown()
		ns.WaitForShutdown()
		return err
	}
	if addr, ok := ns.Addr().(*net.TCPAddr); ok && !opts.DontListen {
		if s.port = addr.Port; s.url == "" { // it never changes
			s.url = ns.ClientURL()
		}
	}
	s.mu.Lock()
	s.server, s.opts, s.lost, s.down = ns, opts, lost, nil
	s.mu.Unlock()
	return nil
}

// distrust removes the indexes of streams with a block that was written after them. The
// server believes an index whose last message it finds in the last block, and then reads a
// block that was damaged elsewhere anew for each message that it looks for: its start takes
// hours. Without an index it reads each block once, and cuts it where it is damaged.
func distrust(dir string) error {
	indexes, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "index.db"))
	if err != nil {
		return err
	}
	for _, index := range indexes {
		written, err := os.Stat(index)
		if err != nil {
			return fmt.Errorf("look at the index of a stream: %w", err)
		}
		blocks, err := filepath.Glob(filepath.Join(filepath.Dir(index), "*.blk"))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(blocks, func(block string) bool {
			info, err := os.Stat(block)
			return err == nil && info.ModTime().After(written.ModTime())
		}) {
			if err := os.Remove(index); err != nil {
				return fmt.Errorf("remove the index of a stream: %w", err)
			}
		}
	}
	return nil
}

// letIn makes the readers' accounts and opens the door. Only now, because with a
// second account from the start the server would not take the streams of the
// first one without being told to.
func (s *Server) letIn(ns *server.Server, d *door) (err error) {
	names, err := schemas.NewNames(s.options.Prefix)
	if err != nil {
		return err
	}
	if err := d.openReaders(ns, names); err != nil {
		return err
	}
	d.hub.open()
	s.desk, err = openDesk(ns, d, names, &s.crowd, s.options.Logger)
	d.inner.open()
	return err
}

// noLimit stands for none: the server takes 0 for a guess of its own.
const noLimit = 1 << 60

func (s *Server) serverOptions() (*server.Options, error) {
	o := s.options
	opts := &server.Options{
		ServerName:             o.Name,
		DontListen:             o.Listen == "",
		NoSigs:                 true,
		NoLog:                  true, // no logger of its own; ours is set before the start
		MaxPayload:             int32(o.MaxPayloadBytes),
		JetStream:              true,
		StoreDir:               o.Dir,
		JetStreamMaxStore:      noLimit, // the account has one, which can change while it runs
		SyncAlways:             true,
		DisableJetStreamBanner: true,
	}
	if o.Listen == "" {
		return opts, nil
	}
	host, port, err := splitListen(o.Listen)
	if err != nil {
		return nil, err
	}
	opts.Host, opts.Port = host, port
	if opts.Port == 0 {
		opts.Port = s.port // a random one at first (-1), the same one after a restart
	}
	if o.TLS != nil {
		opts.TLSConfig, opts.TLS = o.TLS, true
	}
	return opts, nil
}

func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q: want host:port", listen)
	}
	if port, err = strconv.Atoi(text); err != nil {
		return "", 0, fmt.Errorf("listen address %q: want a port number", listen)
	}
	return host, port, nil
}

// setLimit limits the streams to what they hold and 80 % of the free space, and
// to the configured size. The rest is for indexes and for the consumers' state.
// The server's own setting could not be lowered while it runs, and a file's size
// says little about a stream's, which counts before compression.
func (s *Server) setLimit(ns *server.Server) error {
	free, err := s.options.free(s.options.Dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", s.options.Dir, err)
	}
	limit := used(ns) + free/5*4
	if s.options.MaxStoreBytes > 0 {
		limit = min(limit, s.options.MaxStoreBytes)
	}
	account := ns.GlobalAccount()
	limits := account.JetStreamUsage().Limits
	limits.MaxStore = limit
	if err := account.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
		return fmt.Errorf("limit streams to %d bytes: %w", limit, err)
	}
	s.mu.Lock()
	s.limit = limit
	s.mu.Unlock()
	return nil
}

// Restart stops the server and starts it again over the same directory and port;
// clients reconnect. It is the cure for a stream that had a write error, once
// there is space again. After an error the server is down; [Server.Run] or a
// further Restart tries again.
func (s *Server) Restart() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.lock == nil {
		return fmt.Errorf("restart: %w", errShutDown)
	}
	s.stop(errRestarting)
	if err := s.start(); err != nil {
		err = fmt.Errorf("restart embedded nats: %w", err)
		s.stop(err)
		return err
	}
	return nil
}

// Shutdown stops the server, waits until its goroutines have ended, and frees
// the directory. The reserve file stays for the next start. Further calls do
// nothing.
func (s *Server) Shutdown() {
	s.life.Lock()
	defer s.life.Unlock()
	s.stop(errShutDown)
	if s.lock != nil {
		_ = s.lock.Close() // nothing is written to it
		s.lock = nil
	}
}

// stop takes the server away, for everybody to see why, and then ends it.
func (s *Server) stop(why error) {
	s.mu.Lock()
	ns := s.server
	s.server, s.down = nil, why
	s.mu.Unlock()
	if ns != nil {
		s.desk.close()
		ns.Shutdown()
		ns.WaitForShutdown()
	}
}
