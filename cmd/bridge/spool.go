package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/bus/lease"
	"aiccbridge/bus/spool"
	"aiccbridge/internal/health"
	"aiccbridge/internal/instance"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// A start waits so long for an external NATS to be there, and then for its answers
// about all streams, before it goes on without.
const (
	firstContact = 5 * time.Second
	firstAnswers = 30 * time.Second
	reachEvery   = 5 * time.Second // from then on
)

// consumersAnswer is how long the count of consumers may take.
const consumersAnswer = 10 * time.Second

// errHeld is why nothing arrives at a hub that has not been asked to store anything.
var errHeld = errors.New("its streams have not been found as promised")

// flushFor is how long a stop, or a lease that is given back, waits for the spool to reach
// the hub. What is left goes out later.
const flushFor = 3 * time.Second

// behindSpool is an external hub with the spool in front of it.
type behindSpool struct {
	*spool.Spool
	base
	hub     *bus.Bus
	assets  *assets.Table // the hub's
	server  *embedded.Server
	reached bool          // at the start, with streams as promised
	line    instance.Line // the data folder's, which tells it from its copies
	process string        // this one, among all that had a copy of the data folder
	copies  *copies
}

func openBehindSpool(ctx context.Context, b base, w *witnesses, o bus.Options, a assets.Options, open *closers) (*hub, error) {
	dir := filepath.Join(b.cfg.DataDir, "spool-nats")
	line := lineOf(b, dir, "nats says who polls: nothing is polled or asked for before it answers")
	server, err := startServer(ctx, b, embedded.Options{Dir: dir}, open)
	if err != nil {
		return nil, err
	}
	hubBus, ledger, err := openBus(b, externalOptions(b.cfg.NATS, o), open)
	if err != nil {
		return nil, err
	}
	so := spool.Options{
		Server: server, Hub: hubBus.Conn(), MaxBytes: int64(b.cfg.NATS.SpoolBytes),
		Notice: ledger.Accept, Line: line.Number, Witness: w, Logger: b.log, Registerer: b.metrics,
	}
	so.User, so.Password = server.Login()
	s, err := spool.Open(ctx, so)
	if err != nil {
		return nil, err
	}
	open.add(s.Close)
	if err := w.behindSpool(ctx, s, hubBus, b.names); err != nil {
		return nil, err
	}
	table := assets.NewTable(hubBus.Conn(), a)
	away, err := meet(ctx, hubBus, table)
	if err != nil && !away {
		return nil, err
	}
	if away {
		if err := sayAway(ctx, b, s, line.Number, err); err != nil {
			return nil, err
		}
		s.Hold(true)
	}
	side := behindSpool{Spool: s, base: b, hub: hubBus, assets: table, server: server, reached: !away, line: line, process: uuid.NewString(), copies: new(copies)}
	return &hub{side: side, bus: hubBus, assets: table, notices: s, ledger: ledger, server: server, witness: w}, nil
}

// sayAway says what a start without the hub means: an agent is polled only if this bridge
// was the last to have its lease, in this line of its folder, and files need the ledger,
// which is in the hub.
func sayAway(ctx context.Context, b base, s *spool.Spool, line uint64, why error) error {
	held, err := lease.HeldLast(ctx, s.Bucket(schemas.BucketLeases), ">", b.instance, line)
	if err != nil {
		return fmt.Errorf("read the leases held last: %w", err)
	}
	if len(held) == 0 {
		b.log.Warn().Err(why).Msg("nats is away, and this bridge held no lease when it ended that it may go on with: nothing is polled or asked for until it is back; see nats.url")
		return nil
	}
	b.log.Warn().Err(why).Int("leases", len(held)).Msg("nats is away; polling goes on with the leases held last, and what comes is kept in the spool until it is back")
	return nil
}

// meet makes sure that an external hub's streams are as promised. away: the error is
// that it did not answer in time.
func meet(ctx context.Context, hub *bus.Bus, table *assets.Table) (away bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, firstContact)
	defer cancel()
	if err = hub.Ready(waiting); err == nil {
		answering, cancel := context.WithTimeout(ctx, firstAnswers)
		defer cancel()
		waiting, err = answering, table.Ensure(answering)
	}
	return err != nil && waiting.Err() != nil && ctx.Err() == nil, err
}

func (s behindSpool) owner(o lease.Options) lease.Options {
	o.Line, o.Process, o.Copied = s.line.Number, s.process, s.copies.of(o.Tenant+"/"+o.Partition)
	return o
}

func (s behindSpool) copied() time.Time { return s.line.Since() }

func (s behindSpool) lease(o lease.Options) lease.Lease {
	return lease.NewKept(s.hub.Conn(), s.Bucket(schemas.BucketLeases), s.owner(o))
}

func (s behindSpool) heldLast(ctx context.Context, tenant string) (partitions []string, err error) {
	prefix := schemas.EncodeToken(tenant) + "."
	held, err := lease.HeldLast(ctx, s.Bucket(schemas.BucketLeases), prefix+"*", s.instance, s.line.Number)
	for _, key := range held {
		partitions = append(partitions, strings.TrimPrefix(key, prefix))
	}
	return partitions, err
}

func (s behindSpool) url() string { return hubName(s.cfg.NATS) }

func (s behindSpool) stored() error {
	if err := s.server.Healthy(); err != nil {
		return err
	}
	return s.Failing(stillLimit)
}

func (s behindSpool) hold(weak bool) { s.Hold(weak) }

// serveSpool runs the spool. Until the hub's streams have been found as promised
// nothing leaves it.
func (s behindSpool) serveSpool(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Run(ctx) })
	if !s.reached {
		group.Go(func() error {
			s.reach(ctx)
			return nil
		})
	}
	return group.Wait()
}

// reach lets the spool go once the hub is there and its streams are as promised.
func (s behindSpool) reach(ctx context.Context) {
	var episode trouble.Episode
	for ctx.Err() == nil {
		err := s.hub.Ready(ctx)
		if err == nil {
			err = s.assets.Ensure(ctx)
		}
		if err == nil {
			s.Hold(false)
			return
		}
		if _, changed := episode.Failed(err.Error(), zerolog.ErrorLevel); changed && ctx.Err() == nil {
			s.log.Error().Err(err).Msg("nats is not used; what comes stays in the spool")
		}
		_ = retry.Wait(ctx, reachEvery) // the loop sees the end
	}
}

func (s behindSpool) flush(ctx context.Context) error {
	if s.hub.Connected() != nil {
		return nil // there is no hurry
	}
	ctx, cancel := context.WithTimeout(ctx, flushFor)
	defer cancel()
	return errors.Join(s.Flush(ctx), s.InStep(ctx))
}

func (s behindSpool) awaitSessions(ctx context.Context) {
	if s.hub.Connected() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstContact)
	defer cancel()
	if err := s.Loaded(ctx); err != nil {
		s.log.Warn().Err(err).Msg("sessions are taken as they were last known here")
		return
	}
	if err := s.InStep(ctx); err != nil { // once for each partition: no warning
		s.log.Debug().Err(err).Msg("sessions are taken as they were last known here")
	}
}

func (s behindSpool) checks() []health.Check {
	return []health.Check{
		{
			Name: "copy", Find: func(context.Context) error { return s.copies.found() },
			Raised: "a copy of this data folder is in use; polling or planning is left to it", Over: "no copy of this data folder is in use any more",
		},
		{
			Name: "consumers", Costly: true, Find: func(ctx context.Context) error {
				if s.hub.Connected() != nil { // that is another alarm's
					return nil
				}
				ctx, cancel := context.WithTimeout(ctx, consumersAnswer)
				defer cancel()
				return s.assets.Crowded(ctx)
			},
			Raised: "nats has nearly as many consumers as it takes; the bridge needs some of its own", Over: "there is room for consumers again",
		},
		{
			Name: "hub", Find: func(context.Context) error { return s.hub.Connected() },
			Raised: "nats is away; nothing reaches it, and what is polled meanwhile is kept in the spool", Over: "nats is back",
		},
		{
			Name: "forward", Find: func(context.Context) error { return s.forwards() },
			Raised: "nats is connected but takes nothing; events are kept in the spool", Over: "nats takes messages again",
		},
		{
			Name: "spool", Find: func(context.Context) error {
				state := s.State()
				return health.Full(state.Bytes, state.MaxBytes)
			},
			Raised: "the spool fills up; polling stops when it is full", Over: "the spool has room again",
		},
	}
}

// copies are the leases that a copy of this data folder has, and what that means.
type copies struct {
	mu sync.Mutex
	by map[string]string
}

// of takes what is said of one lease; "" is that it is ours.
func (c *copies) of(lease string) func(what string) {
	return func(what string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.by == nil {
			c.by = map[string]string{}
		}
		if c.by[lease] = what; what == "" {
			delete(c.by, lease)
		}
	}
}

func (c *copies) found() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.by) == 0 {
		return nil
	}
	leases := slices.Sorted(maps.Keys(c.by))
	return fmt.Errorf("leases %v: %s", leases, c.by[leases[0]])
}

// forwards says why nothing arrives at a hub that is connected; one that is away is the
// business of another alarm.
func (s behindSpool) forwards() error {
	if s.hub.Connected() != nil {
		return nil
	}
	cause, state := s.hub.Failing(stillLimit), s.State()
	if time.Since(state.Still) >= stillLimit {
		cause = cmp.Or(cause, errHeld)
		if state.Why != nil {
			cause = *state.Why
		}
	}
	if cause == nil {
		return nil
	}
	return fmt.Errorf("%w; look there at the streams' leaders and quorum, the account's limits, the disk and the bridge's rights", cause)
}
