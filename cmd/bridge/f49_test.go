//go:build faults

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/trial"
	"aiccbridge/schemas"
)

// TestF49TwoSpacesOneKey: two tenants are spaces of one developer account, whose callbacks
// say of whom they are in their path, by their id or in their body, or by two of these that
// came to nothing. Each tenant has all rows of its own files, once, and none of the other.
func TestF49TwoSpacesOneKey(t *testing.T) {
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:2], window: 6 * time.Second, since: time.Minute, overdue: 10 * time.Second,
		spaces: []string{tenantName, "globex"}, spacing: 100 * time.Millisecond,
		faults: []fault.Rule{
			{Fault: "rows.extra", Share: 1, Count: 20},
			{Fault: "callback.path_dropped", Share: 0.5}, {Fault: "callback.no_account", Share: 0.5},
			{Fault: "callback.before_answer", Share: 0.1}, {Fault: "callback.drop", Share: 0.05},
			{Fault: "callback.twice", Share: 0.2},
		},
	})
	r := s.run()
	s.until("both tenants have twenty complete windows", func() bool {
		return completeOf(r, tenantName) >= 20 && completeOf(r, "globex") >= 20
	})
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	undisturbed := time.Now()
	done := func(tenant string) bool { return completeTo(r, tenant, undisturbed) }
	s.until("what was disturbed is complete", func() bool { return done(tenantName) && done("globex") })
	r.planning.stop()
	s.until("no extract is under way", func() bool { return !underWay(r, tenantName) && !underWay(r, "globex") })
	c := s.consumer()
	defer c.Close()
	sum := s.judgedSpaces(t, c)
	rows, foreign := s.rowsOfOthers(t, c)
	if foreign > 0 {
		t.Errorf("%d of %d rows are another tenant's", foreign, rows)
	}
	if n := len(s.letters(c)); n > 0 {
		t.Errorf("%d dead letters", n)
	}
	r.end()
	sum.tries = len(callbacksOf(s.sim.Truth(), ""))
	sum.report(t, "2 tenants under one key, %d callbacks, %d rows, %d of them at the wrong tenant", sum.tries, rows, foreign)
}

// TestF49BudgetOfBridges: two bridges have one tenant each, of one access key. Both together
// ask for no more extracts than one tenant may, and neither waits for the other's end.
func TestF49BudgetOfBridges(t *testing.T) {
	const spacing = time.Second
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 4 * time.Second, since: 10 * time.Minute, external: true, spacing: spacing, outstanding: 3,
		overdue: 5 * time.Second, spaces: []string{tenantName, "globex"}, ours: []string{tenantName},
	})
	r := s.run()
	s.until("the first bridge plans", func() bool { return len(s.sim.Truth().Files) > 2 })
	theirs := *s
	theirs.setup.ours = []string{"globex"}
	began, before := time.Now(), len(s.sim.Truth().Files)
	other := theirs.beside("second").run()
	s.until("the second bridge plans", func() bool { return completeOf(other, "globex") > 0 })
	pause(t, 20*time.Second)
	files := s.sim.Truth().Files[before:]
	most := int(time.Since(began)/spacing) + 3
	of := map[string]int{}
	for _, f := range files {
		of[f.AccountID]++
	}
	if len(files) > most || len(of) != 2 {
		t.Errorf("two bridges asked for %d extracts, %v, want at most %d", len(files), of, most)
	}
	for account, n := range of {
		if n < len(files)/4 {
			t.Errorf("tenant space %s had %d of %d extracts", account, n, len(files))
		}
	}
	r.end()
	other.end()
	sum := score{tries: len(files)}
	sum.report(t, "2 bridges with a tenant of one key each: %d extracts, at most %d allowed", len(files), most)
}

func completeOf(r *running, tenant string) (n int) {
	for _, k := range r.s.setup.kinds {
		for _, e := range r.ledger.Entries(tenant, k) {
			if e.State == schemas.WindowCompleted {
				n++
			}
		}
	}
	return n
}

// completeTo reports whether every window that was due at a time is complete.
func completeTo(r *running, tenant string, at time.Time) bool {
	for _, k := range r.s.setup.kinds {
		for _, e := range r.ledger.Entries(tenant, k) {
			if e.State != schemas.WindowCompleted && e.Window.To.Add(r.s.setup.settle).Before(at) {
				return false
			}
		}
	}
	return true
}

func underWay(r *running, tenant string) bool {
	for _, k := range r.s.setup.kinds {
		for _, e := range r.ledger.Entries(tenant, k) {
			if e.State == schemas.WindowRequested || e.State == schemas.WindowReady {
				return true
			}
		}
	}
	return false
}

// judgedSpaces holds the streams of each tenant against the files of its tenant space.
func (s *scene) judgedSpaces(t *testing.T, c *bus.Bus) (sum score) {
	set, did := s.sim.Settings(), s.sim.Truth()
	for i, account := range append([]string{set.AccountID}, set.Spaces...) {
		var its truth.Snapshot
		for _, f := range did.Files {
			if f.AccountID == account {
				its.Files = append(its.Files, f)
			}
		}
		zone, err := time.LoadLocation(set.Timezone)
		if err != nil {
			t.Fatal(err)
		}
		report, err := trial.Judge(t.Context(), c, trial.Case{Tenant: s.setup.spaces[i], Zone: zone}, its)
		if err != nil || !report.OK || report.Files.Accepted == 0 {
			t.Errorf("tenant space %s: %+v, %v\n%s", account, report, err, s.journal.tail())
		}
		sum.add(report, unclean{})
	}
	return sum
}

// rowsOfOthers counts the rows in the stream, and those at a tenant whose they are not.
func (s *scene) rowsOfOthers(t *testing.T, c *bus.Bus) (rows, foreign int) {
	set := s.sim.Settings()
	account := map[string]string{}
	for i, id := range append([]string{set.AccountID}, set.Spaces...) {
		account[s.setup.spaces[i]] = id
	}
	for _, m := range s.messages(c, schemas.StreamRows) {
		if !strings.HasPrefix(m.Get("ce-type"), schemas.TypeRow) {
			continue
		}
		var row struct {
			AccountID string `json:"account_id"`
		}
		if err := json.Unmarshal(m.Body, &row); err != nil {
			t.Fatal(err)
		}
		if rows++; row.AccountID != account[schemas.TenantOf(m.Subject)] {
			foreign++
		}
	}
	if rows == 0 {
		t.Error("there are no rows")
	}
	return rows, foreign
}
