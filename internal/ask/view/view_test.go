package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// shown is what f prints, without colours unless it says otherwise.
func shown(t *testing.T, f func(Screen) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(Screen{Writer: &b, Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimSpace(want); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAgents(t *testing.T) {
	t.Parallel()
	got := shown(t, func(s Screen) error {
		return s.Agents([]ask.Agent{
			{Tenant: "acme", Agent: "101", State: schemas.StateOnCall, Since: noon.Add(-90 * time.Second), CallID: "7-1", Event: "call.talking",
				EventAt: noon.Add(-30 * time.Second), HeardAt: noon.Add(-5 * time.Second), Position: schemas.Position{Epoch: 3, Seq: 14}, Polled: true, By: "b1"},
			{Tenant: "acme", Agent: "102", State: schemas.StateUnknown},
		}, noon)
	})
	same(t, got, `
TENANT  AGENT  STATE    FOR    CALL  EVENT         AGO  HEARD  EPOCH.SEQ  POLLED-BY
acme    101    on_call  1m30s  7-1   call.talking  30s  5s     3.14       b1
acme    102    unknown  -      -     -             -    -      0.0        -`)
}

// windows are one for each hour of a day, in these states.
func windows(states ...schemas.WindowState) (all []ask.Window) {
	day := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for i, state := range states {
		from := day.Add(time.Duration(i) * time.Hour)
		w := ask.Window{WindowEntry: schemas.WindowEntry{Tenant: "acme", Kind: schemas.KindCDR, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, State: state}, Meaning: "as it is"}
		if state != "" {
			all = append(all, w)
		}
	}
	return all
}

// TestStrip: a cell for each window, a hole where none is, and no more than fit on a line.
func TestStrip(t *testing.T) {
	t.Parallel()
	all := windows("complete", "complete", "", "failed", "ready", "requested", "planned")
	got := shown(t, func(s Screen) error { return s.Strip(all) })
	same(t, got, `
acme cdr
  2026-11-29 Sun  ██_×▓▒·                   2/6
█ complete  ▓ file is there  ▒ asked for  · planned  × failed  _ no window`)

	day, minutes := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC), 10*time.Minute
	var many []ask.Window
	for from := day; from.Before(day.Add(24 * time.Hour)); from = from.Add(minutes) {
		w := ask.Window{WindowEntry: schemas.WindowEntry{Tenant: "acme", Kind: schemas.KindCDR, Window: schemas.Window{From: from, To: from.Add(minutes)}, State: schemas.WindowCompleted}}
		if from.Equal(day.Add(20 * minutes)) {
			w.State = schemas.WindowFailed
		}
		many = append(many, w)
	}
	got = shown(t, func(s Screen) error { return s.Strip(many) })
	same(t, got, `
acme cdr
  2026-11-29 Sun  ██████×█████████████████████████████████████████  143/144
█ complete  ▓ file is there  ▒ asked for  · planned  × failed  _ no window`)
}

func TestWindows(t *testing.T) {
	t.Parallel()
	got := shown(t, func(s Screen) error { return s.Windows(windows("failed")) })
	same(t, got, `
TENANT  KIND  WINDOW                             SPAN                      STATE   MEANING
acme    cdr   20261129t000000z-20261129t010000z  2026-11-29 00:00 – 01:00  failed  as it is`)
}

func TestStory(t *testing.T) {
	t.Parallel()
	talked := 60
	story := ask.Story{
		Tenant: "acme", CallID: "7-1", Agents: []string{"101", "102"}, Linked: []ask.Link{{CallID: "7-2", How: "consultation", Agent: "101"}},
		Moments: []ask.Moment{
			{At: noon, Source: ask.SourceEvent, Agent: "101", What: "ringing", Where: "AICC_EVENTS/7"},
			{At: noon.Add(time.Second), Source: ask.SourceGap, Agent: "101", What: "events may be missing"},
		},
		Missing: []string{"its record"},
	}
	same(t, shown(t, func(s Screen) error { return s.Story(story) }), `
call 7-1 of acme
agents  101, 102
consultation  7-2, by agent 101

AT                       FROM   AGENT  WHAT                   WHERE
2026-11-30 12:00:00.000  event  101    ringing                AICC_EVENTS/7
2026-11-30 12:00:01.000  gap    101    events may be missing  -

not known:
  its record`)
	w := schemas.Window{From: noon.Add(-time.Hour), To: noon}
	story = ask.Story{Tenant: "acme", CallID: "7-1", Call: &schemas.Call{Window: w, Revision: 2, CallContent: schemas.CallContent{Direction: "inbound", Begin: noon, End: noon.Add(time.Minute), TalkS: &talked}}}
	same(t, shown(t, func(s Screen) error { return s.Story(story) }), `
call 7-1 of acme, inbound; revision 2, window 20261130t110000z-20261130t120000z
2026-11-30 12:00:00 – 12:01:00, talked 60s`)
}

func TestStatus(t *testing.T) {
	t.Parallel()
	st := ask.Status{
		At: noon, Agents: map[string]int{"ready": 2, "on_call": 1},
		Bridges: []ask.Bridge{{
			Instance: "b1", Version: "v1", Mode: "external", Started: noon.Add(-time.Hour), Tenants: []string{"acme"}, Agents: 3,
			Rates: ask.Rates{Events: 1.25}, Spool: &ask.Spool{Messages: 4}, Alarms: []ask.Alarm{{Name: "hub", Reason: "away", Since: noon.Add(-time.Minute)}},
		}},
		Leases:   []ask.Lease{{Tenant: "acme", By: "b1", Partitions: 64, Others: 1}},
		Coverage: []schemas.Coverage{{Tenant: "acme", Kind: schemas.KindCDR, From: noon.Add(-3 * time.Hour), CompleteTo: noon.Add(-2 * time.Hour), Holes: make([]schemas.Hole, 1)}},
		Windows:  []ask.WindowCount{{Tenant: "acme", Kind: schemas.KindCDR, State: schemas.WindowCompleted, Count: 7}},
		Letters:  []ask.LetterCount{{Tenant: "acme", Reason: schemas.ReasonOverdue, Count: 2, LastAt: noon.Add(-time.Minute)}},
	}
	same(t, shown(t, func(s Screen) error { return s.Status(st) }), `
BRIDGE  VERSION  NATS      UP     TENANTS  AGENTS  EVENTS/S  POLLS/S  ROWS/S  REQUESTS/S  SPOOL
b1      v1       external  1h00m  acme     3       1.2       0.0      0.0     0.0         4

alarm hub since 11:59:00 on b1: away

agents: on_call 1, ready 2

TENANT  LEASES-OF  PARTITIONS  OTHERS
acme    b1         64          1

TENANT  KIND  FROM      COMPLETE-TO  BEHIND  HOLES
acme    cdr   09:00:00  10:00:00     2h00m   1

TENANT  KIND  PLANNED  REQUESTED  READY  FAILED  COMPLETE
acme    cdr   0        0          0      0       7

TENANT  DEAD-LETTERS-OF-24H  COUNT  LAST
acme    overdue              2      11:59:00`)
	same(t, shown(t, func(s Screen) error { return s.Status(ask.Status{At: noon}) }), "no bridge answers")
}

// TestLines: each type of message is one line; what cannot be read is shown by its subject.
func TestLines(t *testing.T) {
	t.Parallel()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	w := schemas.Window{From: noon.Add(-time.Hour), To: noon}
	at := schemas.Position{Epoch: 1, Seq: 1}
	stored := func(m schemas.Message, err error) schemas.Stored {
		if err != nil {
			t.Fatal(err)
		}
		return schemas.Stored{Subject: m.Subject, Header: m.Headers(), Body: m.Body, StoredAt: noon}
	}
	for _, c := range []struct {
		m    schemas.Stored
		want string
	}{
		{stored(names.EventMessage(schemas.Event{Via: schemas.WayPoll, Tenant: "acme", Agent: "101", Type: "AgentEvent_Ringing", Group: schemas.GroupCall, Name: "ringing", CallID: "7-1", Caller: "5550100", ReceivedAt: noon, Position: at})),
			"acme  101  call.ringing  call 7-1  caller 5550100"},
		{stored(names.GapMessage(schemas.Gap{Tenant: "acme", Agent: "101", From: noon.Add(-time.Minute), To: noon, Cause: schemas.GapPollUnknown, Position: at})),
			"acme  101  gap  poll_unknown  11:59:00 – 12:00:00"},
		{stored(names.HeartbeatMessage(schemas.Heartbeat{Tenant: "acme", Agent: "101", State: schemas.StateReady, At: noon, Position: at})), "acme  101  heartbeat  ready"},
		{stored(names.WindowCompleteMessage(schemas.WindowComplete{Tenant: "acme", Kind: schemas.KindCDR, Window: w, ResponseID: "0123456789abcdef0123456789abcdef", Rows: 2, Added: 1, Files: []schemas.CompleteFile{}, SHA256: strings.Repeat("0", 64), CompletedAt: noon})),
			"acme  cdr  20261130t110000z-20261130t120000z  complete  2 rows, 1 added, 0 revised"},
		{stored(names.DeadLetterMessage(schemas.NewDeadLetter("acme", schemas.ReasonOverdue, "late", noon), "x")), "acme  dead letter  overdue  late"},
		{stored(names.CoverageMessage(schemas.Coverage{Tenant: "acme", Kind: schemas.KindCDR, From: w.From, CompleteTo: noon, At: noon})), "acme  cdr  complete up to  2026-11-30 12:00  holes 0"},
		{stored(names.AuditMessage(schemas.Audit{Tenant: "acme", What: schemas.AuditBackfill, By: "ann@desk", Order: "o1", Detail: "2 windows", At: noon})), "acme  audit  backfill_run  by ann@desk  order o1  2 windows"},
		{schemas.Stored{Subject: "aicc.v1.acme.new.thing", StoredAt: noon, Body: []byte("{}")}, "aicc.v1.acme.new.thing"},
		{schemas.Stored{Subject: "aicc.v1.acme.row.cdr.x", StoredAt: noon, Header: map[string][]string{"ce-type": {"aicc.v1.row.cdr"}}, Body: []byte(`{"tenant":"acme","kind":"cdr","call_id":"7-1","agent_id":"101"}`)}, "acme  cdr  row  call 7-1  agent 101"},
		{schemas.Stored{Subject: "aicc.v1.acme.row.cdr.x", StoredAt: noon, Header: map[string][]string{"ce-type": {"aicc.v1.row.cdr"}}, Body: []byte(`[`)}, "aicc.v1.acme.row.cdr.x"},
	} {
		line := Screen{Zone: time.UTC}.Line(c.m)
		if _, said, _ := strings.Cut(line, "  "); said != c.want {
			t.Errorf("%q, want %q", said, c.want)
		}
	}
}

// TestForeignText: what would do something to a terminal is shown, and does nothing.
func TestForeignText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain \u4f4f": "plain \u4f4f", "\x1b]0;title\x07": "\uFFFD]0;title\uFFFD", "a\tb\nc": "a\uFFFDb\uFFFDc", "\x1b[31mred\x1b[0m": "\x1b[31mred\x1b[0m", "\x1b[2J": "\uFFFD[2J", "\xff": "\uFFFD",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestColours(t *testing.T) {
	t.Parallel()
	if got := (Screen{Color: true}).paint(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	wait, talk := 3, 62
	got := shown(t, func(s Screen) error {
		return s.Calls([]ask.CallBrief{
			{Tenant: "acme", CallID: "7-2", Begin: noon, Caller: "5550100", Agents: []string{"101", "102"}, Legs: 2, WaitS: &wait, TalkS: &talk, State: ask.CallAnswered,
				Outcome: "normal release", Recordings: ask.BriefRecordings{All: 3, Stored: 1, Missing: 1}, Problems: []ask.CallProblem{ask.ProblemAudio}, Revision: 2},
			{Tenant: "acme", CallID: "7-1", Legs: 1, State: ask.CallOpen, Revision: 1},
		})
	})
	same(t, got, `
BEGIN                TENANT  CALL  AGENTS   LEGS  WAIT  TALK  STATE     OUTCOME         RECORDINGS              REVISION
2026-11-30 12:00:00  acme    7-2   101,102  2     3s    62s   answered  normal release  3, 1 stored, 1 missing  2
-                    acme    7-1   -        1     -     -     open      -               -                       1`)
}

func TestBackfills(t *testing.T) {
	t.Parallel()
	pace := func(string) time.Duration { return 30 * time.Second }
	span := schemas.Window{From: noon.Add(-2 * time.Hour), To: noon}
	got := shown(t, func(s Screen) error {
		if err := s.Spans([]Span{{Tenant: "acme", Kind: schemas.KindCDR, Span: span, Windows: 2, Why: "not in ledger"}}); err != nil {
			return err
		}
		return s.Backfills([]ask.Backfill{
			{ID: "o2", Tenant: "acme", Kinds: []schemas.Kind{schemas.KindCDR, schemas.KindOperation}, From: span.From, To: span.To, Windows: 9, Complete: 3, UnderWay: 1, Waiting: 4, Failed: 1},
			{ID: "o1", Tenant: "acme", Kinds: []schemas.Kind{schemas.KindCDR}, From: span.From, To: span.To, Windows: 2, Complete: 2},
		}, pace)
	})
	same(t, got, `
TENANT  KIND  SPAN                                 WINDOWS  WHY
acme    cdr   2026-11-30 10:00 – 2026-11-30 12:00  2        not in ledger

ORDER  TENANT  KINDS          SPAN                                 WINDOWS  COMPLETE  UNDER-WAY  WAITING  FAILED  LEFT
o2     acme    cdr,operation  2026-11-30 10:00 – 2026-11-30 12:00  9        3         1          4        1       ≥2m00s
o1     acme    cdr            2026-11-30 10:00 – 2026-11-30 12:00  2        2         0          0        0       -`)
}
