package ask

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// openings is when the windows of the tests begin.
var openings = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

// hour is a window of that day.
func hour(n int) schemas.Window {
	from := openings.Add(time.Duration(n) * time.Hour)
	return schemas.Window{From: from, To: from.Add(time.Hour)}
}

// call is one of an hour that began so many minutes after its begin, and that agent 101 took.
func call(id string, home, minutes, revision int) schemas.Call {
	begin := hour(home).From.Add(time.Duration(minutes) * time.Minute)
	n, talk := -1, 20
	return schemas.Call{
		Tenant: acme, Window: hour(home), CallID: id, Revision: revision, Sources: schemas.CallSources{Complete: []schemas.Kind{schemas.KindCDR}, Audio: schemas.AudioOff},
		CallContent: schemas.CallContent{
			Begin: begin, End: begin.Add(30 * time.Second), TalkS: &talk, Closed: true, Agents: []string{"101"},
			Legs: []schemas.CallLeg{{Number: &n, Agent: "101", CallBegin: begin, Row: "r" + id}}, Rows: []schemas.CallRows{{Kind: schemas.KindCDR, Window: hour(home), IDs: []string{"r" + id}}},
		},
	}
}

// callSink stores calls of a tenant, and the markers of their windows.
type callSink struct {
	hub
	last uint64
}

func (s *callSink) store(all ...schemas.Call) {
	s.t.Helper()
	for _, c := range all {
		digest, err := c.Digest()
		if err != nil {
			s.t.Fatal(err)
		}
		m, err := s.Names.CallMessage(c, digest, c.End)
		if err != nil {
			s.t.Fatal(err)
		}
		marker, err := s.Names.CallsCompleteMessage(schemas.CallsComplete{
			Tenant: c.Tenant, Window: c.Window, Calls: 1, From: c.Window.From, To: c.Window.To, Audio: schemas.AudioOff, CompletedAt: c.Window.To,
		})
		if err == nil {
			s.last, err = s.Hub.Calls().Append(s.t.Context(), c.Tenant, []schemas.Message{m, marker}, s.last)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// listed are the calls asked for: their ids and revisions.
func (s *callSink) listed(which CallsQuery) string {
	s.t.Helper()
	all, err := s.Questions.Calls(s.t.Context(), which)
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, b := range all {
		ids = append(ids, fmt.Sprintf("%s.%d", b.CallID, b.Revision))
	}
	return strings.Join(ids, " ")
}

// TestCalls: the newest revision of each call, the newest call first, of those that are asked
// for, also where a call began long before its window.
func TestCalls(t *testing.T) {
	t.Parallel()
	s := callSink{hub: newHub(t)}
	long := call("long", 3, -90, 1) // began in hour 1, and was filed in hour 3
	open := call("open", 2, 10, 1)
	open.Closed, open.Agents, open.Sources.Pending = false, []string{"102"}, []schemas.Kind{schemas.KindRecording}
	silent := call("silent", 1, 40, 1)
	silent.Recordings = []schemas.CallRecording{
		{Row: "x", Audio: schemas.CallAudio{Status: schemas.RecordingMissing, Reason: schemas.RecordingAbsent, At: openings}},
		{Row: "y", Audio: schemas.CallAudio{Status: schemas.RecordingStored, At: openings}}, {Row: "z"},
	}
	again := call("first", 0, 5, 2)
	again.Legs[0].Agent, again.Agents = "", nil // nobody took it, as is known by now
	s.store(call("first", 0, 5, 1), call("second", 0, 50, 1), silent, again, open, long)
	for _, tt := range []struct {
		which CallsQuery
		want  string
	}{
		{CallsQuery{}, "open.1 silent.1 long.1 second.1 first.2"},
		{CallsQuery{Limit: 2}, "open.1 silent.1"},
		{CallsQuery{Limit: 3}, "open.1 silent.1 long.1"},
		{CallsQuery{Tenant: "nobody"}, ""},
		{CallsQuery{Tenant: acme, Agent: "102"}, "open.1"},
		{CallsQuery{State: CallUnanswered}, "first.2"},
		{CallsQuery{State: CallAnswered, Limit: 1}, "silent.1"},
		{CallsQuery{Problem: true}, "open.1 silent.1"},
		{CallsQuery{From: hour(1).From}, "open.1 silent.1 long.1"},
		{CallsQuery{From: hour(1).From, To: hour(2).From}, "silent.1 long.1"},
		{CallsQuery{To: hour(0).From.Add(6 * time.Minute)}, "first.2"},
	} {
		if got := s.listed(tt.which); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.which, got, tt.want)
		}
	}
	all, err := s.Questions.Calls(t.Context(), CallsQuery{Problem: true})
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if b := all[0]; b.State != CallOpen || !slices.Equal(b.Problems, []CallProblem{ProblemOpen, ProblemPending}) || b.Legs != 1 || *b.TalkS != 20 {
		t.Errorf("open: %+v", b)
	}
	if b := all[1]; b.State != CallAnswered || b.Recordings != (BriefRecordings{3, 1, 1}) || !slices.Equal(b.Problems, []CallProblem{ProblemAudio}) {
		t.Errorf("silent: %+v", b)
	}
	if _, err := s.Questions.Calls(t.Context(), CallsQuery{Limit: -1}); err == nil {
		t.Error("a limit below nothing")
	}
}

// counting notes which subjects are read.
type counting struct {
	Hub
	read []string
}

func (c *counting) Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error {
	c.read = append(c.read, filter)
	return c.Hub.Read(ctx, stream, filter, from, f)
}

// TestCallsOfFewWindows: of a year of windows only the newest are read.
func TestCallsOfFewWindows(t *testing.T) {
	t.Parallel()
	s := callSink{hub: newHub(t)}
	for h := range 40 {
		s.store(call(fmt.Sprint("c", h), h, 30, 1))
	}
	reads := &counting{Hub: s.Questions.Hub}
	s.Questions.Hub = reads
	if got := s.listed(CallsQuery{Limit: 2}); got != "c39.1 c38.1" {
		t.Error(got)
	}
	if len(reads.read) > 3 {
		t.Errorf("%d windows were read", len(reads.read))
	}
}
