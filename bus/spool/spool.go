package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/bus/spool/internal/signal"
	"aiccbridge/schemas"
)

// defaultBytes is what a spool may hold unless told otherwise: about five
// hours of 10,000 busy agents.
const defaultBytes = 10 << 30

// Options say where the spool is and where its messages go. Server and Hub are
// required.
type Options struct {
	// Server is the embedded server that keeps the spool. It must sync before it
	// acknowledges, and nobody else may write to it.
	Server nats.InProcessConnProvider
	// User and Password sign in at Server, if it asks.
	User, Password string
	// Hub is the connection of a bus; names and instance are its. It need not be ready,
	// now or ever.
	Hub *wire.Conn
	// MaxBytes is how much of the agents' messages the spool may hold. Dead
	// letters and notices have a sixteenth of it each, beside it, so that no kind
	// can use up another's space. 0: 10 GiB. If the server's store is smaller,
	// what fits into it counts.
	MaxBytes int64
	// Line is that of the folder that the spool is in: a number that its copies do not
	// share, and other whenever an older copy was put in its place. What another line
	// brought to the hub's buckets is somebody else's. 0: no copy is known of.
	Line uint64
	// Notice takes the callbacks' notices, in order per tenant, again and again
	// until it returns nil. A [*schemas.Permanent] makes a notice a dead letter. nil:
	// notices stay in the spool, for a later run.
	Notice func(ctx context.Context, n schemas.FileNotice) error

	// Witness is told of each message that the spool has, and that the hub has, and is
	// synced before that is trimmed. nil: nobody is.
	Witness wire.Witness

	// Logger gets changes of state. The zero value discards.
	Logger zerolog.Logger
	// Registerer gets the metrics. nil: none. A second spool on the same one panics.
	Registerer prometheus.Registerer

	requestTimeout time.Duration // default 2 s; tests shorten it
	upkeepEvery    time.Duration // default 1 s; tests shorten it
}

// Spool keeps messages on the local disk until the hub has them. It is safe for
// concurrent use.
type Spool struct {
	opts    Options
	hub     *wire.Conn
	local   *wire.Conn
	out     *wire.Publisher // to the local streams
	objects *kv.Objects     // the hub's quarantine
	log     zerolog.Logger
	metrics *metrics
	lines   []*forwarder // one of each class
	outage  outage
	hubBack signal.Bell
	valve   signal.Valve
	mirrors []*mirror     // of the buckets of sessions and states
	loaded  chan struct{} // closed when the hub's sessions and states are here
	state   atomic.Pointer[State]
}

// State is how much waits for the hub.
type State struct {
	Messages uint64 // of all kinds
	// Bytes and MaxBytes are those of the kind that is nearest to its limit.
	Bytes, MaxBytes int64
	Oldest          time.Time // when the first of them was stored; zero when nothing waits
	Still           time.Time // since when the first message of a kind could have gone to the hub and has not; now if all go
	Why             *error    // the hub's first failure since it took a message last; nil: none
}

// Failing is as that of the bus, for what goes into the spool.
func (s *Spool) Failing(atLeast time.Duration) error { return s.out.Failing(atLeast) }

// DeadLetters is as that of the bus, for what goes into the spool.
func (s *Spool) DeadLetters(within time.Duration) (n int, last schemas.Reason) {
	return s.out.DeadLetters(within)
}

// Open opens the spool and makes its streams and buckets; they are ready
// when it returns. The hub is not asked anything before [Spool.Run].
func Open(ctx context.Context, o Options) (*Spool, error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, o Options) (*Spool, error) {
	if o.Hub == nil || o.Server == nil {
		return nil, errors.New("hub and server must be set")
	}
	o.Witness = cmp.Or(o.Witness, wire.Witness(wire.NoWitness{}))
	o.MaxBytes = cmp.Or(o.MaxBytes, defaultBytes)
	o.upkeepEvery = cmp.Or(o.upkeepEvery, upkeepEvery)
	metrics := newMetrics(o.Registerer) // it panics before there is a connection
	local, err := wire.Open(wire.Options{
		Names: o.Hub.Names(), Instance: o.Hub.Instance(), InProcess: o.Server, User: o.User, Password: o.Password,
		InboxPrefix: assets.BridgeInbox, Logger: o.Logger, RequestTimeout: o.requestTimeout,
	})
	if err != nil {
		return nil, err
	}
	s := &Spool{
		opts: o, hub: o.Hub, local: local, log: o.Logger, metrics: metrics,
		out:     wire.NewPublisher(local, wire.PublisherOptions{TrustDuplicates: true, Witness: o.Witness}),
		objects: kv.OpenObjects(o.Hub, schemas.BucketQuarantine),
		outage:  outage{log: o.Logger}, loaded: make(chan struct{}),
	}
	for _, c := range classes(o.Hub.Names()) {
		s.lines = append(s.lines, newForwarder(s, c))
	}
	s.mirrors = []*mirror{newMirror(schemas.BucketSessions, local, o.Hub, o.Line, o.Logger), newMirror(schemas.BucketState, local, o.Hub, o.Line, o.Logger)}
	if err := s.prepare(ctx); err != nil {
		local.Close()
		return nil, err
	}
	return s, nil
}

// prepare waits for the local server, however slow its disk is, and makes and looks at what is there.
func (s *Spool) prepare(ctx context.Context) error {
	if err := s.local.Ready(ctx); err != nil {
		return err
	}
	if err := s.ensure(ctx); err != nil {
		return err
	}
	for _, l := range s.lines {
		if err := l.locate(ctx); err != nil {
			return err
		}
	}
	return s.refresh(ctx)
}

// Close ends the connection to the spool's server. Call it after Run has
// returned.
func (s *Spool) Close() { s.local.Close() }

// Publish stores a message in the spool: an event, a gap, a heartbeat or a dead
// letter. It returns nil only when the message is on the disk. A full spool is
// waited for. Otherwise it is as the bus's own Publish.
func (s *Spool) Publish(ctx context.Context, m schemas.Message) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("spool: %w", &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err})
	}
	line, ok := s.line(m.Subject)
	if !ok || line.hubStream == "" {
		return fmt.Errorf("spool: %w", &schemas.Permanent{
			Reason: schemas.ReasonInvalid,
			Err:    fmt.Errorf("subject %s is none that the spool takes", m.Subject),
		})
	}
	if err := s.add(ctx, line, wire.Message(m)); err != nil {
		return fmt.Errorf("spool message on %s: %w", m.Subject, err)
	}
	return nil
}

func (s *Spool) add(ctx context.Context, line *forwarder, m *nats.Msg) error {
	defer line.wake() // also after an error: it may be stored
	return s.out.Publish(ctx, line.stream, m)
}

// Last returns the last message of a filter, which must lie within one stream:
// the spool's, else the hub's. When the spool has none and the hub does not
// answer, it fails after a short while.
func (s *Spool) Last(ctx context.Context, filter string) (schemas.Stored, bool, error) {
	line, ok := s.line(filter)
	if !ok || line.hubStream == "" {
		return s.hub.Last(ctx, filter)
	}
	try, cancel := s.local.Try(ctx)
	defer cancel()
	last, found, err := s.local.LastIn(try, line.stream, filter)
	if err != nil {
		return schemas.Stored{}, false, fmt.Errorf("last message of %s in the spool: %w", filter, err)
	}
	if found {
		return last, true, nil
	}
	return s.hub.Last(ctx, filter)
}

// Bucket returns the local bucket of sessions, states or leases.
func (s *Spool) Bucket(b schemas.Bucket) *kv.Bucket { return kv.Open(s.local, b) }

// State is how much waits, as of a second ago.
func (s *Spool) State() State { return *s.state.Load() }

// Run forwards to the hub and mirrors the buckets until ctx ends, over any
// outage of the hub; then it returns nil. What is on the way then is looked for
// at the next start. Call it once.
func (s *Spool) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.hub.Back(ctx, s.hubBack.Ring) })
	group.Go(func() error { return s.upkeep(ctx) })
	for _, l := range s.lines {
		if l.deliver != nil {
			group.Go(func() error { return l.run(ctx) })
		}
	}
	var loaded atomic.Int64
	for _, m := range s.mirrors {
		group.Go(func() error {
			return m.run(ctx, func() {
				if loaded.Add(1) == int64(len(s.mirrors)) {
					close(s.loaded)
				}
			})
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("run spool: %w", err)
	}
	return nil
}

// Loaded waits until the hub's sessions and states have been taken over into the
// local buckets, or ctx ends. Run must be running. A bridge that begins to poll
// earlier may not know what another one left.
func (s *Spool) Loaded(ctx context.Context) error {
	select {
	case <-s.loaded:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the hub's sessions: %w", context.Cause(ctx))
	}
}

// InStep waits until the hub's and the local bucket of sessions each have what the other has
// now, or ctx ends. Run must be running. Whoever gives or takes an agent waits for it.
func (s *Spool) InStep(ctx context.Context) error {
	if err := s.mirrors[0].inStep(ctx); err != nil {
		return fmt.Errorf("wait for the hub's sessions: %w", err)
	}
	return nil
}

// Hold keeps messages and notices in the spool, because the hub is not to be
// trusted with them now, or lets them go on. What is on the way already arrives.
// Buckets and leases are not held.
func (s *Spool) Hold(held bool) { s.valve.Set(!held) }

// Flush waits until everything that is in the spool now is at the hub, and every
// notice taken, or ctx ends. Run must be running. Without Options.Notice it
// leaves notices alone.
func (s *Spool) Flush(ctx context.Context) error {
	for _, l := range s.lines {
		if l.deliver == nil {
			continue
		}
		end, err := s.local.End(ctx, l.stream)
		if err == nil {
			err = l.progress.wait(ctx, end)
		}
		if err != nil {
			return fmt.Errorf("flush %s: %w", l.stream, err)
		}
	}
	return nil
}

// line finds the forwarder of a subject or filter.
func (s *Spool) line(subject string) (*forwarder, bool) {
	for _, l := range s.lines {
		if schemas.Covers(l.subjects, subject) {
			return l, true
		}
	}
	return nil, false
}

// Conn is the connection to the spool's own server, with which it ends.
func (s *Spool) Conn() *wire.Conn { return s.local }

// Streams are the spool's own, the agents' first.
func (s *Spool) Streams() (list []string) {
	for _, l := range s.lines {
		list = append(list, l.stream)
	}
	return list
}
