package letters

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// stream is a stream of dead letters in memory.
type stream struct {
	mu   sync.Mutex
	all  []schemas.Stored
	fail func(op string) error
}

func (s *stream) begin(op string) error {
	if s.fail == nil {
		return nil
	}
	return s.fail(op)
}

func (s *stream) Read(_ context.Context, from uint64, f func(schemas.Stored) error) error {
	if err := s.begin("read"); err != nil {
		return err
	}
	s.mu.Lock()
	all := slices.Clone(s.all)
	s.mu.Unlock()
	for _, m := range all {
		if m.Sequence < from {
			continue
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// Publish knows no message again.
func (s *stream) Publish(_ context.Context, m schemas.Message) error {
	if err := s.begin("publish"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, schemas.Stored{Subject: m.Subject, Sequence: uint64(len(s.all) + 1), StoredAt: time.Now(), Header: m.Headers(), Body: m.Body})
	return nil
}

// resolved are the letters that the stream calls so.
func (s *stream) resolved(t *testing.T) (said []schemas.Resolved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.all {
		if m.Get("ce-type") == schemas.TypeResolved {
			var r schemas.Resolved
			exportertest.Unmarshal(t, m.Body, &r)
			if m.Subject != "aicc.v1."+schemas.EncodeToken(r.Tenant)+".deadletter.resolved" || m.Get("ce-id") != r.Letter+".resolved" {
				t.Errorf("%s has the id %s and says %+v", m.Subject, m.Get("ce-id"), r)
			}
			said = append(said, r)
		}
	}
	return said
}

// rig has windows 0 (complete, its second extract), 1 (failed) and 2 (requested), and the
// same of another tenant but for the last one.
type rig struct {
	t      *testing.T
	ledger *ledger.Ledger
	stream *stream
}

func newRig(t *testing.T) *rig {
	l, err := ledger.New(ledger.Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	exportertest.Check(t, err)
	stop := exportertest.Start(t, l.Run)
	t.Cleanup(stop)
	exportertest.Check(t, l.Await(t.Context()))
	return &rig{t, l, &stream{}}
}

// brings requests a window of acme, whose file has this id; damaged files fail it.
func (r *rig) brings(hour, id int, damaged bool) {
	r.t.Helper()
	e := exportertest.Request(r.t, r.ledger, exportertest.Hour(hour), id)
	exportertest.Check(r.t, r.ledger.Accept(r.t.Context(), exportertest.Notice(id)))
	f := schemas.FileReady{Tenant: e.Tenant, Kind: e.Kind, Window: e.Window, ResponseID: exportertest.ResponseID(id)}
	if damaged {
		p := &schemas.Permanent{Reason: schemas.ReasonDamagedZip, Err: exportertest.ErrBus}
		exportertest.Check(r.t, r.ledger.Fail(r.t.Context(), f, p, time.Now()))
		return
	}
	exportertest.Check(r.t, r.ledger.Complete(r.t.Context(), f, 3, time.Now()))
}

func (r *rig) letter(id string, d schemas.DeadLetter) {
	r.t.Helper()
	full := schemas.NewDeadLetter(d.Tenant, d.Reason, "why", time.Now())
	full.Kind, full.Window, full.ResponseID = d.Kind, d.Window, d.ResponseID
	full.Original = json.RawMessage(`{"secret":1}`)
	m, err := exportertest.Names(r.t).DeadLetterMessage(full, id)
	exportertest.Check(r.t, err)
	exportertest.Check(r.t, r.stream.Publish(r.t.Context(), m))
}

// start runs a resolver.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	x, err := New(Options{Names: exportertest.Names(r.t), Ledger: r.ledger, Stream: r.stream})
	exportertest.Check(r.t, err)
	return exportertest.Start(r.t, x.Run)
}

// TestMendedLetters: a letter about a file or its callback is resolved when its window is
// complete, once, and no other letter ever is.
func TestMendedLetters(t *testing.T) {
	file := func(hour, id int) schemas.DeadLetter {
		return schemas.DeadLetter{
			Tenant: exportertest.Acme, Reason: schemas.ReasonDamagedZip, Kind: schemas.KindCDR, Window: exportertest.Hour(hour), ResponseID: exportertest.ResponseID(id),
		}
	}
	callback := func(tenant string, id int) schemas.DeadLetter {
		return schemas.DeadLetter{Tenant: tenant, Reason: schemas.ReasonUnknownTenant, ResponseID: exportertest.ResponseID(id)}
	}
	byPath := file(0, 99)
	byPath.ResponseID, byPath.Reason = "", schemas.ReasonUndecodable
	cases := map[string]struct {
		schemas.DeadLetter
		mended bool
	}{
		"a damaged file, and a good one since":         {file(0, 1), true},
		"attempts used up on the file that then came":  {file(0, 2), true},
		"a damaged file, and none since":               {file(1, 3), false},
		"asked for again, and on its way":              {file(2, 4), false},
		"a window that is not planned":                 {file(7, 8), false},
		"a callback of nobody, id of the first file":   {callback(schemas.NoTenant, 1), true},
		"a callback of nobody, id of the good file":    {callback(schemas.NoTenant, 2), true},
		"a callback of nobody, id of a failed window":  {callback(schemas.NoTenant, 3), false},
		"a callback of nobody, id that nobody knows":   {callback(schemas.NoTenant, 77), false},
		"a tenant's callback":                          {callback(exportertest.Acme, 2), true},
		"another tenant's callback with the same id":   {callback("other", 2), false},
		"an unreadable callback, known by its path":    {byPath, true},
		"a row without identity":                       {schemas.DeadLetter{Tenant: exportertest.Acme, Reason: schemas.ReasonRowIdentity}, false},
		"an event that cannot be read":                 {schemas.DeadLetter{Tenant: exportertest.Acme, Reason: schemas.ReasonUndecodable}, false},
		"a kind without a window, as an old one wrote": {schemas.DeadLetter{Tenant: exportertest.Acme, Reason: schemas.ReasonOversized, Kind: schemas.KindCDR}, false},
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		stop, another := r.start(), r.start()
		r.brings(0, 1, true)
		r.brings(1, 3, true)
		for name, c := range cases {
			r.letter(strings.ReplaceAll(name, " ", "_"), c.DeadLetter)
		}
		time.Sleep(time.Hour)
		if said := r.stream.resolved(t); len(said) > 0 {
			t.Errorf("before a window is complete: %+v", said)
		}
		another()
		r.brings(0, 2, false)
		r.brings(2, 4, true)
		exportertest.Request(t, r.ledger, exportertest.Hour(2), 5)
		time.Sleep(time.Hour)
		stop()
		stop = r.start() // a restart reads everything again
		time.Sleep(time.Hour)
		stop()
		said := map[string]int{}
		for _, s := range r.stream.resolved(t) {
			name := strings.ReplaceAll(s.Letter, "_", " ")
			said[name]++
			if c := cases[name]; s.Tenant != c.Tenant || s.Reason != c.Reason || s.Window != exportertest.Hour(0) || s.ResponseID != exportertest.ResponseID(2) {
				t.Errorf("%s: %+v", s.Letter, s)
			}
		}
		for name, c := range cases {
			if want := map[bool]int{true: 1}[c.mended]; said[name] != want {
				t.Errorf("%s: resolved %d times, want %d", name, said[name], want)
			}
		}
	})
}

// TestMarkedWhenTheBusIsBack: what could not be read or stored is made good.
func TestMarkedWhenTheBusIsBack(t *testing.T) {
	for _, op := range []string{"read", "publish"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			var back atomic.Bool
			r.stream.fail = func(now string) error {
				if !back.Load() && now == op {
					return exportertest.ErrBus
				}
				return nil
			}
			r.brings(0, 1, true)
			m, err := exportertest.Names(t).DeadLetterMessage(schemas.DeadLetter{
				Tenant: exportertest.Acme, Reason: schemas.ReasonDamagedZip, Attempts: 1, FirstAt: time.Now(), LastAt: time.Now(), ResponseID: exportertest.ResponseID(1),
			}, "letter")
			exportertest.Check(t, err)
			r.stream.all = []schemas.Stored{{Subject: m.Subject, Sequence: 1, Header: m.Headers(), Body: m.Body}}
			r.brings(0, 2, false)
			stop := r.start()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if n := len(r.stream.resolved(t)); n != 0 {
				t.Errorf("%s away: %d resolved", op, n)
			}
			back.Store(true)
			time.Sleep(time.Minute)
			stop()
			if n := len(r.stream.resolved(t)); n != 1 {
				t.Errorf("%s back: %d resolved", op, n)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	good := Options{Names: exportertest.Names(t), Ledger: &ledger.Ledger{}, Stream: &stream{}}
	for name, edit := range map[string]func(*Options){
		"names": func(o *Options) { o.Names = schemas.Names{} }, "ledger": func(o *Options) { o.Ledger = nil },
		"stream": func(o *Options) { o.Stream = nil }, "time": func(o *Options) { o.Every = -1 },
	} {
		o := good
		edit(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(fmt.Sprint(err))
	}
}
