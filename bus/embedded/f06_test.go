//go:build faults && linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/internal/disktest"
)

// neighbour takes all the space that is free now, at one stroke, and returns how
// to free it. What others make free meanwhile it leaves alone.
func neighbour(t *testing.T, dir, name string) (remove func()) {
	t.Helper()
	path := filepath.Join(dir, name)
	free, err := freeBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err = allocate(f, free); errors.Is(err, syscall.ENOSPC) && free > 0; err = allocate(f, free) {
		free -= 4096 // the streams have grown since
	}
	if err != nil {
		t.Fatalf("fill the disk: %v", err)
	}
	return func() {
		if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
}

// until waits for something that has no signal and returns how long it took.
func until(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if <-tick.C; time.Since(begin) > time.Minute {
			t.Fatalf("waited a minute for this: %s", what)
		}
	}
	return time.Since(begin)
}

func TestF06DiskFull(t *testing.T) {
	const reserve = 8 * mib
	disk := disktest.Small(t, 16*reserve)
	if disk == "" {
		return // was run elsewhere
	}
	var log lockedBuffer
	defer func() {
		if t.Failed() {
			t.Logf("logged:\n%s", log.String())
		}
	}()
	s := start(t, Options{Dir: filepath.Join(disk, "nats"), ReserveBytes: reserve, Logger: zerolog.New(&log).With().Timestamp().Logger()})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	_, js := connect(t, s)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	p := publish(t, s, 4, 10, time.Millisecond)
	p.wait(t, 200)

	const tries = 3
	var alarm, goesOn, over time.Duration
	for range tries {
		remove := neighbour(t, disk, "neighbour")
		alarm = max(alarm, until(t, "alarm", func() bool { return s.Low() != nil }))
		begin := time.Now()
		until(t, "reserve given up", func() bool { free, err := freeBytes(disk); return err == nil && free > reserve/2 })
		p.wait(t, 500)
		goesOn = max(goesOn, time.Since(begin))
		if s.Low() == nil {
			t.Error("no alarm any more on a full disk")
		}
		removeToo := neighbour(t, disk, "another") // nothing is left now
		until(t, "write error noticed", func() bool { return s.Healthy() != nil && strings.Contains(s.Low().Error(), "no space left") })
		removeToo()
		remove()
		over = max(over, until(t, "recovery", func() bool { return s.Low() == nil && s.Healthy() == nil }))
		p.wait(t, 500)
	}
	p.stop()
	lost := p.lost(js)
	t.Attr("tries", fmt.Sprint(tries))
	t.Attr("lost", fmt.Sprint(len(lost)))
	t.Attr("figure", fmt.Sprintf("%d/%d full disks: alarm within 10 s, publishing into the reserve, recovered once there was space", tries, tries))
	t.Attr("measured", fmt.Sprintf("alarm after %.1f s, publishing into the reserve after %.1f s more, recovered %.1f s after there was space; %d restarts, %d acknowledged, %d refused",
		alarm.Seconds(), goesOn.Seconds(), over.Seconds(), strings.Count(log.String(), "restarted in place"), p.acked.Load(), p.refused.Load()))
	if len(lost) > 0 {
		t.Errorf("%d of %d acknowledged messages are gone, such as %s", len(lost), p.acked.Load(), lost[0])
	}
	if alarm > 10*time.Second {
		t.Errorf("the alarm came after %s, want at most 10 s", alarm)
	}
}

// lockedBuffer may be written by many.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
