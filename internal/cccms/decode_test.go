package cccms

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/foreign"
)

func read(t testing.TB, file string) foreign.Object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	o, err := foreign.ParseObject(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// plain is an agent of whom nothing is said but where he stands.
func plain(id string, s State) Agent {
	return Agent{ID: id, State: s, For: unset, Reason: unset, Gateway: unset}
}

var signedInAt = time.UnixMilli(1764374400000).UTC()

// TestAnswers reads answers as the pages show them, and as platforms differ from those.
func TestAnswers(t *testing.T) {
	for file, want := range map[string]struct {
		agents []Agent
		bad    int
	}{
		"states.json":        {agents: []Agent{plain("101", Idle), plain("102", Talking), plain("103", SignedOut)}},
		"states_quoted.json": {agents: []Agent{plain("101", Idle), plain("900001", Adjusting)}},
		"spells.json": {agents: []Agent{
			plain("103", SignedOut),
			{ID: "101", State: Resting, For: 61 * time.Second, Reason: unset, Gateway: unset},
		}},
		"some.json": {agents: []Agent{
			{ID: "101", State: Busy, For: 42 * time.Second, Reason: unset, Gateway: unset, SignedInAt: signedInAt},
			{ID: "103", State: SignedOut, For: 90 * time.Minute, Reason: 258, Gateway: unset},
		}},
		"odd_rows.json": {agents: []Agent{plain("101", Idle), plain("104", 11)}, bad: 5},
	} {
		got, bad, err := agentsOf(read(t, file))
		if diff := cmp.Diff(want.agents, got); diff != "" || bad != want.bad || err != nil {
			t.Errorf("%s: %d bad rows, %v, (-want +got)\n%s", file, bad, err, diff)
		}
	}
	for file, want := range map[string]Agent{
		"one.json":     {ID: "101", State: Idle, For: 17 * time.Second, Reason: unset, Gateway: 4, SignedInAt: signedInAt},
		"one_old.json": {ID: "101", State: SignedOut, For: unset, Reason: unset, Gateway: 2},
		"some.json":    {ID: "101", State: Busy, For: 42 * time.Second, Reason: unset, Gateway: unset, SignedInAt: signedInAt},
	} {
		got, err := agentOf(read(t, file))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, (-want +got)\n%s", file, err, diff)
		}
	}
	if _, _, err := agentsOf(read(t, "refused.json")); err == nil {
		t.Error("a text is taken for a list")
	}
	if _, err := agentOf(read(t, "refused.json")); err == nil {
		t.Error("a text is taken for an agent")
	}
}

// FuzzAgents reads anything without a panic, and makes of it what can be.
func FuzzAgents(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := foreign.ParseObject(text)
		if err != nil {
			return
		}
		all, bad, err := agentsOf(o)
		if err != nil && len(all)+bad > 0 {
			t.Errorf("%d agents beside %v", len(all), err)
		}
		one, err := agentOf(o)
		if err == nil {
			all = append(all, one)
		}
		for _, a := range all {
			if a.ID == "" || a.State < SignedOut || a.State > 1<<31-1 || a.For < -1 || a.Reason < unset || a.Reason >= wrappedShort {
				t.Errorf("%+v", a)
			}
			if a.State == SignedOut && !a.SignedInAt.IsZero() || a.SignedInAt.Year() > 2106 {
				t.Errorf("signed in at %v: %+v", a.SignedInAt, a)
			}
			if _, err := json.Marshal(a); err != nil {
				t.Errorf("%+v: %v", a, err)
			}
		}
	})
}
