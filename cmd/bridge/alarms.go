package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/bus/lease"
	"aiccbridge/exporter/ledger"
	"aiccbridge/exporter/recordings"
	"aiccbridge/exporter/worker"
	"aiccbridge/internal/health"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// hubAnswer is how long a look at a bucket of the hub may take.
const hubAnswer = 5 * time.Second

// How long something may be tried in vain before an alarm says so. The gateway signs an
// agent out whom it has not heard of for two minutes.
const (
	stillLimit = 30 * time.Second // to store, and to get a lease that nobody has
	pollLimit  = time.Minute      // to poll an agent
	reachLimit = time.Minute      // to pass a client's call on
	filesLimit = time.Minute      // to get anything of a file store
	callsLimit = time.Minute      // to make calls of rows
)

// manyLetters are so many dead letters, in lettersSpan, that they are not single accidents.
const (
	manyLetters = 12
	lettersSpan = time.Hour
)

// newWatch makes the checks of everything that the bridge's promises rest on while it
// runs, and what follows from each; downloading is shut while the disk is low.
//
//	alarm         means                                          and then                        status
//	store         nothing can be stored                          polling waits                   503
//	streams       deleted, or weaker than promised               external: events stay spooled   503
//	windows       the ledger of the windows was purged           no extract is asked for         503
//	disk          little space left                              downloads stop, polling goes on 200
//	damage        acknowledged messages are missing              gap records                     200
//	copy          a copy of the data folder polls                this bridge waits               200
//	hub           external NATS away                             events are spooled              200
//	forward       external NATS connected, takes nothing         events are spooled              200
//	spool         more than 50, 80, 95 % full                    at 100 % polling waits          200
//	consumers     nearly as many as the server takes             embedded: a reader is refused   200
//	lease         nobody has one, and it can't be had            nobody polls or plans           200
//	agents        some are halted, or fail for long              the others are polled           200
//	gateway       every poll, look or call of a tenant fails     tried again                     200
//	filestore     takes no request, or gives no file             tried again                     200
//	extracts      failed five times in a row                     asked for every six hours       200
//	recordings    no audio can be fetched, or kept               rows go on                      200
//	calls         none can be made, or published                 rows go on                      200
//	callbacks     none arrives                                   files are fetched late          200
//	zone          a file's times are of another zone             they are read as set            200
//	dead_letters  a dozen or more in an hour                     –                               200
//	certificates  expired, or soon                               –                               200
//	silence       nothing comes when something is expected       –                               200
func newWatch(b base, h *hub, tenants []*tenant, r *recordings.Recorder, downloading *health.Gate) *health.Watch {
	checks := []health.Check{
		{
			Name: "store", Fatal: true, Find: func(context.Context) error { return h.stored() },
			Raised: "nothing can be stored; events wait at the platform, which keeps them for two minutes",
			Over:   "the store takes messages again",
		},
		{ // the server logs it itself
			Name: "disk", Find: func(context.Context) error { return h.server.Low() },
			Then: func(low bool) { downloading.Set(!low) },
		},
		{
			Name: "streams", Fatal: true, Costly: true, Find: h.assets.Check, Then: h.hold,
			Raised: "a stream was deleted or is weaker than promised", Over: "the streams are as promised again",
		},
		h.witness.check(),
		{
			Name: "windows", Fatal: true, Costly: true, Find: func(ctx context.Context) error {
				if h.bus.Connected() != nil { // that is another alarm's
					return nil
				}
				ctx, cancel := context.WithTimeout(ctx, hubAnswer)
				defer cancel()
				return h.ledger.Purged(ctx)
			},
			Raised: "the ledger of the windows was purged; no extract is asked for", Over: "the ledger of the windows is there again",
		},
	}
	checks = slices.Concat(checks, h.checks(), agentChecks(b, tenants), fileChecks(b, h.ledger, tenants), []health.Check{
		recordingsCheck(r, tenants), callsCheck(tenants), leases(h, tenants), deadLetters(h), certificates(b), newFeeds(b, h.ledger, tenants).check(),
	})
	return health.NewWatch(health.Options{Checks: checks, Logger: b.log, Registerer: b.metrics})
}

// agentChecks are those of the tenants whose agents are polled.
func agentChecks(b base, tenants []*tenant) []health.Check {
	each := func(find func(session.Standing) error) func(context.Context) error {
		return ofEach(tenants, func(t *tenant) error {
			if t.agents == nil && t.proxy == nil {
				return nil
			}
			return find(b.polling.Standing(t.cfg.Name, pollLimit))
		})
	}
	return []health.Check{
		{
			Name: "agents", Find: each(someAgents),
			Raised: "agents are not polled; their events wait at the platform, which keeps them for two minutes", Over: "all agents are polled",
		},
		{
			Name: "gateway", Find: anyOf(each(func(s session.Standing) error {
				if s.Failing == 0 || s.Failing < s.Tried {
					return nil
				}
				return fmt.Errorf("no agent is polled: %w; look at gateway.url, at the way there, and at the gateway", s.Cause)
			}), ofEach(tenants, unseen), ofEach(tenants, unreached)),
			Raised: "no agent is polled, or seen, or no call of a client gets through; events wait at the platform, which keeps them for two minutes",
			Over:   "agents are polled, or seen, again, and calls get through",
		},
	}
}

// unseen is why nothing is seen of a tenant's agents.
func unseen(t *tenant) error {
	if t.seen == nil {
		return nil
	}
	if err := t.seen.sight.Failing(sightLimit); err != nil {
		return fmt.Errorf("%w; look at monitor.url, at the way there, at the keys, and at the monitor", err)
	}
	return nil
}

// unreached is why no call of a tenant's clients gets through.
func unreached(t *tenant) error {
	if t.proxy == nil {
		return nil
	}
	if err := t.proxy.Failing(reachLimit); err != nil {
		return fmt.Errorf("%w; look at gateway.url, at the way there, and at the gateway", err)
	}
	return nil
}

// anyOf finds what any of them finds.
func anyOf(finds ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (all error) {
		for _, find := range finds {
			all = errors.Join(all, find(ctx))
		}
		return all
	}
}

// someAgents is what is wrong with some agents and not with the gateway.
func someAgents(s session.Standing) (all error) {
	if s.Halted > 0 {
		all = fmt.Errorf("agents that are not tried again: %d; the first because: %w; mend that; who has another password or phone then is tried at once, else restart the bridge", s.Halted, s.Why)
	}
	if s.Failing > 0 && s.Failing < s.Tried {
		all = errors.Join(all, fmt.Errorf("agents without a good poll for a minute and more: %d of %d; the first because: %w; look at their sessions and accounts", s.Failing, s.Tried, s.Cause))
	}
	return all
}

// waiting are the leases of a tenant's agents that this bridge wants and has not.
func (t *tenant) waiting() map[string]time.Time {
	switch {
	case t.agents != nil:
		return t.agents.Waiting()
	case t.sole != nil:
		return t.sole.Waiting()
	}
	return nil
}

// leases is the check of those that this bridge wants. One that another bridge has is in
// good hands.
func leases(h *hub, tenants []*tenant) health.Check {
	free := func(ctx context.Context, tenant, partition string, since time.Time) error {
		if since.IsZero() || time.Since(since) < stillLimit {
			return nil
		}
		holder, err := lease.Holder(ctx, kv.Open(h.bus.Conn(), schemas.BucketLeases), tenant, partition)
		if err == nil && holder != "" {
			return nil
		}
		return fmt.Errorf("the lease %s can't be had, and nobody has it: %w; look at the bucket %s, and at the rights to it", schemas.LeaseKey(tenant, partition), cmp.Or(err, errNoLease), schemas.BucketLeases)
	}
	return health.Check{
		Name: "lease", Costly: true, Find: func(ctx context.Context) error {
			if h.bus.Connected() != nil { // that is another alarm's
				return nil
			}
			ctx, cancel := context.WithTimeout(ctx, hubAnswer)
			defer cancel()
			return ofEach(tenants, func(t *tenant) (all error) {
				for partition, since := range t.waiting() {
					all = cmp.Or(all, free(ctx, t.cfg.Name, partition, since)) // one is enough to be told of
				}
				if t.planner != nil {
					all = errors.Join(all, free(ctx, t.cfg.Name, planningPartition, t.planner.Waiting()))
				}
				return all
			})(ctx)
		},
		Raised: "a lease can't be had; nobody polls its agents, or plans its extracts", Over: "the leases are held",
	}
}

var errNoLease = errors.New("it is not granted")

// deadLetters is the check of those that this bridge makes.
func deadLetters(h *hub) health.Check {
	return health.Check{
		Name: "dead_letters", Find: func(context.Context) error {
			n, last := h.bus.DeadLetters(lettersSpan)
			if s, ok := h.side.(behindSpool); ok { // which stores on a disk of its own
				more, reason := s.DeadLetters(lettersSpan)
				n, last = n+more, cmp.Or(last, reason)
			}
			if n < manyLetters {
				return nil
			}
			return fmt.Errorf("dead letters in the last hour: %d; the last because of %s; read them in %s, each says why, and where its original is", n, last, h.bus.Conn().Names().Stream(schemas.StreamDeadLetters))
		},
		Raised: "dead letters by the dozen", Over: "there are few new dead letters",
	}
}

// fileChecks are those of the tenants whose files are extracted.
func fileChecks(b base, l *ledger.Ledger, tenants []*tenant) []health.Check {
	each := func(find func(t *tenant, s ledger.Standing) error) func(context.Context) error {
		return ofEach(tenants, func(t *tenant) error {
			if t.planner == nil {
				return nil
			}
			return find(t, l.Standing(t.cfg.Name, time.Now()))
		})
	}
	return []health.Check{
		{
			Name: "zone", Find: each(func(t *tenant, _ ledger.Standing) (all error) {
				for _, s := range b.zones.Suspected(t.cfg.Name) {
					all = errors.Join(all, zoneAdvice(s))
				}
				return all
			}),
			Raised: "the times of files are those of another zone than the one that is set; their rows are published with wrong instants", Over: "the times of files are those of the zone that is set",
		},
		{
			Name: "filestore", Find: each(func(t *tenant, _ ledger.Standing) error {
				if err := t.files.Failing(filesLimit); err != nil {
					return fmt.Errorf("%w; look at files.url, at the way there, at the keys, and at the file store", err)
				}
				return nil
			}),
			Raised: "the file store takes no request or gives no file; its windows are late", Over: "the file store works again",
		},
		{
			Name: "extracts", Find: each(func(_ *tenant, s ledger.Standing) error {
				if s.Failing == 0 {
					return nil
				}
				return fmt.Errorf("windows whose extracts failed again and again: %d; the last with %s; look at the log, and at the dead letters and files in quarantine", s.Failing, cmp.Or(s.Reason, "no answer"))
			}),
			Raised: "windows fail again and again", Over: "the windows that failed are complete",
		},
		{
			Name: "callbacks", Find: each(func(_ *tenant, s ledger.Standing) error {
				if !s.Silent() {
					return nil
				}
				when := "no callback has ever arrived"
				if !s.Called.IsZero() {
					when = "no callback has arrived since " + s.Called.UTC().Format(time.DateTime)
				}
				return fmt.Errorf("%s, though files were asked for: the platform must reach callbacks.public_url, %s; look at firewalls, at the proxy in front, at the certificate, and for refused ones in aicc_callbacks_total", when, b.cfg.Callbacks.PublicURL.Redacted())
			}),
			Raised: "no callback arrives; files are fetched late, by their predicted names", Over: "callbacks arrive",
		},
	}
}

// zoneAdvice says what to set to have the files read in the zone that they show.
func zoneAdvice(s worker.Suspicion) error {
	setting := cmp.Or(s.Setting, "the name of a zone that has this offset")
	return fmt.Errorf("%s files: their times are at %s from UTC, and are read in %s, which is at %s; set files.zone, or files.extracts.%[1]s.zone for this kind alone, to %[5]s, and restart the bridge",
		s.Kind, s.Offset, s.Zone, s.ExpectedOffset, setting)
}

// certificates is the check of those that the bridge shows.
func certificates(b base) health.Check {
	return health.Check{
		Name: "certificates", Costly: true, Find: func(context.Context) (all error) {
			wrong := expiring(b.changes.config(), time.Now())
			for _, key := range slices.Sorted(maps.Keys(wrong)) {
				all = errors.Join(all, fmt.Errorf("%s: %w; %s", key, wrong[key], renew(key)))
			}
			return all
		},
		Raised: "a certificate is not valid, or not for long", Over: "the certificates are valid",
	}
}

// callsCheck is that of the calls that are made of rows.
func callsCheck(tenants []*tenant) health.Check {
	return health.Check{
		Name: "calls", Find: ofEach(tenants, func(t *tenant) error {
			if t.calls == nil {
				return nil
			}
			return t.calls.Failing(callsLimit)
		}),
		Raised: "no calls are made of rows; they are when the cause is gone", Over: "calls are made again",
	}
}

// ofEach makes of what is wrong with one tenant what is wrong with all.
func ofEach(tenants []*tenant, find func(*tenant) error) func(context.Context) error {
	return func(context.Context) (all error) {
		for _, t := range tenants {
			if err := find(t); err != nil {
				all = errors.Join(all, fmt.Errorf("tenant %s: %w", t.cfg.Name, err))
			}
		}
		return all
	}
}
