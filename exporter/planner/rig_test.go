package planner

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// pass lets virtual time go by; for use in synctest bubbles only.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// asked is one request that reached the platform.
type asked struct {
	kind   schemas.Kind
	window schemas.Window
	at     time.Time
	id     string // of the answer, "" when refused
}

// platform answers queries and notes them.
type platform struct {
	mu     sync.Mutex
	seen   []asked
	flying int
	most   int // most requests at one time
	takes  time.Duration

	// answer, if set, decides about the n-th request, from 0.
	answer func(ctx context.Context, n int, k schemas.Kind, w schemas.Window) error
	// onAnswer, if set, is called with each request taken, before its answer is.
	onAnswer func(asked)
}

func (p *platform) query(ctx context.Context, r schemas.WindowRequest) (string, error) {
	p.mu.Lock()
	n, at := len(p.seen), time.Now()
	p.seen = append(p.seen, asked{kind: r.Kind, window: r.Window, at: at})
	p.flying++
	p.most = max(p.most, p.flying)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.flying--
		p.mu.Unlock()
	}()
	time.Sleep(p.takes)
	if p.answer != nil {
		if err := p.answer(ctx, n, r.Kind, r.Window); err != nil {
			return "", err
		}
	}
	p.mu.Lock()
	p.seen[n].id = exportertest.ResponseID(n + 1)
	a := p.seen[n]
	p.mu.Unlock()
	if p.onAnswer != nil {
		p.onAnswer(a)
	}
	return a.id, nil
}

func (p *platform) requests() []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]asked(nil), p.seen...)
}

// of returns the requests for one window.
func (p *platform) of(w schemas.Window) (all []asked) {
	for _, a := range p.requests() {
		if a.window == w {
			all = append(all, a)
		}
	}
	return all
}

// site is one tenant's ledger, planner and platform in virtual time.
type site struct {
	t        *testing.T
	zone     *time.Location
	bucket   *exportertest.Bucket
	pub      *exportertest.Publisher
	platform *platform
	mu       sync.Mutex
	ledger   *ledger.Ledger
	planner  *Planner // of now
	stops    []func()
}

func newSite(t *testing.T) *site {
	return &site{t: t, zone: time.UTC, bucket: exportertest.NewBucket(), pub: &exportertest.Publisher{}, platform: &platform{}}
}

// open starts a ledger and a planner with the given extracts and further options.
func (s *site) open(o Options, extracts ...Extract) {
	s.t.Helper()
	l, stop := startLedger(s.t, ledger.Options{Bucket: s.bucket, Publisher: s.pub})
	s.mu.Lock()
	s.ledger = l
	s.mu.Unlock()
	o.Ledger, o.Publisher, o.Extracts, o.Zone = l, s.pub, extracts, s.zone
	if o.Query == nil {
		o.Query = s.platform.query
	}
	s.planner = newTestPlanner(s.t, o)
	s.stops = []func(){runPlanner(s.t, s.planner), stop}
}

// current is the ledger of now, for goroutines that live through a restart.
func (s *site) current() *ledger.Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger
}

// close stops both, as a crash or a shutdown does.
func (s *site) close() {
	for _, stop := range s.stops {
		stop()
	}
}

// startLedger runs a ledger and waits until it has loaded.
func startLedger(t testing.TB, o ledger.Options) (l *ledger.Ledger, stop func()) {
	t.Helper()
	o.Names = exportertest.Names(t)
	l, err := ledger.New(o)
	exportertest.Check(t, err)
	stop = exportertest.Start(t, l.Run)
	exportertest.Check(t, l.Await(t.Context()))
	return l, stop
}

func newTestPlanner(t *testing.T, o Options) *Planner {
	t.Helper()
	o.Tenant, o.Names = cmp.Or(o.Tenant, exportertest.Acme), exportertest.Names(t)
	if o.Publisher == nil {
		o.Publisher = &exportertest.Publisher{}
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	p, err := New(o)
	exportertest.Check(t, err)
	return p
}

func runPlanner(t *testing.T, p *Planner) (stop func()) {
	t.Helper()
	return exportertest.Start(t, func(ctx context.Context) error { return p.Run(ctx, ctx) })
}

func startPlanner(t *testing.T, o Options) (stop func()) {
	t.Helper()
	return runPlanner(t, newTestPlanner(t, o))
}

// deliver gives the callback of a request and lets a worker complete its file.
func (s *site) deliver(a asked) {
	s.t.Helper()
	exportertest.Check(s.t, s.ledger.Accept(context.Background(), s.notice(a)))
	exportertest.Check(s.t, s.ledger.Complete(context.Background(), s.file(a), 1, time.Now()))
}

func (s *site) notice(a asked) schemas.FileNotice {
	return schemas.FileNotice{
		Tenant: exportertest.Acme, ResponseID: a.id, Via: schemas.ViaCallback, ReceivedAt: time.Now(),
		FileName: a.at.Format("20060102") + "_" + a.id + ".zip",
	}
}

func (s *site) file(a asked) schemas.FileReady {
	n := s.notice(a)
	return schemas.FileReady{
		Tenant: exportertest.Acme, Kind: a.kind, Window: a.window, ResponseID: a.id,
		FileName: n.FileName, ReceivedAt: n.ReceivedAt, Via: n.Via,
	}
}

// serve makes the platform give every callback, and a worker complete every
// file, before the query is answered.
func (s *site) serve() {
	s.platform.onAnswer = func(a asked) {
		if err := s.ledger.Accept(context.Background(), s.notice(a)); err != nil {
			s.t.Error(err)
		}
	}
	s.pub.After = func(m schemas.Message) error {
		if m.Type == schemas.TypeFileReady {
			var f schemas.FileReady
			exportertest.Unmarshal(s.t, m.Body, &f)
			return s.ledger.Complete(context.Background(), f, 1, time.Now())
		}
		return nil
	}
}

func (s *site) entries(k schemas.Kind) []schemas.WindowEntry {
	return s.ledger.Entries(exportertest.Acme, k)
}

// tiled reports holes and overlaps of the entries of a kind, which must begin at
// from and reach until or later.
func tiled(entries []schemas.WindowEntry, from, until time.Time) error {
	at := from
	for _, e := range entries {
		if !e.Window.From.Equal(at) {
			return fmt.Errorf("hole or overlap: window %s, but the one before ends %s", e.Window, at.UTC())
		}
		at = e.Window.To
	}
	if at.Before(until) {
		return fmt.Errorf("windows end %s, want %s", at, until)
	}
	return nil
}
