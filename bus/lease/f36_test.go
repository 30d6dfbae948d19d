package lease

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// folder is a data folder as far as leases go, and who is told of copies.
type folder struct {
	bridgeAt
	line uint64 // once it was noticed to be a copy
	mu   sync.Mutex
	told string
}

func newFolder(t *testing.T, hub *bustest.TestServer) *folder {
	return &folder{bridgeAt: newBridge(t, hub, "one", shortTTL)}
}

// noticed is when a copy was noticed.
const noticed = 1_800_000_000_000

// waits checks that the lease is not to be had now.
func (f *folder) waits(t *testing.T) {
	t.Helper()
	if epoch, err := f.starts().Acquire(bustest.Limited(t, 3*f.ttl)); err == nil {
		t.Errorf("it does not wait: epoch %d", epoch)
	}
}

// copyTo copies what is remembered.
func (f *folder) copyTo(t *testing.T, other *folder) {
	t.Helper()
	value, _, err := f.local.Get(t.Context(), "acme.0")
	if err == nil {
		_, err = other.local.Put(t.Context(), "acme.0", value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// starts is the lease of a new process over the folder.
func (f *folder) starts() *Kept { return NewKept(f.hub, f.local, f.options()) }

func (f *folder) options() Options {
	return Options{
		Tenant: "acme", Partition: "0", TTL: f.ttl, Process: uuid.NewString(), Line: f.line,
		Copied: func(what string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.told = what
		},
	}
}

func (f *folder) isTold() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told != ""
}

func (f *folder) acquires(t *testing.T, l *Kept) (took time.Duration) {
	t.Helper()
	begin := time.Now()
	if _, err := l.Acquire(bustest.Limited(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// Another process under our own id, over a copy of our folder, is another owner: the
// lease is one's at a time, both sides' operators are told, and no epoch is used twice.
func TestF36CopiedLease(t *testing.T) {
	t.Parallel()
	scenes := map[string]func(t *testing.T, one, two *folder){
		"a copy starts beside the original": func(t *testing.T, one, two *folder) {
			first := one.starts()
			one.acquires(t, first)
			lost, stop := run(t, first)
			defer stop()
			one.copyTo(t, two)
			second := two.starts()
			two.acquires(t, second)
			_, stopSecond := run(t, second)
			defer stopSecond()
			isLost(t, lost)
			if !one.isTold() || two.isTold() {
				t.Errorf("told: %t, %t", one.isTold(), two.isTold())
			}
			if second.entry.epoch <= first.entry.last {
				t.Errorf("epoch %d of the block up to %d", second.entry.epoch, first.entry.last)
			}
			// It does not take it back while the other renews.
			again := one.starts()
			if _, err := again.Acquire(bustest.Limited(t, 3*one.ttl)); err == nil {
				t.Error("both have it")
			}
			stopSecond()
			if err := second.Release(t.Context()); err != nil {
				t.Error(err)
			}
			one.acquires(t, one.starts())
			if one.isTold() {
				t.Error("told, though it has the lease")
			}
		},
		"an older copy is put in its place": func(t *testing.T, one, old *folder) {
			one.acquires(t, one.starts())
			one.copyTo(t, old)
			last := one.starts()
			one.acquires(t, last) // and dies
			l := old.starts()
			old.acquires(t, l)
			if l.entry.epoch <= last.entry.last {
				t.Errorf("epoch %d of the block up to %d", l.entry.epoch, last.entry.last)
			}
		},
		"an older copy starts without the hub": func(t *testing.T, one, old *folder) {
			one.acquires(t, one.starts())
			one.copyTo(t, old)
			one.acquires(t, one.starts()) // and dies
			old.link.Cut()
			l := old.starts()
			old.acquires(t, l)
			old.link.Heal()
			lost, stop := run(t, l)
			defer stop()
			isLost(t, lost)
			if !old.isTold() {
				t.Error("nobody is told")
			}
			before := l.entry.last
			next := old.starts()
			old.acquires(t, next)
			if next.entry.epoch <= before || old.isTold() {
				t.Errorf("epoch %d of the block up to %d, told: %t", next.entry.epoch, before, old.isTold())
			}
		},
		"an older copy, noticed, starts without the hub": func(t *testing.T, one, old *folder) {
			one.acquires(t, one.starts())
			one.copyTo(t, old)
			last := one.starts()
			one.acquires(t, last) // uses the block of the copy's memory up, as far as that knows
			old.line = noticed
			old.link.Cut()
			old.waits(t)
			old.link.Heal()
			l := old.starts()
			old.acquires(t, l)
			if l.entry.epoch <= last.entry.last || l.entry.epoch <= noticed {
				t.Errorf("epoch %d of the block up to %d", l.entry.epoch, last.entry.last)
			}
			old.link.Cut() // from now on it is a folder like any other
			next := old.starts()
			if old.acquires(t, next); next.entry.epoch != l.entry.epoch+1 {
				t.Errorf("epoch %d after %d", next.entry.epoch, l.entry.epoch)
			}
		},
		"a copy, noticed, starts beside the original": func(t *testing.T, one, two *folder) {
			first := one.starts()
			one.acquires(t, first)
			lost, stop := run(t, first)
			defer stop()
			one.copyTo(t, two)
			two.line = noticed
			two.waits(t)
			if !two.isTold() || one.isTold() {
				t.Errorf("told: %t, %t", one.isTold(), two.isTold())
			}
			notLost(t, lost)
			stop()
			if err := first.Release(t.Context()); err != nil {
				t.Error(err)
			}
			two.acquires(t, two.starts())
			if took := two.acquires(t, two.starts()); took > two.ttl/2 || two.isTold() { // after a crash
				t.Errorf("it took %s, told: %t", took, two.isTold())
			}
		},
		"a crash, and a start of the same folder": func(t *testing.T, one, _ *folder) {
			for range 3 {
				if took := one.acquires(t, one.starts()); took > one.ttl/2 || one.isTold() {
					t.Errorf("it took %s, told: %t", took, one.isTold())
				}
			}
		},
		"starts that end before they have the lease": func(t *testing.T, one, two *folder) {
			one.acquires(t, one.starts())
			for range 5 {
				l := one.starts()
				if err := l.recall(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := l.entry.extend(t.Context(), revisionOf(t, one)); err != nil { // and dies
					t.Fatal(err)
				}
			}
			if took := one.acquires(t, one.starts()); took > one.ttl/2 || one.isTold() {
				t.Errorf("it took %s, told: %t", took, one.isTold())
			}
		},
		"left by an older version": func(t *testing.T, one, two *folder) {
			o := Options{Tenant: "acme", Partition: "0", TTL: one.ttl}
			one.acquires(t, NewKept(one.hub, one.local, o))
			if took := one.acquires(t, one.starts()); took > one.ttl/2 || one.isTold() {
				t.Errorf("it took %s, told: %t", took, one.isTold())
			}
			one.acquires(t, NewKept(one.hub, one.local, o)) // back again
		},
	}
	for name, play := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Server(t)
			play(t, newFolder(t, s), newFolder(t, s))
		})
	}
	t.Attr("tries", fmt.Sprint(len(scenes)))
	t.Attr("figure", fmt.Sprintf("%d scenes of processes under one id: one owner at a time, no epoch twice", len(scenes)))
}

// Whoever plans has no memory of leases. A copy of the folder waits for the original all
// the same, and the original for it; a process of the same folder does not.
func TestF36PlannersOnCopies(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one, two := newFolder(t, s), newFolder(t, s)
	two.line = noticed
	plans := func(f *folder) (*AtHub, uint64, time.Duration) {
		l, begin := NewAtHub(f.hub, f.options()), time.Now()
		epoch, err := l.Acquire(bustest.Limited(t, 20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return l, epoch, time.Since(begin)
	}
	waits := func(f *folder) {
		t.Helper()
		if _, err := NewAtHub(f.hub, f.options()).Acquire(bustest.Limited(t, 3*f.ttl)); err == nil || !f.isTold() {
			t.Errorf("it waits with %v, told: %t", err, f.isTold())
		}
	}
	plans(one)
	first, _, took := plans(one) // after a crash
	lost, stop := run(t, first)
	if took > one.ttl/2 || one.isTold() {
		t.Errorf("it took %s, told: %t", took, one.isTold())
	}
	waits(two)
	notLost(t, lost)
	stop()
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, epoch, _ := plans(two)
	lost, stop = run(t, second)
	defer stop()
	if epoch <= noticed || two.isTold() {
		t.Errorf("epoch %d, told: %t", epoch, two.isTold())
	}
	waits(one)
	notLost(t, lost)
	t.Attr("tries", "3")
	t.Attr("figure", "a planner's lease on copies of one folder: one plans, the other waits and says so")
}

func revisionOf(t *testing.T, f *folder) uint64 {
	t.Helper()
	_, revision, err := kv.Open(f.hub, schemas.BucketLeases).Get(t.Context(), "acme.0")
	if err != nil {
		t.Fatal(err)
	}
	return revision
}
