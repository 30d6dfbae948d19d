package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/members"
	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// Bucket is a key-value bucket with compare-and-set.
type Bucket interface {
	// Get returns revision 0 when there is no such key.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Swap writes if the key's revision is still the given one (0: there must be
	// no such key). ok is false when somebody was faster.
	Swap(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, ok bool, err error)
	Delete(ctx context.Context, key string) error
	// DeleteAt deletes a key if it still has the revision; ok is false when somebody was
	// faster.
	DeleteAt(ctx context.Context, key string, revision uint64) (ok bool, err error)
	// Watch calls f for every key that matches, then loaded once, then f for
	// every change until ctx ends. A nil value says that the key was deleted.
	Watch(ctx context.Context, filter string, f func(key string, value []byte, revision uint64), loaded func()) error
}

// Publisher is the bus as the ledger needs it.
type Publisher interface {
	// Publish stores a message; nil means stored.
	Publish(ctx context.Context, m schemas.Message) error
	// Stored reports whether a message is stored, of those since a time. A file's
	// message is looked for before it is stored, so that a redo after a crash is no
	// second message however late it comes.
	Stored(ctx context.Context, m schemas.Message, since time.Time) (bool, error)
}

// Options configure a [Ledger]. Bucket, Publisher and Names are required.
type Options struct {
	Names     schemas.Names
	Bucket    Bucket
	Publisher Publisher
	// Retry is how long after a failure a window is asked for again; the k-th
	// failure in a row waits 2^(k-1) times as long, an hour at most. Default 1 min.
	Retry time.Duration
	// MaxAttempts is how many extracts in a row may fail before a window is asked
	// for only every six hours, for a week; one whose request the platform refuses
	// for good is then left failed until its next re-sweep. Default 5.
	MaxAttempts int
	// ReadyFor is how long a ready window may stay without being completed
	// before its file is asked for again. Default 2 h.
	ReadyFor time.Duration
	Tracer   *trace.Tracer // nil: nothing is traced
	Logger   zerolog.Logger
}

// Ledger remembers where each window stands. The bucket is the truth; what is
// kept in memory is a copy that follows it, to find windows by response id and
// by due time. It is safe for concurrent use, also by several bridges.
type Ledger struct {
	o      Options
	begun  time.Time // of this process's ledger
	loaded chan struct{}

	mu        sync.Mutex
	entries   map[string]item
	responses map[string]string             // tenant/response id → key
	unmatched map[string]schemas.FileNotice // bucket key → notice
	budgets   map[string]Budget             // by name
	heard     map[string]time.Time          // by tenant: when a callback arrived last, in this process
	changed   uint64                        // counts changes of entries
}

// format is the newest of [schemas.WindowEntry] that this version works on.
const format = 1

// item is an entry as it is in the bucket.
type item struct {
	schemas.WindowEntry
	more     members.Further
	revision uint64 // 0: it is not there
}

func decodeItem(value []byte, revision uint64) (i item, err error) {
	i.revision = revision
	i.more, err = members.Decode(value, &i.WindowEntry)
	return i, err
}

// newer reports an entry that this version is to leave alone.
func (i item) newer() bool { return i.Format > format }

// New returns a ledger; nothing is read before [Ledger.Run].
func New(o Options) (*Ledger, error) {
	if o.Bucket == nil || o.Publisher == nil || o.Names == (schemas.Names{}) {
		return nil, errors.New("ledger: names, bucket and publisher are required")
	}
	if o.Retry < 0 || o.MaxAttempts < 0 || o.ReadyFor < 0 {
		return nil, errors.New("ledger: retry, attempts and ready time must not be negative")
	}
	o.Retry = cmp.Or(o.Retry, time.Minute)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, 5)
	o.ReadyFor = cmp.Or(o.ReadyFor, 2*time.Hour)
	return &Ledger{
		o: o, begun: time.Now(), loaded: make(chan struct{}),
		entries: map[string]item{}, responses: map[string]string{}, unmatched: map[string]schemas.FileNotice{},
		budgets: map[string]Budget{}, heard: map[string]time.Time{},
	}, nil
}

// Run follows the bucket until ctx ends. Call it once.
func (l *Ledger) Run(ctx context.Context) error {
	err := l.o.Bucket.Watch(ctx, ">", l.follow, func() { close(l.loaded) })
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow ledger: %w", err)
}

// Await waits until the copy in memory has been read whole. It needs [Ledger.Run].
func (l *Ledger) Await(ctx context.Context) error {
	select {
	case <-l.loaded:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the ledger: %w", context.Cause(ctx))
	}
}

// follow takes over one change of the bucket. What does not decode is left
// alone: it is not ours.
func (l *Ledger) follow(key string, value []byte, revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(key, ".unmatched.") {
		var n schemas.FileNotice
		if value == nil || json.Unmarshal(value, &n) != nil {
			delete(l.unmatched, key)
		} else {
			l.unmatched[key] = n
		}
		return
	}
	if name, ok := strings.CutPrefix(key, budgetKeys); ok {
		l.followBudget(name, value, revision)
		return
	}
	if value == nil {
		l.forget(key, revision)
	} else if e, err := decodeItem(value, revision); err != nil || e.Validate() != nil {
		l.o.Logger.Error().Err(err).Str("window", key).Msg("ledger entry is not readable")
	} else {
		if e.newer() {
			e.Unplanned, e.Backfill = true, "" // whoever wrote it sees to it
		}
		l.remember(key, e)
	}
}

func (l *Ledger) remember(key string, e item) {
	if e.revision < l.entries[key].revision {
		return
	}
	l.entries[key] = e
	l.changed++
	for _, id := range append([]string{e.ResponseID}, e.Past...) {
		if id != "" {
			l.responses[e.Tenant+"/"+id] = key
		}
	}
}

// Changes counts the changes of entries so far: an equal count means that nothing
// has moved.
func (l *Ledger) Changes() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// forget drops a deleted entry, so that callbacks for it are unmatched again.
func (l *Ledger) forget(key string, revision uint64) {
	if revision < l.entries[key].revision {
		return
	}
	l.changed++
	delete(l.entries, key)
	maps.DeleteFunc(l.responses, func(_, k string) bool { return k == key })
}

// find returns the key of the window that a response id was given for.
func (l *Ledger) find(tenant, responseID string) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, ok := l.responses[tenant+"/"+responseID]
	return key, ok
}

// Entries returns a copy of the entries of one tenant and kind, ordered by time.
func (l *Ledger) Entries(tenant string, kind schemas.Kind) []schemas.WindowEntry {
	var all []schemas.WindowEntry
	l.Each(tenant, func(e schemas.WindowEntry) {
		if e.Kind == kind {
			all = append(all, e)
		}
	})
	slices.SortFunc(all, func(a, b schemas.WindowEntry) int { return a.Window.From.Compare(b.Window.From) })
	return all
}

// Entry returns the ledger's entry of a window; false when there is none.
func (l *Ledger) Entry(ctx context.Context, tenant string, kind schemas.Kind, w schemas.Window) (schemas.WindowEntry, bool, error) {
	e, err := l.get(ctx, schemas.WindowKey(tenant, kind, w))
	return e.WindowEntry, e.revision > 0, err
}

// get reads an entry. A replicated bucket may
// answer with a value older than one that the copy has seen: the newer counts,
// or a callback would be taken for one of an extract that nobody waits for.
func (l *Ledger) get(ctx context.Context, key string) (e item, err error) {
	value, revision, err := l.o.Bucket.Get(ctx, key)
	if err == nil && revision > 0 {
		e, err = decodeItem(value, revision)
	}
	if err != nil {
		return item{}, fmt.Errorf("read ledger entry %s: %w", key, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if seen, ok := l.entries[key]; ok && revision > 0 && seen.revision > revision {
		return seen, nil
	}
	return e, nil
}

// errNone says that an entry is not there.
var errNone = errors.New("there is none")

// change applies edit to the newest entry under key by compare-and-set, again
// when somebody was faster. edit returns false to leave the entry as it is; a newer
// bridge's is left so.
func (l *Ledger) change(ctx context.Context, key string, edit func(e *schemas.WindowEntry) bool) error {
	for {
		e, err := l.get(ctx, key)
		if err != nil {
			return err
		}
		if e.revision == 0 {
			return fmt.Errorf("change ledger entry %s: %w", key, errNone)
		}
		if e.newer() || !edit(&e.WindowEntry) {
			return nil
		}
		ok, err := l.swap(ctx, key, e)
		if err != nil || ok {
			return err
		}
	}
}

// swap writes an entry over its revision and takes it over into the copy at once, so that
// the writer need not wait for the watch.
func (l *Ledger) swap(ctx context.Context, key string, e item) (bool, error) {
	if err := e.Validate(); err != nil {
		return false, err
	}
	value, err := members.Encode(e.WindowEntry, e.more)
	if err != nil {
		return false, fmt.Errorf("encode ledger entry %s: %w", key, err)
	}
	next, ok, err := l.o.Bucket.Swap(ctx, key, value, e.revision)
	if err != nil {
		return false, fmt.Errorf("write ledger entry %s: %w", key, err)
	}
	if ok {
		e.revision = next
		l.mu.Lock()
		l.remember(key, e)
		l.mu.Unlock()
	}
	return ok, nil
}

// Plan writes a new window down; one that exists is left alone.
func (l *Ledger) Plan(ctx context.Context, e schemas.WindowEntry) error {
	_, err := l.swap(ctx, e.Key(), item{WindowEntry: e})
	return err
}

// Purged reports that the bucket has lost what was in it while the bridge ran: the entry
// that was written first, or last, is not there, and nobody deleted it by its key. Windows that
// are planned after a purge come after the first; those of a bucket that was made anew before the
// last. Nothing can be noted of the windows that are lost, so that no extract of them is asked for.
func (l *Ledger) Purged(ctx context.Context) error {
	for _, key := range l.outermost() {
		_, revision, err := l.o.Bucket.Get(ctx, key)
		if err != nil {
			return nil // whether it can be read is not the question here
		}
		if revision == 0 {
			return fmt.Errorf("the bucket of windows was purged: %s is gone; restart the bridge, it plans anew from since", key)
		}
	}
	return nil
}

// outermost are the keys of the entries that were written first and last; none when there are none.
func (l *Ledger) outermost() (keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest, newest := "", ""
	for k, e := range l.entries {
		if oldest == "" || e.revision < l.entries[oldest].revision {
			oldest = k
		}
		if newest == "" || e.revision > l.entries[newest].revision {
			newest = k
		}
	}
	if oldest != "" {
		keys = append(keys, oldest, newest)
	}
	return keys
}

// About returns the window that a dead letter is about, as far as this bridge has seen;
// false when it is about none, or about one that is not in the ledger.
func (l *Ledger) About(d schemas.DeadLetter) (schemas.WindowEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := ""
	if d.Kind != "" && d.Tenant != schemas.NoTenant {
		key = schemas.WindowKey(d.Tenant, d.Kind, d.Window)
	}
	if _, ok := l.entries[key]; !ok && d.ResponseID != "" {
		key = l.responses[d.Tenant+"/"+d.ResponseID]
		for id, of := range l.responses {
			if d.Tenant == schemas.NoTenant && strings.HasSuffix(id, "/"+d.ResponseID) {
				key = of
			}
		}
	}
	e, ok := l.entries[key]
	return e.WindowEntry, ok
}

// All calls f for every entry of every tenant, as Each does.
func (l *Ledger) All(f func(schemas.WindowEntry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		f(e.WindowEntry)
	}
}

// Each calls f for every entry of one tenant, in no order. f must not call back
// into the ledger.
func (l *Ledger) Each(tenant string, f func(schemas.WindowEntry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Tenant == tenant {
			f(e.WindowEntry)
		}
	}
}
