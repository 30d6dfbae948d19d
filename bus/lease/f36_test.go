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
	mu   sync.Mutex
	told string
}

func newFolder(t *testing.T, hub *bustest.TestServer) *folder {
	return &folder{bridgeAt: newBridge(t, hub, "one", shortTTL)}
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
func (f *folder) starts() *Kept {
	return NewKept(f.hub, f.local, Options{
		Tenant: "acme", Partition: "0", TTL: f.ttl, Process: uuid.NewString(),
		Copied: func(what string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.told = what
		},
	})
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

func revisionOf(t *testing.T, f *folder) uint64 {
	t.Helper()
	_, revision, err := kv.Open(f.hub, schemas.BucketLeases).Get(t.Context(), "acme.0")
	if err != nil {
		t.Fatal(err)
	}
	return revision
}
