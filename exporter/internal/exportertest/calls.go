package exportertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"aiccbridge/schemas"
)

// Read calls f for what is on a subject, as it is stored.
func (r *Rows) Read(_ context.Context, subject string, f func(schemas.Stored) error) error {
	r.mu.Lock()
	rows := slices.Clone(r.subjects[subject])
	r.mu.Unlock()
	for _, row := range rows {
		r.mu.Lock()
		r.Handed++
		r.mu.Unlock()
		if err := f(schemas.Stored{Subject: subject, Sequence: row.Sequence, StoredAt: StoredAt(row.Sequence), Header: row.Headers(), Body: row.Body}); err != nil {
			return err
		}
	}
	return nil
}

// StoredAt is when messages of streams in memory are stored: their sequences are seconds.
func StoredAt(seq uint64) time.Time { return NewYear.Add(time.Duration(seq) * time.Second) }

// Forget removes what is on a subject, as its age does.
func (r *Rows) Forget(subject string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.subjects, subject)
}

// Calls is the stream of calls: batches are atomic, and behind the last message of a tenant.
type Calls struct {
	mu     sync.Mutex
	stored []schemas.Stored

	Batches  int
	MaxBytes int               // of a body; 0: any
	Age      time.Duration     // that it says it keeps; nothing expires by itself
	Unfenced bool              // a stream without fences
	Before   func(n int) error // called before the n-th batch (from 1): nothing is stored on error
	After    func(n int) error // called after it was stored: the answer is lost on error
}

// Newest calls f for the last message of each subject of a tenant.
func (c *Calls) Newest(_ context.Context, tenant string, f func(schemas.Stored) error) (last uint64, err error) {
	all := c.All(tenant)
	for i, m := range all {
		last = m.Sequence
		if slices.ContainsFunc(all[i+1:], func(later schemas.Stored) bool { return later.Subject == m.Subject }) {
			continue
		}
		if err := f(m); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// Kept is since its Age.
func (c *Calls) Kept(context.Context) (since time.Time, err error) {
	if c.Age > 0 {
		since = time.Now().Add(-c.Age)
	}
	return since, nil
}

// At returns the message at a sequence.
func (c *Calls) At(_ context.Context, seq uint64) (m schemas.Stored, found bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq == 0 || seq > uint64(len(c.stored)) || c.stored[seq-1].Subject == "" {
		return m, false, nil
	}
	return c.stored[seq-1], true, nil
}

// Forget removes everything, as its age does.
func (c *Calls) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.stored {
		c.stored[i].Subject = ""
	}
}

// ReadBack calls f for what is on a subject.
func (c *Calls) ReadBack(ctx context.Context, subject string, f func(h schemas.CallHeader, seq uint64)) error {
	return c.Read(ctx, subject, func(m schemas.Stored) error {
		f(schemas.ReadCallHeader(m.Header), m.Sequence)
		return nil
	})
}

// Read calls f for what is on a subject, as it is stored.
func (c *Calls) Read(_ context.Context, subject string, f func(schemas.Stored) error) error {
	c.mu.Lock()
	stored := slices.Clone(c.stored)
	c.mu.Unlock()
	for _, m := range stored {
		if m.Subject != subject {
			continue
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// Append stores a batch, if it is one and nobody else wrote.
func (c *Calls) Append(ctx context.Context, tenant string, messages []schemas.Message, last uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.Batches++
	n := c.Batches
	c.mu.Unlock()
	if c.Before != nil {
		if err := c.Before(n); err != nil {
			return 0, err
		}
	}
	newLast, err := c.append(tenant, messages, last)
	if err == nil && c.After != nil {
		err = c.After(n)
	}
	return newLast, err
}

func (c *Calls) append(tenant string, messages []schemas.Message, last uint64) (uint64, error) {
	if len(messages) == 0 || len(messages) > schemas.MaxBatch {
		return 0, fmt.Errorf("%d messages in a batch", len(messages))
	}
	for _, m := range messages {
		if !c.Fits(m) {
			return 0, fmt.Errorf("message %s is larger than the bus takes", m.ID)
		}
		if err := m.Validate(); err != nil || m.Subject != messages[0].Subject || m.Dedupe {
			return 0, fmt.Errorf("message %s on %s does not belong into this batch: %v", m.ID, m.Subject, err)
		}
	}
	have := uint64(0)
	if all := c.All(tenant); len(all) > 0 {
		have = all[len(all)-1].Sequence
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have != last && !c.Unfenced {
		return 0, fmt.Errorf("sequence is %d, expected %d: %w", have, last, schemas.ErrConflict)
	}
	for _, m := range messages {
		c.stored = append(c.stored, schemas.Stored{Subject: m.Subject, Sequence: uint64(len(c.stored) + 1), Header: m.Headers(), Body: m.Body})
	}
	return uint64(len(c.stored)), nil
}

// Fits is what the server's max_payload does.
func (c *Calls) Fits(m schemas.Message) bool { return c.MaxBytes == 0 || len(m.Body) <= c.MaxBytes }

// All returns every message of a tenant.
func (c *Calls) All(tenant string) (all []schemas.Stored) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.stored {
		if strings.Contains(m.Subject, "."+tenant+".call.") {
			all = append(all, m)
		}
	}
	return all
}

// Said is the stream of what was said of recordings.
type Said struct {
	mu     sync.Mutex
	stored []schemas.Stored
	Reads  int // messages that were handed out
}

// Say stores a message.
func (s *Said) Say(m schemas.Message, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = append(s.stored, schemas.Stored{Subject: m.Subject, Sequence: uint64(len(s.stored) + 1), StoredAt: at, Header: m.Headers(), Body: m.Body})
}

// Replace has another stream, an empty one.
func (s *Said) Replace() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = nil
}

// Heard calls f for what was said, as the bus does.
func (s *Said) Heard(_ context.Context, from uint64, since time.Time, f func(schemas.Stored) error) error {
	s.mu.Lock()
	stored := slices.Clone(s.stored)
	s.mu.Unlock()
	if from > uint64(len(stored))+1 {
		from = 0
	}
	for _, m := range stored {
		if m.Sequence < from || from == 0 && m.StoredAt.Before(since) {
			continue
		}
		s.mu.Lock()
		s.Reads++
		s.mu.Unlock()
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}
