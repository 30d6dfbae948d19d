package ask

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// TestCall: live events of two agents, a consultation, the record's legs and audio, and what
// is missing come as one story, in order.
func TestCall(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	begin := time.Now().UTC().Truncate(time.Second).Add(-20 * time.Minute)
	id := fmt.Sprintf("%d-1001", begin.Unix())
	consult := fmt.Sprintf("%d-1002", begin.Unix()+60)
	after := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	h.event("101", "AgentEvent_Ringing", 1, after(10), `{"callid":"`+id+`"}`)
	h.event("101", "AgentState_Busy", 2, after(15), "null")
	h.event("101", "AgentEvent_Talking", 3, after(16), `{"callid":"`+id+`"}`)
	h.event("101", "AgentEvent_Talking", 4, after(60), `{"callid":"`+consult+`","type":"assistant"}`)
	h.event("101", "AgentEvent_Call_Release", 5, after(100), `"`+id+`"`)
	h.event("101", "AgentState_Work", 6, after(101), "null")
	h.event("101", "AgentState_Ready", 7, after(140), "null")
	h.event("102", "AgentEvent_Ringing", 1, after(99), `{"callid":"`+id+`"}`)
	h.event("102", "AgentEvent_Call_Release", 2, after(200), `"`+id+`"`)
	h.event("103", "AgentEvent_Talking", 1, after(50), `{"callid":"7-7"}`) // of another call
	h.publish(h.Names.GapMessage(schemas.Gap{Tenant: acme, Agent: "102", From: after(120), To: after(121), Cause: schemas.GapPollUnknown, Position: schemas.Position{Epoch: 1, Seq: 3}}))

	story, err := h.Call(t.Context(), CallQuery{Tenant: acme, CallID: id})
	if err != nil {
		t.Fatal(err)
	}
	if story.Call != nil || !slices.Equal(story.Agents, []string{"101", "102"}) || len(story.Missing) != 1 || !strings.Contains(story.Missing[0], "no window") {
		t.Errorf("%+v", story)
	}
	if want := []Link{{CallID: consult, How: "consultation", Agent: "101"}}; !slices.Equal(story.Linked, want) {
		t.Errorf("linked %+v", story.Linked)
	}
	var told []string
	for _, m := range story.Moments {
		told = append(told, fmt.Sprintf("%d %s %s %s", int(m.At.Sub(begin).Seconds()), m.Source, m.Agent, m.What))
	}
	want := []string{
		"10 event 101 ringing", "15 event 101 on call", "16 event 101 talking", "60 event 101 talking (consultation)", "99 event 102 ringing",
		"100 event 101 call release", "101 event 101 wrapup", "120 gap 102 events may be missing until " + after(121).Format("15:04:05.000") + " (poll_unknown)", "200 event 102 call release",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	if _, err := h.Call(t.Context(), CallQuery{Tenant: acme, CallID: "nothing", Around: begin}); !errors.Is(err, ErrNone) {
		t.Errorf("error %v", err)
	}
}

// TestCallWithoutATime: an id that does not tell when the call was needs a time beside it.
func TestCallWithoutATime(t *testing.T) {
	t.Parallel()
	for id, tells := range map[string]bool{"1764374900-1001": true, "11538": false, "1-1": false, "99999999999-1": false, "x-1": false, "": false} {
		if got := (CallQuery{CallID: id}).began(); got.IsZero() == tells {
			t.Errorf("%q: %s", id, got)
		}
	}
	if _, err := (Questions{}).Call(t.Context(), CallQuery{Tenant: acme, CallID: "11538"}); !errors.Is(err, ErrWhen) {
		t.Errorf("error %v", err)
	}
}

// TestCallWithRecord: the record is found by the windows around the call's beginning, in its
// newest revision, and a window that is not complete is named.
func TestCallWithRecord(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	begin := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	id := fmt.Sprintf("%d-1001", begin.Add(10*time.Minute).Unix())
	one := 1
	w := schemas.Window{From: begin, To: begin.Add(time.Hour)}
	next := schemas.Window{From: w.To, To: w.To.Add(time.Hour)}
	h.put(schemas.BucketWindows, schemas.WindowKey(acme, schemas.KindCDR, w), schemas.WindowEntry{Tenant: acme, Kind: schemas.KindCDR, Window: w, State: schemas.WindowCompleted, Rows: 5, CompletedAt: next.From})
	h.put(schemas.BucketWindows, schemas.WindowKey(acme, schemas.KindCDR, next), schemas.WindowEntry{
		Tenant: acme, Kind: schemas.KindCDR, Window: next, State: schemas.WindowFailed, Reason: schemas.ReasonDamagedZip, Attempts: 2,
	})
	last := uint64(0)
	for revision := 1; revision <= 2; revision++ {
		c := schemas.Call{Tenant: acme, Window: w, CallID: id, Revision: revision, Sources: schemas.CallSources{Complete: []schemas.Kind{schemas.KindCDR}, Pending: []schemas.Kind{schemas.KindRecording}, Audio: schemas.AudioOff}}
		c.Legs = []schemas.CallLeg{{Number: &one, Agent: "101", CallBegin: begin.Add(11 * time.Minute), CallEnd: begin.Add(12 * time.Minute), Row: "r1"}}
		c.Begin, c.End = begin.Add(10*time.Minute), begin.Add(12*time.Minute)
		c.Rows = []schemas.CallRows{{Kind: schemas.KindCDR, Window: w, IDs: []string{"r1"}}}
		digest, err := c.Digest()
		if err != nil {
			t.Fatal(err)
		}
		m, err := h.Names.CallMessage(c, digest, c.End)
		if err != nil {
			t.Fatal(err)
		}
		if last, err = h.Hub.Calls().Append(t.Context(), acme, []schemas.Message{m}, last); err != nil {
			t.Fatal(err)
		}
	}
	story, err := h.Call(t.Context(), CallQuery{Tenant: acme, CallID: id})
	if err != nil {
		t.Fatal(err)
	}
	if story.Call == nil || story.Call.Revision != 2 || !slices.Equal(story.Agents, []string{"101"}) || len(story.Moments) != 2 {
		t.Errorf("%+v", story)
	}
	if said := strings.Join(story.Missing, "\n"); !strings.Contains(said, "no live event") || !strings.Contains(said, "rows of recording: a window") || !strings.Contains(said, "its last leg") {
		t.Errorf("missing:\n%s", said)
	}
	missing := CallQuery{Tenant: acme, CallID: "7", Around: begin.Add(70 * time.Minute)}
	h.event("101", "AgentEvent_Ringing", 1, missing.Around, `{"callid":"7"}`)
	story, err = h.Call(t.Context(), missing)
	if err != nil || story.Call != nil || len(story.Missing) != 1 || !strings.Contains(story.Missing[0], "the file was damaged (attempt 2)") {
		t.Errorf("%+v %v", story, err)
	}
}
