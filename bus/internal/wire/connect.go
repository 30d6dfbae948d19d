package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/synadia-io/orbit.go/natscontext"

	"aiccbridge/bus/internal/denied"
	"aiccbridge/internal/trouble"
)

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

// dial begins to connect.
func (o Options) dial(opts []nats.Option) (nc *nats.Conn, js jetstream.JetStream, err error) {
	timeout := jetstream.WithDefaultTimeout(o.RequestTimeout)
	if o.Context == "" {
		if nc, err = nats.Connect(o.URL, opts...); err != nil {
			return nil, nil, err
		}
		js, err = jetstream.New(nc, timeout)
		return nc, js, err
	}
	nc, settings, err := natscontext.Connect(o.Context, opts...)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("context %s: %w", o.Context, err)
	case settings.JSAPIPrefix != "":
		js, err = jetstream.NewWithAPIPrefix(nc, settings.JSAPIPrefix, timeout)
	case settings.JSDomain != "":
		js, err = jetstream.NewWithDomain(nc, settings.JSDomain, timeout)
	default:
		js, err = jetstream.New(nc, timeout)
	}
	return nc, js, err
}

// connect are the client library's options.
func (o Options) connect() []nats.Option {
	opts := []nats.Option{
		nats.Name("bridge " + o.Instance),
		func(n *nats.Options) error { // a context may have said so already
			n.InboxPrefix = cmp.Or(n.InboxPrefix, o.InboxPrefix)
			return nil
		},
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(),
		// No buffer while disconnected: a message that waits in one is neither
		// stored nor refused, and may land long after its retry.
		nats.ReconnectBufSize(-1),
		nats.DrainTimeout(o.RequestTimeout),
		nats.PingInterval(pingInterval),
		// A write that blocks holds the client library's lock, and with it every
		// call, whatever its context says, and the pings.
		nats.FlusherTimeout(5 * o.RequestTimeout),
	}
	switch {
	case o.InProcess != nil:
		opts = append(opts, nats.InProcessServer(o.InProcess))
	case o.URL != "":
		opts = append(opts, nats.SkipHostLookup(), nats.SetCustomDialer(newDialer(o.URL)))
	}
	if o.User != "" {
		opts = append(opts, nats.UserInfo(o.User, o.Password))
	}
	if o.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(o.CredentialsFile))
	}
	if o.TLS != nil {
		opts = append(opts, nats.Secure(o.TLS))
	}
	return opts
}

// listener hears what happens to the connection, and logs its changes.
type listener struct {
	log     zerolog.Logger
	denials *denied.List
	closed  chan struct{} // closed with the connection
	moving  *atomic.Bool

	reports  trouble.Episode // of what the client library reports
	reported time.Time       // the latest
}

// reportsOver is how long after its latest error the client library has nothing to report.
const reportsOver = 10 * time.Minute

// report logs what the client library reports beside everything else, once: it says the
// same for every message.
func (l *listener) report(err error) {
	level := zerolog.WarnLevel
	if isNetwork(err) { // the connection breaks, which is said elsewhere
		level = zerolog.DebugLevel
	}
	if time.Since(l.reported) > reportsOver {
		l.reports.Over()
	}
	l.reported = time.Now()
	if _, changed := l.reports.Failed(trouble.Gist(err.Error()), level); changed {
		l.log.WithLevel(level).Err(err).Msg("nats reported an error")
	}
}

// handlers are called by the client library one after the other.
func (l *listener) handlers() []nats.Option {
	state := &Trouble{log: l.log.With().Str("asset", "connection").Logger()}
	return []nats.Option{
		nats.ConnectHandler(func(*nats.Conn) { state.Over() }),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if l.moving.Swap(false) || nc.IsDraining() || nc.IsClosed() {
				return
			}
			if err == nil {
				err = errors.New("connection lost")
			}
			state.Failed(err)
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			switch {
			case errors.Is(err, errNotYet):
			case isNetwork(err) && state.Active(): // that it is away has been said
				state.log.Debug().Err(err).Msg("nats is still away")
			default:
				state.Failed(err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { state.Over() }),
		nats.ClosedHandler(func(*nats.Conn) { close(l.closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !l.denials.Note(err) {
				l.report(err)
			}
		}),
		nats.LameDuckModeHandler(func(*nats.Conn) {
			l.log.Warn().Msg("nats server is about to stop; moving to another")
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
func (c *Conn) await(ctx context.Context) error {
	changes := c.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer c.nc.RemoveStatusListener(changes)
	if c.nc.IsConnected() {
		return nil
	}
	c.opts.Logger.Info().Msg("waiting for nats")
	tick := time.NewTicker(reconnectWait / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := c.nc.LastError(); err != nil {
				return fmt.Errorf("%w (last failure: %w)", ctx.Err(), err)
			}
			return ctx.Err()
		case <-tick.C: // refused credentials have no callback while connecting
			if err := c.nc.LastError(); err != nil && isRefused(err) {
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
