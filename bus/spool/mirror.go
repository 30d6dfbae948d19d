package spool

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// mirrorLanes is how many keys are brought over at once. A hub may be 20 ms away,
// and 10,000 agents refresh their entries every 70 s.
const mirrorLanes = 16

// seenPrefix is before the keys of the mirror's own record, in the local bucket
// only. No token of the contract begins so.
const seenPrefix = "_hub."

const (
	// headerMirror names the instance, and the line of its folder, that brought a value
	// to the hub.
	headerMirror = "aicc-mirror"
	// headerHub names the hub's entry that a local value came from.
	headerHub = "aicc-hub"
)

// mirror keeps a local bucket and the hub's bucket of the same name in step. The
// local one is what the bridge works on.
//
//   - A key is brought over by compare-and-set on the other side's revision, so
//     that a change nobody looked at is never overwritten. The newest value goes;
//     those that it replaced during an outage do not.
//   - A value of the hub that somebody else wrote is written into the local
//     bucket, where the next compare-and-set of whoever works on it fails: he looks,
//     and yields or takes it over. Only a value that was brought to the local side,
//     or loses by rule, is ever overwritten at the hub.
//   - What is whose is written in the entries, so that a new process knows it: ours
//     at the hub have the header aicc-mirror with our name, the hub's in the local bucket
//     aicc-hub. A local write erases the latter; what it was written over is in the
//     record, one entry per key that somebody else wrote.
//   - When both sides changed, a rule decides: see ourSession and ourState.
//   - A key that is missing at the hub without a mark of its deletion was lost
//     there (the bucket was made anew, or purged), and is put back. The local side
//     takes deletions over, and its own go to the hub.
//
// A kill between writing the local value and noting it in the record may show
// the same value of the hub to the local side once more.
type mirror struct {
	local, hub *kv.Bucket
	name       string                               // ours at the hub
	patience   time.Duration                        // for a write of what the hub has
	ours       func(local, hub schemas.Stored) bool // when both changed
	log        zerolog.Logger
	lanes      [mirrorLanes]lane
	open       atomic.Int32  // keys of all lanes that are due or being settled
	loading    atomic.Int32  // lanes that have not settled what was there at the start
	read       chan struct{} // closed when both buckets have been read

	mu       sync.Mutex
	far      map[string]schemas.Stored // the hub's entries, as last heard
	keys     map[string]bool           // all that were ever heard of
	made     time.Time                 // when the hub's bucket was
	heardHub uint64                    // the last sequence from there
	heard    uint64                    // and from the local bucket
	unread   int                       // buckets that have not been read
}

// newMirror returns the mirror of a bucket.
func newMirror(b schemas.Bucket, local, hub *wire.Conn, line uint64, log zerolog.Logger) *mirror {
	m := &mirror{
		local: kv.Open(local, b), hub: kv.Open(hub, b), name: local.Instance(), ours: ourSession,
		patience: 2 * local.RequestTimeout(),
		log:      log.With().Str("bucket", hub.Names().Bucket(b)).Logger(),
		read:     make(chan struct{}), unread: 2,
		far: map[string]schemas.Stored{}, keys: map[string]bool{},
	}
	if line != 0 {
		m.name += "/" + strconv.FormatUint(line, 10)
	}
	if b == schemas.BucketState {
		m.ours = ourState
	}
	m.loading.Store(mirrorLanes)
	for i := range m.lanes {
		m.lanes[i] = lane{due: map[string]bool{}, open: &m.open, wake: make(chan struct{}, 1)}
	}
	return m
}

// run mirrors until ctx ends, over any outage. loaded, if not nil, is called
// once, when all that the hub had at the start is in the local bucket. Call run
// once; a new mirror goes on where the last one ended, wherever that was.
func (m *mirror) run(ctx context.Context, loaded func()) error {
	if loaded == nil {
		loaded = func() {}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.local.Follow(ctx, ">", m.heardLocally, m.reader(nil)) })
	group.Go(func() error { return m.hub.Follow(ctx, ">", m.heardFromHub, m.reader(m.checkHub)) })
	for i := range m.lanes {
		group.Go(func() error { return m.work(ctx, &m.lanes[i], loaded) })
	}
	return group.Wait()
}

// reader notes that a bucket has been read once.
func (m *mirror) reader(check func(made time.Time)) func(made time.Time) {
	first := true
	return func(made time.Time) {
		if check != nil {
			check(made)
		}
		if !first {
			return
		}
		first = false
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.unread--; m.unread == 0 {
			close(m.read)
		}
	}
}

func (m *mirror) heardLocally(key string, e schemas.Stored, _ time.Time) {
	record := strings.HasPrefix(key, seenPrefix)
	if !record && (m.loading.Load() > 0 || e.Get(headerHub) == "") { // else our own echo
		m.lane(key).add(key)
	}
	m.mu.Lock()
	if m.heard = e.Sequence; !record { // behind what it made due: see reached
		m.keys[key] = true
	}
	m.mu.Unlock()
}

func (m *mirror) heardFromHub(key string, e schemas.Stored, made time.Time) {
	m.checkHub(made)
	if e.Sequence <= m.heardHub { // it started over; nobody else writes it
		m.forgetHub()
	}
	if m.learn(key, e) || m.loading.Load() > 0 {
		m.lane(key).add(key)
	}
	m.mu.Lock()
	m.heardHub = e.Sequence
	m.mu.Unlock()
}

// learn notes an entry of the hub, unless a later one is known, and reports
// whether somebody else wrote it.
func (m *mirror) learn(key string, e schemas.Stored) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[key] = true
	if e.Sequence <= m.far[key].Sequence {
		return false
	}
	m.far[key] = e
	return !m.isOurs(e)
}

// checkHub notices that the hub's bucket is another one than before.
func (m *mirror) checkHub(made time.Time) {
	m.mu.Lock()
	same := m.made.IsZero() || m.made.Equal(made)
	m.made = made
	m.mu.Unlock()
	if !same {
		m.log.Warn().Msg("hub's bucket was made anew; what it lacks is put back")
		m.forgetHub()
	}
}

// forgetHub settles everything again, with what is heard from now on.
func (m *mirror) forgetHub() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.far)
	for key := range m.keys {
		m.lane(key).add(key)
	}
}

// inStep waits until what either side has now is on the other, or ctx ends.
func (m *mirror) inStep(ctx context.Context) error {
	near, err := m.local.End(ctx)
	if err != nil {
		return err
	}
	far, err := m.hub.End(ctx)
	for err == nil && !m.reached(near, far) {
		err = retry.Wait(ctx, settleAgain)
	}
	return err
}

// reached reports that both buckets were heard up to a sequence and all of it is settled.
func (m *mirror) reached(near, far uint64) bool {
	m.mu.Lock()
	heard := m.heard >= near && m.heardHub >= far
	m.mu.Unlock()
	return heard && m.open.Load() == 0
}

// lane is a set of keys that one goroutine settles, one after the other.
type lane struct {
	mu   sync.Mutex
	due  map[string]bool
	open *atomic.Int32 // keys due or being settled, of all lanes
	wake chan struct{}
}

func (m *mirror) lane(key string) *lane {
	h := uint32(2166136261) // FNV-1a
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return &m.lanes[h%mirrorLanes]
}

func (l *lane) add(key string) {
	l.mu.Lock()
	if !l.due[key] {
		l.due[key] = true
		l.open.Add(1)
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) take() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.due
	l.due = map[string]bool{}
	return due
}

// work settles a lane's keys, from when both buckets have been read: what was not
// heard of by then is not there.
func (m *mirror) work(ctx context.Context, l *lane, loaded func()) error {
	select {
	case <-ctx.Done():
		return nil
	case <-m.read:
	}
	for first := true; ; first = false {
		for key := range l.take() {
			m.settle(ctx, key)
			l.open.Add(-1)
		}
		if first && ctx.Err() == nil && m.loading.Add(-1) == 0 {
			loaded()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		}
	}
}
