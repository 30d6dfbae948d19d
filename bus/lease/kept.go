package lease

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/sabotage"
)

// epochBlock is how many epochs a kept lease takes at once: one for now, the
// rest for starts without a hub.
const epochBlock = 1000

// Kept is a lease with a memory on the local disk, beside a spool. It is acquired at
// the hub as [AtHub] is, but the hub's absence neither ends it nor, if it was ours,
// keeps it from starting: an agent that nobody polls is signed out after 120 s
// (cec_05_4012).
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
//	    instance has the entry, or took epochs, Run ends with [ErrLost].
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
//   - A copy of a data folder has the same instance id. Where it was noticed to be one,
//     its line is another, and above all epochs that the memory has: the hub is waited
//     for, because the block may have been used elsewhere since.
//   - Where it was not noticed, each process has a name of its own beside the id, in the lease, with the epochs, and in the memory, which knows the
//     processes that the folder has had. What one of those left is taken over at once,
//     as after a crash. Any other under our id is somebody else, and its sentence goes
//     to Options.Copied.
type Kept struct {
	entry  *entry
	memory memory
	kept   bool // the hub did not answer the last renewal
}

// NewKept returns a lease of the hub's instance that nobody has yet. remembering is
// the spool's bucket of leases.
func NewKept(hub *wire.Conn, remembering *kv.Bucket, o Options) *Kept {
	e := newEntry(hub, o, epochBlock)
	return &Kept{entry: e, memory: memory{bucket: remembering, key: e.key, log: e.log}}
}

// HeldLast are the keys ([schemas.LeaseKey]) of the leases that match the filter and with
// which a line of an instance may go on although the hub does not answer. remembering is the
// spool's bucket of leases.
func HeldLast(ctx context.Context, remembering *kv.Bucket, filter, instance string, line uint64) (keys []string, err error) {
	ctx, loaded := context.WithCancel(ctx)
	defer loaded()
	err = remembering.Watch(ctx, filter, func(key string, value []byte, _ uint64) {
		var v remembered
		if json.Unmarshal(value, &v) == nil && v.Held && v.Instance == instance && max(v.Epoch, line) < v.Last {
			keys = append(keys, key)
		}
	}, loaded)
	return keys, err
}

// Acquire is as [Lease] says.
func (l *Kept) Acquire(ctx context.Context) (epoch uint64, err error) {
	if err := l.recall(ctx); err != nil {
		return 0, fmt.Errorf("acquire lease %s: %w", l.entry.key, err)
	}
	return l.entry.obtain(ctx, l.acquireOrKeep)
}

// recall reads the memory, and adds this process to those that the folder has had.
func (l *Kept) recall(ctx context.Context) error {
	if err := l.memory.recall(ctx); err != nil {
		return err
	}
	l.entry.earlier = l.memory.value.Processes
	return l.memory.enter(ctx, l.entry.Process)
}

// Run is as [Lease] says. The lease is lost when somebody else is proven to have it.
func (l *Kept) Run(ctx context.Context) error { return l.entry.run(ctx, l.keep) }

// Release is as [Lease] says. The memory keeps whether it was given up.
func (l *Kept) Release(ctx context.Context) error {
	given, err := l.entry.release(ctx)
	if given {
		l.memory.letGo(ctx)
	}
	return err
}

// acquireOrKeep tries once at the hub. If it does not answer, the lease goes on
// from memory.
func (l *Kept) acquireOrKeep(ctx context.Context) (holder string, err error) {
	try, cancel := ctx, context.CancelFunc(func() {})
	if l.mayGoOn() {
		// Two requests' time: a hub that is there answers the first.
		try, cancel = context.WithTimeout(ctx, 2*l.entry.hub.RequestTimeout())
	}
	defer cancel()
	holder, err = l.entry.acquire(try)
	switch {
	case err != nil && try.Err() != nil && ctx.Err() == nil:
		return "", l.goOn(ctx)
	case err != nil:
		return "", err
	case l.entry.epoch != 0:
		return "", l.memory.note(ctx, remembered{Instance: l.entry.Instance, Epoch: l.entry.epoch, Last: l.entry.last, Held: true, Processes: l.entry.processes()})
	case holder != "" && holder != unreadable:
		l.memory.letGo(ctx)
	}
	return holder, nil
}

// mayGoOn reports whether the lease was ours and has an epoch left.
func (l *Kept) mayGoOn() bool {
	m := l.memory.value
	return m.Held && m.Instance == l.entry.Instance && max(m.Epoch, l.entry.floor) < m.Last
}

// goOn takes the next epoch of the block that the hub granted earlier.
func (l *Kept) goOn(ctx context.Context) error {
	next := l.memory.value
	next.Epoch = max(next.Epoch, l.entry.floor) + 1
	if err := l.memory.note(ctx, next); err != nil {
		return err
	}
	l.entry.epoch, l.entry.last, l.entry.revision, l.kept = next.Epoch, next.Last, 0, true
	l.memory.log.Warn().Msg("hub does not answer; polling goes on with the lease held last")
	return nil
}

// keep renews, for a third of the lease's life at most. Only the proof of another
// owner is an error.
func (l *Kept) keep(ctx context.Context) error {
	try, cancel := context.WithTimeout(ctx, l.entry.ttl/3)
	defer cancel()
	proof, err := l.confirm(try)
	switch {
	case proof != "":
		l.entry.revision = 0
		l.memory.letGo(ctx)
		return fmt.Errorf("%w: %s", ErrLost, proof)
	case err != nil && ctx.Err() == nil && !l.kept:
		l.kept = true
		level := zerolog.WarnLevel
		if l.entry.hub.Connected() != nil { // that has been said
			level = zerolog.DebugLevel
		}
		l.memory.log.WithLevel(level).Err(err).Msg("lease can't be renewed at the hub, and is kept")
	case err == nil && l.entry.revision != 0 && l.kept:
		l.kept = false
		l.memory.log.Debug().Uint64("epoch", l.entry.epoch).Msg("lease is confirmed by the hub")
	}
	return nil
}

// confirm renews the lease, or makes its entry again if that is gone. proof says
// why it is somebody else's; without proof and error, and with revision 0, it
// is undecided.
func (l *Kept) confirm(ctx context.Context) (proof string, err error) {
	if l.entry.revision != 0 {
		ok, err := l.entry.extend(ctx, l.entry.revision)
		sabotage.Point("lease.renewing") // written, and nobody knows
		if ok || err != nil {
			return "", err
		}
		l.entry.revision = 0
	}
	// The entry expired, or is ours from a renewal whose answer was lost, or
	// somebody else's.
	holder, revision, err := l.entry.holder(ctx)
	switch {
	case err != nil || holder == unreadable:
		return "", err
	case holder == aCopy:
		return copiedFolder, nil
	case holder != "":
		return "instance " + holder + " has it", nil
	}
	if ok, err := l.entry.extend(ctx, revision); !ok {
		return "", err
	}
	mine := l.entry.revision
	l.entry.revision = 0 // not before the epochs prove it
	proof, proven, err := l.proveEpochs(ctx)
	switch {
	case proven:
		l.entry.revision = mine
	case proof != "": // leave it to whoever waits
		_, err = l.entry.remove(ctx, mine)
	}
	return proof, err
}

// proveEpochs finds out whether somebody took epochs after us. A read may be a
// moment old on a replica; only writing the entry again proves that nobody did.
func (l *Kept) proveEpochs(ctx context.Context) (proof string, proven bool, err error) {
	v, revision, err := l.entry.epochs(ctx)
	if err != nil {
		return "", false, err
	}
	switch {
	case revision == 0:
		return "nobody knows any more who took epochs", false, nil
	case v.Instance == l.entry.Instance && !l.entry.ours(v.owner):
		l.entry.tellCopied(copiedFolder)
		return copiedFolder, false, nil
	case v.Instance != l.entry.Instance || v.Epoch != l.entry.last && v.Previous != l.entry.last:
		return fmt.Sprintf("another owner took epochs up to %d", v.Epoch), false, nil
	}
	// v.Previous: we took another block, and its answer never came.
	proven, err = l.entry.swapEpochs(ctx, v, revision)
	return "", proven, err
}

// memory is what an instance remembers of a lease on its own disk.
type memory struct {
	bucket *kv.Bucket
	key    string
	log    zerolog.Logger
	value  remembered
}

type remembered struct {
	Instance string `json:"instance"`
	Epoch    uint64 `json:"epoch"` // the last one used
	Last     uint64 `json:"last"`  // the end of the block
	Held     bool   `json:"held"`  // false: released, or another's
	// Processes are those since the last one that had the lease, it included; older
	// versions knew none.
	Processes []string `json:"processes,omitempty"`
}

func (m *memory) recall(ctx context.Context) error {
	value, revision, err := m.bucket.Get(ctx, m.key)
	if err == nil && revision != 0 && json.Unmarshal(value, &m.value) != nil {
		m.value = remembered{} // no claim then
		m.log.Warn().Msg("the spool's memory of the lease is unreadable; the hub is needed to start")
	}
	return err
}

// enter notes that a process asks for the lease, before it does.
func (m *memory) enter(ctx context.Context, process string) error {
	if process == "" || slices.Contains(m.value.Processes, process) {
		return nil
	}
	v := m.value
	v.Processes = append(slices.Clone(v.Processes), process)
	if more := len(v.Processes) - maxProcesses; more > 0 {
		v.Processes = v.Processes[more:]
	}
	return m.note(ctx, v)
}

// maxProcesses is how many processes in a row may end before one gets the lease,
// without its expiry being waited for.
const maxProcesses = 16

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
	try, cancel := m.bucket.Try(ctx)
	defer cancel()
	if err := m.note(try, v); err != nil {
		m.log.Warn().Err(err).Msg("spool does not note that the lease is not ours any more")
	}
}
