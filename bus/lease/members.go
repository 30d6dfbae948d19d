package lease

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// Members are the bridges that share a tenant's agents, as this one sees them. Each has an
// entry at the hub, which it renews as often as its leases, and which says which format of
// entries it knows: a newer one may write in that until all others know its own.
type Members struct {
	hub    *wire.Conn
	bucket *kv.Bucket
	prefix string // of the entries' keys
	ttl    time.Duration
}

// presence is a bridge's entry.
type presence struct {
	Format int `json:"format"`
}

// NewMembers returns those of the options' tenant. Of the options only TTL counts besides.
func NewMembers(hub *wire.Conn, o Options) *Members {
	return &Members{
		hub: hub, bucket: kv.Open(hub, schemas.BucketLeases),
		prefix: schemas.LeaseKey(o.Tenant, "bridges") + ".", ttl: cmp.Or(o.TTL, schemas.LeaseTTL),
	}
}

// Run makes this bridge one of them until ctx ends, and takes it out then. tell gets their
// instances, sorted, this bridge's among them, whenever they have changed; nil, first and
// once, when the hub does not answer.
func (m *Members) Run(ctx context.Context, tell func(bridges []string)) error {
	r := newRoll(m.hub.Instance(), m.ttl, tell)
	if err := m.renew(ctx); err != nil {
		r.away()
	}
	group, watching := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer m.leave(context.WithoutCancel(ctx))
		for retry.Wait(watching, m.ttl/3) == nil {
			_ = m.renew(watching) // whoever is cut off is told so by its leases
		}
		return nil
	})
	group.Go(func() error {
		return m.bucket.Watch(watching, m.prefix+"*", func(key string, value []byte, _ uint64) {
			if id := strings.TrimPrefix(key, m.prefix); value == nil {
				r.left(id)
			} else {
				r.heard(id, time.Now())
			}
		}, r.complete)
	})
	return group.Wait()
}

func (m *Members) key() string { return m.prefix + schemas.EncodeToken(m.hub.Instance()) }

func (m *Members) renew(ctx context.Context) error {
	ctx, cancel := m.bucket.Try(ctx)
	defer cancel()
	value, err := json.Marshal(presence{Format: format})
	if err == nil {
		_, err = m.bucket.Put(ctx, m.key(), value)
	}
	return err
}

// leave takes our entry out. One that stays expires.
func (m *Members) leave(ctx context.Context) {
	if m.hub.Connected() != nil {
		return // a stop does not wait for the hub to come back
	}
	ctx, cancel := m.bucket.Try(ctx)
	defer cancel()
	_ = m.bucket.Delete(ctx, m.key())
}

// roll is which bridges were seen, and when. That an entry has expired is not announced: a
// bridge goes by the renewals that it sees, and its own are its clock.
//
//	our renewal is seen ────────► whoever was not seen for a time to live has gone
//	none was for a time to live ► we were cut off, and so may others have been, whose
//	                              leases have expired: they have another time to live to
//	                              come back; if nobody is known, nothing is told until then
type roll struct {
	self    string // encoded, as all
	ttl     time.Duration
	tell    func([]string)
	seen    map[string]time.Time
	own     time.Time // when we were seen last; zero: never
	cutOff  bool      // before the first time
	whole   bool      // the first values are all there
	settles time.Time // nothing is told before
	told    []string
}

func newRoll(self string, ttl time.Duration, tell func([]string)) *roll {
	return &roll{self: schemas.EncodeToken(self), ttl: ttl, tell: tell, seen: map[string]time.Time{}}
}

// away says that the hub did not answer to begin with.
func (r *roll) away() {
	r.cutOff = true
	r.tell(nil)
}

// complete says that whoever is there has been heard.
func (r *roll) complete() {
	r.whole = true
	r.say(r.own)
}

// left is said by the bridge itself, or another process under our own name.
func (r *roll) left(id string) {
	if id != r.self {
		delete(r.seen, id)
		r.say(r.own)
	}
}

func (r *roll) heard(id string, now time.Time) {
	r.seen[id] = now
	if id == r.self {
		r.count(now)
	}
	r.say(now)
}

// count is what our own renewal says of the others.
func (r *roll) count(now time.Time) {
	switch first := r.own.IsZero(); {
	case first && r.cutOff:
		r.settles = now.Add(r.ttl)
	case !first && now.Sub(r.own) > r.ttl:
		for id := range r.seen {
			r.seen[id] = now
		}
	}
	r.own = now
	maps.DeleteFunc(r.seen, func(_ string, at time.Time) bool { return now.Sub(at) > r.ttl })
}

// say tells who is there, if that is known and has changed.
func (r *roll) say(now time.Time) {
	if !r.whole || r.own.IsZero() || now.Before(r.settles) {
		return
	}
	ids := slices.Sorted(maps.Keys(r.seen))
	all := ids[:0]
	for _, id := range ids {
		if plain, err := schemas.DecodeToken(id); err == nil {
			all = append(all, plain)
		}
	}
	if !slices.Equal(all, r.told) {
		r.told = all
		r.tell(slices.Clone(all))
	}
}
