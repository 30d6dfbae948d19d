package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// minVersion is the first server with atomic batches.
var minVersion = version{2, 12, 0}

// checkServer tries once; what no repetition mends is marked as final.
func (c *Conn) checkServer(ctx context.Context) error {
	start := time.Now()
	_, err := c.js.AccountInfo(ctx)
	err = c.denials.Explain(start, "", err)
	switch {
	case Denied(err):
		return Final(err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return Final(fmt.Errorf("jetstream is off on this server; switch it on (jetstream {} in its configuration) or connect to another: %w", err))
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return Final(fmt.Errorf("jetstream is off for this account; switch it on for the account of these credentials: %w", err))
	case err != nil:
		return fmt.Errorf("ask for jetstream: %w", err)
	}
	found := c.nc.ConnectedServerVersion()
	if found == "" {
		return errors.New("connection lost")
	}
	if err := checkVersion(found); err != nil {
		return Final(err)
	}
	return nil
}

// Encrypted is the TLS of the connection; false when there is none now, or it has none.
func (c *Conn) Encrypted() (tls.ConnectionState, bool) {
	s, err := c.nc.TLSConnectionState()
	return s, err == nil
}

// Clustered reports whether the server says that it is in a cluster.
func (c *Conn) Clustered(ctx context.Context) (clustered bool, err error) {
	err = c.Retry(ctx, c.Trouble("asset", "jetstream"), func(context.Context) error {
		server := c.nc.ConnectedServerId()
		clustered = c.nc.ConnectedClusterName() != ""
		if server == "" || server != c.nc.ConnectedServerId() {
			return errors.New("connection lost")
		}
		return nil
	})
	return clustered, err
}

// What a server does for us. Those of one kind fail together when it is cut off from
// its cluster; a leader that does not know yet that it is one no more still answers reads.
type service int

const (
	reads service = iota
	writes
)

// A server of a cluster that has failed at all of a kind for so long, which is longer
// than an election takes, is left for another one. The time doubles with each move that
// did not help: perhaps no server can.
const (
	moveAfter    = 10 * time.Second
	maxMoveAfter = 5 * time.Minute
)

// services are how the server that we are connected to serves.
type services struct {
	mu    sync.Mutex
	fails [2]failing
	moves int // in vain, in a row
}

// failing is a server that fails at everything of a kind.
type failing struct {
	server string
	since  time.Time // zero: it does not
}

// note says whether it is time to move. server is the one that we are connected to now;
// "": none, and nothing follows.
func (s *services) note(kind service, err error, server string, now time.Time) (move bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.fails[kind]
	switch {
	case err == nil || Conflict(err):
		f.since, s.moves = time.Time{}, 0
	case server == "" || !unserved(err):
	case f.since.IsZero() || f.server != server:
		f.server, f.since = server, now
	case now.Sub(f.since) >= min(moveAfter<<min(s.moves, 10), maxMoveAfter):
		s.moves++
		s.fails = [2]failing{}
		return true
	}
	return false
}

// unserved reports a failure that may come from a server without its cluster: silence,
// nobody there, or that it says so.
func unserved(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.As(err, &api) && api.Code == http.StatusServiceUnavailable
}

// served notes how a request ended, and moves to another server of the cluster when this
// one is of no use: cut off from the others, it keeps our connection and stores nothing.
func (c *Conn) served(kind service, err error) {
	server := ""
	if c.nc.ConnectedClusterName() != "" {
		server = c.nc.ConnectedServerId()
	}
	if !c.services.note(kind, err, server, time.Now()) {
		return
	}
	level := zerolog.WarnLevel
	if c.services.inVain() {
		level = zerolog.DebugLevel
	}
	c.opts.Logger.WithLevel(level).Err(err).Str("server", c.nc.ConnectedServerName()).
		Msg("the nats server does nothing for us, perhaps it is cut off from its cluster; moving to another")
	c.moving.Store(true)
	if err := c.nc.ForceReconnect(); err != nil {
		c.opts.Logger.Debug().Err(err).Msg("connection has ended")
	}
}

// inVain reports that the move before did not help.
func (s *services) inVain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moves > 1
}

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// parseVersion reads "2.12.1", "v2.12.1" and "2.12.1-RC.1".
func parseVersion(s string) (v version, ok bool) {
	core, _, _ := strings.Cut(strings.TrimPrefix(s, "v"), "-")
	core, _, _ = strings.Cut(core, "+")
	parts := strings.Split(core, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return version{}, false
		}
		v[i] = int(n)
	}
	return v, true
}

func checkVersion(found string) error {
	v, ok := parseVersion(found)
	if !ok {
		return fmt.Errorf("nats server calls itself version %q; %s or newer is required", found, minVersion)
	}
	for i, n := range v {
		if n > minVersion[i] {
			return nil
		}
		if n < minVersion[i] {
			return fmt.Errorf("nats server %s is too old: %s or newer is required (atomic batches); upgrade it, or leave nats.url empty to use the embedded server", v, minVersion)
		}
	}
	return nil
}
