//go:build faults

package main

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// TestF42PlannersInTurn: two bridges have the same tenant's files. Both together ask for
// no more extracts than one may, and state each coverage once; when the one that plans
// stops, the other goes on.
func TestF42PlannersInTurn(t *testing.T) {
	const spacing = time.Second
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 4 * time.Second, since: 80 * time.Second, external: true, spacing: spacing, overdue: 5 * time.Second,
	})
	first := s.start()
	s.until("the first bridge plans", func() bool { return len(s.sim.Truth().Files) > 0 })
	began := time.Now()
	r := s.beside("second").run() // waits for the lease
	pause(t, 10*time.Second)
	made, most := len(s.sim.Truth().Files), int(time.Since(began)/spacing)+3
	if made > most || made < 3 {
		t.Errorf("two bridges asked for %d extracts within %s, want at most %d", made, time.Since(began), most)
	}
	first.signal(syscall.SIGTERM)
	if state := first.state(); !state.Exited() || state.ExitStatus() != exitOK {
		t.Errorf("the first bridge ended with %v", first.cmd.ProcessState)
	}
	s.until("the second bridge plans", func() bool { return len(s.sim.Truth().Files) > made+3 })
	stated := map[string]int{}
	repeated := 0
	for _, m := range s.messages(r.bus, schemas.StreamCoverage) {
		var c schemas.Coverage
		if err := json.Unmarshal(m.Body, &c); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint(c.Kind, c.CompleteTo, len(c.Holes))
		if stated[key]++; stated[key] > 1 {
			repeated++
		}
	}
	if repeated > 1 { // the second's first
		t.Errorf("%d statements of coverage were made twice", repeated)
	}
	sum := r.judged()
	sum.tries = 1
	sum.report(t, "2 bridges, no more extracts asked for than one may, planning goes on in the other")
}
