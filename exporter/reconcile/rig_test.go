package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
	"aiccbridge/schemas/events"
	"aiccbridge/schemas/rows"
)

// book is a ledger in memory.
type book struct {
	mu      sync.Mutex
	entries map[string]schemas.WindowEntry
	changes uint64
}

func (b *book) Await(context.Context) error { return nil }

func (b *book) Each(_ string, f func(schemas.WindowEntry)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		f(e)
	}
}

func (b *book) Changes() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changes
}

func (b *book) note(e schemas.WindowEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[e.Key()] = e
	b.changes++
}

// stage is a reconciler with everything around it in memory, and a contact centre whose agents
// work in virtual time.
type stage struct {
	t          testing.TB
	names      schemas.Names
	ledger     *book
	rows       *exportertest.Rows
	out        *exportertest.Publisher
	reconciler *Reconciler
	audio      []schemas.Recording

	mu       sync.Mutex
	events   []schemas.Stored
	seqs     map[string]uint64
	received map[string]time.Time
	lose     func(agent string, e world.Event) bool // this event is lost
	lost     []lostEvent
	noTimes  bool           // the platform sends no times
	away     bool           // agent 101 is signed out
	zone     *time.Location // of the rows; nil: UTC

	world    *world.World
	start    time.Time
	extracts int
	have     map[string]map[string]bool // ids of rows by subjects
}

// lostEvent is one that was taken from the queue, and did not arrive.
type lostEvent struct {
	agent string
	world.Event
}

const settle = 15 * time.Minute

func newStage(t testing.TB) *stage {
	s := &stage{
		t: t, names: exportertest.Names(t), ledger: &book{entries: map[string]schemas.WindowEntry{}}, rows: &exportertest.Rows{},
		out: &exportertest.Publisher{Knows: true}, seqs: map[string]uint64{}, received: map[string]time.Time{}, have: map[string]map[string]bool{},
		lose: func(string, world.Event) bool { return false },
	}
	s.restart()
	return s
}

// restart makes a new reconciler, as a new process does.
func (s *stage) restart() {
	settles := map[schemas.Kind]time.Duration{}
	for _, k := range kinds {
		settles[k] = settle
	}
	r, err := New(Options{
		Tenant: exportertest.Acme, Zone: exportertest.Location(s.t, "Asia/Shanghai"), Names: s.names, Ledger: s.ledger, Rows: s.rows.Read,
		Events: s.since, Statements: s.statements, Publish: s.out.Publish, Stored: s.out.Stored, Settle: settles,
		Audio: func(_ context.Context, _ time.Time, f func(schemas.Recording)) error {
			for _, r := range s.audio {
				f(r)
			}
			return nil
		},
	})
	exportertest.Check(s.t, err)
	s.reconciler = r
}

func (s *stage) since(_ context.Context, since time.Time, f func(schemas.Stored) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.events {
		if m.StoredAt.Before(since) {
			continue
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) statements(_ context.Context, subject string, f func(schemas.Stored) error) error {
	for _, typ := range []string{schemas.TypeReconcile, schemas.TypeReconcileDay} {
		for _, m := range s.out.Of(typ) {
			if m.Subject != subject {
				continue
			}
			if err := f(schemas.Stored{Subject: m.Subject, Header: m.Headers(), Body: m.Body}); err != nil {
				return err
			}
		}
	}
	return nil
}

// store puts a message of an agent into the stream.
func (s *stage) store(m schemas.Message, err error) {
	exportertest.Check(s.t, err)
	s.events = append(s.events, schemas.Stored{Subject: m.Subject, Sequence: uint64(len(s.events) + 1), StoredAt: time.Now(), Header: m.Headers(), Body: m.Body})
}

func (s *stage) position(agent string) schemas.Position {
	s.seqs[agent]++
	return schemas.Position{Epoch: 1, Seq: s.seqs[agent]}
}

// hears stores what the platform tells of an agent, or that something was lost.
func (s *stage) hears(agent string, e world.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	if s.lose(agent, e) {
		s.lost = append(s.lost, lostEvent{agent, e})
		s.store(s.names.GapMessage(schemas.Gap{
			Tenant: exportertest.Acme, Agent: agent, From: s.received[agent], To: now, Cause: schemas.GapPollUnknown, MaxLost: 1, Position: s.position(agent),
		}))
		return
	}
	info, _ := events.Lookup(e.Type)
	said := schemas.Event{
		Tenant: exportertest.Acme, Agent: agent, Type: e.Type, Group: info.Group, Name: info.Name, State: info.State, OccurredAt: e.At.UTC(), ReceivedAt: now, Via: schemas.WayPoll,
		Position: s.position(agent),
	}
	if s.noTimes {
		said.OccurredAt = time.Time{}
	}
	info.Fill(&said, e.Content)
	s.received[agent] = now
	s.store(s.names.EventMessage(said))
}

// session stores one of the bridge's own events.
func (s *stage) session(agent, typ, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received[agent] = time.Now()
	s.away = typ == schemas.EventSignedOut || typ == schemas.EventLeft
	s.store(s.names.EventMessage(schemas.Event{
		Tenant: exportertest.Acme, Agent: agent, Type: typ, Group: schemas.GroupSession, Name: name, ReceivedAt: time.Now().UTC(), Via: schemas.WayPoll, Position: s.position(agent),
	}))
}

// beat stores a heartbeat of each agent.
func (s *stage) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for agent, seq := range s.seqs {
		s.store(s.names.HeartbeatMessage(schemas.Heartbeat{
			Tenant: exportertest.Acme, Agent: agent, State: schemas.StateReady, At: time.Now().UTC(), Position: schemas.Position{Epoch: 1, Seq: seq},
		}))
	}
}

// works has a contact centre work for some hours, and every window extracted and compared in
// time: once, and again after a few hours. Rows are those that a platform has that writes none
// of what rules withhold.
func (s *stage) works(agents, hours int, seed uint64, rules ...fault.Rule) {
	s.t.Helper()
	faults := fault.NewBook(world.FaultKinds(), seed, time.Now)
	exportertest.Check(s.t, faults.Set(rules))
	var err error
	s.start = time.Now().Truncate(time.Hour)
	s.world, err = world.New(world.Options{Seed: seed, Agents: agents, Faults: faults, CallsWithoutSkills: true, CallInfo: true})
	exportertest.Check(s.t, err)
	ctx, stop := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.world.Run(ctx) }()
	for i, a := range s.world.Agents() {
		s.session(a.ID, schemas.EventSignedIn, "signed_in")
		_, err := s.world.SignIn(a.ID, world.SignIn{WrapUpAfterCall: i%2 == 0, Deliver: func(e world.Event) { s.hears(a.ID, e) }})
		exportertest.Check(s.t, err)
	}
	for minute := range hours*60 + 45 {
		if minute == (hours-1)*60+30 {
			s.world.Quiesce()
		}
		if minute%5 == 0 {
			s.beat()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		at := time.Since(s.start)
		for _, after := range []time.Duration{settle, 3 * time.Hour} {
			if past := at - after; past > 0 && past%time.Hour == 0 {
				s.extractAll(int(past/time.Hour) - 1)
				s.tick()
			}
		}
	}
	for hour := range hours {
		s.extractAll(hour)
	}
	s.tick()
	stop()
	exportertest.Check(s.t, <-done)
}

func (s *stage) window(hour int) schemas.Window {
	return schemas.Window{From: s.start.Add(time.Duration(hour) * time.Hour).UTC(), To: s.start.Add(time.Duration(hour+1) * time.Hour).UTC()}
}

func (s *stage) extractAll(hour int) {
	s.extract(schemas.KindCDR, world.Call, hour)
	s.extract(schemas.KindRecording, world.Record, hour)
	s.extract(schemas.KindOperation, world.Operation, hour)
}

// extract publishes the rows that the platform has of a window now, as a worker does.
func (s *stage) extract(k schemas.Kind, of world.Kind, hour int) {
	s.t.Helper()
	w := s.window(hour)
	s.publish(k, w, s.world.Rows(of, w.From, w.To.Add(-time.Second), time.Now()))
}

func (s *stage) publish(k schemas.Kind, w schemas.Window, all []world.Row) {
	s.t.Helper()
	s.extracts++
	now, id := time.Now().UTC(), exportertest.ResponseID(s.extracts)
	f := schemas.FileReady{Tenant: exportertest.Acme, Kind: k, Window: w, ResponseID: id, FileName: "20260101_" + id + ".zip", ReceivedAt: now, Via: schemas.ViaCallback}
	e := rows.NewEncoder(s.names, f, k, rows.Options{Zone: s.zone})
	subject := s.names.Row(exportertest.Acme, k, w)
	if s.have[subject] == nil {
		s.have[subject] = map[string]bool{}
	}
	var batch []schemas.Message
	for _, r := range all {
		identity, err := e.Identify(r.Cells)
		exportertest.Check(s.t, err)
		if s.have[subject][identity.ID] {
			continue
		}
		s.have[subject][identity.ID] = true
		m, err := e.Message(r.Cells, identity, 1)
		exportertest.Check(s.t, err)
		batch = append(batch, m)
	}
	marker, err := s.names.WindowCompleteMessage(schemas.WindowComplete{
		Tenant: f.Tenant, Kind: k, Window: w, ResponseID: id, SHA256: "0", RequestedAt: now, CompletedAt: now,
	})
	exportertest.Check(s.t, err)
	last := uint64(0)
	there, markers := s.rows.On(subject)
	for _, r := range append(there, markers...) {
		last = max(last, r.Sequence)
	}
	_, err = s.rows.Append(s.t.Context(), append(batch, marker), last)
	exportertest.Check(s.t, err)
	s.ledger.note(schemas.WindowEntry{Tenant: exportertest.Acme, Kind: k, Window: w, State: schemas.WindowCompleted, CompletedAt: now, ResponseID: id})
}

// tick has everything compared that is due.
func (s *stage) tick() {
	s.t.Helper()
	exportertest.Check(s.t, s.reconciler.tick(s.t.Context()))
}

// said are the last statements of all windows, in their order.
func (s *stage) said() (all []comparison.Statement) {
	s.t.Helper()
	newest := map[string]comparison.Statement{}
	for _, m := range s.out.Of(schemas.TypeReconcile) {
		var r comparison.Statement
		exportertest.Unmarshal(s.t, m.Body, &r)
		key := string(r.Kind) + r.Window.String()
		if before := newest[key]; r.Revision != before.Revision+1 {
			s.t.Errorf("revision %d of %s comes behind %d", r.Revision, key, before.Revision)
		}
		newest[key] = r
	}
	for _, r := range newest {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b comparison.Statement) int {
		return cmp.Or(a.Window.From.Compare(b.Window.From), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

// findings are those of all windows.
func (s *stage) findings() (all []comparison.Finding) {
	for _, r := range s.said() {
		if r.LeftOut > 0 {
			s.t.Errorf("%d findings of %s %s are left out", r.LeftOut, r.Kind, r.Window)
		}
		all = append(all, r.Findings...)
	}
	return all
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

func number(agent string) int {
	n, _ := strconv.Atoi(agent)
	return n
}
