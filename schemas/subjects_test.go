package schemas_test

import (
	"strings"
	"testing"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

// Each subject belongs to one stream.
func TestEveryStreamIsInTheTable(t *testing.T) {
	n := schematest.Names(t)
	for _, s := range schemas.Streams() {
		for _, pattern := range n.StreamSubjects(s) {
			subject := strings.NewReplacer("*", "x", ">", "x.y").Replace(pattern)
			for _, other := range schemas.Streams() {
				if got := n.InStream(other, subject); got != (s == other) {
					t.Errorf("%s on %s: %v", subject, other, got)
				}
			}
			if got, ok := n.StreamOf(subject); !ok || got != s {
				t.Errorf("%s is of %s, %v", subject, got, ok)
			}
		}
	}
	for _, c := range n.Consumers() {
		if !n.InStream(c.Stream, c.Filter) {
			t.Errorf("%s is given what is not in its stream", c.Name)
		}
	}
	if s, ok := n.StreamOf(n.FileReady("acme", schemas.KindCDR)); !ok || s != schemas.StreamFiles {
		t.Error("a file has no stream")
	}
	for _, elsewhere := range []string{"", ">", n.All(), n.Notice("acme", "1"), "other.v1.acme.agent.1.call.x"} {
		if s, ok := n.StreamOf(elsewhere); ok {
			t.Errorf("%q is of %s", elsewhere, s)
		}
	}
}

func TestSubjectCovers(t *testing.T) {
	for _, tt := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a.c", false},
		{"a.b", "a", false},
		{"a", "a.b", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"a.*", "a.*", true},
		{"a.b", "a.*", false},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{"a.>", "a.*.c", true},
		{"a.>", "a.>", true},
		{"a.*", "a.>", false},
		{">", "a", true},
		{">", "", false},
	} {
		if got := schemas.Covers(tt.pattern, tt.subject); got != tt.want {
			t.Errorf("%q covers %q: %v", tt.pattern, tt.subject, got)
		}
	}
}

func TestWhoseSubjectItIs(t *testing.T) {
	n := schematest.Names(t)
	for subject, want := range map[string]string{
		n.Event("A", "7", schemas.GroupCall, "ringing"): "A",
		n.Notice("acme", "1"):                           "acme",
		"aicc.v1.UP.file.x.ready":                       "UP",
		"odd":                                           "odd",
	} {
		if got := schemas.TenantOf(subject); got != want {
			t.Errorf("%s is of %q, want %q", subject, got, want)
		}
	}
	event := n.Event("acme", "a.7", schemas.GroupCall, "ringing")
	if got := schemas.AgentOf(event); got != n.Agent("acme", "a.7") || !schemas.Covers(got, event) {
		t.Errorf("%s is of %s", event, got)
	}
	if !schemas.Covers(n.Notices(), n.Notice("a.b", "1")) {
		t.Error("a notice is none")
	}
}
