package bus

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
	// headerMirror names the instance that brought a value to the hub, headerHub
	// the hub's entry that a local value came from.
	headerMirror = "aicc-mirror"
	headerHub    = "aicc-hub"
	// headerLease tells a lease's entry from others of the same instance.
	headerLease = "aicc-lease"
)

// Bucket is one key-value bucket. Every call tries again until ctx ends: an
// error means that ctx ended, or that the call itself is wrong. Give ctx a
// limit where an answer is needed in time.
type Bucket struct {
	bus  *Bus
	name string // e.g. AICC_WINDOWS
}

// Bucket returns a key-value bucket of the contract.
func (b *Bus) Bucket(bucket schemas.Bucket) *Bucket {
	return &Bucket{bus: b, name: b.names.Bucket(bucket)}
}

func bucketStream(name string) string       { return "KV_" + name }
func bucketSubject(name, key string) string { return "$KV." + name + "." + key }

// Get returns the value of a key and its revision; revision 0 and no error when
// there is no such key. On a replicated bucket the value may be a moment old;
// Swap notices.
func (k *Bucket) Get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	err = k.do(ctx, "get", key, func(ctx context.Context) error {
		entry, found, err := k.entry(ctx, key)
		value, revision = nil, 0
		if found && !isDeleted(entry) {
			value, revision = entry.Body, entry.Sequence
		}
		return err
	})
	return value, revision, err
}

// Put stores a value whatever was there, and returns its revision.
func (k *Bucket) Put(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	err = k.do(ctx, "put", key, func(ctx context.Context) (err error) {
		revision, err = k.write(ctx, k.message(key, value))
		return err
	})
	return revision, err
}

// Delete removes a key. A key that is not there is no error.
func (k *Bucket) Delete(ctx context.Context, key string) error {
	return k.do(ctx, "delete", key, func(ctx context.Context) error {
		_, err := k.write(ctx, k.tombstone(key))
		return err
	})
}

// Swap stores a value if the key still has the revision; revision 0 means that
// there must be no such key. ok is false, and nothing is stored, when somebody
// else was faster.
func (k *Bucket) Swap(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, ok bool, err error) {
	return k.swap(ctx, "swap", key, k.message(key, value), revision)
}

// deleteIf removes a key if it still has the revision.
func (k *Bucket) deleteIf(ctx context.Context, key string, revision uint64) (ok bool, err error) {
	_, ok, err = k.swap(ctx, "delete", key, k.tombstone(key), revision)
	return ok, err
}

func (k *Bucket) swap(ctx context.Context, verb, key string, m *nats.Msg, revision uint64) (newRevision uint64, ok bool, err error) {
	writer := uuid.NewString()
	m.Header.Set(headerWriter, writer)
	expected := revision
	err = k.do(ctx, verb, key, func(ctx context.Context) error {
		newRevision, err = k.write(ctx, m, jetstream.WithExpectLastSequencePerSubject(expected))
		if !isConflict(err) {
			ok = err == nil
			return err
		}
		entry, found, err := k.entry(ctx, key)
		switch {
		case err != nil || !found:
			return err
		case entry.Get(headerWriter) == writer: // an earlier try, its answer was lost
			newRevision, ok = entry.Sequence, true
		case revision == 0 && isDeleted(entry) && entry.Sequence != expected:
			expected = entry.Sequence
			newRevision, err = k.write(ctx, m, jetstream.WithExpectLastSequencePerSubject(expected))
			if isConflict(err) {
				return nil // somebody else made the key
			}
			ok = err == nil
			return err
		}
		return nil
	})
	if !ok {
		newRevision = 0
	}
	return newRevision, ok, err
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
	err := k.follow(ctx, keyFilter, func(key string, entry schemas.Stored, _ time.Time) {
		value := entry.Body
		switch {
		case isDeleted(entry):
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

// follow is Watch with the whole entries, and with the time when the bucket was
// made. idle is called whenever nothing is left to read.
func (k *Bucket) follow(ctx context.Context, keyFilter string, f func(key string, e schemas.Stored, made time.Time), idle func(made time.Time)) error {
	prefix := bucketSubject(k.name, "")
	s := scan{stream: bucketStream(k.name), filter: prefix + keyFilter, newestOnly: true}
	return k.bus.follow(ctx, &s, func(m jetstream.Msg, meta *jetstream.MsgMetadata) error {
		e := stored(m, meta)
		f(strings.TrimPrefix(e.Subject, prefix), e, s.created)
		return nil
	}, func() { idle(s.created) })
}

// do checks the key and repeats op.
func (k *Bucket) do(ctx context.Context, verb, key string, op func(context.Context) error) error {
	err := checkKey(key)
	if err == nil {
		err = k.bus.retry(ctx, k.bus.trouble(k.name), op)
	}
	if err != nil {
		return fmt.Errorf("%s %s in bucket %s: %w", verb, key, k.name, err)
	}
	return nil
}

func (k *Bucket) message(key string, value []byte) *nats.Msg {
	// The value is copied: a caller may use its buffer again after ctx ended.
	return &nats.Msg{Subject: bucketSubject(k.name, key), Header: nats.Header{}, Data: bytes.Clone(value)}
}

func (k *Bucket) tombstone(key string) *nats.Msg {
	m := k.message(key, nil)
	m.Header.Set(headerOperation, "DEL")
	return m
}

// write tries once.
func (k *Bucket) write(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	opts = append(opts, jetstream.WithExpectStream(bucketStream(k.name)), jetstream.WithRetryAttempts(0))
	ack, err := k.bus.js.PublishMsg(ctx, m, opts...)
	if isTooLarge(err) {
		return 0, &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	}
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// entry is the last message of a key, a deletion included.
func (k *Bucket) entry(ctx context.Context, key string) (schemas.Stored, bool, error) {
	return k.bus.last(ctx, bucketStream(k.name), bucketSubject(k.name, key))
}

// lookup is entry, for as long as it takes; Sequence 0: there is none.
func (k *Bucket) lookup(ctx context.Context, key string) (e schemas.Stored, err error) {
	err = k.do(ctx, "look up", key, func(ctx context.Context) error {
		e, _, err = k.entry(ctx, key)
		return err
	})
	return e, err
}

func isDeleted(s schemas.Stored) bool {
	return s.Get(headerOperation) != "" || s.Get(headerMarker) != ""
}

func checkKey(key string) error {
	if key == "" || strings.HasPrefix(key, ".") || strings.HasSuffix(key, ".") ||
		strings.Contains(key, "..") || strings.ContainsAny(key, "*> \t\r\n") {
		return errors.New("bad key")
	}
	return nil
}
