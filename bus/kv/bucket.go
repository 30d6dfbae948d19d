package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

const (
	// headerWriter names the one call that wrote a value, so that a call whose
	// answer was lost recognises its own value. Other tools ignore it.
	headerWriter = "aicc-writer"
	// headerOperation and headerMarker mark a key as deleted, by a client or by
	// the server.
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason"
)

// Bucket is one key-value bucket. Every call tries again until ctx ends: an
// error means that ctx ended, or that the call itself is wrong. Give ctx a
// limit where an answer is needed in time.
type Bucket struct {
	conn   *wire.Conn
	bucket schemas.Bucket
	name   string // e.g. AICC_WINDOWS
}

// Open returns a key-value bucket of the contract. It asks the server nothing.
func Open(c *wire.Conn, bucket schemas.Bucket) *Bucket {
	return &Bucket{conn: c, bucket: bucket, name: c.Names().Bucket(bucket)}
}

// Name is the bucket's full name, e.g. AICC_WINDOWS.
func (k *Bucket) Name() string { return k.name }

// Try is ctx with the limit of one request.
func (k *Bucket) Try(ctx context.Context) (context.Context, context.CancelFunc) {
	return k.conn.Try(ctx)
}

// Get returns the value of a key and its revision; revision 0 and no error when
// there is no such key. It is what the bucket's leader has.
func (k *Bucket) Get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	err = k.do(ctx, "get", key, func(ctx context.Context) error {
		entry, found, err := k.entry(ctx, key)
		value, revision = nil, 0
		if found && !Deleted(entry) {
			value, revision = entry.Body, entry.Sequence
		}
		return err
	})
	return value, revision, err
}

// Put stores a value whatever was there, and returns its revision. States, of which there are
// nearly as many as events, share the disk's syncs when many come at a time.
func (k *Bucket) Put(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	err = k.do(ctx, "put", key, func(ctx context.Context) (err error) {
		m := k.message(key, Entry{Value: value})
		if k.bucket != schemas.BucketState {
			revision, err = k.write(ctx, m)
			return err
		}
		ack, err := k.conn.Together(k.stream()).Send(ctx, m)
		if err == nil {
			revision = ack.Sequence
		}
		return err
	})
	return revision, err
}

// Delete removes a key. A key that is not there is no error.
func (k *Bucket) Delete(ctx context.Context, key string) error {
	return k.do(ctx, "delete", key, func(ctx context.Context) error {
		_, err := k.write(ctx, k.message(key, Entry{Delete: true}))
		return err
	})
}

// DeleteAt removes a key if it still has the revision. ok is false, and nothing is done, when
// somebody else was faster.
func (k *Bucket) DeleteAt(ctx context.Context, key string, revision uint64) (ok bool, err error) {
	_, ok, err = k.SwapEntry(ctx, key, Entry{Delete: true}, revision)
	return ok, err
}

// Swap stores a value if the key still has the revision; revision 0 means that
// there must be no such key. ok is false, and nothing is stored, when somebody
// else was faster.
func (k *Bucket) Swap(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, ok bool, err error) {
	stored, ok, err := k.SwapEntry(ctx, key, Entry{Value: value}, revision)
	return stored.Sequence, ok, err
}

// SwapEntry is Swap with a whole entry, and returns it as it was stored.
func (k *Bucket) SwapEntry(ctx context.Context, key string, e Entry, revision uint64) (stored schemas.Stored, ok bool, err error) {
	w := swap{bucket: k, key: key, message: k.message(key, e), writer: uuid.NewString(), revision: revision, expected: revision}
	w.message.Header.Set(headerWriter, w.writer)
	verb := "swap"
	if e.Delete {
		verb = "delete"
	}
	err = k.do(ctx, verb, key, func(ctx context.Context) error {
		revision, ok, err = w.try(ctx)
		return err
	})
	if !ok || err != nil {
		return stored, false, err
	}
	return schemas.Stored{Subject: w.message.Subject, Sequence: revision, Header: w.message.Header, Body: w.message.Data}, true, nil
}

// swap is one call of SwapEntry.
type swap struct {
	bucket   *Bucket
	key      string
	message  *nats.Msg
	writer   string // tells this call's value from others'
	revision uint64 // as the caller knows it
	expected uint64 // of what is there, a deletion included
}

// try swaps once. ok is true as well when an earlier try did, whose answer was lost.
func (w *swap) try(ctx context.Context) (revision uint64, ok bool, err error) {
	revision, ok, err = w.write(ctx)
	if ok || err != nil {
		return revision, ok, err
	}
	entry, found, err := w.bucket.entry(ctx, w.key)
	switch {
	case err != nil || !found:
		return 0, false, err
	case entry.Get(headerWriter) == w.writer:
		return entry.Sequence, true, nil
	case w.revision == 0 && Deleted(entry) && entry.Sequence != w.expected:
		w.expected = entry.Sequence
		return w.write(ctx)
	}
	return 0, false, nil
}

// write returns false, and no error, when the key has another revision.
func (w *swap) write(ctx context.Context) (revision uint64, ok bool, err error) {
	revision, err = w.bucket.write(ctx, w.message, jetstream.WithExpectLastSequencePerSubject(w.expected))
	if wire.Conflict(err) {
		return 0, false, nil
	}
	return revision, err == nil, err
}

// Each calls f for every key that matches the filter, as it is now, with the message that
// holds its value, in the order of their last changes. An error of f ends it. It tries once.
func (k *Bucket) Each(ctx context.Context, keyFilter string, f func(key string, e schemas.Stored) error) error {
	start, prefix := time.Now(), k.subject("")
	ctx, stop := k.conn.UntilDenied(ctx, k.name)
	defer stop()
	r := wire.Range{Stream: k.stream(), Filter: prefix + keyFilter, LastPerSubject: true}
	err := k.conn.Read(ctx, r, func(e schemas.Stored) error {
		if Deleted(e) {
			return nil
		}
		return f(strings.TrimPrefix(e.Subject, prefix), e)
	})
	if err != nil {
		return fmt.Errorf("read bucket %s: %w", k.name, k.conn.Explain(start, k.name, err))
	}
	return nil
}

// Watch calls f for every key that matches the filter, first with the current
// values, then with each change as it comes, and blocks until ctx ends; then it
// returns nil. value is nil when the key was deleted. loaded, if not nil, is
// called once, after the current values. After a broken connection values may
// be repeated. After the bucket was deleted and made anew, f gets its current
// values again, and nothing about keys that have gone. Entries that expire
// (leases) are not announced.
func (k *Bucket) Watch(ctx context.Context, keyFilter string, f func(key string, value []byte, revision uint64), loaded func()) error {
	announced := loaded == nil
	err := k.Follow(ctx, keyFilter, func(key string, entry schemas.Stored, _ time.Time) {
		value := entry.Body
		switch {
		case Deleted(entry):
			value = nil
		case value == nil:
			value = []byte{}
		}
		f(key, value, entry.Sequence)
	}, func(time.Time) {
		if !announced {
			announced = true
			loaded()
		}
	})
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", k.name, err)
	}
	return nil
}

// Follow is Watch with the whole entries, and with the time when the bucket was
// made. idle is called whenever nothing is left to read.
func (k *Bucket) Follow(ctx context.Context, keyFilter string, f func(key string, e schemas.Stored, made time.Time), idle func(made time.Time)) error {
	prefix := k.subject("")
	each := func(e schemas.Stored, made time.Time) error {
		f(strings.TrimPrefix(e.Subject, prefix), e, made)
		return nil
	}
	return k.conn.FollowNewest(k.stream(), prefix+keyFilter, each, idle).Run(ctx)
}

// Lookup returns the last message of a key, a deletion included; Sequence 0: there
// is none.
func (k *Bucket) Lookup(ctx context.Context, key string) (e schemas.Stored, err error) {
	err = k.do(ctx, "look up", key, func(ctx context.Context) error {
		e, _, err = k.entry(ctx, key)
		return err
	})
	return e, err
}

// End is the revision of what was written last; 0: nothing is there.
func (k *Bucket) End(ctx context.Context) (revision uint64, err error) {
	err = k.conn.Retry(ctx, k.conn.Trouble("asset", k.name), func(ctx context.Context) error {
		info, err := k.conn.StreamInfo(ctx, k.stream())
		if err == nil && info.State.Msgs > 0 {
			revision = info.State.LastSeq
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find the end of bucket %s: %w", k.name, err)
	}
	return revision, nil
}

// do checks the key and repeats op.
func (k *Bucket) do(ctx context.Context, verb, key string, op func(context.Context) error) error {
	err := checkKey(key)
	if err == nil {
		err = k.conn.Retry(ctx, k.conn.Trouble("asset", k.name), op)
	}
	if err != nil {
		return fmt.Errorf("%s %s in bucket %s: %w", verb, key, k.name, err)
	}
	return nil
}

func (k *Bucket) stream() string            { return k.conn.Names().BucketStream(k.bucket) }
func (k *Bucket) subject(key string) string { return k.conn.Names().BucketSubject(k.bucket, key) }

// Entry is what is written under a key.
type Entry struct {
	Value  []byte
	Delete bool              // instead of a value: a mark that the key is gone
	Header map[string]string // besides
}

// message copies the value: a caller may use its buffer again after ctx ended.
func (k *Bucket) message(key string, e Entry) *nats.Msg {
	m := &nats.Msg{Subject: k.subject(key), Header: nats.Header{}, Data: bytes.Clone(e.Value)}
	for name, value := range e.Header {
		m.Header.Set(name, value)
	}
	if e.Delete {
		m.Header.Set(headerOperation, "DEL")
	}
	return m
}

// write tries once.
func (k *Bucket) write(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	ack, err := k.conn.Send(ctx, k.stream(), m, opts...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// entry is the last message of a key, a deletion included.
func (k *Bucket) entry(ctx context.Context, key string) (schemas.Stored, bool, error) {
	return k.conn.LastIn(ctx, k.stream(), k.subject(key))
}

// Deleted reports an entry that marks a key as gone.
func Deleted(e schemas.Stored) bool {
	return e.Get(headerOperation) != "" || e.Get(headerMarker) != ""
}

// Swapped reports an entry that a bridge wrote by [Bucket.Swap].
func Swapped(e schemas.Stored) bool { return e.Get(headerWriter) != "" }

func checkKey(key string) error {
	if key == "" || strings.HasPrefix(key, ".") || strings.HasSuffix(key, ".") ||
		strings.Contains(key, "..") || strings.ContainsAny(key, "*> \t\r\n") {
		return errors.New("bad key")
	}
	return nil
}
