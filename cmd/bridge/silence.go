package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/bus/kv"
	"aiccbridge/config"
	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/freshness"
	"aiccbridge/internal/freshness/pulse"
	"aiccbridge/internal/health"
	"aiccbridge/schemas"
)

// liveEvents is what the metrics call the feed of a tenant's events, beside the kinds of rows.
const liveEvents = "events"

// teams are whose agents are whose. The team of those without one is "".
type teams struct {
	of atomic.Pointer[map[string]string]
}

func (t *teams) set(agents []config.Agent) {
	of := make(map[string]string, len(agents))
	for _, a := range agents {
		of[a.ID] = a.Team
	}
	t.of.Store(&of)
}

// Of is the team of an agent.
func (t *teams) Of(agent string) string { return (*t.of.Load())[agent] }

// Those are the teams that any of some agents is in.
func (t *teams) Those(agents []string) (all []string) {
	for _, agent := range agents {
		if team := t.Of(agent); !slices.Contains(all, team) {
			all = append(all, team)
		}
	}
	return all
}

// All are the teams that there are, in order.
func (t *teams) All() (all []string) {
	for _, team := range *t.of.Load() {
		all = append(all, team)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// heardOf are the teams that events come of: those listed, in order, and then that of agents who are
// not, where there may be some.
func heardOf(c config.Tenant, listed []string) []string {
	if c.Events == string(schemas.WayPoll) || slices.Contains(listed, "") {
		return listed
	}
	return append(listed, "")
}

// newPulse counts the events of a tenant's teams. While the hub is away what other bridges hear
// is not known, and while no agent of a team is polled nobody hears it: those are other alarms'.
func newPulse(b base, h *hub, c config.Tenant) (*pulse.Pulse, *teams, error) {
	of := &teams{}
	of.set(c.Gateway.Agents)
	b.changes.add(func(_, new *config.Config) (func(), error) {
		return func() { of.set(tenantIn(new, c.Name).Gateway.Agents) }, nil
	})
	p, err := pulse.New(pulse.Options{
		Tenant: c.Name, Bucket: kv.Open(h.bus.Conn(), schemas.BucketPulse), Slot: c.Gateway.SilenceSlot,
		Team: of.Of, Logger: b.log.With().Str("tenant", c.Name).Logger(),
		Looking: func() []string {
			if h.bus.Connected() != nil {
				return nil
			}
			return of.Those(b.polling.Standing(c.Name, pollLimit).Polled)
		},
	})
	return p, of, err
}

// feed is one of which silence is told, or that it is told of no more.
type feed struct {
	tenant, kind, team string
	off                bool
	calendar           freshness.Calendar
	freshness.Feed
}

// what comes of it, in words.
func (f feed) what() string {
	switch {
	case f.kind != liveEvents:
		return "rows of " + f.kind
	case f.team != "":
		return "events of team " + f.team
	}
	return "events"
}

// feeds are those of all tenants.
type feeds struct {
	base
	ledger  *ledger.Ledger
	tenants []*tenant
	age, on *prometheus.Desc

	mu      sync.Mutex
	changes uint64                    // of the ledger, that rows go by
	rows    map[string]freshness.Feed // by tenant and kind
}

// newFeeds registers the metrics of all feeds.
func newFeeds(b base, l *ledger.Ledger, tenants []*tenant) *feeds {
	labels := []string{"tenant", "kind", "team"}
	f := &feeds{
		base: b, ledger: l, tenants: tenants, rows: map[string]freshness.Feed{},
		age: prometheus.NewDesc("aicc_freshness_age_seconds", "How long ago something came last: an event of the team's agents; of a kind of rows, since the end of the last window that has some.", labels, nil),
		on:  prometheus.NewDesc("aicc_freshness_expected", "1 while something is expected, by opening hours or as learned.", labels, nil),
	}
	b.metrics.MustRegister(f)
	return f
}

// all are the feeds as they are known at now.
func (f *feeds) all(now time.Time) (all []feed) {
	cfg := f.base.changes.config()
	for _, t := range f.tenants {
		c := tenantIn(cfg, t.cfg.Name)
		if t.pulse != nil && c.Gateway != nil {
			names := t.teams.All()
			for i, team := range heardOf(c, names) {
				setting := c.Gateway.Silence
				if setting == "calendar" && (len(names) > 1 || i > 0) { // a team may work in a part of the hours
					setting = "learned"
				}
				all = append(all, feed{tenant: c.Name, kind: liveEvents, team: team, off: setting == "off", calendar: calendar(c, setting), Feed: t.pulse.Feed(team, now)})
			}
		}
		if t.planner == nil || c.Files == nil {
			continue
		}
		for _, x := range c.Files.Extracts.Each() {
			all = append(all, feed{tenant: c.Name, kind: x.Kind, off: x.Silence == "off", calendar: calendar(c, x.Silence), Feed: f.ofRows(c, x, now)})
		}
	}
	return all
}

// calendar is that of a feed with a setting of silence.
func calendar(c config.Tenant, setting string) freshness.Calendar {
	out := freshness.Calendar{Zone: c.Timezone, Closed: c.Closed, Learn: setting == "learned"}
	if c.Hours != nil {
		out.Hours = &[7][]freshness.Span{}
		for day, spans := range c.Hours {
			for _, s := range spans {
				out.Hours[day] = append(out.Hours[day], freshness.Span(s))
			}
		}
	}
	return out
}

// How much expected time without rows is silence: a window, within these bounds. Opening hours
// know nothing of how often rows come: within them a short window without any is no sign yet.
const (
	mostSilentRows  = time.Hour
	leastSilentRows = 30 * time.Minute
)

func rowLimit(c config.Tenant, x config.KindExtract) time.Duration {
	limit := min(x.Window, mostSilentRows)
	if c.Hours == nil || x.Silence == "learned" {
		return limit
	}
	return max(limit, leastSilentRows)
}

// ofRows is the feed of a kind of rows. It is put together again when the ledger has changed.
func (f *feeds) ofRows(c config.Tenant, x config.KindExtract, now time.Time) freshness.Feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.ledger.Changes(); n != f.changes {
		f.changes = n
		clear(f.rows)
	}
	key := c.Name + " " + x.Kind
	feed, known := f.rows[key]
	if !known {
		feed = rowFeed(f.ledger.Entries(c.Name, schemas.Kind(x.Kind)), now)
		f.rows[key] = feed
	}
	feed.Limit, feed.Period = rowLimit(c, x), x.Window
	return feed.By(now)
}

// rowFeed is what the windows of a kind say, in the order of their times: those that are complete
// were looked at. When their rows came, by a re-sweep or a backfill perhaps, says nothing.
func rowFeed(entries []schemas.WindowEntry, now time.Time) (f freshness.Feed) {
	for _, e := range entries {
		if e.CompletedAt.IsZero() || e.Unplanned || now.Sub(e.Window.To) > freshness.Memory {
			continue
		}
		f.Slots = append(f.Slots, freshness.Slot{From: e.Window.From, To: e.Window.To, Count: e.Rows})
		if e.Rows > 0 {
			f.Last = e.Window.To
		}
	}
	return f
}

// check is that of feeds that are silent although something is expected of them.
func (f *feeds) check() health.Check {
	return health.Check{
		Name: "silence", Find: func(context.Context) (all error) {
			for _, one := range f.all(time.Now()) {
				if s, silent := one.calendar.Silent(one.Feed); silent && !one.off {
					all = errors.Join(all, fmt.Errorf("tenant %s: %s; look at the platform, and at opening_hours and closed", one.tenant, s.Describe(one.calendar, one.what())))
				}
			}
			return all
		},
		Raised: "a feed is silent when something is expected of it", Over: "something comes of every feed again",
	}
}

// Describe and Collect make the feeds a collector.
func (f *feeds) Describe(to chan<- *prometheus.Desc) {
	to <- f.age
	to <- f.on
}

// Collect shows how fresh each feed is. One of which nothing has ever come has no age.
func (f *feeds) Collect(to chan<- prometheus.Metric) {
	now := time.Now()
	for _, one := range f.all(now) {
		labels := []string{one.tenant, one.kind, one.team}
		if !one.Last.IsZero() {
			to <- prometheus.MustNewConstMetric(f.age, prometheus.GaugeValue, max(0, now.Sub(one.Last).Seconds()), labels...)
		}
		expected := 0.0
		if !one.off && one.calendar.Expects(now, one.Feed) {
			expected = 1
		}
		to <- prometheus.MustNewConstMetric(f.on, prometheus.GaugeValue, expected, labels...)
	}
}
