package schemas_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

// A digest tells which members of a call differ, and that none does.
func TestDigestsTellWhatChanged(t *testing.T) {
	digest := func(c schemas.CallContent) string {
		t.Helper()
		d, err := c.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	call := testCall(schematest.File(schemas.KindCDR).Window).CallContent
	before := digest(call)
	if again := digest(call); again != before || schemas.ChangedMembers(before, again) != nil {
		t.Errorf("one content has the digests %s and %s", before, again)
	}
	after := call
	after.Recordings, after.Caller, after.LeftOut = nil, "5550111", []string{"operations"}
	if diff := cmp.Diff([]string{"caller", "recordings", "left_out"}, schemas.ChangedMembers(before, digest(after))); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	older := before[:len(before)-1] // of a bridge that did not know the last member
	if changed := schemas.ChangedMembers(older, before); changed != nil {
		t.Errorf("a member that is absent makes a difference to a digest without it: %v", changed)
	}
	if diff := cmp.Diff([]string{"left_out"}, schemas.ChangedMembers(older, digest(schemas.CallContent{
		Direction: call.Direction, CallType: call.CallType, MediaType: call.MediaType, ReleaseCause: call.ReleaseCause, Names: call.Names,
		Caller: call.Caller, Called: call.Called, Begin: call.Begin, End: call.End, WaitS: call.WaitS, RingS: call.RingS, TalkS: call.TalkS,
		Closed: call.Closed, Agents: call.Agents, Skills: call.Skills, Legs: call.Legs, Recordings: call.Recordings, Operations: call.Operations,
		Rows: call.Rows, LeftOut: []string{"legs"},
	}))); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

// Every member of a call's content counts in its digest.
func TestDigestKnowsEveryMember(t *testing.T) {
	m := testMessages(t)[schemas.TypeCall]
	var members map[string]json.RawMessage
	if err := json.Unmarshal(m.Body, &members); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"tenant", "window", "call_id", "revision", "changed", "sources"} {
		delete(members, own)
	}
	all := schemas.ChangedMembers("", schemas.ReadCallHeader(m.Headers()).Digest)
	slices.Sort(all)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(members)), all); diff != "" {
		t.Errorf("(-body +digest):\n%s", diff)
	}
}

func TestCallHeaders(t *testing.T) {
	c := testCall(schematest.File(schemas.KindCDR).Window)
	c.CallID = "odd id.7"
	m, err := schematest.Names(t).CallMessage(c, "-", time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	h := schemas.ReadCallHeader(m.Headers())
	if h.Type != schemas.TypeCall || h.Call != "odd=20id=2e7" || h.Revision != 2 || m.ID != "odd=20id=2e7.2" {
		t.Errorf("headers %+v, id %s", h, m.ID)
	}
	if h := schemas.ReadCallHeader(testMessages(t)[schemas.TypeCallsComplete].Headers()); h.Type != schemas.TypeCallsComplete || h.Call != "" {
		t.Errorf("a marker's headers: %+v", h)
	}
}

func TestCallsSayWhatIsWrong(t *testing.T) {
	w := schematest.File(schemas.KindCDR).Window
	for name, change := range map[string]func(*schemas.Call){
		"window": func(c *schemas.Call) { c.Window = schemas.Window{} }, "tenant": func(c *schemas.Call) { c.Tenant = "" },
		"id": func(c *schemas.Call) { c.CallID = "" }, "revision": func(c *schemas.Call) { c.Revision = 0 },
		"legs": func(c *schemas.Call) { c.Legs = nil }, "rows": func(c *schemas.Call) { c.Rows = nil },
		"sources": func(c *schemas.Call) { c.Sources.Complete = nil },
	} {
		c := testCall(w)
		if c.Revision = 1; c.Validate() != nil {
			t.Fatal("a good call is refused")
		}
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good := schemas.CallsComplete{Tenant: "acme", Window: w, Calls: 2, Added: 1, Revised: 1, From: w.From, To: w.To, CompletedAt: w.To, Audio: schemas.AudioOff}
	for name, change := range map[string]func(*schemas.CallsComplete){
		"audio": func(c *schemas.CallsComplete) { c.Audio = "" }, "window": func(c *schemas.CallsComplete) { c.Window = schemas.Window{} }, "tenant": func(c *schemas.CallsComplete) { c.Tenant = "" },
		"counts": func(c *schemas.CallsComplete) { c.Calls = 1 }, "time": func(c *schemas.CallsComplete) { c.CompletedAt = time.Time{} },
		"span": func(c *schemas.CallsComplete) { c.To = w.From },
	} {
		c := good
		for _, counts := range [][2]int{{0, 0}, {1, 0}, {1, 1}} {
			if c.Added, c.Revised = counts[0], counts[1]; c.Validate() != nil {
				t.Fatalf("a good marker is refused: %+v", c)
			}
		}
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
