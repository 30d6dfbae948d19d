package monitor

import (
	"cmp"
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/cccms"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// The defaults of Options.
const (
	defaultInterval  = 5 * time.Second
	defaultHeartbeat = 5 * time.Minute
)

const atOnce = 32 // agents of whom something is stored

// Platform is what is asked; *cccms.Client is one.
type Platform interface {
	Agents(ctx context.Context) (cccms.List, error)
	Details(ctx context.Context, ids []string) ([]cccms.Agent, error)
}

// Options configure a Monitor. Platform, Record and Known are required.
type Options struct {
	Platform Platform
	// Record makes the messages; its epoch is that of the lease.
	Record record.Options
	// Known are the tenant's agents as the bucket STATE has them.
	Known func(ctx context.Context) ([]schemas.AgentState, error)
	// Others are agents whose events come in another way: nothing is said of them. nil: none.
	Others func(agent string) bool

	Interval  time.Duration // between two looks; default 5 s
	Heartbeat time.Duration // between two heartbeat messages of an agent; default 5 min, negative: none

	Sight   *Sight   // outlives ownerships. nil: nobody wants to know
	Metrics *Metrics // nil: none
	Logger  zerolog.Logger
}

// Monitor looks at the agents of one tenant during one ownership. It is for one [Monitor.Run].
type Monitor struct {
	o       Options
	record  *record.Tenant
	seats   map[string]*seat
	trouble trouble.Episode

	began  time.Time // the first look was due
	good   time.Time // what the last look showed was stored by then; zero: none has succeeded
	blind  bool      // all that is known is said to be unknown
	next   time.Time // look
	keep   time.Time // next upkeep of all agents
	empty  bool      // the last list had nobody
	pauses pauses
}

// seat is one agent. Only one goroutine at a time has it.
type seat struct {
	record *record.Recorder
	state  schemas.State
	before schemas.State // what was seen before looks failed
	shown  time.Time     // when a look that showed state was asked for; zero: not in this ownership
}

// New makes a monitor that does nothing before [Monitor.Run].
func New(o Options) *Monitor {
	o.Interval = cmp.Or(o.Interval, defaultInterval)
	o.Heartbeat = cmp.Or(o.Heartbeat, defaultHeartbeat)
	o.Record.Via = schemas.WayMonitor
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Sight == nil {
		o.Sight = &Sight{}
	}
	return &Monitor{
		o: o, record: record.NewTenant(o.Record), seats: map[string]*seat{},
		pauses: newPauses(o.Interval),
	}
}

// Run looks until intake ends; what was seen by then is stored until work ends. The error is
// that of reading what is known.
func (m *Monitor) Run(intake, work context.Context) error {
	defer m.o.Sight.failed(nil) // of this bridge: whoever looks next says how it is
	defer m.o.Metrics.shows(m.o.Record.Tenant, nil)
	if err := m.recall(intake); err != nil {
		if intake.Err() != nil {
			return nil
		}
		return err
	}
	m.began = time.Now()
	m.next, m.keep = m.began, m.began
	for {
		if retry.Wait(intake, time.Until(m.wake())) != nil {
			return nil
		}
		if err := m.turn(intake, work); err != nil {
			return nil // work has ended
		}
	}
}

// wake is when there is something to be done.
func (m *Monitor) wake() time.Time {
	at := m.next
	if due := m.blindAt(); !m.blind && due.Before(at) {
		at = due
	}
	if m.keep.Before(at) {
		at = m.keep
	}
	return at
}

// blindAt is when nothing has been seen for two intervals. How long it took to store what was
// seen is not the platform's fault, and does not count.
func (m *Monitor) blindAt() time.Time {
	last := m.good
	if last.IsZero() {
		last = m.began
	}
	return last.Add(2 * m.o.Interval)
}

// turn does what is due. A look comes first: one that could not be made in time, because the
// store hung, tells nothing of the platform. The error is work's.
func (m *Monitor) turn(intake, work context.Context) error {
	if !time.Now().Before(m.next) {
		if err := m.look(intake, work); err != nil || intake.Err() != nil {
			return err
		}
	}
	now := time.Now()
	if !m.blind && !now.Before(m.blindAt()) {
		if err := m.goBlind(work, now); err != nil {
			return err
		}
	}
	if !now.Before(m.keep) {
		m.keep = now.Add(m.o.Interval)
		return m.each(work, m.seats, func(ctx context.Context, s *seat) error {
			return s.record.Upkeep(ctx, m.o.Heartbeat)
		})
	}
	return nil
}

// recall takes what was known of the agents last.
func (m *Monitor) recall(ctx context.Context) error {
	known, err := m.o.Known(ctx)
	for _, k := range known {
		if s := m.seat(k.Agent); s != nil {
			s.record.Standing.GoOn(k)
			s.state, s.before = s.record.Standing.Known().State, ""
		}
	}
	return err
}

// seat is that of an agent, a new one if need be; nil: he is not ours.
func (m *Monitor) seat(agent string) *seat {
	if m.o.Others != nil && m.o.Others(agent) {
		return nil
	}
	s := m.seats[agent]
	if s == nil {
		s = &seat{record: m.record.Recorder(agent, 0), state: schemas.StateUnknown}
		m.seats[agent] = s
	}
	return s
}

// look looks once, and stores what is new. The error is work's.
func (m *Monitor) look(intake, work context.Context) error {
	asked := time.Now()
	ctx, cancel := intake, context.CancelFunc(func() {})
	if !m.blind { // what has not answered by then has failed
		by := m.blindAt()
		if !asked.Before(by) { // this look is late
			by = asked.Add(m.o.Interval)
		}
		ctx, cancel = context.WithDeadline(intake, by)
	}
	list, err := m.o.Platform.Agents(ctx)
	cancel()
	m.next = asked.Add(m.o.Interval)
	switch {
	case intake.Err() != nil:
		return nil
	case err != nil:
		m.failed(err)
		return nil
	}
	now := time.Now()
	m.succeeded(now.Sub(asked), len(list.Agents))
	news := m.compare(list, asked, now)
	m.refine(intake, news)
	if err := m.publish(work, news, now); err != nil {
		return err
	}
	m.good, m.blind = time.Now(), false
	m.count()
	return nil
}

// failed notes a look that failed and says when the next one is due.
func (m *Monitor) failed(err error) {
	m.o.Metrics.looks.WithLabelValues(m.o.Record.Tenant, "failed").Inc()
	m.o.Sight.failed(err)
	pause, cause := m.pauses.after(err)
	if attempt, changed := m.trouble.Failed(cause, zerolog.WarnLevel); changed {
		m.o.Logger.Warn().Err(err).Int("attempt", attempt).Stringer("next", pause.Round(time.Second)).Msg("agents are not seen; looking again later")
	}
	m.next = time.Now().Add(pause)
}

func (m *Monitor) succeeded(took time.Duration, agents int) {
	m.o.Metrics.looks.WithLabelValues(m.o.Record.Tenant, "seen").Inc()
	m.o.Metrics.took.WithLabelValues(m.o.Record.Tenant).Observe(took.Seconds())
	m.o.Sight.failed(nil)
	m.pauses.reset()
	if failures, _ := m.trouble.Over(); failures > 0 {
		m.o.Logger.Info().Int("failures", failures).Int("agents", agents).Msg("agents are seen again")
	}
}

// goBlind says of all agents that nobody knows where they stand. The error is work's.
func (m *Monitor) goBlind(work context.Context, now time.Time) error {
	m.blind = true
	err := m.each(work, m.seats, func(ctx context.Context, s *seat) error {
		if s.state == schemas.StateUnknown {
			return nil
		}
		was := s.state
		s.before, s.state = was, schemas.StateUnknown
		return s.record.Saw(ctx, record.Seen{
			State: schemas.StateUnknown, After: s.shown, Before: now, At: now,
			Content: record.SeenContent{Was: was, Cause: record.UnknownUnseen},
		})
	})
	m.count()
	return err
}

// each does something for many agents, some at a time. The error is work's.
func (m *Monitor) each(work context.Context, seats map[string]*seat, do func(context.Context, *seat) error) error {
	group := errgroup.Group{}
	group.SetLimit(atOnce)
	for _, s := range seats {
		group.Go(func() error { return do(work, s) })
	}
	return group.Wait()
}

// count shows how many agents are in each state.
func (m *Monitor) count() {
	of := map[schemas.State]int{}
	for _, s := range m.seats {
		of[s.state]++
	}
	m.o.Metrics.shows(m.o.Record.Tenant, of)
}
