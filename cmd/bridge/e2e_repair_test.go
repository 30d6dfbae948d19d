package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// TestRepair: files of each kind that can't be had in another way fail for good, and their
// windows are to be asked for in hours; once the platform is well again, an operator has them
// tried at once. Their rows are there once, the letters are marked, and it is said who did it.
func TestRepair(t *testing.T) {
	t.Parallel()
	o := setup{kinds: []schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation}, window: 24 * time.Hour, since: 25 * time.Hour, attempts: 2, embedded: true} // the commands write, which a reader may not
	o.faults = []fault.Rule{
		{Fault: "download.json_as_octet_stream", Kind: "cdr", Share: 1, Code: "0300010"}, {Fault: "download.status", Kind: "recording", Share: 1}, {Fault: "file.flipped", Kind: "operation", Share: 1},
	}
	for _, k := range o.kinds { // of an empty file nothing is damaged
		o.faults = append(o.faults, fault.Rule{Fault: "rows.extra", Kind: string(k), Next: 1, Count: 20})
	}
	s := newScene(t, o)
	r := s.run()
	reasons := func() map[schemas.Reason]bool {
		found := map[schemas.Reason]bool{}
		for _, m := range s.letters(r.bus) {
			var d schemas.DeadLetter
			if json.Unmarshal(m.Body, &d) == nil && d.Kind != "" {
				found[d.Reason] = true
			}
		}
		return found
	}
	s.until("there are dead letters of three reasons", func() bool { return len(reasons()) >= 3 })
	s.until("nobody tries again for hours", func() bool {
		failed, err := questions(r.bus).Windows(t.Context(), ask.WindowQuery{State: schemas.WindowFailed})
		later := 0
		for _, w := range failed {
			if w.DueAt.IsZero() || time.Until(w.DueAt) > time.Hour {
				later++
			}
		}
		return err == nil && later >= len(o.kinds)
	})
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	if out := s.asks(t, exitOK, "deadletters", "--tenant", tenantName); strings.Count(out, "\n") < 4 {
		t.Errorf("listed:\n%s", out)
	}
	s.asks(t, exitUsage, "deadletters", "redrive")
	s.asks(t, exitFailed, "deadletters", "redrive", "nothing")
	out := s.asks(t, exitOK, "deadletters", "redrive", "--tenant", tenantName)
	if !strings.Contains(out, "asked for again: cdr window") || !strings.Contains(out, "redriven") {
		t.Errorf("redriven:\n%s", out)
	}
	s.until("the letters are marked", func() bool {
		open, err := questions(r.bus).Letters(t.Context(), tenantName, time.Time{}, func(ask.Letter) bool { return true })
		for _, l := range open {
			if !l.Resolved {
				return false
			}
		}
		return err == nil && len(open) >= 3
	})
	audits := 0
	for _, m := range s.messages(r.bus, schemas.StreamCoverage) {
		var a schemas.Audit
		if m.Get("ce-type") == schemas.TypeAudit && json.Unmarshal(m.Body, &a) == nil && a.What == schemas.AuditLetterRedrive && strings.Contains(a.By, "@") {
			audits++
		}
	}
	if audits < 3 {
		t.Errorf("%d audits", audits)
	}
	r.finish()
}

// TestAcceptEmpty: a window of which the platform gives no file is complete once somebody says
// so, with its marker, and it is said who did.
func TestAcceptEmpty(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{
		kinds: []schemas.Kind{schemas.KindRecording}, window: 24 * time.Hour, since: 25 * time.Hour,
		faults:   []fault.Rule{{Fault: "download.json_as_octet_stream", Share: 1, Code: "0300010"}},
		embedded: true, // the command writes, which a reader may not
	})
	r := s.run()
	var failed []ask.Window
	s.until("a window has failed for good", func() bool {
		all, err := questions(r.bus).Windows(t.Context(), ask.WindowQuery{State: schemas.WindowFailed})
		failed = all
		return err == nil && len(all) > 0 && all[0].DueAt.IsZero()
	})
	w := failed[0].Window
	var out, errOut bytes.Buffer
	if code := execute([]string{"windows", "accept-empty", "recording", w.String(), "--tenant", tenantName, "-c", s.path()}, &out, &errOut); code != exitOK {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errOut.String())
	}
	story, err := questions(r.bus).Window(t.Context(), tenantName, schemas.KindRecording, w)
	if err != nil || story.State != schemas.WindowCompleted || story.Rows != 0 || len(story.Markers) != 1 || story.Markers[0].Rows != 0 {
		t.Errorf("%+v %v", story, err)
	}
	m, found, err := r.bus.Last(t.Context(), r.names.Audit(tenantName, schemas.AuditWindowEmpty))
	var a schemas.Audit
	if err != nil || !found || json.Unmarshal(m.Body, &a) != nil || a.Window != w || a.By == "" {
		t.Errorf("audit %s, %v", m.Body, err)
	}
	r.end()
}
