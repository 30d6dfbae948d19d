package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/health"
)

// windowsAnswer is how long the look at the ledger's bucket may take.
const windowsAnswer = 5 * time.Second

// stillLimit is how long nothing may be stored, although it is tried, before an alarm says so.
const stillLimit = 30 * time.Second

// nobodyLimit is how long all agents of a tenant may be tried in vain before an alarm says
// so: the gateway signs them out after two minutes.
const nobodyLimit = time.Minute

// fewPredicted is how many files are fetched without a callback before it is said that
// none arrives.
const fewPredicted = 3

// newWatch makes the checks of everything that the bridge's promises rest on while it
// runs, and what follows from each; downloading is shut while the disk is low.
//
//	alarm         means                                          and then                        status
//	store         nothing can be stored                          polling waits                   503
//	streams       deleted, or weaker than promised               external: events stay spooled   503
//	windows       the ledger of the windows was purged           no extract is asked for         503
//	disk          little space left                              downloads stop, polling goes on 200
//	copy          a copy of the data folder polls                this bridge waits               200
//	hub           external NATS away                             events are spooled              200
//	forward       external NATS connected, takes nothing         events are spooled              200
//	spool         more than 50, 80, 95 % full                    at 100 % polling waits          200
//	consumers     in this process: more wanted than fit          a reader is refused             200
//	agents        some are not tried again                       the others are polled           200
//	gateway       no agent of a tenant gets in or is polled      tried again                     200
//	extracts      failed five times in a row                     asked for every six hours       200
//	callbacks     none has ever arrived                          files are fetched late          200
//	certificates  expired, or soon                               –                               200
func newWatch(b base, h *hub, tenants []*tenant, downloading *health.Gate) *health.Watch {
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
		{
			Name: "windows", Fatal: true, Costly: true, Find: func(ctx context.Context) error {
				if h.bus.Connected() != nil { // that is another alarm's
					return nil
				}
				ctx, cancel := context.WithTimeout(ctx, windowsAnswer)
				defer cancel()
				return h.ledger.Purged(ctx)
			},
			Raised: "the ledger of the windows was purged; no extract is asked for", Over: "the ledger of the windows is there again",
		},
	}
	checks = slices.Concat(checks, h.checks(), agentChecks(b, tenants), fileChecks(b, h.ledger, tenants), []health.Check{certificates(b.cfg)})
	return health.NewWatch(health.Options{Checks: checks, Logger: b.log, Registerer: b.metrics})
}

// agentChecks are those of the tenants whose agents are polled.
func agentChecks(b base, tenants []*tenant) []health.Check {
	polled := func(t *tenant) bool { return t.agents != nil }
	return []health.Check{
		{
			Name: "agents", Find: ofEach(tenants, polled, func(name string) error {
				s := b.polling.Standing(name)
				if s.Halted == 0 {
					return nil
				}
				return fmt.Errorf("agents that are not tried again: %d; the last because: %w; mend that and restart the bridge", s.Halted, s.Why)
			}),
			Raised: "agents are not polled and not tried again", Over: "all agents are polled or tried",
		},
		{
			Name: "gateway", Find: ofEach(tenants, polled, func(name string) error {
				s := b.polling.Standing(name)
				if s.Nobody.IsZero() || time.Since(s.Nobody) < nobodyLimit {
					return nil
				}
				return fmt.Errorf("no agent is polled: %w; look at gateway.url, at the way there, and at the gateway", cmp.Or(s.Trying, errNoAnswer))
			}),
			Raised: "no agent is polled; events wait at the platform, which keeps them for two minutes", Over: "agents are polled again",
		},
	}
}

// errNoAnswer is what is known while the first try has not ended.
var errNoAnswer = errors.New("no answer yet")

// fileChecks are those of the tenants whose files are extracted.
func fileChecks(b base, l *ledger.Ledger, tenants []*tenant) []health.Check {
	extracted := func(t *tenant) bool { return t.planner != nil }
	return []health.Check{
		{
			Name: "extracts", Find: ofEach(tenants, extracted, func(name string) error {
				s := l.Standing(name, time.Now())
				if s.Failing == 0 {
					return nil
				}
				return fmt.Errorf("windows whose extracts failed again and again: %d; the last with %s; look at the log, and at the dead letters and files in quarantine", s.Failing, cmp.Or(s.Reason, "no answer"))
			}),
			Raised: "windows fail again and again", Over: "the windows that failed are complete",
		},
		{
			Name: "callbacks", Find: ofEach(tenants, extracted, func(name string) error {
				if s := l.Standing(name, time.Now()); s.Heard || s.Predicted < fewPredicted {
					return nil
				}
				return fmt.Errorf("no callback has ever arrived, though files were there: the platform must reach callbacks.public_url, %s; look at firewalls, at the proxy in front, at the certificate, and for refused ones in aicc_callbacks_total", b.cfg.Callbacks.PublicURL.Redacted())
			}),
			Raised: "no callback arrives; files are fetched late, by their predicted names", Over: "callbacks arrive",
		},
	}
}

// ofEach makes of what is wrong with one tenant what is wrong with all that concern it.
func ofEach(tenants []*tenant, concerns func(*tenant) bool, find func(name string) error) func(context.Context) error {
	return func(context.Context) (all error) {
		for _, t := range tenants {
			if !concerns(t) {
				continue
			}
			if err := find(t.cfg.Name); err != nil {
				all = errors.Join(all, fmt.Errorf("tenant %s: %w", t.cfg.Name, err))
			}
		}
		return all
	}
}
