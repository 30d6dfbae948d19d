package truthcheck

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, r Report) {
	t.Helper()
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestGoodReport(t *testing.T) {
	s := good(t)
	r := s.report()
	golden(t, "good.json", r)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const prefix = `{"events":{"popped":8,"stored":8,"gaps":0},"files":{"made":6,"accepted":6,"failed":0},` +
		`"rows":{"in_files":21,"in_stream":21,"duplicates":0`
	if !strings.HasPrefix(string(text), prefix) {
		t.Errorf("report begins otherwise: %s", text)
	}
}

func TestEmptyReport(t *testing.T) {
	text, err := json.Marshal(newScene(t).report())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"events":{"popped":0,"stored":0,"gaps":0},"files":{"made":0,"accepted":0,"failed":0},` +
		`"rows":{"in_files":0,"in_stream":0,"duplicates":0},"ok":true}`
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

// A bad report names what is wrong, and neither numbers of people nor contents.
func TestBadReport(t *testing.T) {
	s := good(t)
	s.pop("101", "AgentEvent_Ringing", `{"caller":"5550100"}`)
	s.gap("101", s.now.Add(-time.Second), s.now, 1)
	s.event("101", "AgentState_Work", `null`)
	s.pop("101", "AgentEvent_Ringing", `{"caller":"5550100"}`)
	s.rows = append(s.rows[:1:1], s.rows[2:]...)
	s.file(schemas.KindSkill, 1, s.row(schemas.KindSkill, 3))
	r := s.report()
	golden(t, "bad.json", r)
	if text, _ := json.Marshal(r); strings.Contains(string(text), "5550100") {
		t.Error("the report holds a phone number")
	}
}

func TestProblemsAreFew(t *testing.T) {
	s := newScene(t)
	for range 3 * MaxProblems {
		s.pop("101", "AgentState_Ready", `null`)
	}
	r := s.report()
	if r.OK || len(r.Problems) != MaxProblems || r.Events.UnexplainedLost != 3*MaxProblems {
		t.Errorf("%d problems, %d unexplained", len(r.Problems), r.Events.UnexplainedLost)
	}
}

// Comparing does not change what was collected.
func TestCompareTwice(t *testing.T) {
	s := good(t)
	s.pop("101", "AgentState_Ready", `null`)
	c := New(s.zone, tenant)
	for _, m := range append(append(s.events, s.files...), s.rows...) {
		c.Message(m)
	}
	first := c.Compare(s.truth)
	if diff := cmp.Diff(first, c.Compare(s.truth)); diff != "" {
		t.Errorf("second report differs:\n%s", diff)
	}
}

func TestOthersAreIgnored(t *testing.T) {
	s := good(t)
	c := New(s.zone, "other")
	for _, m := range append(append(s.events, s.files...), s.rows...) {
		c.Message(m)
	}
	c.Message(schemas.Stored{Subject: "aicc.v1.other.coverage.cdr", Body: []byte("no JSON")})
	c.Message(schemas.Stored{Subject: "aicc.v1"})
	if r := c.Compare(newScene(t).truth); !r.OK || r.Events.Stored+r.Rows.InStream != 0 {
		t.Errorf("other tenants' messages count: %+v", r)
	}
}

func TestUnreadableMessages(t *testing.T) {
	window := newScene(t).window(0).String()
	for _, subject := range []string{
		"agent.101.call.ringing", "file.cdr.ready", "row.cdr." + window, "deadletter.damaged_zip", "row.nothing." + window,
	} {
		c := New(nil, tenant)
		c.Message(schemas.Stored{Subject: "aicc.v1.acme." + subject, Body: []byte(`{`)})
		if c.Compare(newScene(t).truth).OK {
			t.Errorf("%s: a body that is no JSON went through", subject)
		}
	}
}

func FuzzMessage(f *testing.F) {
	s := good(f)
	s.fail(s.file(schemas.KindCDR, 2), schemas.ReasonDamagedZip)
	for _, stream := range [][]schemas.Stored{s.events, s.files, s.rows, s.dead} {
		for _, m := range stream[max(0, len(stream)-6):] {
			f.Add(m.Subject, m.Get("ce-type"), m.Get("ce-id"), m.Body)
		}
	}
	f.Fuzz(func(t *testing.T, subject, typ, id string, body []byte) {
		c := New(nil, tenant)
		m := schemas.Stored{Subject: subject, Header: map[string][]string{"ce-type": {typ}, "ce-id": {id}}, Body: body}
		c.Message(m)
		c.Message(m)
		c.Compare(s.truth)
	})
}
