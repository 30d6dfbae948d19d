package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// ErrLost says that a lease ended although its owner wanted it.
var ErrLost = errors.New("lease lost")

// Lease is the right to poll one partition. Its methods are called once each, in this
// order, by one goroutine.
type Lease interface {
	// Acquire blocks until the lease is held or ctx ends, and returns the fencing
	// number. It grows with every acquisition of the partition, whatever expired, was
	// deleted or was made anew, and is above the floor.
	Acquire(ctx context.Context) (epoch uint64, err error)
	// Run renews the lease every third of its time to live. It returns nil when
	// ctx ends, and an error satisfying [ErrLost] when the lease ended before.
	Run(ctx context.Context) error
	// Release gives the lease up, so that another bridge need not wait. A lease
	// that is not ours any more is left alone. It takes no longer than the lease lives,
	// and one request's time at most: a lease that cannot be given up by then expires by
	// itself, which is no error.
	Release(ctx context.Context) error
}

// Options say which lease it is. Tenant and Partition are required.
type Options struct {
	Tenant, Partition string
	// Floor is what the epoch must be above: give the highest one that the stored
	// events show, so that epochs grow even after the bucket was deleted and made anew;
	// 0 is none.
	Floor uint64
	// Line is that of the data folder: a number that its copies do not share, and other
	// whenever an older copy was put in its place. The epoch is above it, and what another
	// line of the same instance has is somebody else's. 0: no copy is known of.
	Line uint64
	// Process names this process, other than any before or beside it with the same
	// instance. With it a [Kept] lease tells what an earlier process of its data folder
	// left from what a copy of the folder does. "": everything of the instance is taken
	// for one's own.
	Process string
	// Copied is told, if not nil, when another process has, or had, the lease under our
	// own instance's id, with a sentence for whoever operates the bridge; and "" when
	// the lease is ours.
	Copied func(what string)
	// TTL is how long the lease lives without renewal, as the bucket has it. Default
	// [schemas.LeaseTTL].
	TTL time.Duration
}

// Holder is the instance that has a lease now; "": nobody, or an entry that is no lease's.
// leases is the hub's bucket.
func Holder(ctx context.Context, leases *kv.Bucket, tenant, partition string) (instance string, err error) {
	value, _, err := leases.Get(ctx, schemas.LeaseKey(tenant, partition))
	var v owner
	if err != nil || json.Unmarshal(value, &v) != nil {
		return "", err
	}
	return v.Instance, nil
}

// AtHub is a lease that lasts for as long as it is renewed in time.
type AtHub struct{ entry *entry }

// NewAtHub returns a lease of the connection's instance that nobody has yet. An entry
// of the same instance and line, left by a crash, is taken over at once; another's is
// waited for until it expires or is released. Names of processes do not count: nothing
// remembers those before a crash.
func NewAtHub(hub *wire.Conn, o Options) *AtHub {
	o.Process = ""
	return &AtHub{newEntry(hub, o, 1)}
}

// Acquire is as [Lease] says.
func (l *AtHub) Acquire(ctx context.Context) (epoch uint64, err error) {
	return l.entry.obtain(ctx, l.entry.acquire)
}

// Run is as [Lease] says. The lease is lost when somebody else has it, and when it could
// not be renewed before it expired.
func (l *AtHub) Run(ctx context.Context) error { return l.entry.run(ctx, l.renew) }

// Release is as [Lease] says.
func (l *AtHub) Release(ctx context.Context) error {
	_, err := l.entry.release(ctx)
	return err
}

func (l *AtHub) renew(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, l.entry.until())
	defer cancel()
	ok, err := l.entry.extend(ctx, l.entry.revision)
	sabotage.Point("lease.renewing") // written, and nobody knows
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	if !ok {
		return fmt.Errorf("%w: its entry expired or was taken over", ErrLost)
	}
	return nil
}
