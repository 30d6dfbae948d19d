package lease

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// headerLease tells a lease's entry from others of the same instance.
const headerLease = "aicc-lease"

// entry is a lease as the hub has it: an entry with the owner's name, which expires
// unless it is renewed, and one beside it with the partition's last epoch.
type entry struct {
	hub     *wire.Conn
	bucket  *kv.Bucket
	log     zerolog.Logger
	key     string
	id      string // in our entry's header: which lease it is of
	owner          // what our entry holds
	copied  func(string)
	earlier []string // processes that this data folder had before; their entries are ours
	value   []byte   // owner, encoded
	ttl     time.Duration
	floor   uint64
	block   uint64 // how many epochs an acquisition takes at once

	epoch    uint64    // ours; 0: not acquired
	last     uint64    // the end of our block, as the partition's epoch entry has it
	revision uint64    // of our entry; 0: not known to be ours
	renewed  time.Time // when the last renewal was sent
}

// format is that of the entries that this version writes. Instance and epoch keep their
// meaning in all: whatever else an entry of a newer one has, its owner is another bridge, and
// the epochs up to its are taken.
const format = 1

// owner is what a lease's entry holds. Older versions wrote neither process nor line, nor the
// format.
type owner struct {
	Instance string `json:"instance"`
	Process  string `json:"process,omitempty"`
	Line     uint64 `json:"line,omitempty"`
	Format   int    `json:"format,omitempty"`
}

// epochValue is what stays when a lease's entry has gone: the partition's last
// epoch that is taken, in an entry beside it that does not expire; who took it;
// and which one was the last before, 0 if there was none.
type epochValue struct {
	Epoch uint64 `json:"epoch"`
	owner
	Previous uint64 `json:"previous,omitempty"`
}

func newEntry(hub *wire.Conn, o Options, block uint64) *entry {
	us := owner{Instance: hub.Instance(), Process: o.Process, Line: o.Line, Format: format}
	value, _ := json.Marshal(us) // strings always encode
	key := schemas.LeaseKey(o.Tenant, o.Partition)
	return &entry{
		hub: hub, bucket: kv.Open(hub, schemas.BucketLeases), log: hub.Logger().With().Str("lease", key).Logger(),
		key: key, id: uuid.NewString(), owner: us, value: value, copied: o.Copied,
		ttl: cmp.Or(o.TTL, schemas.LeaseTTL), floor: max(o.Floor, o.Line), block: block,
	}
}

// obtain repeats try until the epoch is set.
func (e *entry) obtain(ctx context.Context, try func(context.Context) (holder string, err error)) (epoch uint64, err error) {
	seen := ""
	for {
		holder, err := try(ctx)
		if err != nil {
			e.abandon(ctx)
			return 0, fmt.Errorf("acquire lease %s: %w", e.key, err)
		}
		if e.epoch != 0 {
			e.tellCopied("")
			e.log.Info().Uint64("epoch", e.epoch).Msg("lease acquired")
			return e.epoch, nil
		}
		if holder != "" && holder != seen {
			seen = holder
			e.log.Info().Str("holder", holder).Msg("lease is held by another bridge; waiting")
		}
		if err := retry.Wait(ctx, e.ttl/10); err != nil { // expiry is not announced
			return 0, fmt.Errorf("acquire lease %s: %w", e.key, err)
		}
	}
}

// abandon takes back what a try may have written before it ended, so that nobody waits for it
// to expire.
func (e *entry) abandon(ctx context.Context) {
	if e.hub.Connected() != nil {
		return
	}
	try, cancel := e.hub.Try(context.WithoutCancel(ctx))
	defer cancel()
	_, _ = e.giveUp(try) // it expires then
}

// run renews every third of the time to live until ctx ends; then it returns nil.
func (e *entry) run(ctx context.Context, renew func(context.Context) error) error {
	for retry.Wait(ctx, e.ttl/3) == nil {
		if err := renew(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("renew %s: %w", e.key, err)
		}
	}
	return nil
}

// release gives the lease up, and reports whether it did. It takes no longer than
// the lease lives, and one request's time at most.
func (e *entry) release(ctx context.Context) (given bool, err error) {
	if e.renewed.IsZero() {
		return false, nil // it never met the hub
	}
	end := time.Now().Add(e.hub.RequestTimeout())
	if expiry := e.renewed.Add(e.ttl); expiry.Before(end) {
		end = expiry
	}
	try, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	given, err = e.giveUp(try)
	if err != nil && try.Err() != nil && ctx.Err() == nil {
		e.log.Info().Err(err).Msg("lease left to expire")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("release lease %s: %w", e.key, err)
	}
	return given, nil
}

// acquire tries once; on success epoch is set. A holder is whoever else has it.
func (e *entry) acquire(ctx context.Context) (holder string, err error) {
	holder, revision, err := e.holder(ctx)
	if err != nil || holder != "" {
		return holder, err
	}
	if ok, err := e.extend(ctx, revision); err != nil || !ok {
		return "", err
	}
	held, cancel := context.WithDeadline(ctx, e.until())
	defer cancel()
	epoch, err := e.takeEpochs(held)
	if err != nil && held.Err() != nil && ctx.Err() == nil {
		return "", nil // the lease went by meanwhile: not acquired
	}
	e.epoch = epoch
	return "", err
}

const (
	// unreadable is the holder of an entry that is no lease's. It expires like any
	// other.
	unreadable = "an unreadable entry"
	// aCopy is the holder of an entry with our own instance's id that no process of
	// this data folder wrote since the folder is what it is.
	aCopy = "another process with this bridge's own id"
)

// copiedFolder says what another process under our id means.
const copiedFolder = "another process works under this bridge's own id: its data folder is a copy of this one, or this one of its, or an older copy was put back. " +
	"This bridge waits while the other holds the lease. Stop one of the two, or give one another id: stop it and delete the file \"instance\" in its data folder"

// holder says who else has the entry now, "" if nobody: then it is not there, or ours.
func (e *entry) holder(ctx context.Context) (instance string, revision uint64, err error) {
	value, revision, err := e.bucket.Get(ctx, e.key)
	if err != nil || revision == 0 {
		return "", 0, err
	}
	var v owner
	switch {
	case json.Unmarshal(value, &v) != nil || v.Instance == "":
		return unreadable, revision, nil
	case v.Instance != e.Instance:
		e.tellCopied("")
		return v.Instance, revision, nil
	case !e.ours(v):
		e.tellCopied(copiedFolder)
		return aCopy, revision, nil
	}
	return "", revision, nil
}

// ours reports an owner that is this process, or an earlier one of the same folder.
// Without names of processes instance and line decide.
func (e *entry) ours(v owner) bool {
	return v.Instance == e.Instance && v.Line == e.Line &&
		(v.Process == "" || e.Process == "" || v.Process == e.Process || slices.Contains(e.earlier, v.Process))
}

// processes is this one, as the memory keeps it.
func (e *entry) processes() []string {
	if e.Process == "" {
		return nil
	}
	return []string{e.Process}
}

func (e *entry) tellCopied(what string) {
	if e.copied != nil {
		e.copied(what)
	}
}

// until is when an unrenewed lease must count as lost. A tenth early: the
// server's clock may run a little faster.
func (e *entry) until() time.Time { return e.renewed.Add(e.ttl * 9 / 10) }

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
func (e *entry) takeEpochs(ctx context.Context) (first uint64, err error) {
	for {
		before, revision, err := e.epochs(ctx)
		if err != nil {
			return 0, err
		}
		first := max(e.revision*e.block, before.Epoch+1)
		if e.floor > before.Epoch {
			first = max(first, e.floor+e.block)
		}
		next := epochValue{Epoch: first + e.block - 1, owner: e.owner, Previous: before.Epoch}
		ok, err := e.swapEpochs(ctx, next, revision)
		if err != nil {
			return 0, err
		}
		if ok {
			e.last = next.Epoch
			return first, nil
		}
		if err := retry.Wait(ctx, e.ttl/100); err != nil { // a replica may lag
			return 0, err
		}
	}
}

func (e *entry) epochKey() string { return e.key + ".epoch" }

// epochs reads the partition's epoch entry; revision 0: there is none.
func (e *entry) epochs(ctx context.Context) (v epochValue, revision uint64, err error) {
	value, revision, err := e.bucket.Get(ctx, e.epochKey())
	if err != nil || revision == 0 {
		return v, 0, err
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return v, 0, fmt.Errorf("entry %s in bucket %s is unreadable; put the partition's last epoch there, e.g. {\"epoch\":7}: %w", e.epochKey(), e.bucket.Name(), err)
	}
	return v, revision, nil
}

func (e *entry) swapEpochs(ctx context.Context, v epochValue, revision uint64) (ok bool, err error) {
	value, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	forever := map[string]string{jetstream.MsgTTLHeader: "never"}
	_, ok, err = e.bucket.SwapEntry(ctx, e.epochKey(), kv.Entry{Value: value, Header: forever}, revision)
	return ok, err
}

// extend writes our entry over the one with the revision.
func (e *entry) extend(ctx context.Context, revision uint64) (ok bool, err error) {
	sent := time.Now()
	ours := kv.Entry{Value: e.value, Header: map[string]string{headerLease: e.id}}
	stored, ok, err := e.bucket.SwapEntry(ctx, e.key, ours, revision)
	if ok {
		e.revision, e.renewed = stored.Sequence, sent
	}
	return ok, err
}

// giveUp deletes our entry, also if the last renewal's answer came too late.
func (e *entry) giveUp(ctx context.Context) (given bool, err error) {
	if e.revision != 0 {
		if given, err = e.remove(ctx, e.revision); given || err != nil {
			return given, err
		}
	}
	now, err := e.bucket.Lookup(ctx, e.key)
	if err != nil || kv.Deleted(now) || now.Get(headerLease) != e.id {
		return false, err
	}
	return e.remove(ctx, now.Sequence)
}

// remove deletes the entry if it has the revision.
func (e *entry) remove(ctx context.Context, revision uint64) (ok bool, err error) {
	_, ok, err = e.bucket.SwapEntry(ctx, e.key, kv.Entry{Delete: true}, revision)
	return ok, err
}
