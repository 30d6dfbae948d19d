// Package queue holds the events of one agent for as long as a client of it has not got them.
//
//	Add ──► [ e7 e8 e9 ] ◄── Reader of client A: has confirmed up to e6
//	                     ◄── Reader of client B: has confirmed up to e8
//
// Invariants:
//
//   - All readers see the same events in the same order, each from where it began.
//   - An event stays until every reader has confirmed it, or it was dropped for the ones that have
//     not. There is no limit here: who owns the readers drops what is too old for one, or takes away
//     one that confirms nothing.
//   - A reader gets the same events again until it confirms them.
//
// It imports schemas, and does no I/O.
package queue

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"aiccbridge/schemas"
)

// Item is one event as a client gets it.
type Item struct {
	Raw  json.RawMessage  // as the platform sent it
	At   schemas.Position // of the last message of the agent that was stored with it
	Came time.Time        // when it was stored, as far as known
}

// Queue is safe for concurrent use. The zero value is empty.
type Queue struct {
	mu      sync.Mutex
	items   []Item
	first   uint64 // the number of items[0]; they are counted from 0
	readers []*Reader
	changed chan struct{} // closed at the next change; nil: nobody waits
}

// Reader is where one client is. It is safe for concurrent use.
type Reader struct {
	q    *Queue
	next uint64 // the first that is not confirmed
}

// Add puts events behind all others. Without readers they are not kept.
func (q *Queue) Add(items ...Item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, items...)
	q.tidy()
	q.wake()
}

// Wake ends the waiting of all who wait.
func (q *Queue) Wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wake()
}

func (q *Queue) wake() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// tidy forgets what all have.
func (q *Queue) tidy() {
	least := q.first + uint64(len(q.items))
	for _, r := range q.readers {
		least = min(least, r.next)
	}
	if n := int(least - q.first); n > 0 {
		clear(q.items[:n])
		q.items, q.first = q.items[n:], least
	}
	if len(q.items) == 0 {
		q.items = nil // or the array behind it would stay
	}
}

// Changed is closed at the next change.
func (q *Queue) Changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return q.changed
}

// Read adds a reader of all that comes from now on.
func (q *Queue) Read() *Reader {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := &Reader{q: q, next: q.first + uint64(len(q.items))}
	q.readers = append(q.readers, r)
	return r
}

// ReadAll adds a reader of all that is still here.
func (q *Queue) ReadAll() *Reader {
	r := q.Read()
	q.mu.Lock()
	defer q.mu.Unlock()
	r.next = q.first
	return r
}

// Leave takes the reader away.
func (r *Reader) Leave() {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	r.q.readers = slices.DeleteFunc(r.q.readers, func(o *Reader) bool { return o == r })
	r.q.tidy()
}

// left is what is not confirmed. Of a reader that has left, others may have confirmed it.
func (r *Reader) left() []Item {
	r.next = max(r.next, r.q.first)
	return r.q.items[r.next-r.q.first:]
}

// Peek returns the first of what is not confirmed, at most so many, and the number behind them,
// for [Reader.Confirm].
func (r *Reader) Peek(most int) (items []Item, end uint64) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	left := r.left()
	items = slices.Clone(left[:min(most, len(left))])
	return items, r.next + uint64(len(items))
}

// Confirm says that the client has all before a number.
func (r *Reader) Confirm(end uint64) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	_ = r.left()
	r.next = max(r.next, min(end, r.q.first+uint64(len(r.q.items))))
	r.q.tidy()
}

// Skip confirms what comes first and is known to the client.
func (r *Reader) Skip(known func(Item) bool) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	for _, item := range r.left() {
		if !known(item) {
			break
		}
		r.next++
	}
	r.q.tidy()
}

// Drop takes the events that came before a time away from this reader, up to the first that did not,
// and returns how many, and the last of them.
func (r *Reader) Drop(before time.Time) (n int, last Item) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	for _, item := range r.left() {
		if !item.Came.Before(before) {
			break
		}
		n, last = n+1, item
	}
	r.next += uint64(n)
	r.q.tidy()
	return n, last
}

// Waiting is how many events are not confirmed, and when the first of them came.
func (r *Reader) Waiting() (n int, since time.Time) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	left := r.left()
	if len(left) > 0 {
		since = left[0].Came
	}
	return len(left), since
}
