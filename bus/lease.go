package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// ErrLeaseLost says that a lease ended although its owner wanted it.
var ErrLeaseLost = errors.New("lease lost")

// Lease is the right to poll one partition, for as long as it is renewed.
type Lease struct {
	// Epoch is the fencing number. It grows with every acquisition of the
	// partition, whatever expired, was deleted or was made anew, and is above
	// the floor given to [Bus.Lease].
	Epoch uint64

	bucket   *Bucket
	key      string
	value    []byte
	ttl      time.Duration
	floor    uint64
	revision uint64
	renewed  time.Time // when the last renewal was sent
}

// leaseValue is what a lease's entry holds.
type leaseValue struct {
	Instance string `json:"instance"`
}

// epochValue is what stays when a lease's entry has gone: the partition's last
// epoch, in an entry beside it that does not expire.
type epochValue struct {
	Epoch uint64 `json:"epoch"`
}

// Lease acquires the lease of a partition and blocks until it has it or ctx
// ends. An entry of the same instance, left by a crash, is taken over at once;
// another's is waited for until it expires or is released. Its Epoch is above
// floor: give the highest one that the stored events show, so that epochs grow
// even after the bucket was deleted and made anew; 0 is none.
func (b *Bus) Lease(ctx context.Context, tenant, partition string, floor uint64) (*Lease, error) {
	key := schemas.LeaseKey(tenant, partition)
	value, err := json.Marshal(leaseValue{Instance: b.opts.Instance})
	if err != nil {
		return nil, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	l := &Lease{bucket: b.Bucket(schemas.BucketLeases), key: key, value: value, ttl: b.opts.LeaseTTL, floor: floor}
	log := b.log.With().Str("lease", key).Logger()
	seen := ""
	for {
		holder, err := l.acquire(ctx, b.opts.Instance)
		if err != nil {
			return nil, fmt.Errorf("acquire lease %s: %w", key, err)
		}
		if l.Epoch != 0 {
			log.Info().Uint64("epoch", l.Epoch).Msg("lease acquired")
			return l, nil
		}
		if holder != "" && holder != seen {
			seen = holder
			log.Info().Str("holder", holder).Msg("lease is held by another bridge; waiting")
		}
		pause(ctx, l.ttl/10) // expiry is not announced
		if ctx.Err() != nil {
			return nil, fmt.Errorf("acquire lease %s: %w", key, ctx.Err())
		}
	}
}

// acquire tries once; on success Epoch is set.
func (l *Lease) acquire(ctx context.Context, instance string) (holder string, err error) {
	sent := time.Now()
	value, revision, err := l.bucket.Get(ctx, l.key)
	if err != nil {
		return "", err
	}
	if revision != 0 {
		var v leaseValue
		if err := json.Unmarshal(value, &v); err != nil {
			return "an unreadable entry", nil // expires like any other
		}
		if v.Instance != instance {
			return v.Instance, nil
		}
	}
	revision, ok, err := l.bucket.Swap(ctx, l.key, l.value, revision)
	if err != nil || !ok {
		return "", err
	}
	l.revision, l.renewed = revision, sent
	held, cancel := context.WithDeadline(ctx, l.until())
	defer cancel()
	epoch, err := l.nextEpoch(held)
	if err != nil && held.Err() != nil && ctx.Err() == nil {
		return "", nil // the lease went by meanwhile: not acquired
	}
	l.Epoch = epoch
	return "", err
}

// until is when an unrenewed lease must count as lost. A tenth early: the
// server's clock may run a little faster.
func (l *Lease) until() time.Time { return l.renewed.Add(l.ttl * 9 / 10) }

// nextEpoch takes the partition's next epoch. Every owner does so with a
// compare-and-set while it holds the lease, so that no two get the same one, and
// a later owner gets a higher one.
func (l *Lease) nextEpoch(ctx context.Context) (uint64, error) {
	key := l.key + ".epoch"
	for {
		value, revision, err := l.bucket.Get(ctx, key)
		if err != nil {
			return 0, err
		}
		var last epochValue
		if revision != 0 {
			if err := json.Unmarshal(value, &last); err != nil {
				return 0, fmt.Errorf("entry %s in bucket %s is unreadable; put the partition's last epoch there, e.g. {\"epoch\":7}: %w", key, l.bucket.name, err)
			}
		}
		next := epochValue{Epoch: max(l.revision, last.Epoch+1, l.floor+1)}
		if value, err = json.Marshal(next); err != nil {
			return 0, err
		}
		m := l.bucket.message(key, value)
		m.Header.Set(jetstream.MsgTTLHeader, "never")
		_, ok, err := l.bucket.swap(ctx, "swap", key, m, revision)
		if err != nil {
			return 0, err
		}
		if ok {
			return next.Epoch, nil
		}
		pause(ctx, l.ttl/100) // a replica may lag
	}
}

// Run renews the lease every third of its time to live. It returns nil when
// ctx ends, and an error satisfying [ErrLeaseLost] when somebody else has the
// lease, or when it could not be renewed before it expired.
func (l *Lease) Run(ctx context.Context) error {
	for {
		pause(ctx, l.ttl/3)
		if ctx.Err() != nil {
			return nil
		}
		if err := l.renew(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("renew %s: %w", l.key, err)
		}
	}
}

func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, l.until())
	defer cancel()
	sent := time.Now()
	revision, ok, err := l.bucket.Swap(ctx, l.key, l.value, l.revision)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLeaseLost, err)
	}
	if !ok {
		return fmt.Errorf("%w: its entry expired or was taken over", ErrLeaseLost)
	}
	l.revision, l.renewed = revision, sent
	return nil
}

// Release gives the lease up, so that another bridge need not wait. A lease
// that is not ours any more is left alone. Call it after Run has returned.
//
// It takes no longer than the lease lives, and one request's time at most: a
// lease that cannot be given up by then expires by itself, which is no error.
func (l *Lease) Release(ctx context.Context) error {
	bus := l.bucket.bus
	end := time.Now().Add(bus.opts.requestTimeout)
	if expiry := l.renewed.Add(l.ttl); expiry.Before(end) {
		end = expiry
	}
	try, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	_, err := l.bucket.deleteIf(try, l.key, l.revision)
	if err != nil && try.Err() != nil && ctx.Err() == nil {
		bus.log.Info().Str("lease", l.key).Err(err).Msg("lease left to expire")
		return nil
	}
	if err != nil {
		return fmt.Errorf("release lease %s: %w", l.key, err)
	}
	return nil
}
