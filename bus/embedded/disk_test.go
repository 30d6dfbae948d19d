package embedded

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

const mib = 1 << 20

// world is a disk of which others leave a settable rest, and a store that fails
// on demand.
type world struct {
	*Server
	t     *testing.T
	log   bytes.Buffer
	rest  int64 // for reserve and streams
	wrong error
	now   time.Time
}

func newWorld(t *testing.T, rest int64) *world {
	w := &world{t: t, rest: rest, now: time.Now()}
	dir := t.TempDir()
	w.Server = start(t, Options{
		Dir: dir, ReserveBytes: mib, Logger: zerolog.New(&w.log),
		free: func(string) (int64, error) {
			if info, err := os.Stat(filepath.Join(dir, reserveFile)); err == nil {
				return max(0, w.rest-info.Size()), nil
			}
			return w.rest, nil
		},
		failing: func(ns *server.Server, lost []string) error { return errors.Join(failing(ns, lost), w.wrong) },
	})
	return w
}

// after looks once more, d later.
func (w *world) after(d time.Duration) {
	w.now = w.now.Add(d)
	w.look(w.now)
}

// expect checks whether downloads must stop, for a reason with this text in it,
// and whether the reserve is there.
func (w *world) expect(step, low string, reserve bool) {
	w.t.Helper()
	err := w.Low()
	if (err == nil) != (low == "") || err != nil && !strings.Contains(err.Error(), low) {
		w.t.Errorf("%s: low is %v, want %q", step, err, low)
	}
	info, err := os.Stat(filepath.Join(w.options.Dir, reserveFile))
	if (err == nil) != reserve || err == nil && allocatedBytes(info) < mib {
		w.t.Errorf("%s: reserve there is %t, want %t", step, err == nil, reserve)
	}
}

func (w *world) restarts() int { return strings.Count(w.log.String(), "nats restarted in place") }

func TestDiskFillsAndEmpties(t *testing.T) {
	w := newWorld(t, 3*mib)
	w.expect("at the start", "", true)
	for _, step := range []struct {
		name    string
		rest    int64
		low     string
		reserve bool
	}{
		{"enough", 2 * mib, "", true},
		{"one byte less", 2*mib - 1, "less than 2 MiB are free", true},
		{"a little more", 3*mib - 1, "less than 2 MiB are free", true},
		{"well again", 3 * mib, "", true},
		{"an eighth of the reserve is left", mib + mib/8, "less than 2 MiB are free", true},
		{"full", mib + mib/8 - 1, "too full for a reserve of 1 MiB", false},
		{"nothing left", 0, "too full", false},
		{"space is back, not enough", 3*mib - 1, "too full", false},
		{"space is back", 3 * mib, "", true},
	} {
		w.rest = step.rest
		w.after(time.Second)
		w.expect(step.name, step.low, step.reserve)
		w.after(time.Second)
		w.expect(step.name+", again", step.low, step.reserve)
	}
	if n := w.restarts(); n != 0 {
		t.Errorf("%d restarts without need", n)
	}
	// Low on, off, on, changed, off; the reserve made, given up, made.
	if n := strings.Count(w.log.String(), "\n"); n != 8 {
		t.Errorf("%d lines logged, want one for each change:\n%s", n, w.log.String())
	}
}

func TestLimitFollowsFreeSpace(t *testing.T) {
	w := newWorld(t, 101*mib)
	_, js := connect(t, w.Server)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	for _, rest := range []int64{101 * mib, 51 * mib, 11 * mib, mib, 0, 201 * mib} {
		w.rest = rest
		w.after(time.Second)
		free, err := w.options.free("")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := w.MaxStoreBytes()-used(w.server), free/5*4; got != want {
			t.Errorf("%d bytes left on the disk: streams may take %d, want %d of the free %d", rest, got, want, free)
		}
		_, err = js.Publish(t.Context(), "s.1", make([]byte, 100))
		var refused *jetstream.APIError
		switch {
		case rest > 0 && err != nil:
			t.Errorf("%d bytes left on the disk: %v", rest, err)
		case rest == 0 && (!errors.As(err, &refused) || refused.ErrorCode != 10002):
			t.Errorf("on a full disk: %v, want a clean refusal", err)
		}
		if (w.Healthy() == nil) != (rest > 0) {
			t.Errorf("%d bytes left on the disk: health is %v", rest, w.Healthy())
		}
	}
	if n := w.restarts(); n != 0 {
		t.Errorf("%d restarts without need", n)
	}
}

func TestFailingStoreIsRestarted(t *testing.T) {
	w := newWorld(t, 100*mib)
	w.wrong = errors.New("disk on fire")
	w.after(time.Second)
	w.expect("fails", "disk on fire", false)
	if w.restarts() != 1 {
		t.Fatalf("%d restarts, want one with the reserve given up", w.restarts())
	}
	before := w.restarts()
	for range 600 { // ten minutes
		w.after(time.Second)
	}
	if n := w.restarts() - before; n < 38 || n > 44 { // after 2, 4, 8, then every 15 s
		t.Errorf("%d restarts in ten minutes of failing", n)
	}
	w.expect("still fails", "disk on fire", false)

	w.rest = mib / 10
	before = w.restarts()
	for range 600 {
		w.after(time.Second)
	}
	if n := w.restarts() - before; n != 0 {
		t.Errorf("%d restarts of a store that has nothing to write into", n)
	}
	w.expect("no space", "disk on fire", false)
	w.wrong = nil
	w.rest = 100 * mib
	w.after(time.Second)
	w.expect("well again", "", true)
}

// TestRestartWhenItIsOver: a stream that nobody wrote to while the disk was full
// may still be broken, which no look can see.
func TestRestartWhenItIsOver(t *testing.T) {
	w := newWorld(t, 100*mib)
	w.wrong, w.rest = errors.New("no space left"), mib/2
	w.after(time.Second)
	w.wrong = nil
	w.after(time.Second)
	before := w.restarts()
	w.rest = 100 * mib
	for range 60 {
		w.after(time.Second)
	}
	w.expect("over", "", true)
	if n := w.restarts() - before; n != 1 {
		t.Errorf("%d restarts when it was over, want one", n)
	}
}

func TestRestartAtOnceWhenSpaceIsBack(t *testing.T) {
	w := newWorld(t, 100*mib)
	w.wrong = errors.New("disk on fire")
	for range 100 {
		w.after(time.Second)
	}
	w.rest = 0
	w.after(lastPause)
	before := w.restarts()
	w.rest = 2 * mib
	w.after(time.Millisecond)
	if w.restarts() != before+1 {
		t.Error("no restart when space was back")
	}
	w.after(time.Second)
	if w.restarts() != before+1 {
		t.Error("restarted again without a pause")
	}
}

func TestFailedRestartIsTriedAgain(t *testing.T) {
	w := newWorld(t, 100*mib)
	moved := filepath.Join(t.TempDir(), "away")
	store := filepath.Join(w.options.Dir, "jetstream")
	if err := os.Rename(store, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store, nil, 0o600); err != nil { // a file where the store should be
		t.Fatal(err)
	}
	w.wrong = errors.New("disk on fire")
	w.after(time.Second)
	w.expect("down", "restart embedded nats", false)
	if err := w.Healthy(); err == nil {
		t.Error("healthy without a server")
	}
	if _, err := w.InProcessConn(); err == nil {
		t.Error("connected without a server")
	}
	if err := os.Remove(store); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(moved, store); err != nil {
		t.Fatal(err)
	}
	w.wrong, w.rest = nil, 10
	w.after(time.Millisecond)
	w.expect("before the pause is over", "restart embedded nats", false)
	w.after(firstPause)
	w.expect("up again, on a full disk", "too full", false)
	w.rest = 100 * mib
	w.after(time.Second)
	w.expect("up again", "", true)
	if err := w.Healthy(); err != nil {
		t.Error(err)
	}
}

// worldWithoutReserve has space enough, and something in the place of the reserve.
func worldWithoutReserve(t *testing.T) (w *world, taken string) {
	w = newWorld(t, 2*mib)
	w.disk.giveUp()
	w.rest = 100 * mib
	taken = filepath.Join(w.options.Dir, reserveFile)
	if err := os.MkdirAll(filepath.Join(taken, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	return w, taken
}

// A quota, say, or a name that is taken: the reason is told, once, and the reserve
// is tried again.
func TestReserveThatCannotBeMade(t *testing.T) {
	w, taken := worldWithoutReserve(t)
	w.log.Reset()
	for range 300 {
		w.after(time.Second)
	}
	if err := w.Low(); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("low is %v", err)
	}
	if n := strings.Count(w.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines logged:\n%s", n, w.log.String())
	}
	if err := os.RemoveAll(taken); err != nil {
		t.Fatal(err)
	}
	w.after(fillPause)
	w.expect("can be made again", "", true)
}

// Somebody else may take the space just before the reserve is made. When it is back the
// reserve is made at once: it did not fail for itself.
func TestReserveAtOnceWhenSpaceIsBack(t *testing.T) {
	w, taken := worldWithoutReserve(t)
	w.after(time.Second)
	if err := os.RemoveAll(taken); err != nil {
		t.Fatal(err)
	}
	w.after(time.Second)
	w.expect("it failed a moment ago", "no place for a reserve", false)
	w.rest = mib
	w.after(time.Second)
	w.rest = 100 * mib
	w.after(time.Second)
	w.expect("space is back", "", true)
}

// A file system that became read-only, say.
func TestReserveThatCannotBeGivenUp(t *testing.T) {
	w := newWorld(t, 100*mib)
	reserve := filepath.Join(w.options.Dir, reserveFile)
	if err := errors.Join(os.Remove(reserve), os.MkdirAll(filepath.Join(reserve, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	w.wrong = errors.New("disk on fire")
	for range 300 {
		w.after(time.Second)
	}
	if n := strings.Count(w.log.String(), "can't be given up"); n != 1 || w.restarts() < 15 {
		t.Errorf("said %d times, %d restarts", n, w.restarts())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := start(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.Shutdown()
	s.look(time.Now()) // a last one, too late
	if err := s.Low(); err != nil {
		t.Error(err)
	}
}

func TestF06StoreLimitReached(t *testing.T) {
	const limit = 4 * mib
	s := start(t, Options{MaxStoreBytes: limit, ReserveBytes: -1})
	_, js := connect(t, s)
	st, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for ; err == nil; stored++ {
		_, err = js.Publish(t.Context(), "s.1", make([]byte, 50<<10))
		s.look(time.Now())
		if room := limit - used(s.server); err == nil && (s.Low() != nil) != (room < limit/8) {
			t.Fatalf("with %d bytes left: low is %v", room, s.Low())
		}
	}
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || refused.ErrorCode != 10002 || s.Healthy() == nil {
		t.Fatalf("refused with %v, health %v", err, s.Healthy())
	}
	if err := st.Purge(t.Context(), jetstream.WithPurgeKeep(1)); err != nil {
		t.Fatal(err)
	}
	s.look(time.Now())
	if _, err := js.Publish(t.Context(), "s.1", nil); err != nil || s.Healthy() != nil || s.Low() != nil {
		t.Errorf("after a purge: %v, health %v, low %v", err, s.Healthy(), s.Low())
	}
	t.Attr("tries", "1")
	t.Attr("figure", "store limit: refused with an answer, taken again one look after a purge, without a restart")
}

func TestReserveOfTheLastRun(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(b reserve) error
		held   bool
	}{
		"none":         {func(reserve) error { return nil }, false},
		"whole":        {func(b reserve) error { return b.fill() }, true},
		"another size": {func(b reserve) error { b.size = 100; return b.fill() }, false},
		"without blocks": {func(b reserve) error {
			if err := os.WriteFile(b.path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(b.path, b.size)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := reserve{path: filepath.Join(t.TempDir(), reserveFile), size: mib}
			if err := tc.before(b); err != nil {
				t.Fatal(err)
			}
			if err := b.adopt(); err != nil || b.held != tc.held {
				t.Fatalf("held %t, %v", b.held, err)
			}
			if _, err := os.Stat(b.path); (err == nil) != tc.held {
				t.Errorf("file: %v", err)
			}
		})
	}
}

func TestReserveByWriting(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "noise"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(writeNoise(f, mib), f.Sync()); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != mib || allocatedBytes(info) < mib {
		t.Errorf("%v, %v", info, err)
	}
}
