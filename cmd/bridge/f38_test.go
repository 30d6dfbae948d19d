package main

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// TestF38ExhaustedAttempts: as many files as may be under way use up their attempts. Each
// is a dead letter, and its window is asked for again at once: the tenant's extraction
// goes on, and all windows are complete long before the two hours that a ready one has.
func TestF38ExhaustedAttempts(t *testing.T) {
	t.Parallel()
	const files = 3
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 10 * time.Second, since: 80 * time.Second,
		attempts: 1, outstanding: files, faults: []fault.Rule{{Fault: "download.status", Next: files}, {Fault: "rows.extra", Next: 6, Count: 30}},
	})
	r := s.run()
	s.until("every file's dead letter is there", func() bool { return len(s.letters(r.bus)) >= files })
	letters := s.letters(r.bus)
	for _, m := range letters {
		var d schemas.DeadLetter
		if err := json.Unmarshal(m.Body, &d); err != nil || d.Reason != schemas.ReasonAttempts || d.Attempts != 1 {
			t.Errorf("dead letter %s, %v", m.Body, err)
		}
	}
	report := r.finish()
	complete := 0
	for _, e := range r.ledger.Entries(tenantName, schemas.KindCDR) {
		if e.State == schemas.WindowCompleted {
			complete++
		}
	}
	if len(letters) != files || complete < 8 || report.Rows.InStream < 90 {
		t.Errorf("%d dead letters, %d windows complete; the report is %+v", len(letters), complete, report)
	}
	t.Attr("figure", "3/3 dead-lettered files asked for again at once, extraction goes on, every window complete")
	for key, n := range map[string]int{"tries": files, "lost": report.Rows.Missing + report.Files.Unfinished, "duplicated": report.Rows.Duplicates, "misordered": 0} {
		t.Attr(key, strconv.Itoa(n))
	}
	t.Attr("gaps", "0/0")
}
