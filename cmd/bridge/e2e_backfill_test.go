package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/kv"
	"aiccbridge/exporter/backfill"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// rowsOf are the ids of the rows of each window of a stream, as often as they are there.
func (s *scene) rowsOf(r *running) map[string][]string {
	of := map[string][]string{}
	for _, m := range s.messages(r.bus, schemas.StreamRows) {
		if m.Get("ce-type") != schemas.TypeWindowComplete {
			of[m.Subject] = append(of[m.Subject], m.Get("ce-id"))
		}
	}
	for _, ids := range of {
		slices.Sort(ids)
	}
	return of
}

// TestBackfill: windows that have gone from the ledger and from the stream, or from that alone, are what a plan
// names, and nothing else; an order brings exactly their rows, and it is said who gave it.
func TestBackfill(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{
		agents: 6, kinds: []schemas.Kind{schemas.KindCDR, schemas.KindOperation},
		embedded: true, // the commands write, which a reader may not
	})
	r := s.run()
	s.until("there are windows with rows", func() bool { return len(s.rowsOf(r)) >= 12 })
	s.sim.Quiesce()
	s.until("the contact centre is quiet", s.sim.Quiet)
	quiet := time.Now()
	s.until("all windows are complete", func() bool { return r.settled(quiet) })
	from := quiet
	for _, k := range s.setup.kinds {
		from = earlier(from, r.ledger.Entries(tenantName, k)[0].Window.From)
	}
	span := []string{"--from", from.Format(time.RFC3339Nano), "--to", quiet.Format(time.RFC3339Nano), "--json"}
	command := func(args ...string) string {
		var out, errOut bytes.Buffer
		if code := execute(slices.Concat([]string{"backfill"}, args, []string{"-c", s.path(), "--wait", "1m"}, span), &out, &errOut); code != exitOK {
			t.Fatalf("exit code %d\n%s%s", code, out.String(), errOut.String())
		}
		return out.String()
	}
	run := func(more ...string) (b ask.Backfill) {
		out := command(append([]string{"run"}, more...)...)
		if err := json.Unmarshal([]byte(out), &b); err != nil || b.Complete != b.Windows || b.Open() {
			t.Errorf("done: %s (%v)", out, err)
		}
		return b
	}
	windows := 0 // those within the span; the ledger goes on with later ones
	for _, k := range s.setup.kinds {
		for _, e := range r.ledger.Entries(tenantName, k) {
			if !e.Window.To.After(quiet) {
				windows++
			}
		}
	}
	if b := run("--again"); b.Windows < windows {
		t.Errorf("once more: %+v of %d windows", b, windows)
	}
	before := s.rowsOf(r) // those that came late, too

	gone := map[string]backfill.Why{} // five altogether, one from the stream alone
	rows, err := r.bus.Conn().JetStream().Stream(t.Context(), r.names.Stream(schemas.StreamRows))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range s.setup.kinds {
		for _, e := range r.ledger.Entries(tenantName, k) {
			subject := r.names.Row(e.Tenant, e.Kind, e.Window)
			if len(before[subject]) == 0 || len(gone) == 6 || e.Window.To.Sub(e.Window.From) < 4*time.Second { // cut where extraction began
				continue
			}
			if gone[subject] = backfill.WhyUnknown; len(gone) == 6 {
				gone[subject] = backfill.WhyRows
			} else if err := kv.Open(r.bus.Conn(), schemas.BucketWindows).Delete(t.Context(), e.Key()); err != nil {
				t.Fatal(err)
			}
			if err := rows.Purge(t.Context(), jetstream.WithPurgeSubject(subject)); err != nil {
				t.Fatal(err)
			}
		}
	}
	named := map[string]bool{}
	for line := range strings.Lines(command("plan")) {
		var p backfill.Plan
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Missing {
			if subject := r.names.Row(p.Tenant, p.Kind, m.Window); m.Why != gone[subject] {
				t.Errorf("%s is missing: %s", subject, m.Why)
			} else {
				named[subject] = true
			}
		}
	}
	if len(gone) != 6 || len(named) != len(gone) {
		t.Fatalf("%d windows of %d are named", len(named), len(gone))
	}
	b := run()
	if b.Windows != len(gone) {
		t.Errorf("ordered: %+v", b)
	}
	if diff := cmp.Diff(before, s.rowsOf(r)); diff != "" {
		t.Errorf("the rows are not those from before: %s", diff)
	}
	if out := s.asks(t, exitOK, "backfill", "status"); !strings.Contains(out, b.ID) {
		t.Errorf("status:\n%s", out)
	}
	if out := s.asks(t, exitOK, slices.Concat([]string{"backfill", "run", "--timezone", s.sim.Settings().Timezone}, span)...); out != "" {
		t.Errorf("a further order:\n%s", out)
	}
	s.asks(t, exitFailed, "backfill", "cancel")
	s.asks(t, exitFailed, "backfill", "status", "nothing")
	s.asks(t, exitUsage, "backfill", "plan", "--from", "1h")
	m, found, err := r.bus.Last(t.Context(), r.names.Audit(tenantName, schemas.AuditBackfill))
	var a schemas.Audit
	if err != nil || !found || json.Unmarshal(m.Body, &a) != nil || a.Order != b.ID || a.By == "" {
		t.Errorf("audit %s, %v", m.Body, err)
	}
	r.finish()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// TestBackfillCancelled: an order given while no bridge runs waits for it; cancelled, nothing of
// it is asked for.
func TestBackfillCancelled(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{kinds: []schemas.Kind{schemas.KindCDR}, window: time.Hour, since: time.Hour, embedded: true}) // the commands write, which a reader may not
	r := s.run()
	s.until("a window is there", func() bool { return len(r.ledger.Entries(tenantName, schemas.KindCDR)) > 0 })
	r.end()
	command := func(code int, args ...string) string {
		var out, errOut bytes.Buffer
		if got := execute(append(args, "-c", s.path(), "--wait", "1m"), &out, &errOut); got != code {
			t.Errorf("bridge %s: exit code %d\n%s%s", strings.Join(args, " "), got, out.String(), errOut.String())
		}
		return out.String()
	}
	if out := command(exitOK, "backfill", "run", "--from", "27h", "--to", "3h"); !strings.Contains(out, "ordered: ") || !strings.Contains(out, "once it runs") {
		t.Errorf("ordered:\n%s", out)
	}
	if out := command(exitOK, "backfill", "cancel"); !strings.Contains(out, "windows are taken out of it, 0 under way") {
		t.Errorf("cancelled:\n%s", out)
	}
	if out := command(exitOK, "backfill", "status"); !strings.Contains(out, "no backfill") {
		t.Errorf("status:\n%s", out)
	}
	r = s.run()
	s.until("live windows are complete", func() bool {
		return !slices.ContainsFunc(r.ledger.Entries(tenantName, schemas.KindCDR), func(e schemas.WindowEntry) bool {
			return e.State != schemas.WindowCompleted && !e.DueAt.After(time.Now())
		})
	})
	for _, e := range r.ledger.Entries(tenantName, schemas.KindCDR) {
		if e.Backfill != "" || e.Unplanned {
			t.Errorf("left: %+v", e)
		}
	}
	r.end()
	for _, f := range s.sim.Truth().Files {
		if f.Begin.Before(time.Now().Add(-150 * time.Minute)) {
			t.Errorf("a file of %s was made after the order was cancelled", f.Begin)
		}
	}
}
