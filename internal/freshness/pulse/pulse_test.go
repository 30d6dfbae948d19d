package pulse

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/formattest"
	"aiccbridge/internal/freshness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucket is a bucket in memory that all who have it share.
type bucket struct {
	mu       sync.Mutex
	values   map[string][]byte
	revision map[string]uint64
	watchers map[int]func(key string, value []byte, revision uint64)
	next     int // watcher
	away     bool
	swaps    int
}

func newBucket() *bucket {
	return &bucket{values: map[string][]byte{}, revision: map[string]uint64{}, watchers: map[int]func(string, []byte, uint64){}}
}

func (b *bucket) Get(_ context.Context, key string) ([]byte, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return nil, 0, errors.New("nobody answers")
	}
	return b.values[key], b.revision[key], nil
}

func (b *bucket) Swap(_ context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.swaps++
	if b.revision[key] != revision {
		return 0, false, nil
	}
	b.values[key], b.revision[key] = bytes.Clone(value), revision+1
	for _, f := range b.watchers {
		f(key, value, revision+1)
	}
	return revision + 1, true, nil
}

func (b *bucket) Watch(ctx context.Context, _ string, f func(string, []byte, uint64), loaded func()) error {
	b.mu.Lock()
	has := maps.Clone(b.values)
	own := b.next
	b.next, b.watchers[own] = b.next+1, f
	b.mu.Unlock()
	for key, value := range has {
		f(key, value, 1)
	}
	loaded()
	<-ctx.Done()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watchers, own)
	return nil
}

// setAway has the bucket answer nobody, or everybody again.
func (b *bucket) setAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// written is how many entries it has, and how often one was to be written.
func (b *bucket) written() (entries, swaps int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.values), b.swaps
}

// bridge is a pulse that runs.
type bridge struct {
	*Pulse
	looks atomic.Bool
	only  string // team of whose agents it polls any; empty: both
	stop  func()
}

// looking are both teams, or none, or those that it is about.
func (x *bridge) looking() []string {
	switch {
	case !x.looks.Load():
		return nil
	case x.only != "":
		return []string{x.only}
	}
	return []string{"a", "b"}
}

func newBridge(t *testing.T, b *bucket, slot time.Duration, only ...string) *bridge {
	t.Helper()
	x := &bridge{only: strings.Join(only, "")}
	x.looks.Store(true)
	var err error
	x.Pulse, err = New(Options{
		Tenant: "acme", Bucket: b, Slot: slot, Team: func(agent string) string { return agent[:1] },
		Looking: x.looking,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := x.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	x.stop = func() { cancel(); <-ended }
	synctest.Wait()
	return x
}

const slot = 15 * time.Minute

// count is what slots that were looked at whole have.
func count(f freshness.Feed) (slots, events int) {
	for _, s := range f.Slots {
		if s.To.Sub(s.From) == slot {
			slots++
		}
		events += s.Count
	}
	return slots, events
}

// TestBridgesCountTogether: each sees what the others hear, once, and what was counted outlasts
// them all.
func TestBridgesCountTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		one, two := newBridge(t, b, slot), newBridge(t, b, slot)
		for i := range 120 {
			one.Heard("a1", time.Now())
			if two.Heard("a2", time.Now()); i == 60 {
				two.Heard("b1", time.Now())
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute)
		for name, x := range map[string]*bridge{"one": one, "two": two} {
			if slots, events := count(x.Feed("a", time.Now())); slots != 8 || events != 240 {
				t.Errorf("%s: %d slots with %d events of team a", name, slots, events)
			}
			if _, events := count(x.Feed("b", time.Now())); events != 1 {
				t.Errorf("%s: %d events of team b", name, events)
			}
		}
		one.stop()
		two.stop()
		three := newBridge(t, b, slot)
		defer three.stop()
		if slots, events := count(three.Feed("a", time.Now())); slots != 8 || events != 240 || three.Feed("a", time.Now()).Last.IsZero() {
			t.Errorf("after all have stopped: %d slots with %d events", slots, events)
		}
	})
}

// TestLookedAt: a slot in which the bridge began, stopped, could not look or was suspended was
// not looked at.
func TestLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		looked := func() (n int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, value := range b.values {
				d, _, _ := decode(value)
				n += len(d.Looked)
			}
			return n / 2 // teams
		}
		expect := func(what string, want int) {
			t.Helper()
			if n := looked(); n != want {
				t.Errorf("%s: %d slots were looked at, want %d", what, n, want)
			}
		}
		time.Sleep(5 * time.Minute)
		x := newBridge(t, b, slot)
		time.Sleep(11 * time.Minute) // 0:16
		expect("the slot in which it began", 0)
		time.Sleep(15 * time.Minute) // 0:31
		expect("the first whole one", 1)
		x.stop()
		x = newBridge(t, b, slot)
		time.Sleep(15 * time.Minute) // 0:46
		expect("the slot of a restart", 1)
		x.looks.Store(false)
		time.Sleep(time.Minute)
		x.looks.Store(true)
		time.Sleep(15 * time.Minute) // 1:02
		expect("a slot of which a minute was not looked at", 1)
		time.Sleep(14 * time.Minute) // 1:16
		expect("the next", 2)
		x.stop()
		x.look(time.Now().Add(10 * time.Minute)) // the machine was suspended
		x.look(time.Now().Add(15 * time.Minute))
		x.add(t.Context())
		expect("a slot in which it was suspended", 2)
	})
}

// TestAddedOnce: what can't be added is kept, and then added once.
func TestAddedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		x := newBridge(t, b, slot)
		defer x.stop()
		b.setAway(true)
		for range 45 {
			x.Heard("a1", time.Now())
			time.Sleep(time.Minute)
		}
		entries, _ := b.written()
		if _, events := count(x.Feed("a", time.Now())); events != 45 || entries != 0 {
			t.Errorf("while the bucket is away: %d events, %d entries", events, entries)
		}
		b.setAway(false)
		time.Sleep(2 * time.Minute)
		_, n := b.written()
		time.Sleep(time.Minute)
		if slots, events := count(x.Feed("a", time.Now())); events != 45 || slots != 3 {
			t.Errorf("afterwards: %d slots with %d events", slots, events)
		}
		if _, more := b.written(); more != n {
			t.Error("it writes what it has written")
		}
	})
}

// TestLookedAtByTeam: who polls agents of one team does not look at another.
func TestLookedAtByTeam(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		x := newBridge(t, b, slot, "a")
		time.Sleep(31 * time.Minute)
		x.stop()
		for team, want := range map[string]int{"a": 2, "b": 0} {
			if slots, _ := count(x.Feed(team, time.Now())); slots != want {
				t.Errorf("%d slots of team %s were looked at, want %d", slots, team, want)
			}
		}
		if n, _ := b.written(); n != 1 {
			t.Errorf("%d days are written, want that of one team", n)
		}
	})
}

// TestTwoLengths: bridges with slots of two lengths leave one another's alone, and what the one
// hears is a sign of life to the other.
func TestTwoLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		x, y := newBridge(t, b, slot), newBridge(t, b, slot/3)
		for range 60 {
			x.Heard("a1", time.Now())
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute)
		if slots, events := count(x.Feed("a", time.Now())); slots != 4 || events != 60 {
			t.Errorf("%d slots with %d events", slots, events)
		}
		f := y.Feed("a", time.Now())
		if _, events := count(f); events != 0 || len(f.Slots) < 12 || time.Since(f.Last) > 5*time.Minute {
			t.Errorf("of the other's length: %d events in %d slots, last at %s", events, len(f.Slots), f.Last)
		}
		x.stop()
		y.stop()
		if n, _ := b.written(); n != 4 { // two teams
			t.Errorf("%d days are written", n)
		}
	})
}

// TestClockAhead: a clock that is a year ahead for a while has nothing forgotten, and the team
// silent when it is set right.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBridge(t, newBucket(), slot)
		for range 90 {
			x.Heard("a1", time.Now())
			time.Sleep(time.Minute)
		}
		x.stop()
		ahead := time.Now().AddDate(1, 0, 0)
		x.look(ahead)
		x.Heard("a1", ahead)
		x.add(t.Context())
		x.look(time.Now())
		f := x.Feed("a", time.Now())
		if slots, events := count(f); slots != 6 || events != 90 {
			t.Errorf("%d slots with %d events are known", slots, events)
		}
		if age := time.Since(f.Last); age < 0 || age > slot {
			t.Errorf("something came last at %s, now it is %s", f.Last, time.Now())
		}
	})
}

// TestFurtherMembers: what a newer bridge has added to a day is there when it is written again.
func TestFurtherMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		at := key("acme", "a", time.Now(), 900)
		b.values[at], b.revision[at] = []byte(`{"slot_seconds":900,"counts":{"0":1},"by":{"291":1}}`), 1
		x := newBridge(t, b, slot)
		x.Heard("a1", time.Now())
		x.stop()
		if d, further, ok := decode(b.values[at]); !ok || d.Counts[0] != 2 || string(further["by"]) != `{"291":1}` {
			t.Errorf("it is %s", b.values[at])
		}
	})
}

func TestFormats(t *testing.T) { formattest.JSON[Day](t, "pulse") }

// TestFortnightOfTwoBridges: two bridges, of which one hears the one team and the other the other,
// and which are restarted now and then, ring for no team but the one that falls silent, on both.
func TestFortnightOfTwoBridges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		bridges := []*bridge{newBridge(t, b, slot), newBridge(t, b, slot)}
		defer func() {
			for _, x := range bridges {
				x.stop()
			}
		}()
		begun := time.Now() // a Saturday, in UTC
		noon, rang := begun.Add(10*24*time.Hour+12*time.Hour), [2]time.Time{}
		for now := time.Now(); now.Before(begun.AddDate(0, 0, 14)); now = time.Now() {
			if open := now.Weekday() != time.Sunday && now.Hour() >= 8 && now.Hour() < 20; open {
				for range 15 {
					bridges[0].Heard("a1", now)
					if now.Before(noon) {
						bridges[1].Heard("b1", now)
					}
				}
			}
			if now.Hour() == 3 && now.Minute() == 15 {
				bridges[now.Day()%2].stop()
				bridges[now.Day()%2] = newBridge(t, b, slot)
			}
			for i, x := range bridges {
				for _, team := range []string{"a", "b"} {
					s, silent := (freshness.Calendar{}).Silent(x.Feed(team, now))
					switch {
					case silent && (team == "a" || now.Before(noon)):
						t.Fatalf("bridge %d: team %s is silent at %s since %s", i, team, now, s.Since)
					case silent && rang[i].IsZero():
						rang[i] = now
					case !silent && team == "b" && !rang[i].IsZero():
						t.Fatalf("bridge %d: at %s team b is not silent any more", i, now)
					}
				}
			}
			time.Sleep(15 * time.Minute)
		}
		for i, at := range rang {
			if at.Before(noon) || at.After(noon.Add(2*slot)) {
				t.Errorf("bridge %d rings at %s for what is silent since %s", i, at, noon)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	good := Options{Tenant: "acme", Bucket: newBucket(), Slot: slot, Team: func(string) string { return "" }, Looking: func() []string { return nil }}
	for _, slot := range []time.Duration{0, time.Millisecond, 7 * time.Minute, 25 * time.Hour} {
		bad := good
		bad.Slot = slot
		if _, err := New(bad); err == nil {
			t.Errorf("slots of %s are taken", slot)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
