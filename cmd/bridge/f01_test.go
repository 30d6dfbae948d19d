//go:build faults

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/internal/sabotage"
)

// killing is a scene in which a bridge is killed at some points again and again.
type killing struct {
	name   string
	setup  setup
	most   int // a bridge passes the point so often before it dies, at most
	rows   int // in one file of each bridge
	points []string
}

// killings have every point once. Points that are passed seldom are apart, so that
// the scenes, which run at once, take equally long.
func killings() []killing {
	external := busy()
	external.external = true
	listening := busy()
	listening.recordings = fetching
	return []killing{
		{"polls", busy(), 30, 0, []string{"poll.before_send", "poll.sent", "poll.answered", "poll.stored", "poll.acked"}},
		{"pushes", pushed(busy()), 10, 0, []string{"push.stored"}},
		{"lease", busy(), 1, 0, []string{"lease.renewing"}},
		{"callbacks", busy(), 2, 0, []string{
			"callback.verified", "callback.stored", "callback.answered",
			"request.before_ledger", "request.ledger_written", "request.sent", "request.id_stored",
		}},
		{"rows", withCalls(busy()), 2, 3500, []string{
			"download.half", "download.whole", "download.renamed",
			"rows.staged", "rows.committed", "rows.between_batches", "rows.marker_written",
		}},
		{"calls", withCalls(busy()), 2, 3500, []string{"calls.staged", "calls.committed", "calls.between_batches"}},
		{"audio", listening, 2, 0, []string{"audio.half", "audio.fetched", "audio.kept", "audio.said"}},
		{"spool", external, 10, 0, []string{"spool.fetched", "spool.hub_stored", "spool.hub_acked", "spool.trimmed"}},
	}
}

// TestF01KillPoints: wherever a bridge is killed, nothing it stored is lost, each
// row is there once, and what the platform handed out in vain is in a gap.
func TestF01KillPoints(t *testing.T) {
	const times = 5
	var all []string
	plays := map[string]func(*testing.T) score{}
	for _, k := range killings() {
		all = append(all, k.points...)
		plays[k.name] = func(t *testing.T) score { return k.run(t, times) }
	}
	sum := scenes(t, plays)
	slices.Sort(all)
	points := slices.DeleteFunc(slices.Sorted(slices.Values(sabotage.Points)), func(p string) bool {
		return strings.HasPrefix(p, "parquet.") // TestReadersFolder kills there
	})
	if !slices.Equal(all, points) {
		t.Errorf("the scenes kill at %v, the points are %v", all, points)
	}
	if want := len(all) * times; sum.tries != want {
		t.Errorf("%d kills, want %d", sum.tries, want)
	}
	sum.report(t, "%d/%d kill points, %d lost, %d duplicated, %d gaps / %d expected",
		sum.tries, len(all)*times, sum.lost, sum.duplicated, sum.recorded, sum.expected)
}

// run kills the bridge so many times at each point, in turn, and then lets one
// come to its end. Each lives for a moment at least, so that there is something
// to lose.
func (k killing) run(t *testing.T, times int) (sum score) {
	s := newScene(t, k.setup)
	seed := rand.New(rand.NewPCG(seed(t), uint64(len(k.points))))
	never := map[string]bool{}
	for range times {
		for _, point := range k.points {
			if never[point] {
				continue
			}
			if k.rows > 0 {
				if err := s.sim.SetFaults(extraRows(k.rows)); err != nil {
					t.Fatal(err)
				}
			}
			if s.dies(point, 1+seed.IntN(k.most)) {
				sum.tries++
			} else {
				never[point] = true
			}
		}
	}
	sum.merge(s.run().judged())
	t.Logf("%d kills, %d events in gaps, %d gaps of %d", sum.tries, sum.explained, sum.recorded, sum.expected)
	return sum
}

// dies starts a bridge that kills itself when it passes a point for the n-th time.
func (s *scene) dies(point string, n int) bool {
	s.t.Helper()
	c := s.startIn([]string{fmt.Sprintf("KILL_AT=%s:%d", point, n)}, "run", "-c", s.path())
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		s.t.Errorf("%s was not passed %d times in %v", point, n, patience)
		c.kill()
		return false
	}
	if state := c.state(); !state.Signaled() || state.Signal() != syscall.SIGKILL {
		s.t.Errorf("at %s the bridge ended with %v\n%s", point, c.cmd.ProcessState, s.journal.tail())
		return false
	}
	return true
}
