package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// ErrLeaseLost says that a lease ended although its owner wanted it.
var ErrLeaseLost = errors.New("lease lost")

// Lease is the right to poll one partition. One of [Bus.Lease] lasts for as long
// as it is renewed in time, one of [Spool.Lease] until somebody else is proven to
// have it.
type Lease struct {
	// Epoch is the fencing number. It grows with every acquisition of the
	// partition, whatever expired, was deleted or was made anew, and is above
	// the floor given to [Bus.Lease].
	Epoch uint64

	bucket   *Bucket
	key      string
	id       string // in our entry's header: which lease it is of
	instance string
	value    []byte // what our entry holds
	ttl      time.Duration
	floor    uint64
	block    uint64    // how many epochs an acquisition takes at once
	last     uint64    // the end of our block, as the partition's epoch entry has it
	revision uint64    // of our entry; 0: not known to be ours
	renewed  time.Time // when the last renewal was sent
	memory   *memory   // of a spool's lease; else nil
	kept     bool      // the hub did not answer the last renewal
}

// leaseValue is what a lease's entry holds.
type leaseValue struct {
	Instance string `json:"instance"`
}

// epochValue is what stays when a lease's entry has gone: the partition's last
// epoch that is taken, in an entry beside it that does not expire; who took it;
// and which one was the last before, 0 if there was none.
type epochValue struct {
	Epoch    uint64 `json:"epoch"`
	Instance string `json:"instance,omitempty"`
	Previous uint64 `json:"previous,omitempty"`
}

// Lease acquires the lease of a partition and blocks until it has it or ctx
// ends. An entry of the same instance, left by a crash, is taken over at once;
// another's is waited for until it expires or is released. Its Epoch is above
// floor: give the highest one that the stored events show, so that epochs grow
// even after the bucket was deleted and made anew; 0 is none.
func (b *Bus) Lease(ctx context.Context, tenant, partition string, floor uint64) (*Lease, error) {
	l, err := b.newLease(schemas.LeaseKey(tenant, partition), floor)
	if err != nil {
		return nil, err
	}
	if err := l.obtain(ctx, l.acquire); err != nil {
		return nil, err
	}
	return l, nil
}

func (b *Bus) newLease(key string, floor uint64) (*Lease, error) {
	value, err := json.Marshal(leaseValue{Instance: b.opts.Instance})
	if err != nil {
		return nil, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	return &Lease{
		bucket: b.Bucket(schemas.BucketLeases), key: key, id: uuid.NewString(), instance: b.opts.Instance, value: value,
		ttl: b.opts.LeaseTTL, floor: floor, block: 1,
	}, nil
}

// obtain repeats try until Epoch is set.
func (l *Lease) obtain(ctx context.Context, try func(context.Context) (holder string, err error)) error {
	log := l.log()
	seen := ""
	for {
		holder, err := try(ctx)
		if err != nil {
			return fmt.Errorf("acquire lease %s: %w", l.key, err)
		}
		if l.Epoch != 0 {
			log.Info().Uint64("epoch", l.Epoch).Msg("lease acquired")
			return nil
		}
		if holder != "" && holder != seen {
			seen = holder
			log.Info().Str("holder", holder).Msg("lease is held by another bridge; waiting")
		}
		pause(ctx, l.ttl/10) // expiry is not announced
		if ctx.Err() != nil {
			return fmt.Errorf("acquire lease %s: %w", l.key, ctx.Err())
		}
	}
}

func (l *Lease) log() zerolog.Logger { return l.bucket.bus.log.With().Str("lease", l.key).Logger() }

// acquire tries once; on success Epoch is set. A holder is whoever else has it.
func (l *Lease) acquire(ctx context.Context) (holder string, err error) {
	holder, revision, err := l.holder(ctx)
	if err != nil || holder != "" && holder != l.instance {
		return holder, err
	}
	if ok, err := l.extend(ctx, revision); err != nil || !ok {
		return "", err
	}
	held, cancel := context.WithDeadline(ctx, l.until())
	defer cancel()
	epoch, err := l.takeEpochs(held)
	if err != nil && held.Err() != nil && ctx.Err() == nil {
		return "", nil // the lease went by meanwhile: not acquired
	}
	l.Epoch = epoch
	return "", err
}

// unreadable is the holder of an entry that is no lease's. It expires like any
// other.
const unreadable = "an unreadable entry"

// holder says who has the entry now, "" if nobody.
func (l *Lease) holder(ctx context.Context) (instance string, revision uint64, err error) {
	value, revision, err := l.bucket.Get(ctx, l.key)
	if err != nil || revision == 0 {
		return "", 0, err
	}
	var v leaseValue
	if json.Unmarshal(value, &v) != nil || v.Instance == "" {
		return unreadable, revision, nil
	}
	return v.Instance, revision, nil
}

// until is when an unrenewed lease must count as lost. A tenth early: the
// server's clock may run a little faster.
func (l *Lease) until() time.Time { return l.renewed.Add(l.ttl * 9 / 10) }

// takeEpochs takes the partition's next epochs, a block of them, and returns the
// first. Every owner does so with a compare-and-set while it holds the lease, so
// that no two get the same one, and a later owner gets higher ones.
//
// The entry may be lost: with the bucket, or when a server starts again (up to
// 2.15 at least, it then drops whatever is older than the leases live, unless the
// bucket leaves markers of what expired). So a block also begins no lower than the
// revision times its length: revisions grow until the bucket is made anew. And a
// floor above the entry shows that it was lost; the floor's owner may have more
// epochs of its block than it showed, and they are left out.
func (l *Lease) takeEpochs(ctx context.Context) (first uint64, err error) {
	for {
		before, revision, err := l.epochs(ctx)
		if err != nil {
			return 0, err
		}
		first := max(l.revision*l.block, before.Epoch+1)
		if l.floor > before.Epoch {
			first = max(first, l.floor+l.block)
		}
		next := epochValue{Epoch: first + l.block - 1, Instance: l.instance, Previous: before.Epoch}
		ok, err := l.swapEpochs(ctx, next, revision)
		if err != nil {
			return 0, err
		}
		if ok {
			l.last = next.Epoch
			return first, nil
		}
		pause(ctx, l.ttl/100) // a replica may lag
	}
}

func (l *Lease) epochKey() string { return l.key + ".epoch" }

// epochs reads the partition's epoch entry; revision 0: there is none.
func (l *Lease) epochs(ctx context.Context) (v epochValue, revision uint64, err error) {
	value, revision, err := l.bucket.Get(ctx, l.epochKey())
	if err != nil || revision == 0 {
		return v, 0, err
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return v, 0, fmt.Errorf("entry %s in bucket %s is unreadable; put the partition's last epoch there, e.g. {\"epoch\":7}: %w", l.epochKey(), l.bucket.name, err)
	}
	return v, revision, nil
}

func (l *Lease) swapEpochs(ctx context.Context, v epochValue, revision uint64) (ok bool, err error) {
	value, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	m := l.bucket.message(l.epochKey(), value)
	m.Header.Set(jetstream.MsgTTLHeader, "never")
	_, ok, err = l.bucket.swap(ctx, "swap", l.epochKey(), m, revision)
	return ok, err
}

// Run renews the lease every third of its time to live. It returns nil when
// ctx ends, and an error satisfying [ErrLeaseLost] when somebody else has the
// lease, or, without a spool, when it could not be renewed before it expired.
func (l *Lease) Run(ctx context.Context) error {
	renew := l.renew
	if l.memory != nil {
		renew = l.keep
	}
	for {
		pause(ctx, l.ttl/3)
		if ctx.Err() != nil {
			return nil
		}
		if err := renew(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("renew %s: %w", l.key, err)
		}
	}
}

func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, l.until())
	defer cancel()
	ok, err := l.extend(ctx, l.revision)
	sabotage.Point("lease.renewing") // written, and nobody knows
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLeaseLost, err)
	}
	if !ok {
		return fmt.Errorf("%w: its entry expired or was taken over", ErrLeaseLost)
	}
	return nil
}

// extend writes our entry over the one with the revision.
func (l *Lease) extend(ctx context.Context, revision uint64) (ok bool, err error) {
	sent := time.Now()
	m := l.bucket.message(l.key, l.value)
	m.Header.Set(headerLease, l.id)
	revision, ok, err = l.bucket.swap(ctx, "swap", l.key, m, revision)
	if ok {
		l.revision, l.renewed = revision, sent
	}
	return ok, err
}

// Release gives the lease up, so that another bridge need not wait. A lease
// that is not ours any more is left alone. Call it after Run has returned.
//
// It takes no longer than the lease lives, and one request's time at most: a
// lease that cannot be given up by then expires by itself, which is no error. A
// spool remembers whether it was given up.
func (l *Lease) Release(ctx context.Context) error {
	if l.renewed.IsZero() {
		return nil // it never met the hub
	}
	bus := l.bucket.bus
	end := time.Now().Add(bus.opts.requestTimeout)
	if expiry := l.renewed.Add(l.ttl); expiry.Before(end) {
		end = expiry
	}
	try, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	given, err := l.giveUp(try)
	if err != nil && try.Err() != nil && ctx.Err() == nil {
		log := l.log()
		log.Info().Err(err).Msg("lease left to expire")
		return nil
	}
	if err != nil {
		return fmt.Errorf("release lease %s: %w", l.key, err)
	}
	if given && l.memory != nil {
		l.memory.letGo(ctx)
	}
	return nil
}

// giveUp deletes our entry, also if the last renewal's answer came too late.
func (l *Lease) giveUp(ctx context.Context) (given bool, err error) {
	if l.revision != 0 {
		if given, err = l.bucket.deleteIf(ctx, l.key, l.revision); given || err != nil {
			return given, err
		}
	}
	e, err := l.bucket.lookup(ctx, l.key)
	if err != nil || isDeleted(e) || e.Get(headerLease) != l.id {
		return false, err
	}
	return l.bucket.deleteIf(ctx, l.key, e.Sequence)
}
