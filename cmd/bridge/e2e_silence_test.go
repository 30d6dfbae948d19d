package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/exporter/lateness"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// open are opening hours of a centre that never closes.
const open = `opening_hours: {mon-sun: "00:00-24:00"}`

// answers reports whether an endpoint of the listener for health and metrics says something.
func (s *scene) answers(path, text string) bool {
	return strings.Contains(get(s.t, "http://"+s.admin+path), text)
}

// alarmPatience is how long an alarm may take: one that waits for a lease to expire, for
// half a minute after that, and for the look of the minute.
const alarmPatience = patience + time.Minute

// rings waits until an alarm is in the answer of /healthz, with a text.
func (s *scene) rings(alarm, text string) {
	s.t.Helper()
	s.within(alarmPatience, "the alarm "+alarm+" rings, with "+text, func() bool {
		for line := range strings.Lines(get(s.t, "http://"+s.admin+"/healthz")) {
			if strings.HasPrefix(line, alarm+": ") {
				return strings.Contains(line, text)
			}
		}
		return false
	})
}

// silenceRings waits for the alarm of one feed, in the answer, the log, the metric and the status,
// and has it over by a day that is closed.
func (s *scene) silenceRings(what string) {
	s.t.Helper()
	s.rings("silence", "tenant demo: no "+what+" since ")
	if !s.answers("/healthz", ", in opening hours") || !s.journal.contains("a feed is silent when something is expected of it") {
		s.t.Errorf("the alarm does not say what was expected: %s", get(s.t, "http://"+s.admin+"/healthz"))
	}
	if printed := s.asks(s.t, exitFailed, "status"); !strings.Contains(printed, "alarm silence since") {
		s.t.Errorf("the status is %s", printed)
	}
	now := s.sim.Settings().Timezone
	zone, err := time.LoadLocation(now)
	if err != nil {
		s.t.Fatal(err)
	}
	today := time.Now().In(zone)
	days := []string{today.AddDate(0, 0, -1).Format(time.DateOnly), today.Format(time.DateOnly), today.AddDate(0, 0, 1).Format(time.DateOnly)}
	s.alter(open, open+"\n    closed: ["+strings.Join(days, ", ")+"]")
	s.reloads("tenants[demo].closed")
	s.until("a day that is closed ends it", func() bool { return s.answers("/metrics", `aicc_alarm{alarm="silence"} 0`) })
}

// TestSilenceOfRows: windows that come without rows for half an hour, when there were some before and
// the centre is open, ring; another kind, that never had any, does not.
func TestSilenceOfRows(t *testing.T) {
	t.Parallel()
	s := reloadable(t, setup{kinds: []schemas.Kind{schemas.KindOperation, schemas.KindSkill}, window: 30 * time.Minute, since: 130 * time.Minute}, 0)
	from := time.Now().Add(-s.setup.since).Truncate(30 * time.Minute).Add(30 * time.Minute).UTC()
	early := schemas.Window{From: from, To: from.Add(30 * time.Minute)}
	s.alter("    timezone:", "    "+open+"\n    timezone:")
	s.alter("operation: {", "operation: {silence: calendar, ")
	c := s.start()
	s.says("bridge runs", 1)
	s.until("an early window is complete", func() bool {
		return s.journal.contains(`"kind":"operation","window":"` + early.String() + `"`)
	})
	if s.answers("/healthz", "silence") {
		t.Errorf("without any rows ever: %s", get(t, "http://"+s.admin+"/healthz"))
	}
	if err := s.sim.SetFaults(fault.Rule{Fault: "rows.extra", Next: 1, Count: 5, Kind: "operation"}); err != nil {
		t.Fatal(err)
	}
	s.asks(t, exitOK, "windows", "retry", "operation", early.String())
	s.until("there are rows", func() bool {
		return s.answers("/metrics", `aicc_freshness_age_seconds{kind="operation",team="",tenant="demo"}`)
	})
	s.silenceRings("rows of operation")
	if !s.answers("/metrics", `aicc_certificates_expiry_timestamp_seconds{tenant="demo",what="files"} `) {
		t.Error("until when the file store's certificate is valid is not shown")
	}
	if s.journal.contains("no rows of skill") || !s.answers("/metrics", `aicc_freshness_expected{kind="skill",team="",tenant="demo"} 0`) {
		t.Error("a kind that never had rows rings, or is expected on a day that is closed")
	}
	c.signal(syscall.SIGTERM)
	<-c.done
}

// TestSilenceOfEvents: agents who are polled, and of whom nothing comes but the heartbeats that the
// bridge makes, ring.
func TestSilenceOfEvents(t *testing.T) {
	t.Parallel()
	s := reloadable(t, setup{agents: 2, slow: 1000}, 0) // calls that go on for half an hour
	s.alter("    timezone:", "    "+open+"\n    timezone:")
	s.alter("      hold: 1s", "      hold: 1s\n      heartbeat: 1s\n      silence_slot: 10s")
	c := s.start()
	s.says("bridge runs", 1)
	s.silenceRings("events")
	if !s.answers("/metrics", `aicc_certificates_expiry_timestamp_seconds{tenant="demo",what="gateway"} `) || !s.answers("/metrics", `aicc_certificates_expiry_timestamp_seconds{tenant="",what="callbacks"} `) {
		t.Error("until when certificates are valid is not shown")
	}
	c.signal(syscall.SIGTERM)
	<-c.done
}

// latestRow is the age of a window when a later extract brought rows of it, the greatest one, in whole seconds.
func latestRow(entries []schemas.WindowEntry) (age time.Duration) {
	for _, e := range entries {
		for _, x := range e.Extracts[min(1, len(e.Extracts)):] {
			if x.New > 0 {
				age = max(age, (x.RequestedAt.Sub(e.Window.To) + time.Second - 1).Truncate(time.Second))
			}
		}
	}
	return age
}

// TestLateRows: what the platform writes late is measured, and a settle proposed that would have had
// it: that of the re-sweep, the only later age at which somebody looked.
func TestLateRows(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{
		kinds: []schemas.Kind{schemas.KindOperation}, window: 4 * time.Second, sweep: 10 * time.Second, long: true,
		faults: []fault.Rule{{Fault: "rows.extra", Next: 2, Count: 60}, {Fault: "rows.late", Next: 2}},
	})
	r := s.run()
	s.until("the metric tells of late rows", func() bool {
		text := get(t, "http://"+s.admin+"/metrics")
		_, after, ok := strings.Cut(text, `aicc_windows_lateness_seconds{kind="operation",tenant="demo"} `)
		return ok && !strings.HasPrefix(after, "0\n") && strings.Contains(text, `aicc_windows_late_rows{kind="operation",tenant="demo"} 2`+"\n")
	})
	entries := r.ledger.Entries(tenantName, schemas.KindOperation)
	m := lateness.Of(schemas.KindOperation, entries, time.Now())
	// Of two windows one row of sixty is held back. How long an extract waits for its turn the machine decides.
	if m.Windows < 2 || m.Late != 2 || m.Rows != 120 || m.Settle != latestRow(entries) || m.Lacks > 0 {
		t.Errorf("measured %+v, late rows came after %s", m, latestRow(entries))
	}
	printed := s.asks(t, exitOK, "windows")
	if !strings.Contains(printed, "rows of operation in ") || !strings.Contains(printed, " came only with a later extract; settle: ") {
		t.Errorf("bridge windows printed\n%s", printed)
	}
	r.end()
}
