package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// InboxPrefix is the prefix of a bridge's answer subjects, so that permissions can
// name it. See [Options].InboxPrefix.
const InboxPrefix = "_INBOX_bridge"

// reconnectWait is the pause between two tries to connect to a server.
const reconnectWait = 250 * time.Millisecond

// pingInterval finds a connection that is dead without a sign; the client
// library gives it two of them.
const pingInterval = 10 * time.Second

// reconnectDelay is the pause after all servers have been tried; none before the
// first round. The jitter keeps many bridges apart.
func reconnectDelay(round int) time.Duration {
	if round == 1 {
		return 0
	}
	return reconnectWait + rand.N(reconnectWait/2)
}

// errNotYet is how the dialer puts the first round off.
var errNotYet = errors.New("connecting in the background")

// dialer keeps Open from waiting. The client library tries every server once
// before it goes on in the background, which a dead network, or a name that does
// not resolve, would draw out.
type dialer struct {
	net.Dialer
	putOff atomic.Int64 // how many dials fail at once
}

func newDialer(urls string) *dialer {
	d := &dialer{Dialer: net.Dialer{Timeout: nats.DefaultTimeout}}
	d.putOff.Store(int64(strings.Count(urls, ",") + 1))
	return d
}

// Dial connects, except in the first round.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if d.putOff.Add(-1) >= 0 {
		return nil, errNotYet
	}
	return d.Dialer.Dial(network, address)
}

// minVersion is the first server with atomic batches.
var minVersion = version{2, 12, 0}

// dial begins to connect.
func (b *Bus) dial() error {
	nc, err := nats.Connect(b.opts.URL, b.connectOptions()...)
	var bad *url.Error
	if errors.As(err, &bad) { // its text holds the URL, perhaps with a password
		return fmt.Errorf("the server's URL is not valid: %w", bad.Err)
	}
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(b.opts.requestTimeout))
	if err != nil {
		nc.Close()
		return err
	}
	b.nc, b.js = nc, js
	return nil
}

func (b *Bus) connectOptions() []nats.Option {
	opts := []nats.Option{
		nats.Name("bridge " + b.opts.Instance),
		nats.CustomInboxPrefix(b.opts.InboxPrefix),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(),
		// No buffer while disconnected: a message that waits in one is neither
		// stored nor refused, and may land long after its retry.
		nats.ReconnectBufSize(-1),
		nats.DrainTimeout(b.opts.requestTimeout),
		nats.PingInterval(pingInterval),
		// A write that blocks holds the client library's lock, and with it every
		// call, whatever its context says, and the pings.
		nats.FlusherTimeout(5 * b.opts.requestTimeout),
	}
	if b.opts.InProcess != nil {
		opts = append(opts, nats.InProcessServer(b.opts.InProcess))
	} else {
		opts = append(opts, nats.SkipHostLookup(), nats.SetCustomDialer(newDialer(b.opts.URL)))
	}
	if b.opts.User != "" {
		opts = append(opts, nats.UserInfo(b.opts.User, b.opts.Password))
	}
	if b.opts.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(b.opts.CredentialsFile))
	}
	if b.opts.TLS != nil {
		opts = append(opts, nats.Secure(b.opts.TLS))
	}
	return append(opts, b.handlers()...)
}

// handlers log changes of the connection. The client library calls them one
// after the other.
func (b *Bus) handlers() []nats.Option {
	state := &trouble{log: b.log.With().Str("asset", "connection").Logger()}
	return []nats.Option{
		nats.ConnectHandler(func(*nats.Conn) { state.over() }),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if nc.IsDraining() || nc.IsClosed() {
				return
			}
			if err == nil {
				err = errors.New("connection lost")
			}
			state.failed(err)
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			switch {
			case errors.Is(err, errNotYet):
			case isNetwork(err) && state.active.Load(): // that it is away has been said
				state.log.Debug().Err(err).Msg("nats is still away")
			default:
				state.failed(err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { state.over() }),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if b.denials.note(err) {
				return
			}
			level := zerolog.WarnLevel
			if isNetwork(err) { // the connection breaks, which is said elsewhere
				level = zerolog.DebugLevel
			}
			b.log.WithLevel(level).Err(err).Msg("nats reported an error")
		}),
		nats.LameDuckModeHandler(func(*nats.Conn) {
			b.log.Warn().Msg("nats server is about to stop; moving to another")
		}),
	}
}

func isNetwork(err error) bool {
	var network *net.OpError
	return errors.As(err, &network)
}

// await blocks until the connection stands. Refused credentials end it: whoever
// starts a bridge wants to know. Later ones, while the bridge runs, do not; they
// may be in the middle of a change.
func (b *Bus) await(ctx context.Context) error {
	changes := b.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer b.nc.RemoveStatusListener(changes)
	if b.nc.IsConnected() {
		return nil
	}
	b.log.Info().Msg("waiting for nats")
	tick := time.NewTicker(reconnectWait / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := b.nc.LastError(); err != nil {
				return fmt.Errorf("%w (last failure: %w)", ctx.Err(), err)
			}
			return ctx.Err()
		case <-tick.C: // refused credentials have no callback while connecting
			if err := b.nc.LastError(); err != nil && isRefused(err) {
				return fmt.Errorf("the server refuses the credentials; check user and password, or the credentials file: %w", err)
			}
		case s := <-changes:
			if s == nats.CONNECTED {
				return nil
			}
			return nats.ErrConnectionClosed
		}
	}
}

// isRefused goes by the text: while connecting, the client library passes the
// server's words on without a type.
func isRefused(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "authorization violation") ||
		strings.Contains(text, "authentication expired") || strings.Contains(text, "authentication revoked")
}

// checkServer tries once; what no repetition mends is marked as final.
func (b *Bus) checkServer(ctx context.Context) error {
	start := time.Now()
	_, err := b.js.AccountInfo(ctx)
	err = b.denials.explain(start, "", err)
	switch {
	case isDenied(err):
		return &final{err}
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return &final{fmt.Errorf("jetstream is off on this server; switch it on (jetstream {} in its configuration) or connect to another: %w", err)}
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return &final{fmt.Errorf("jetstream is off for this account; switch it on for the account of these credentials: %w", err)}
	case err != nil:
		return fmt.Errorf("ask for jetstream: %w", err)
	}
	found := b.nc.ConnectedServerVersion()
	if found == "" {
		return errors.New("connection lost")
	}
	if err := checkVersion(found); err != nil {
		return &final{err}
	}
	return nil
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
