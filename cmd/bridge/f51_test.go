//go:build faults

package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/truthcheck/callcheck"
	"aiccbridge/schemas"
)

// TestF51Calls: bridges are killed in the middle of publishing calls, while the platform brings
// legs, recordings and operations late and corrects others. In the end the newest revision of
// each call is what the platform's files say, field by field, and no revision is there twice.
func TestF51Calls(t *testing.T) {
	const times = 4
	plays := map[string]func(*testing.T) score{}
	for i, point := range []string{"calls.staged", "calls.committed", "calls.between_batches"} {
		plays[point] = func(t *testing.T) score {
			r, late := killedAtCalls(t, point, times, seed(t)+uint64(i))
			if late == 0 || r.Revisions <= r.InStream {
				t.Errorf("%d rows were late or corrected, %d calls have %d revisions: nothing is shown", late, r.InStream, r.Revisions)
			}
			return score{tries: times, lost: r.Missing + r.Differing + r.Foreign, duplicated: r.Duplicates + r.Strays, rows: r.InStream}
		}
	}
	sum := scenes(t, plays)
	if sum.lost+sum.duplicated > 0 {
		t.Errorf("%d calls are not as the files say, %d revisions are there twice", sum.lost, sum.duplicated)
	}
	t.Attr("figure", fmt.Sprintf("%d kills amid calls, %d/%d newest revisions as the files say, %d revisions twice",
		sum.tries, sum.rows-sum.lost, sum.rows, sum.duplicated))
	t.Attr("tries", strconv.Itoa(sum.tries))
	t.Attr("lost", strconv.Itoa(sum.lost))
	t.Attr("duplicated", strconv.Itoa(sum.duplicated))
}

// killedAtCalls lets bridges die at a point so many times, and one come to its end. late is
// how often the platform kept a row back, or corrected one.
func killedAtCalls(t *testing.T, point string, times int, from uint64) (report callcheck.Report, late int) {
	o := withCalls(busy())
	o.sweep = 12 * time.Second
	for _, k := range schemas.Kinds() {
		o.faults = append(o.faults,
			fault.Rule{Fault: "rows.late", Kind: string(k), Share: 0.5}, fault.Rule{Fault: "rows.changed", Kind: string(k), Share: 0.5})
	}
	s := newScene(t, o)
	random := rand.New(rand.NewPCG(from, 51))
	for range times {
		if !s.dies(point, 1+random.IntN(3)) {
			t.Fatalf("no bridge died at %s", point)
		}
	}
	all := s.run().finish()
	if all.Calls == nil {
		t.Fatal("calls were not compared")
	}
	for _, f := range s.sim.Faults() {
		late += f.Struck
	}
	return *all.Calls, late
}
