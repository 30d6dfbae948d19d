package truth_test

import (
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

func TestEventsAreNumberedPerAgent(t *testing.T) {
	l := truth.New()
	var all sync.WaitGroup
	for _, agent := range []string{"101", "102"} {
		all.Go(func() {
			for range 100 {
				l.Popped(truth.Event{Agent: agent, Type: "AgentState_Ready"})
			}
		})
	}
	all.Wait()
	next := map[string]uint64{}
	for _, e := range l.Snapshot().Events {
		next[e.Agent]++
		if e.N != next[e.Agent] {
			t.Fatalf("agent %s: number %d where %d was due", e.Agent, e.N, next[e.Agent])
		}
	}
}

func TestCutMarksOneEvent(t *testing.T) {
	l := truth.New()
	l.Popped(truth.Event{Agent: "101"})
	l.Popped(truth.Event{Agent: "102"})
	n := l.Popped(truth.Event{Agent: "101"})
	l.Cut("101", n)
	l.Cut("101", 9)
	l.Cut("101", 0)
	l.Cut("999", 1)
	got := l.Snapshot().Events
	if got[0].Cut || got[1].Cut || !got[2].Cut {
		t.Errorf("cut marks: %v %v %v", got[0].Cut, got[1].Cut, got[2].Cut)
	}
}

func TestPollingIsCounted(t *testing.T) {
	l := truth.New()
	l.Polled("101", 3*time.Second, 0)
	before := l.Snapshot()
	l.Polled("101", 7*time.Second, 0)
	l.Polled("101", 0, 1)
	l.Polled("102", time.Second, 0)
	want := map[string]truth.Polling{
		"101": {Polls: 3, LongestSilence: 7 * time.Second, Overlaps: 1},
		"102": {Polls: 1, LongestSilence: time.Second},
	}
	if got := l.Snapshot().Polling; !maps.Equal(got, want) {
		t.Errorf("the polls are %+v, want %+v", got, want)
	}
	if before.Polling["101"].Polls != 1 {
		t.Error("a later poll changed a snapshot")
	}
}

func TestSnapshotIsACopy(t *testing.T) {
	l := truth.New()
	l.Popped(truth.Event{Agent: "101", Content: json.RawMessage(`"a"`)})
	l.Dropped(truth.Drop{Agent: "101", Content: json.RawMessage(`"a"`)})
	l.Session(truth.Session{Agent: "101"})
	l.File(truth.File{Rows: []world.Row{{Cells: []string{"a"}}}})
	l.Callback(truth.Callback{ResponseID: "a"})
	l.Download(truth.Download{Name: "a"})
	s := l.Snapshot()
	s.Events[0].Content[1] = 'b'
	s.Drops[0].Content[1] = 'b'
	s.Files[0].Rows[0].Cells[0] = "b"
	s.Callbacks[0].ResponseID = "b"
	again := l.Snapshot()
	if string(again.Events[0].Content) != `"a"` || string(again.Drops[0].Content) != `"a"` ||
		again.Files[0].Rows[0].Cells[0] != "a" || again.Callbacks[0].ResponseID != "a" {
		t.Error("changing a snapshot changed the log")
	}
	text, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	var back truth.Snapshot
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Events) != 1 || len(back.Files) != 1 || len(back.Sessions) != 1 || len(back.Downloads) != 1 {
		t.Errorf("snapshot did not survive JSON: %s", text)
	}
}

// The zero time must print, or a reader of /truth fails.
func TestZeroTimesPrint(t *testing.T) {
	l := truth.New()
	l.File(truth.File{Begin: time.Time{}})
	if _, err := json.Marshal(l.Snapshot()); err != nil {
		t.Error(err)
	}
}
