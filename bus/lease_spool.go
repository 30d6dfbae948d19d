package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rs/zerolog"

	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// epochBlock is how many epochs a spool's lease takes at once: one for now, the
// rest for starts without a hub.
const epochBlock = 1000

// Lease acquires the lease of a partition at the hub, as [Bus.Lease] does, but
// the hub's absence neither ends it nor, if it was ours, keeps it from starting:
// an agent that nobody polls is signed out after 120 s (cec_05_4012).
//
//		start ─┬─ hub grants it ─────────────► held ────── another owner ──┐
//		       │                               │  ▲         is proven      ▼
//		       │                     no answer ▼  │ confirmed            lost
//		       └─ hub away, was ours ────────► kept ───────────────────────┘
//		          (next epoch of the block)
//
//	  - A renewal that is not answered keeps the lease. Afterwards the entry may
//	    have expired. If the partition's epochs are still as we left them, nobody
//	    owned it in between, and the lease goes on with its epoch; if another
//	    instance has the entry, or took epochs, Run ends with [ErrLeaseLost].
//	  - Each acquisition takes a block of epochs by compare-and-set, and remembers
//	    it on the local disk before the first is used. When the hub does not answer
//	    for a few seconds, and the lease was ours when the last process ended, the
//	    next epoch of the block is used, which is remembered first too. So no two
//	    owners, of whatever instance or process, ever have the same epoch.
//	  - A lease that was released, or was seen with another instance, is not ours:
//	    then the hub is waited for. So it is when the block is used up, or when floor
//	    shows that somebody took later epochs.
//
// The price: under a partition that cuts off only one bridge, another may get
// the lease while the first goes on, and both poll until it heals. Their epochs
// tell their events apart, the later owner's are higher, and the first one ends
// when it hears of the other.
//
// It holds for one spool per instance: a copy of a data folder is a second owner
// that nothing can tell from the first.
func (s *Spool) Lease(ctx context.Context, tenant, partition string, floor uint64) (*Lease, error) {
	l, err := s.newLease(ctx, schemas.LeaseKey(tenant, partition), floor)
	if err != nil {
		return nil, err
	}
	if err := l.obtain(ctx, l.acquireOrKeep); err != nil {
		return nil, err
	}
	return l, nil
}

func (s *Spool) newLease(ctx context.Context, key string, floor uint64) (*Lease, error) {
	l, err := s.hub.newLease(key, floor)
	if err != nil {
		return nil, err
	}
	l.block = epochBlock
	l.memory = &memory{
		bucket: s.local.Bucket(schemas.BucketLeases), key: key,
		log: s.log.With().Str("lease", key).Logger(),
	}
	if err := l.memory.recall(ctx); err != nil {
		return nil, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	return l, nil
}

// acquireOrKeep tries once at the hub. If it does not answer, the lease goes on
// from memory.
func (l *Lease) acquireOrKeep(ctx context.Context) (holder string, err error) {
	try, cancel := ctx, context.CancelFunc(func() {})
	if l.mayGoOn() {
		// Two requests' time: a hub that is there answers the first.
		try, cancel = context.WithTimeout(ctx, 2*l.bucket.bus.opts.requestTimeout)
	}
	defer cancel()
	holder, err = l.acquire(try)
	switch {
	case err != nil && try.Err() != nil && ctx.Err() == nil:
		return "", l.goOn(ctx)
	case err != nil:
		return "", err
	case l.Epoch != 0:
		return "", l.memory.note(ctx, remembered{Instance: l.instance, Epoch: l.Epoch, Last: l.last, Held: true})
	case holder != "" && holder != unreadable:
		l.memory.letGo(ctx)
	}
	return holder, nil
}

// mayGoOn reports whether the lease was ours and has an epoch left.
func (l *Lease) mayGoOn() bool {
	m := l.memory.value
	return m.Held && m.Instance == l.instance && max(m.Epoch, l.floor) < m.Last
}

// goOn takes the next epoch of the block that the hub granted earlier.
func (l *Lease) goOn(ctx context.Context) error {
	next := l.memory.value
	next.Epoch = max(next.Epoch, l.floor) + 1
	if err := l.memory.note(ctx, next); err != nil {
		return err
	}
	l.Epoch, l.last, l.revision, l.kept = next.Epoch, next.Last, 0, true
	l.memory.log.Warn().Msg("hub does not answer; polling goes on with the lease held last")
	return nil
}

// keep renews, for a third of the lease's life at most. Only the proof of another
// owner is an error.
func (l *Lease) keep(ctx context.Context) error {
	try, cancel := context.WithTimeout(ctx, l.ttl/3)
	defer cancel()
	proof, err := l.confirm(try)
	switch {
	case proof != "":
		l.revision = 0
		l.memory.letGo(ctx)
		return fmt.Errorf("%w: %s", ErrLeaseLost, proof)
	case err != nil && ctx.Err() == nil && !l.kept:
		l.kept = true
		level := zerolog.WarnLevel
		if l.bucket.bus.Connected() != nil { // that has been said
			level = zerolog.DebugLevel
		}
		l.memory.log.WithLevel(level).Err(err).Msg("lease can't be renewed at the hub, and is kept")
	case err == nil && l.revision != 0 && l.kept:
		l.kept = false
		l.memory.log.Debug().Uint64("epoch", l.Epoch).Msg("lease is confirmed by the hub")
	}
	return nil
}

// confirm renews the lease, or makes its entry again if that is gone. proof says
// why it is somebody else's; without proof and error, and with revision 0, it
// is undecided.
func (l *Lease) confirm(ctx context.Context) (proof string, err error) {
	if l.revision != 0 {
		ok, err := l.extend(ctx, l.revision)
		sabotage.Point("lease.renewing") // written, and nobody knows
		if ok || err != nil {
			return "", err
		}
		l.revision = 0
	}
	// The entry expired, or is ours from a renewal whose answer was lost, or
	// somebody else's.
	holder, revision, err := l.holder(ctx)
	switch {
	case err != nil || holder == unreadable:
		return "", err
	case holder != "" && holder != l.instance:
		return "instance " + holder + " has it", nil
	}
	if ok, err := l.extend(ctx, revision); !ok {
		return "", err
	}
	mine := l.revision
	l.revision = 0 // not before the epochs prove it
	proof, proven, err := l.proveEpochs(ctx)
	switch {
	case proven:
		l.revision = mine
	case proof != "": // leave it to whoever waits
		_, err = l.bucket.deleteIf(ctx, l.key, mine)
	}
	return proof, err
}

// proveEpochs finds out whether somebody took epochs after us. A read may be a
// moment old on a replica; only writing the entry again proves that nobody did.
func (l *Lease) proveEpochs(ctx context.Context) (proof string, proven bool, err error) {
	v, revision, err := l.epochs(ctx)
	if err != nil {
		return "", false, err
	}
	switch {
	case revision == 0:
		return "nobody knows any more who took epochs", false, nil
	case v.Instance != l.instance || v.Epoch != l.last && v.Previous != l.last:
		return fmt.Sprintf("another owner took epochs up to %d", v.Epoch), false, nil
	}
	// v.Previous: we took another block, and its answer never came.
	proven, err = l.swapEpochs(ctx, v, revision)
	return "", proven, err
}

// memory is what an instance remembers of a lease on its own disk.
type memory struct {
	bucket *Bucket
	key    string
	log    zerolog.Logger
	value  remembered
}

type remembered struct {
	Instance string `json:"instance"`
	Epoch    uint64 `json:"epoch"` // the last one used
	Last     uint64 `json:"last"`  // the end of the block
	Held     bool   `json:"held"`  // false: released, or another's
}

func (m *memory) recall(ctx context.Context) error {
	value, revision, err := m.bucket.Get(ctx, m.key)
	if err == nil && revision != 0 && json.Unmarshal(value, &m.value) != nil {
		m.value = remembered{} // no claim then
		m.log.Warn().Msg("the spool's memory of the lease is unreadable; the hub is needed to start")
	}
	return err
}

// note returns nil when v is on the disk.
func (m *memory) note(ctx context.Context, v remembered) error {
	value, err := json.Marshal(v)
	if err == nil {
		_, err = m.bucket.Put(ctx, m.key, value)
	}
	if err == nil {
		m.value = v
	}
	return err
}

// letGo notes that the lease is not ours, if that can be had in time: a lease
// that is remembered too long costs a second owner during the next outage, and
// no epoch.
func (m *memory) letGo(ctx context.Context) {
	if !m.value.Held {
		return
	}
	v := m.value
	v.Held = false
	m.value = v
	try, cancel := context.WithTimeout(ctx, m.bucket.bus.opts.requestTimeout)
	defer cancel()
	if err := m.note(try, v); err != nil {
		m.log.Warn().Err(err).Msg("spool does not note that the lease is not ours any more")
	}
}
