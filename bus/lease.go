package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"aiccbridge/schemas"
)

// ErrLeaseLost says that a lease ended although its owner wanted it.
var ErrLeaseLost = errors.New("lease lost")

// Lease is the right to poll one partition, for as long as it is renewed.
type Lease struct {
	// Epoch is the fencing number: the revision at acquisition. It grows with
	// every acquisition, also over expired and deleted entries.
	Epoch uint64

	bucket   *Bucket
	key      string
	value    []byte
	ttl      time.Duration
	revision uint64
	renewed  time.Time // when the last renewal was sent
}

// leaseValue is what a lease's entry holds.
type leaseValue struct {
	Instance string `json:"instance"`
}

// Lease acquires the lease of a partition and blocks until it has it or ctx
// ends. An entry of the same instance, left by a crash, is taken over at once;
// another's is waited for until it expires or is released.
func (b *Bus) Lease(ctx context.Context, tenant, partition string) (*Lease, error) {
	key := schemas.LeaseKey(tenant, partition)
	value, err := json.Marshal(leaseValue{Instance: b.opts.Instance})
	if err != nil {
		return nil, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	l := &Lease{bucket: b.Bucket(schemas.BucketLeases), key: key, value: value, ttl: b.opts.LeaseTTL}
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
		if holder != seen {
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
	epoch, ok, err := l.bucket.Swap(ctx, l.key, l.value, revision)
	if err != nil || !ok {
		return "", err
	}
	l.Epoch, l.revision, l.renewed = epoch, epoch, sent
	return "", nil
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
	// Given up a tenth early: the server's clock may run a little faster.
	ctx, cancel := context.WithDeadline(ctx, l.renewed.Add(l.ttl*9/10))
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
func (l *Lease) Release(ctx context.Context) error {
	if _, err := l.bucket.deleteIf(ctx, l.key, l.revision); err != nil {
		return fmt.Errorf("release lease %s: %w", l.key, err)
	}
	return nil
}
