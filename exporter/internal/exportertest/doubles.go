package exportertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sync"
	"time"

	"aiccbridge/schemas"
)

// ErrBus is what the doubles answer when a test makes them fail.
var ErrBus = errors.New("bus is away")

// Bucket is a bucket with compare-and-set and watches, in memory.
type Bucket struct {
	mu      sync.Mutex
	seq     uint64
	log     []memChange
	keys    map[string]memChange
	changed chan struct{}

	before func(op, key string) error
	stale  func(key string) bool
}

type memChange struct {
	key      string
	value    []byte
	revision uint64
}

// NewBucket returns an empty bucket.
func NewBucket() *Bucket {
	return &Bucket{keys: map[string]memChange{}, changed: make(chan struct{})}
}

func (b *Bucket) begin(op, key string) error {
	b.mu.Lock()
	before := b.before
	b.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(op, key)
}

// Intercept has f called before each operation, without the lock; its error is the
// operation's. nil ends it.
func (b *Bucket) Intercept(f func(op, key string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

// AnswerStale has Get answer with the value before the newest while f says so.
func (b *Bucket) AnswerStale(f func(key string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stale = f
}

// Touch writes a key's value once more, as somebody does who is faster.
func (b *Bucket) Touch(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write(key, b.keys[key].value)
}

// Get is the operation "get" to [Bucket.Intercept].
func (b *Bucket) Get(_ context.Context, key string) ([]byte, uint64, error) {
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

// Swap is the operation "swap" to [Bucket.Intercept].
func (b *Bucket) Swap(_ context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
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

// Delete is the operation "delete" to [Bucket.Intercept].
func (b *Bucket) Delete(_ context.Context, key string) error {
	if err := b.begin("delete", key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write(key, nil)
	return nil
}

// DeleteAt is the operation "delete" to [Bucket.Intercept].
func (b *Bucket) DeleteAt(_ context.Context, key string, revision uint64) (bool, error) {
	if err := b.begin("delete", key); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys[key].revision != revision {
		return false, nil
	}
	b.write(key, nil)
	return true, nil
}

func (b *Bucket) write(key string, value []byte) uint64 {
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

// Watch follows every key, whatever the filter.
func (b *Bucket) Watch(ctx context.Context, _ string, f func(string, []byte, uint64), loaded func()) error {
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

// Has reports whether there is a value under a key.
func (b *Bucket) Has(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys[key].revision > 0
}

// Publisher stores messages, each id once.
type Publisher struct {
	mu     sync.Mutex
	stored []schemas.Message
	ids    map[string]bool

	Forgets bool // its deduplication window is over at once: what comes again is stored again
	Knows   bool // Stored says what is there; else, that nothing is

	Before func(schemas.Message) error // its error is the answer; nothing is stored
	After  func(schemas.Message) error // its error is the answer although it is stored
}

// Publish stores a valid message.
func (p *Publisher) Publish(_ context.Context, m schemas.Message) error {
	if p.Before != nil {
		if err := p.Before(m); err != nil {
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
	if p.Forgets || !p.ids[m.MsgID()] {
		p.ids[m.MsgID()] = true
		p.stored = append(p.stored, m)
	}
	p.mu.Unlock()
	if p.After != nil {
		return p.After(m)
	}
	return nil
}

// Stored reports whether a message is stored, of those since a time.
func (p *Publisher) Stored(_ context.Context, m schemas.Message, since time.Time) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Knows && slices.ContainsFunc(p.stored, func(s schemas.Message) bool {
		return s.MsgID() == m.MsgID() && !s.Time.Before(since)
	}), nil
}

// Of returns the messages of a type.
func (p *Publisher) Of(messageType string) []schemas.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.stored), func(m schemas.Message) bool { return m.Type != messageType })
}

// Rows is the stream of rows: batches are atomic and fenced by sequence.
type Rows struct {
	mu       sync.Mutex
	seq      uint64
	subjects map[string][]Row
	Batches  int
	Handed   int // messages that Read handed out

	MaxBytes int               // of a body; 0: any
	Unfenced bool              // a stream without fences: the expected sequence is not looked at
	Before   func(n int) error // called before the n-th batch (from 1): nothing is stored on error
	After    func(n int) error // called after it was stored: the answer is lost on error
}

// Row is a row or a marker as it is stored.
type Row struct {
	schemas.Message
	RowHeader schemas.RowHeader
	Sequence  uint64
}

// ReadBack calls f for what is on a subject.
func (r *Rows) ReadBack(_ context.Context, subject string, f func(schemas.RowHeader, uint64)) (last uint64, err error) {
	r.mu.Lock()
	rows := slices.Clone(r.subjects[subject])
	r.mu.Unlock()
	for _, row := range rows {
		f(row.RowHeader, row.Sequence)
		last = row.Sequence
	}
	return last, nil
}

// Held is what a subject has.
func (r *Rows) Held(_ context.Context, subject string) (last schemas.Stored, messages int, found bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := r.subjects[subject]
	if len(rows) == 0 {
		return last, 0, false, nil
	}
	row := rows[len(rows)-1]
	return schemas.Stored{Subject: subject, Sequence: row.Sequence, Header: row.Headers(), Body: row.Body}, len(rows), true, nil
}

// Lose takes a row or a marker away, as a purge does.
func (r *Rows) Lose(subject string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subjects[subject] = slices.Delete(slices.Clone(r.subjects[subject]), n, n+1)
}

// Append stores a batch, if it is one and nobody else wrote.
func (r *Rows) Append(ctx context.Context, messages []schemas.Message, last uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	r.Batches++
	n := r.Batches
	r.mu.Unlock()
	if r.Before != nil {
		if err := r.Before(n); err != nil {
			return 0, err
		}
	}
	newLast, err := r.append(messages, last)
	if err == nil && r.After != nil {
		err = r.After(n)
	}
	return newLast, err
}

func (r *Rows) append(messages []schemas.Message, last uint64) (uint64, error) {
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
		r.subjects = map[string][]Row{}
	}
	rows, have := r.subjects[subject], uint64(0)
	if len(rows) > 0 {
		have = rows[len(rows)-1].Sequence
	}
	if have != last && !r.Unfenced {
		return 0, fmt.Errorf("sequence is %d, expected %d: %w", have, last, schemas.ErrConflict)
	}
	for _, m := range messages {
		r.seq++
		m.Body = slices.Clone(m.Body) // whose memory may be used again
		rows = append(rows, Row{m, schemas.ReadRowHeader(m.Headers()), r.seq})
	}
	r.subjects[subject] = rows
	return r.seq, nil
}

// Fits is what the server's max_payload does.
func (r *Rows) Fits(m schemas.Message) bool { return r.MaxBytes == 0 || len(m.Body) <= r.MaxBytes }

// All returns every row and marker.
func (r *Rows) All() (all []Row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rows := range r.subjects {
		all = append(all, rows...)
	}
	return all
}

// On returns the rows and the markers of a subject, in order.
func (r *Rows) On(subject string) (rows, markers []Row) {
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

// Quarantine keeps damaged files.
type Quarantine struct {
	mu      sync.Mutex
	Objects map[string][]byte
	Meta    map[string]map[string]string
	Before  func() error
}

// Put keeps an object.
func (q *Quarantine) Put(_ context.Context, name string, meta map[string]string, r io.Reader) (string, error) {
	if q.Before != nil {
		if err := q.Before(); err != nil {
			return "", err
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.Objects == nil {
		q.Objects, q.Meta = map[string][]byte{}, map[string]map[string]string{}
	}
	q.Objects[name], q.Meta[name] = data, meta
	return path.Join("AICC_QUARANTINE", name), nil
}

// Failing answers its first n calls with err.
func Failing(n int, err error) func() error {
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

// Count returns how many messages are stored, of any type.
func (p *Publisher) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.stored)
}
