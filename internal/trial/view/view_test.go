package view

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stored is a message as a consumer gets it.
func stored(typ, subject, body string) schemas.Stored {
	m := schemas.Stored{}
	m.Subject, m.Header, m.Body = subject, map[string][]string{"ce-type": {typ}}, []byte(body)
	return m
}

// busy are stats of two agents, one call and one file.
func busy(t *testing.T) *Stats {
	t.Helper()
	s := NewStats()
	for _, m := range []schemas.Stored{
		stored(schemas.TypeEvent, "", `{"agent":"101","type":"AgentState_Busy","group":"call","name":"ringing","state":"on_call","call_id":"7-1"}`),
		stored(schemas.TypeEvent, "", `{"agent":"102","type":"AgentState_Ready","group":"state","name":"ready","state":"ready"}`),
		stored(schemas.TypeEvent, "", `{"agent":"102","type":"bridge.left","state":"unknown"}`),
		stored(schemas.TypeGap, "", `{}`),
		stored(schemas.TypeRow+"cdr", "", `{"call_id":"7-1"}`),
		stored(schemas.TypeRow+"recording", "", `{"call_id":"7-1"}`),
		stored(schemas.TypeWindowComplete, "aicc.v1.demo.rows.cdr.20260501T090000Z", `{}`),
		stored(schemas.TypeEvent, "", `no JSON`),
	} {
		if err := s.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestStory(t *testing.T) {
	if got := NewStats().Story(); got != "" {
		t.Errorf("without calls: %q", got)
	}
	want := "One call, 7-1: 1 event with 1 agent,\nand rows cdr 1, recording 1."
	if got := busy(t).Story(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestShow: without a terminal a line appears when something has changed, and for a
// new phase.
func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		phase := NewPhase("agents work")
		stats := NewStats()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Show(ctx, &out, Options{Stats: stats, Phase: phase, Total: time.Minute})
		}()
		pass := func() {
			time.Sleep(lineEvery)
			synctest.Wait()
		}
		pass()
		pass()
		for _, m := range []string{"101", "102"} {
			_ = stats.Add(stored(schemas.TypeEvent, "", `{"agent":"`+m+`","type":"AgentState_Ready","group":"state","name":"ready","state":"ready"}`))
		}
		pass()
		pass()
		phase.Hint(" (again)")
		phase.Enter("the end")
		pass()
		stop()
		<-done
		want := "00:02  agents work\n" +
			"00:06  agents ready 2  events 2 (0.3/s)  windows none yet  rows none yet  last: agent 102 state.ready\n" +
			"00:10  the end (again)\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBlock(t *testing.T) {
	stats := busy(t)
	p := stats.picture(stats.since.Add(3 * time.Second))
	got := byState(p) + "; " + byKind(p.windows) + "; " + byKind(p.rows) + "; " + p.last
	if want := "on_call 1, unknown 1; cdr 1; cdr 1, recording 1; agent 102 state.ready"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if p.gaps != 1 || p.events != 2 {
		t.Errorf("%d gaps, %d events", p.gaps, p.events)
	}
	if got := cutTo("abcdef", 4); got != "abc" {
		t.Errorf("cut to %q", got)
	}
}

func TestPrint(t *testing.T) {
	var r truthcheck.Report
	r.Events.Popped, r.Events.Stored, r.Events.Gaps = 5, 4, 1
	r.Problems = []string{"event 3 of agent 101 is missing"}
	var out bytes.Buffer
	Print(&out, r)
	for _, part := range []string{"5 popped, 4 stored, 1 gap\n", "0 duplicates\n", "  problem: event 3 of agent 101 is missing\n", "The streams differ from the truth.\n"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in\n%s", part, &out)
		}
	}
}

// TestBlockFits: also what is said after Ctrl-C can be read at 80 columns, and the time
// that has passed is never more than there is.
func TestBlockFits(t *testing.T) {
	start := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	none, err := os.Open(os.DevNull) // no terminal: nothing is cut
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	for name, c := range map[string]struct {
		passed     time.Duration
		phase      string
		hint, want string
	}{
		"in time":       {12 * time.Second, "agents work", "", "00:12 of 01:00"},
		"at its end":    {time.Minute, "agents work", "", "01:00 of 01:00"},
		"after Ctrl-C":  {12 * time.Second, "no new calls; running ones come to their end", " (Ctrl-C again ends at once)", "00:12 of 01:00"},
		"at once":       {time.Minute + time.Millisecond, "agents work", "", "01:00 of 01:00"},
		"past its time": {95 * time.Second, "waiting for the files of the last windows", " (Ctrl-C again ends at once)", "01:00, and 00:35 since then"},
	} {
		var out bytes.Buffer
		phase := NewPhase("agents work")
		phase.Hint(c.hint)
		phase.Enter(c.phase)
		v := &view{out: &out, terminal: none, phase: phase, start: start, total: time.Minute, before: picture{at: start}}
		p := busy(t).picture(start.Add(c.passed))
		v.block(p)
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(line, "\r"), "\x1b[2K")); len(line) >= 80 {
				t.Errorf("%s: %d columns: %q", name, len(line), line)
			}
		}
		if !strings.Contains(out.String(), "bridge demo  "+c.want+"\n") || !strings.Contains(out.String(), c.phase+c.hint+"\n") {
			t.Errorf("%s: it shows %q", name, &out)
		}
	}
}
