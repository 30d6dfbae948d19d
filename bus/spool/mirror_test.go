package spool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// mirrored is a bucket on both sides.
type mirrored struct {
	t         *testing.T
	bucket    schemas.Bucket
	link      *bustest.Cuttable // between the bridge and the hub
	near, far *wire.Conn        // the bridge's, to its own server and to the hub
	others    *wire.Conn        // somebody else's to the hub
	line      uint64            // of the bridge's folder
	local     *kv.Bucket        // as the bridge sees it
	outside   *kv.Bucket        // the hub's, as others see it
}

var quick = hubtest.Quick(300 * time.Millisecond)

func newMirrored(t *testing.T, b schemas.Bucket) *mirrored {
	t.Helper()
	hub := bustest.Server(t)
	link := &bustest.Cuttable{InProcessConnProvider: hub}
	admin := hubtest.As(assets.RoleAdmin)
	m := &mirrored{
		t: t, bucket: b, link: link, near: hubtest.Open(t, bustest.Server(t), admin, quick),
		far: hubtest.Open(t, link, quick), others: hubtest.Open(t, hub, admin, hubtest.Patient),
	}
	for _, c := range []*wire.Conn{m.near, m.others} {
		hubtest.MakeBuckets(t, c, schemas.LeaseTTL)
	}
	m.local, m.outside = kv.Open(m.near, b), kv.Open(m.others, b)
	return m
}

func (m *mirrored) stream() string { return m.near.Names().BucketStream(m.bucket) }

// start runs a mirror; loaded is closed when it has loaded, and stop ends it.
func (m *mirrored) start() (loaded <-chan struct{}, stop func()) {
	m.t.Helper()
	return m.startWith(m.near, m.far)
}

func (m *mirrored) startWith(local, hub *wire.Conn) (loaded <-chan struct{}, stop func()) {
	m.t.Helper()
	return m.run(newMirror(m.bucket, local, hub, m.line, zerolog.Nop()))
}

func (m *mirrored) run(x *mirror) (loaded <-chan struct{}, stop func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	done, ready := make(chan error, 1), make(chan struct{})
	go func() { done <- x.run(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Error(err)
		}
	})
	m.t.Cleanup(stop)
	return ready, stop
}

func (m *mirrored) wait(what string, c <-chan struct{}) {
	m.t.Helper()
	select {
	case <-c:
	case <-bustest.Limited(m.t, 20*time.Second).Done():
		m.t.Fatalf("%s: it does not come", what)
	}
}

func (m *mirrored) put(k *kv.Bucket, key, value string) {
	m.t.Helper()
	if value == "" {
		if err := k.Delete(m.t.Context(), key); err != nil {
			m.t.Fatal(err)
		}
		return
	}
	if _, err := k.Put(m.t.Context(), key, []byte(value)); err != nil {
		m.t.Fatal(err)
	}
}

// swap writes as a bridge does.
func (m *mirrored) swap(k *kv.Bucket, key, value string) {
	m.t.Helper()
	_, revision, err := k.Get(m.t.Context(), key)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, ok, err := k.Swap(m.t.Context(), key, []byte(value), revision); !ok {
		m.t.Fatal(ok, err)
	}
}

// becomes waits until a key has a value; "": none.
func (m *mirrored) becomes(k *kv.Bucket, key, want string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	last, found := "", false
	err := k.Watch(ctx, key, func(_ string, value []byte, _ uint64) {
		if last = string(value); last == want {
			found = true
			cancel()
		}
	}, func() {
		if last == "" && want == "" {
			found = true
			cancel()
		}
	})
	if err != nil || !found {
		m.t.Fatalf("%s in %s is %q, want %q (%v)", key, k.Name(), last, want, err)
	}
}

func session(epoch uint64, guid string) string {
	return fmt.Sprintf(`{"tenant":"acme","agent":"1","guid":%q,"polling":true,"epoch":%d}`, guid, epoch)
}

func agentState(epoch, seq uint64, since string) string {
	return fmt.Sprintf(`{"tenant":"acme","agent":"1","state":"ready","since":"2026-11-01T00:00:%sZ","epoch":%d,"seq":%d}`, since, epoch, seq)
}

const agentKey = "acme.1"

// What a mirror finds at its start, without any record.
func TestMirrorStart(t *testing.T) {
	t.Parallel()
	const deleted = "deleted"
	for _, b := range []schemas.Bucket{schemas.BucketSessions, schemas.BucketState} {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			m := newMirrored(t, b)
			type situation struct {
				name, local, hub string
				byBridge         bool // wrote the hub's
				want             string
			}
			cases := []situation{
				{"only local", "l", "", false, "l"},
				{"only hub", "", "h", false, "h"},
				{"equal", "x", "x", true, "x"},
				{"deleted at the hub, none here", "", deleted, false, ""},
				{"deleted here, none at the hub", deleted, "", false, ""},
				{"deleted on both sides", deleted, deleted, false, ""},
				{"deleted here, written there", deleted, "h", false, "h"},
				{"both unreadable", "l", "h", true, "h"},
			}
			if b == schemas.BucketSessions {
				cases = append(cases,
					situation{"lower epoch of a bridge", session(7, "l"), session(6, "h"), true, session(7, "l")},
					situation{"higher epoch of a bridge", session(7, "l"), session(8, "h"), true, session(8, "h")},
					situation{"same epoch of a bridge", session(7, "l"), session(7, "h"), true, session(7, "h")},
					situation{"handed over without an epoch", session(7, "l"), session(0, "h"), true, session(0, "h")},
					situation{"handed over with an old epoch", session(7, "l"), session(6, "h"), false, session(6, "h")},
					situation{"handed over bare", session(7, "l"), "guid", true, "guid"},
					situation{"deleted at the hub, written here", session(7, "l"), deleted, false, ""},
				)
			} else {
				cases = append(cases,
					situation{"lower epoch", agentState(7, 1, "00"), agentState(6, 9, "09"), false, agentState(7, 1, "00")},
					situation{"higher epoch", agentState(7, 9, "09"), agentState(8, 1, "00"), false, agentState(8, 1, "00")},
					situation{"lower seq", agentState(7, 3, "00"), agentState(7, 2, "09"), false, agentState(7, 3, "00")},
					situation{"higher seq", agentState(7, 3, "09"), agentState(7, 4, "00"), false, agentState(7, 4, "00")},
					situation{"earlier since", agentState(7, 3, "02"), agentState(7, 3, "01"), false, agentState(7, 3, "02")},
					situation{"later since", agentState(7, 3, "01"), agentState(7, 3, "02"), false, agentState(7, 3, "02")},
					situation{"deleted at the hub, written here", agentState(7, 1, "00"), deleted, false, agentState(7, 1, "00")},
				)
			}
			for i, tc := range cases {
				key := fmt.Sprintf("acme.%d", i)
				for k, value := range map[*kv.Bucket]string{m.local: tc.local, m.outside: tc.hub} {
					switch {
					case value == "":
					case value == deleted:
						m.put(k, key, "x")
						m.put(k, key, "")
					case k == m.local || tc.byBridge:
						m.swap(k, key, value)
					default:
						m.put(k, key, value)
					}
				}
			}
			loaded, _ := m.start()
			m.wait("loaded", loaded)
			for i, tc := range cases {
				for _, k := range []*kv.Bucket{m.local, m.outside} {
					value, _, err := k.Get(t.Context(), fmt.Sprintf("acme.%d", i))
					if err != nil || string(value) != tc.want {
						t.Errorf("%s: %q, want %q (%v)", tc.name, value, tc.want, err)
					}
				}
			}
		})
	}
}

func TestMirrorWhileRunning(t *testing.T) {
	t.Parallel()
	m := newMirrored(t, schemas.BucketSessions)
	loaded, _ := m.start()
	m.wait("loaded", loaded)
	m.put(m.local, agentKey, session(7, "a"))
	m.becomes(m.outside, agentKey, session(7, "a"))
	m.put(m.outside, agentKey, session(0, "b"))
	m.becomes(m.local, agentKey, session(0, "b"))
	m.put(m.local, agentKey, session(7, "b"))
	m.becomes(m.outside, agentKey, session(7, "b"))
	m.put(m.outside, agentKey, "")
	m.becomes(m.local, agentKey, "")
	m.put(m.local, agentKey, session(7, "c"))
	m.becomes(m.outside, agentKey, session(7, "c"))
	m.put(m.local, agentKey, "")
	m.becomes(m.outside, agentKey, "")
	m.put(m.outside, agentKey, session(0, "d"))
	m.becomes(m.local, agentKey, session(0, "d"))
	// No echo: each side was written as often as something changed.
	end, err := m.others.End(t.Context(), m.stream())
	if err != nil || end != 7 {
		t.Errorf("the hub's bucket was written %d times, want 7 (%v)", end, err)
	}
}

func TestMirrorOverAnOutage(t *testing.T) {
	t.Parallel()
	m := newMirrored(t, schemas.BucketSessions)
	m.put(m.outside, "acme.2", session(7, "before"))
	m.put(m.outside, "acme.3", session(7, "before"))
	loaded, _ := m.start()
	m.wait("loaded", loaded)
	m.link.Cut()
	for i := range 100 {
		m.put(m.local, agentKey, session(7, fmt.Sprint(i)))
	}
	m.swap(m.local, "acme.2", session(7, "here"))
	m.swap(m.outside, "acme.2", session(8, "there")) // another bridge
	m.swap(m.local, "acme.3", session(7, "here"))
	before, err := m.others.End(t.Context(), m.stream())
	if err != nil {
		t.Fatal(err)
	}
	m.link.Heal()
	m.becomes(m.outside, agentKey, session(7, "99"))
	m.becomes(m.local, "acme.2", session(8, "there"))
	m.becomes(m.outside, "acme.3", session(7, "here"))
	after, err := m.others.End(t.Context(), m.stream())
	if err != nil || after-before > 4 { // the newest of each key, and perhaps one that was being sent
		t.Errorf("%d writes for two changed keys (%v)", after-before, err)
	}
}

// A GUID was handed over and taken; then the hub is away, the session goes on
// under another GUID, and the process starts again. The old one must not come
// back.
func TestMirrorRemembers(t *testing.T) {
	t.Parallel()
	m := newMirrored(t, schemas.BucketSessions)
	loaded, stop := m.start()
	m.wait("loaded", loaded)
	m.put(m.outside, agentKey, session(0, "handed over"))
	m.becomes(m.local, agentKey, session(0, "handed over"))
	m.link.Cut()
	m.swap(m.local, agentKey, session(7, "rotated"))
	stop()
	loaded, _ = m.start()
	m.link.Heal()
	m.wait("loaded again", loaded)
	m.becomes(m.outside, agentKey, session(7, "rotated"))
	m.becomes(m.local, agentKey, session(7, "rotated"))
}

func TestMirrorOfALostBucket(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(ctx context.Context, m *mirrored) error{
		"made anew": func(ctx context.Context, m *mirrored) error {
			return m.others.JetStream().DeleteStream(ctx, m.stream())
		},
		"purged": func(ctx context.Context, m *mirrored) error {
			s, err := m.others.JetStream().Stream(ctx, m.stream())
			if err != nil {
				return err
			}
			return s.Purge(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMirrored(t, schemas.BucketSessions)
			m.put(m.outside, "acme.2", session(0, "other"))
			m.put(m.local, agentKey, session(7, "a"))
			loaded, stop := m.start()
			m.wait("loaded", loaded)
			if err := lose(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			hubtest.MakeBuckets(t, m.others, schemas.LeaseTTL)
			if name == "purged" { // it is not announced
				m.put(m.local, agentKey, session(7, "b"))
				m.becomes(m.outside, agentKey, session(7, "b"))
				stop()
				m.start()
				m.becomes(m.outside, "acme.2", session(0, "other"))
				return
			}
			m.becomes(m.outside, agentKey, session(7, "a"))
			m.becomes(m.outside, "acme.2", session(0, "other"))
			m.put(m.outside, agentKey, session(0, "handed over"))
			m.becomes(m.local, agentKey, session(0, "handed over"))
		})
	}
}

// The local disk is lost: what the hub knows comes back before anybody polls.
func TestMirrorToANewDisk(t *testing.T) {
	t.Parallel()
	m := newMirrored(t, schemas.BucketSessions)
	m.put(m.local, agentKey, session(7, "a"))
	loaded, stop := m.start()
	m.wait("loaded", loaded)
	stop()
	fresh := hubtest.Open(t, bustest.Server(t), hubtest.As(assets.RoleAdmin), quick)
	hubtest.MakeBuckets(t, fresh, schemas.LeaseTTL)
	loaded, _ = m.startWith(fresh, m.far)
	m.wait("loaded", loaded)
	if value, _, err := kv.Open(fresh, schemas.BucketSessions).Get(t.Context(), agentKey); err != nil || string(value) != session(7, "a") {
		t.Errorf("%q %v", value, err)
	}
}

// A value that the hub does not take must not stop the others.
func TestMirrorOfAnOversizedValue(t *testing.T) {
	t.Parallel()
	m := newMirrored(t, schemas.BucketSessions)
	c, err := m.others.StreamConfig(t.Context(), m.stream())
	if err != nil {
		t.Fatal(err)
	}
	c.MaxMsgSize = 1000
	if _, err := m.others.JetStream().UpdateStream(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
	loaded, _ := m.start()
	m.wait("loaded", loaded)
	for i := range 2 * mirrorLanes {
		m.put(m.local, fmt.Sprintf("big.%d", i), string(make([]byte, 2000)))
	}
	m.put(m.local, agentKey, session(7, "a"))
	m.becomes(m.outside, agentKey, session(7, "a"))
}

// Two bridges on one hub: all three buckets become equal.
func TestMirrorsOfTwoBridges(t *testing.T) {
	t.Parallel()
	m := newMirrored(t, schemas.BucketSessions)
	second := func(o *wire.Options) { o.Instance = "two"; quick(o) }
	other, hub := hubtest.Open(t, bustest.Server(t), hubtest.As(assets.RoleAdmin), second), hubtest.Open(t, m.link.InProcessConnProvider, second)
	hubtest.MakeBuckets(t, other, schemas.LeaseTTL)
	otherLocal := kv.Open(other, schemas.BucketSessions)
	a, _ := m.start()
	b, _ := m.startWith(other, hub)
	m.wait("first loaded", a)
	m.wait("second loaded", b)
	m.swap(m.local, agentKey, session(7, "a"))
	m.becomes(otherLocal, agentKey, session(7, "a"))
	m.link.Cut()
	m.swap(m.local, agentKey, session(7, "still here"))
	m.swap(otherLocal, agentKey, session(1007, "took over"))
	m.becomes(m.outside, agentKey, session(1007, "took over"))
	m.link.Heal()
	m.becomes(m.local, agentKey, session(1007, "took over"))
	m.swap(m.local, agentKey, session(2007, "back"))
	m.becomes(otherLocal, agentKey, session(2007, "back"))
}

// TestMirrorInStep: whoever waits until both sides are in step finds on either what the other
// had; without the hub he waits in vain, and no longer than he wants.
func TestMirrorInStep(t *testing.T) {
	t.Parallel()
	m := newMirrored(t, schemas.BucketSessions)
	x := newMirror(m.bucket, m.near, m.far, m.line, zerolog.Nop())
	loaded, _ := m.run(x)
	m.wait("loaded", loaded)
	inStep := func(round int) {
		t.Helper()
		if err := x.inStep(bustest.Limited(t, time.Minute)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	inStep(-1) // nothing is there
	for round := range 20 {
		value := fmt.Sprint(round)
		for i := range 20 {
			m.put(m.local, fmt.Sprintf("near.%d", i), value)
			m.put(m.outside, fmt.Sprintf("far.%d", i), value)
		}
		inStep(round)
		for i := range 20 {
			for key, side := range map[string]*kv.Bucket{"near": m.outside, "far": m.local} {
				if got, _, err := side.Get(t.Context(), fmt.Sprintf("%s.%d", key, i)); err != nil || string(got) != value {
					t.Fatalf("round %d: %s.%d is %q, %v", round, key, i, got, err)
				}
			}
		}
	}
	m.link.Cut()
	m.put(m.local, agentKey, session(7, "a"))
	if err := x.inStep(bustest.Limited(t, 500*time.Millisecond)); err == nil {
		t.Error("both sides are in step without the hub")
	}
	m.link.Heal()
	inStep(20)
	m.becomes(m.outside, agentKey, session(7, "a"))
	stream, err := m.others.Stream(t.Context(), m.stream())
	if err == nil {
		err = stream.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	inStep(21)
}
