package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// errBus is what the doubles answer when a test makes them fail.
var errBus = errors.New("bus is away")

// memBucket is a bucket with compare-and-set and watches, in memory.
type memBucket struct {
	mu      sync.Mutex
	seq     uint64
	log     []memChange
	keys    map[string]memChange
	changed chan struct{}

	// before, if set, is called before each operation, without the lock. Its
	// error is the operation's.
	before func(op, key string) error
	// stale, if set, says that Get answers with the value before the newest.
	stale func(key string) bool
}

type memChange struct {
	key      string
	value    []byte
	revision uint64
}

func newMemBucket() *memBucket {
	return &memBucket{keys: map[string]memChange{}, changed: make(chan struct{})}
}

func (b *memBucket) begin(op, key string) error {
	b.mu.Lock()
	before := b.before
	b.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(op, key)
}

// intercept sets before; nil ends it.
func (b *memBucket) intercept(f func(op, key string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

func (b *memBucket) Get(_ context.Context, key string) ([]byte, uint64, error) {
	if err := b.begin("get", key); err != nil {
		return nil, 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stale != nil && b.stale(key) {
		older := slices.DeleteFunc(slices.Clone(b.log), func(c memChange) bool { return c.key != key })
		if n := len(older); n > 1 {
			return older[n-2].value, older[n-2].revision, nil
		}
	}
	c := b.keys[key]
	return c.value, c.revision, nil
}

func (b *memBucket) Swap(_ context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	if err := b.begin("swap", key); err != nil {
		return 0, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys[key].revision != revision {
		return 0, false, nil
	}
	return b.write(key, value), true, nil
}

func (b *memBucket) Delete(_ context.Context, key string) error {
	if err := b.begin("delete", key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write(key, nil)
	return nil
}

func (b *memBucket) write(key string, value []byte) uint64 {
	b.seq++
	c := memChange{key, slices.Clone(value), b.seq}
	b.log = append(b.log, c)
	if b.keys[key] = c; value == nil {
		delete(b.keys, key)
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return b.seq
}

func (b *memBucket) Watch(ctx context.Context, _ string, f func(string, []byte, uint64), loaded func()) error {
	b.mu.Lock()
	todo := make([]memChange, 0, len(b.keys))
	for _, c := range b.keys {
		todo = append(todo, c)
	}
	at := len(b.log)
	b.mu.Unlock()
	for {
		for _, c := range todo {
			f(c.key, c.value, c.revision)
		}
		if loaded != nil {
			loaded()
			loaded = nil
		}
		b.mu.Lock()
		todo, at = b.log[at:len(b.log):len(b.log)], len(b.log)
		changed := b.changed
		b.mu.Unlock()
		if len(todo) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (b *memBucket) has(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys[key].revision > 0
}

// memPublisher stores messages, each id once.
type memPublisher struct {
	mu     sync.Mutex
	stored []schemas.Message
	ids    map[string]bool

	before func(schemas.Message) error // its error is the answer; nothing is stored
	after  func(schemas.Message) error // its error is the answer although it is stored
}

func (p *memPublisher) Publish(_ context.Context, m schemas.Message) error {
	if p.before != nil {
		if err := p.before(m); err != nil {
			return err
		}
	}
	if err := m.Validate(); err != nil {
		return err
	}
	p.mu.Lock()
	if p.ids == nil {
		p.ids = map[string]bool{}
	}
	if !p.ids[m.MsgID()] {
		p.ids[m.MsgID()] = true
		p.stored = append(p.stored, m)
	}
	p.mu.Unlock()
	if p.after != nil {
		return p.after(m)
	}
	return nil
}

func (p *memPublisher) of(messageType string) []schemas.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.stored), func(m schemas.Message) bool { return m.Type != messageType })
}

// memRows is the stream of rows: batches are atomic and fenced by sequence.
type memRows struct {
	mu       sync.Mutex
	seq      uint64
	subjects map[string][]memRow
	batches  int

	maxBytes int               // of a body; 0: any
	unfenced bool              // a stream without fences: the expected sequence is not looked at
	before   func(n int) error // called before the n-th batch (from 1): nothing is stored on error
	after    func(n int) error // called after it was stored: the answer is lost on error
}

type memRow struct {
	schemas.Message
	header   schemas.RowHeader
	sequence uint64
}

func (r *memRows) ReadBack(_ context.Context, subject string, f func(schemas.RowHeader, uint64)) (last uint64, err error) {
	r.mu.Lock()
	rows := slices.Clone(r.subjects[subject])
	r.mu.Unlock()
	for _, row := range rows {
		f(row.header, row.sequence)
		last = row.sequence
	}
	return last, nil
}

func (r *memRows) Append(ctx context.Context, messages []schemas.Message, last uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	r.batches++
	n := r.batches
	r.mu.Unlock()
	if r.before != nil {
		if err := r.before(n); err != nil {
			return 0, err
		}
	}
	newLast, err := r.append(messages, last)
	if err == nil && r.after != nil {
		err = r.after(n)
	}
	return newLast, err
}

func (r *memRows) append(messages []schemas.Message, last uint64) (uint64, error) {
	if len(messages) == 0 || len(messages) > schemas.MaxBatch {
		return 0, fmt.Errorf("%d messages in a batch", len(messages))
	}
	subject := messages[0].Subject
	for _, m := range messages {
		if err := m.Validate(); err != nil || m.Subject != subject || m.Dedupe {
			return 0, fmt.Errorf("message %s on %s does not belong into this batch: %v", m.ID, m.Subject, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.subjects == nil {
		r.subjects = map[string][]memRow{}
	}
	rows, have := r.subjects[subject], uint64(0)
	if len(rows) > 0 {
		have = rows[len(rows)-1].sequence
	}
	if have != last && !r.unfenced {
		return 0, fmt.Errorf("sequence is %d, expected %d: %w", have, last, schemas.ErrConflict)
	}
	for _, m := range messages {
		r.seq++
		rows = append(rows, memRow{m, schemas.ReadRowHeader(m.Headers()), r.seq})
	}
	r.subjects[subject] = rows
	return r.seq, nil
}

// Fits is what the server's max_payload does.
func (r *memRows) Fits(m schemas.Message) bool { return r.maxBytes == 0 || len(m.Body) <= r.maxBytes }

// on returns the rows and the markers of a subject, in order.
func (r *memRows) on(subject string) (rows, markers []memRow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range r.subjects[subject] {
		if row.Type == schemas.TypeWindowComplete {
			markers = append(markers, row)
		} else {
			rows = append(rows, row)
		}
	}
	return rows, markers
}

// memQuarantine keeps damaged files.
type memQuarantine struct {
	mu      sync.Mutex
	objects map[string][]byte
	meta    map[string]map[string]string
	before  func() error
}

func (q *memQuarantine) Put(_ context.Context, name string, meta map[string]string, r io.Reader) (string, error) {
	if q.before != nil {
		if err := q.before(); err != nil {
			return "", err
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.objects == nil {
		q.objects, q.meta = map[string][]byte{}, map[string]map[string]string{}
	}
	q.objects[name], q.meta[name] = data, meta
	return path.Join("AICC_QUARANTINE", name), nil
}

// failing answers its first n calls with err.
func failing(n int, err error) func() error {
	var mu sync.Mutex
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if n--; n >= 0 {
			return err
		}
		return nil
	}
}

func names(t testing.TB) schemas.Names {
	t.Helper()
	n, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const acme = "acme"

// start runs f until the returned function is called, at the latest when the
// test ends.
func start(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// startLedger runs a ledger and waits until it has loaded.
func startLedger(t testing.TB, o LedgerOptions) (l *Ledger, stop func()) {
	t.Helper()
	o.Names = names(t)
	l, err := NewLedger(o)
	if err != nil {
		t.Fatal(err)
	}
	stop = start(t, l.Run)
	<-l.loaded
	return l, stop
}

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func hour(n int) schemas.Window {
	return schemas.Window{From: newYear.Add(time.Duration(n) * time.Hour), To: newYear.Add(time.Duration(n+1) * time.Hour)}
}

func responseID(n int) string { return fmt.Sprintf("%032x", n) }

func notice(n int) schemas.FileNotice {
	return schemas.FileNotice{
		Tenant: acme, ResponseID: responseID(n), FileName: "20260101_" + responseID(n) + ".zip",
		ReceivedAt: newYear.Add(2 * time.Hour), Via: schemas.ViaCallback,
	}
}

func planned(w schemas.Window, k schemas.Kind) schemas.WindowEntry {
	return schemas.WindowEntry{Tenant: acme, Kind: k, Window: w, State: schemas.WindowPlanned, DueAt: w.To}
}

// request brings a window as far as "requested"; id < 0 leaves the answer out.
func request(t testing.TB, l *Ledger, w schemas.Window, id int) schemas.WindowEntry {
	t.Helper()
	ctx := t.Context()
	e := entry(t, l, w)
	if e.State == "" {
		e = planned(w, schemas.KindCDR)
		check(t, l.plan(ctx, e))
	}
	_, ok, err := l.requested(ctx, e, w.To.Add(time.Hour), w.To.Add(2*time.Hour))
	check(t, err)
	if !ok {
		t.Fatalf("window %s was not there to be requested", w)
	}
	if id >= 0 {
		check(t, l.answered(ctx, e, responseID(id)))
	}
	return entry(t, l, w)
}

func entry(t testing.TB, l *Ledger, w schemas.Window) schemas.WindowEntry {
	t.Helper()
	e, _, err := l.Entry(t.Context(), acme, schemas.KindCDR, w)
	check(t, err)
	return e
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func unmarshal(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Error(err)
	}
}

// count returns how many messages are stored, of any type.
func (p *memPublisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.stored)
}
