//go:build faults

package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
)

// TestSoak lets a bridge work for as long as SOAK says, 1 minute by default, while
// something goes wrong every 30 seconds. It prints a line a minute. At the end all
// must be in the streams, once, and a bridge must hold no more goroutines, files
// and memory than one did at the beginning.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(cmp.Or(os.Getenv("SOAK"), "1m"))
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	o := busy()
	o.agents, o.window, o.external, o.long = 20, 20*time.Second, true, true
	s := newScene(t, o)
	n := &nemesis{s: s, random: rand.New(rand.NewPCG(seed(t), 34)), struck: map[string]int{}, bridge: s.start()}
	begun, minute := time.Now(), time.Now()
	var uses []use
	for time.Since(begun) < length {
		pause(t, min(29*time.Second, length/4)) // a moment of peace, whose end is when a bridge is measured
		u := s.use(n.bridge)
		uses = append(uses, u)
		if time.Since(minute) > time.Minute || length <= time.Minute {
			minute = time.Now()
			truth := s.sim.Truth()
			t.Logf("%v: popped %d, files %d, %s; %s", time.Since(begun).Round(time.Second), len(truth.Events), len(truth.Files), u, n)
		}
		n.strike()
	}
	took := time.Since(begun).Round(time.Second)
	// What counts is a bridge that has begun: the last strike may have been a start a moment
	// ago, and until the program has taken signals over, they have their usual effect.
	s.use(n.bridge)
	n.bridge.stopsCleanly(o.grace)
	sum := s.run().judged()
	first, last := peak(uses[:(len(uses)+3)/4]), peak(uses[len(uses)-(len(uses)+3)/4:])
	if last.goroutines > first.goroutines*3/2+50 || last.files > first.files*3/2+50 || last.bytes > first.bytes*3/2+64<<20 {
		t.Errorf("a bridge held %s in the beginning, and %s in the end", first, last)
	}
	sum.tries = len(uses)
	sum.report(t, "%v with %d faults: %d lost, %d duplicated, %d misordered, %d gaps / %d expected; %s, then %s",
		took, len(uses), sum.lost, sum.duplicated, sum.misordered, sum.recorded, sum.expected, first, last)
}

// nemesis lets things go wrong.
type nemesis struct {
	s      *scene
	random *rand.Rand
	struck map[string]int
	bridge *child
}

func (n *nemesis) String() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(n.struck)) {
		all = append(all, fmt.Sprintf("%s %d", name, n.struck[name]))
	}
	return strings.Join(all, ", ")
}

func (n *nemesis) strike() {
	hub, t := n.s.hub, n.s.t
	all := []struct {
		name   string
		strike func()
	}{
		{"kill", func() { n.bridge.kill(); n.bridge = n.s.start() }},
		{"stop", func() { n.bridge.stopsCleanly(n.s.setup.grace); n.bridge = n.s.start() }},
		{"pause", func() {
			n.bridge.signal(syscall.SIGSTOP)
			pause(t, 10*time.Second) // the platform signs out after 25 s
			n.bridge.signal(syscall.SIGCONT)
		}},
		{"cut", hub.proxy.Cut},
		{"swallow", func() { hub.proxy.Swallow(1, `"stream":"AICC_`) }},
		{"slow", func() {
			hub.proxy.Delay(1500 * time.Millisecond)
			pause(t, 10*time.Second)
			hub.proxy.Delay(0)
		}},
		{"restart", func() { hub.restart(time.Duration(n.random.IntN(20_000)) * time.Millisecond) }},
		{"platform", func() {
			rules := []fault.Rule{{Fault: "poll.cut_after_pop", Next: 3}, {Fault: "poll.truncated", Next: 2}, {Fault: "poll.status", Status: 503, Next: 2}}
			if err := n.s.sim.SetFaults(rules...); err != nil {
				t.Error(err)
			}
		}},
	}
	one := all[n.random.IntN(len(all))]
	n.struck[one.name]++
	one.strike()
}

// use is what a bridge holds.
type use struct {
	goroutines, files int
	bytes             int64
}

func (u use) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d MiB", u.goroutines, u.files, u.bytes>>20)
}

// peak is the most of each.
func peak(all []use) (most use) {
	for _, u := range all {
		most.goroutines, most.files, most.bytes = max(most.goroutines, u.goroutines), max(most.files, u.files), max(most.bytes, u.bytes)
	}
	return most
}

// use asks a bridge's metrics, and the system.
func (s *scene) use(c *child) (u use) {
	s.t.Helper()
	s.until("the metrics are there", func() bool {
		answer, err := http.Get("http://" + s.admin + "/metrics")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			var value float64
			if n, _ := fmt.Sscanf(lines.Text(), "go_goroutines %g", &value); n == 1 {
				u.goroutines = int(value)
			}
			if n, _ := fmt.Sscanf(lines.Text(), "process_resident_memory_bytes %g", &value); n == 1 {
				u.bytes = int64(value)
			}
		}
		return u.goroutines > 0
	})
	files, _ := os.ReadDir(filepath.Join("/proc", fmt.Sprint(c.cmd.Process.Pid), "fd")) // only on Linux
	u.files = len(files)
	return u
}
