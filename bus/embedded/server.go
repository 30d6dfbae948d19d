package embedded

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// Defaults of [Options].
const (
	DefaultName            = "bridge"
	DefaultMaxPayloadBytes = 1 << 20
	DefaultStartTimeout    = 30 * time.Second
	DefaultReserveBytes    = 64 << 20
	DefaultPrefix          = "aicc"
)

// lockFile guards a directory against a second server.
const lockFile = "bridge.lock"

// Options say where the server keeps its data and who may reach it.
type Options struct {
	// Dir holds the streams; made when missing. Required.
	Dir string
	// Listen is the host:port for clients; port 0 picks a free one. "": no
	// listener, in-process connections only. Beyond loopback it needs TLS and
	// Users.
	Listen string
	// TLS is the listener's, with its certificate. In-process connections do
	// without. Default: no TLS.
	TLS *tls.Config
	// Users may sign in at the listener. None: everybody may do everything
	// there, without signing in.
	Users []User
	// Prefix is that of the bridge's streams and subjects; readers see only
	// these. Default "aicc".
	Prefix string
	// Name is the server's name. Default "bridge".
	Name string
	// MaxStoreBytes limits all streams together. The limit in force is never
	// above what they hold and 80 % of the free space. 0: that.
	MaxStoreBytes int64
	// ReserveBytes is the size of the reserve file in Dir, which is given up
	// when the disk is full. Default 64 MiB; negative: none.
	ReserveBytes int64
	// MaxPayloadBytes limits one message. Default 1 MiB, as every NATS server.
	MaxPayloadBytes int
	// StartTimeout limits the wait until the server takes connections once its
	// streams are recovered. The recovery itself grows with the streams and has
	// no limit. Default 30 s.
	StartTimeout time.Duration
	// Logger gets the server's warnings and errors, and what happens to the disk.
	Logger zerolog.Logger

	// Tests set these; the defaults are freeBytes and failing.
	free    func(dir string) (int64, error)
	failing func(ns *server.Server, lost []string) error
}

// withDefaults fills in the defaults and refuses what is not safe.
func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("no directory given")
	}
	o.Name = cmp.Or(o.Name, DefaultName)
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	o.MaxPayloadBytes = cmp.Or(o.MaxPayloadBytes, DefaultMaxPayloadBytes)
	o.StartTimeout = cmp.Or(o.StartTimeout, DefaultStartTimeout)
	o.ReserveBytes = max(0, cmp.Or(o.ReserveBytes, DefaultReserveBytes))
	if o.free == nil {
		o.free = freeBytes
	}
	if o.failing == nil {
		o.failing = failing
	}
	return o, o.checkListener()
}

// Server is a running server. It is safe for concurrent use.
type Server struct {
	options Options
	signIn  *signIn // nil: nobody must sign in
	disk    disk    // of the disk
	crowd   crowd   // of consumers

	life sync.Mutex // held while the server starts or stops
	lock io.Closer  // of the directory; nil after Shutdown
	port int        // the listener's, kept over a restart
	url  string
	desk *desk // of this run; nil when nobody must sign in

	mu     sync.Mutex     // held for moments only, so that nobody waits for a restart
	server *server.Server // nil: see down
	opts   *server.Options
	lost   []string // streams that its start did not recover
	down   error    // why there is none
	limit  int64    // of the streams
	low    error
}

// Lock makes dir, if it is missing, and locks it against a second process until
// the result is closed or the process ends, however it ends. The error of a locked one
// says what to do, and so does that of another user's ([Owned]).
func Lock(dir string) (io.Closer, error) {
	if err := Owned(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	path := filepath.Join(dir, lockFile)
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", path, err)
	case !locked:
		return nil, fmt.Errorf("another bridge is using this data directory (%s is locked); stop it, or give each its own", path)
	}
	return lock, nil
}

// Owned reports a folder that another user has in use, whose bridge could not open the files
// that this process would leave there. It makes nothing. The user is that of the lock, which
// stays there, and before there is one the folder's. A folder that is missing is nobody's, and
// so is each where the system knows no owners.
func Owned(dir string) error {
	for _, at := range []string{filepath.Join(dir, lockFile), dir} {
		info, err := os.Stat(at)
		if err != nil {
			continue
		}
		owner, known := ownerOf(info)
		if self := os.Geteuid(); known && foreign(owner, self, mayWrite(at)) {
			return fmt.Errorf("data folder %s belongs to user %s, who could not open what user %s leaves in it: run this as that user, for example sudo -u %[2]s …, "+
				"or start the bridge and ask it while it runs; if it is to run as another user from now on, give that one the folder (chown -R)", dir, userName(owner), userName(self))
		}
		return nil
	}
	return nil
}

// foreign reports whether a file of owner keeps self from working beside it. A group that
// may write shares on purpose, as with the fsGroup of Kubernetes; root may always.
func foreign(owner, self int, mayWrite bool) bool {
	return owner != self && (self == 0 || !mayWrite)
}

// userName is the user's name, or, as sudo takes it, #<id>.
func userName(id int) string {
	u, err := user.LookupId(strconv.Itoa(id))
	if err != nil {
		return "#" + strconv.Itoa(id)
	}
	return u.Username
}

// Locked reports whether a process has the lock of dir now. It makes nothing.
func Locked(dir string) bool {
	path := filepath.Join(dir, lockFile)
	if _, err := os.Stat(path); err != nil {
		return false
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	_ = lock.Close() // nothing is written to it
	return err == nil && !free
}

// Start locks the directory and starts the server, which is ready when Start
// returns. ctx is checked once, before the start. A reserve file of the last run
// is given up if the disk is too full to start with it.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start embedded nats: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, o Options) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	lock, err := Lock(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		options: o, lock: lock, port: -1, signIn: newSignIn(o.Users),
		disk: disk{reserve: reserve{path: filepath.Join(o.Dir, reserveFile), size: o.ReserveBytes}, log: o.Logger},
	}
	if err := s.firstStart(); err != nil {
		s.Shutdown()
		return nil, err
	}
	return s, nil
}

// InProcessConn opens a connection without a socket. It makes a Server a
// provider for [nats.InProcessServer], also over restarts; while one is under way
// it fails, and the client tries again.
func (s *Server) InProcessConn() (net.Conn, error) {
	ns, err := s.running()
	if err != nil {
		return nil, err
	}
	return ns.InProcessConn()
}

// running is the server, or why there is none.
func (s *Server) running() (*server.Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server, s.down
}

// Conn connects a client without a socket, signed in.
func (s *Server) Conn(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append([]nats.Option{nats.InProcessServer(s), nats.UserInfo(s.Login())}, opts...)...)
}

// Login is how the process's own connections sign in: a name and a password made
// at each [Start] and kept over restarts in place. Both are "" when nobody must
// sign in.
func (s *Server) Login() (user, password string) {
	if s.signIn == nil {
		return "", ""
	}
	return s.signIn.own.Name, s.signIn.own.Password
}

// ClientURL is where clients connect, "" without a listener.
func (s *Server) ClientURL() string { return s.url }

// MaxStoreBytes is the limit in force of all streams together. It follows the
// free space as long as [Server.Run] runs.
func (s *Server) MaxStoreBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit
}

// leastRoom is how much the streams must be able to take to count as healthy:
// room for some messages of the usual size.
const leastRoom = 64 << 10

// Healthy reports what stops streams from taking messages: a restart under way,
// a write error (which no publisher gets an answer about), or the limit. It never
// waits for a restart.
func (s *Server) Healthy() error {
	if err := s.storeError(); err != nil {
		return err
	}
	ns, err := s.running()
	if err != nil {
		return err
	}
	if used(ns)+leastRoom > s.MaxStoreBytes() {
		return fmt.Errorf("embedded nats: the streams hold all that they may; make space on the disk of %s, or raise the limit", s.options.Dir)
	}
	return nil
}

// errLost marks a stream that is there on the disk only.
var errLost = errors.New("could not be recovered")

// failing is the first error that sticks to a stream: a write error, else that it is
// one of the lost. Of streams that are just made or deleted the server says for a
// moment what it says of those.
func failing(ns *server.Server, lost []string) (err error) {
	for _, e := range troubles(ns) {
		switch isLost := strings.Contains(e.Error, errLost.Error()); {
		case !isLost:
			return fmt.Errorf("embedded nats: %s", e.Error)
		case slices.Contains(lost, e.Stream):
			err = fmt.Errorf("embedded nats: stream %s %w", e.Stream, errLost)
		}
	}
	return err
}

// unrecovered are the lost streams, when asked at the end of the start. What is left
// of deleted ones begins with a dot.
func unrecovered(ns *server.Server) (lost []string) {
	for _, e := range troubles(ns) {
		if strings.Contains(e.Error, errLost.Error()) && !strings.HasPrefix(e.Stream, ".") {
			lost = append(lost, e.Stream)
		}
	}
	return lost
}

// troubles are what the server says of its streams.
func troubles(ns *server.Server) []server.HealthzError {
	return insist(func() []server.HealthzError { return ns.Healthz(&server.HealthzOptions{Details: true}).Errors })
}

// healthTries is how often a server is asked that says that it takes no connections.
const healthTries = 100

// insist asks until the server has looked at its streams. Before that it looks whether it
// takes connections, and gives itself a millisecond: on a busy machine that passes before it
// has looked at all, and it says no more.
func insist(ask func() []server.HealthzError) (found []server.HealthzError) {
	for range healthTries {
		found = ask()
		if !slices.ContainsFunc(found, func(e server.HealthzError) bool { return e.Type == server.HealthzErrorConn }) {
			return found
		}
	}
	return found
}

// used is what the streams hold, as the server counts it: before compression and
// without what is deleted.
func used(ns *server.Server) int64 {
	return int64(ns.GlobalAccount().JetStreamUsage().Store)
}
