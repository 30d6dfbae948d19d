package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
	"aiccbridge/schemas/rows"
)

// compared are the kinds of windows that are compared with live events.
var compared = []schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation}

// TestLiveAgainstRecord: fifty losses, of polls that were cut after they had taken an event, of
// call detail records and of rows of the recording index that the platform never writes. A
// running bridge names all of them, and nothing else; what a file proves is told once.
func TestLiveAgainstRecord(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 20, kinds: compared, window: 10 * time.Second, sweep: 20 * time.Second})
	r := s.run()
	s.until("everybody works", func() bool { return len(s.sim.Truth().Events) > 400 })
	var rules []fault.Rule
	for i, a := range s.sim.Settings().Agents {
		switch {
		case i < 10:
			rules = append(rules, fault.Rule{Fault: "poll.cut_after_pop", Next: 2, Agent: a.ID})
		case i < 15:
			rules = append(rules, fault.Rule{Fault: "sync.never", Next: 3, Kind: "cdr", Agent: a.ID})
		default:
			rules = append(rules, fault.Rule{Fault: "sync.never", Next: 3, Kind: "recording", Agent: a.ID})
		}
	}
	if err := s.sim.SetFaults(rules...); err != nil {
		t.Fatal(err)
	}
	s.until("all has been lost", func() bool {
		return !slices.ContainsFunc(s.sim.Faults(), func(left fault.Rule) bool { return left.Next > 0 })
	})
	s.sim.Quiesce()
	s.until("the contact centre is quiet", s.sim.Quiet)
	beyond := time.Now().Add(10 * time.Second) // the row of what came last may be in a window behind
	s.until("all windows are complete", func() bool { return r.settled(beyond) })
	r.planning.stop()
	s.until("no extract is under way", func() bool { return !r.outstanding() })
	s.until("all windows are compared", r.isCompared)
	l := losses{truth: s.sim.Truth()}
	defer func() { l.report(t) }()
	s.until("all losses are named, and nothing else", func() bool { l.found = r.findings(); return l.check() }) // a window may be compared again
	r.checkReconstructed()
	r.judge = true
	r.end()
	if !r.report.OK {
		t.Errorf("the streams differ from the truth: %+v", r.report)
	}
}

// statements are the newest of each window.
func (r *running) statements() map[string]comparison.Statement {
	r.s.t.Helper()
	newest := map[string]comparison.Statement{}
	for _, said := range r.allStatements() {
		newest[schemas.WindowKey(said.Tenant, said.Kind, said.Window)] = said
	}
	return newest
}

// allStatements are those of all comparisons, as they came.
func (r *running) allStatements() (all []comparison.Statement) {
	r.s.t.Helper()
	for _, m := range r.s.messages(r.bus, schemas.StreamCoverage) {
		var said comparison.Statement
		if m.Get("ce-type") != schemas.TypeReconcile {
			continue
		}
		if err := json.Unmarshal(m.Body, &said); err != nil {
			r.s.t.Fatal(err)
		}
		all = append(all, said)
	}
	return all
}

// isCompared reports whether every complete window is.
func (r *running) isCompared() bool {
	said := r.statements()
	for _, k := range compared {
		for _, e := range r.ledger.Entries(tenantName, k) {
			if _, ok := said[e.Key()]; !e.CompletedAt.IsZero() && !ok {
				return false
			}
		}
	}
	return true
}

func (r *running) findings() (all []comparison.Finding) {
	r.s.t.Helper()
	for _, said := range r.statements() {
		if said.LeftOut > 0 {
			r.s.t.Errorf("%s: %d findings are left out", said.Window, said.LeftOut)
		}
		all = append(all, said.Findings...)
	}
	return all
}

// losses hold what was found against what was lost.
type losses struct {
	found []comparison.Finding
	truth truth.Snapshot
	named int
	told  []string        // of the lost events, those that files have
	cut   map[string]bool // agents that lost events
	wrong []string
}

// check reports whether all is as it should be.
func (l *losses) check() bool {
	l.named, l.told, l.wrong, l.cut = 0, nil, nil, map[string]bool{}
	for _, row := range l.truth.Withheld {
		l.row(row)
	}
	for _, e := range l.truth.Events {
		if e.Cut {
			l.event(e)
		}
	}
	for _, f := range l.found {
		text, _ := json.Marshal(f)
		if by := f.By == comparison.ExplainedByGap || f.Name == string(schemas.GapInferred); !by || !l.cut[f.Agent] {
			l.say("invented: %s", text)
		}
	}
	return l.named == 50 && len(l.wrong) == 0
}

func (l *losses) say(format string, of ...any) { l.wrong = append(l.wrong, fmt.Sprintf(format, of...)) }

func (l *losses) report(t *testing.T) {
	t.Attr("figure", fmt.Sprintf("%d of 50 losses named", l.named))
	t.Logf("%d losses are named; of the lost events the files have %s", l.named, strings.Join(l.told, ", "))
	for _, text := range l.wrong {
		t.Error(text)
	}
}

// row looks for the finding of a row that was never written.
func (l *losses) row(row world.Row) {
	what := comparison.CallNoRow
	if row.Kind == world.Record {
		what = comparison.RecordingNoRow
	}
	i := slices.IndexFunc(l.found, func(f comparison.Finding) bool {
		return f.What == what && f.Agent == row.AgentID && f.CallID == row.CallID && f.By == ""
	})
	if i < 0 {
		l.say("not named: %v", row.Cells)
		return
	}
	l.found = slices.Delete(l.found, i, i+1)
	l.named++
}

// event looks for the gap in which an event was lost, and for what the files tell of it.
func (l *losses) event(e truth.Event) {
	l.cut[e.Agent] = true
	i := slices.IndexFunc(l.found, func(f comparison.Finding) bool {
		return f.What == comparison.Gap && f.Name == string(schemas.GapPollUnknown) && f.Agent == e.Agent && f.At.Sub(e.At).Abs() < 5*time.Second
	})
	if i < 0 {
		l.say("not named: %s of %s at %s", e.Type, e.Agent, e.GeneratedAt)
		return
	}
	gap := l.found[i].Gap
	l.found = slices.Delete(l.found, i, i+1)
	l.named++
	if slices.ContainsFunc(l.found, func(f comparison.Finding) bool {
		return f.What != comparison.Gap && f.Agent == e.Agent && f.By == comparison.ExplainedByGap && (f.Gap == gap || f.At.Sub(e.GeneratedAt).Abs() < 2*time.Second)
	}) {
		l.told = append(l.told, e.Type)
	}
}

// checkReconstructed: every state that is told again is one that a statement said so of, if not
// the window's last one, and is told apart from the agent's own messages.
func (r *running) checkReconstructed() {
	t := r.s.t
	t.Helper()
	want := map[string]bool{}
	for _, said := range r.allStatements() {
		for _, f := range said.Findings {
			if f.Reconstructed {
				want[rows.BaseID(f.Row)] = true
			}
		}
	}
	for _, m := range r.s.messages(r.bus, schemas.StreamCoverage) {
		if m.Get("ce-type") != schemas.TypeReconstructed {
			continue
		}
		var told comparison.Reconstructed
		if err := json.Unmarshal(m.Body, &told); err != nil || !want[rows.BaseID(told.Row)] || m.Subject != r.names.Reconstructed(tenantName, told.Agent) {
			t.Errorf("on %s: %s %v", m.Subject, m.Body, err)
		}
		delete(want, rows.BaseID(told.Row))
	}
	if len(want) > 0 {
		t.Errorf("not told again: the states of %v", want)
	}
}
