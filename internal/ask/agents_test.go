package ask

import (
	"fmt"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// TestAgentsNow: states, sessions, last messages and leases of all agents are put together.
func TestAgentsNow(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	h.event("101", "AgentState_Ready", 1, now.Add(-time.Minute), "null")
	h.heartbeat("101", schemas.StateReady, now.Add(-time.Minute), now, 1)
	h.put(schemas.BucketState, schemas.AgentKey(acme, "101"), schemas.AgentState{
		Tenant: acme, Agent: "101", State: schemas.StateOnCall, Since: now, CallID: "7-1", Position: schemas.Position{Epoch: 1, Seq: 2},
	})
	h.put(schemas.BucketSessions, schemas.AgentKey(acme, "101"), schemas.Session{Tenant: acme, Agent: "101", GUID: "sealed", Polling: true, Epoch: 3, LastSeq: 4})
	h.put(schemas.BucketSessions, schemas.AgentKey("Other", "1"), schemas.Session{Tenant: "Other", Agent: "1", Epoch: 1})
	h.put(schemas.BucketLeases, schemas.LeaseKey(acme, "7"), map[string]string{"instance": "bridge-1"})
	h.put(schemas.BucketLeases, schemas.LeaseKey(acme, "7")+".epoch", map[string]any{"instance": "bridge-0", "epoch": 3})

	all, err := h.Agents(t.Context(), Scope{})
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
	a := all[1]
	if a.Tenant != acme || a.State != schemas.StateOnCall || !a.Since.Equal(now) || a.CallID != "7-1" || a.Position != (schemas.Position{Epoch: 3, Seq: 4}) ||
		!a.Polled || a.By != "bridge-1" || a.Event != "state.ready" || !a.HeardAt.After(a.EventAt) {
		t.Errorf("%+v", a)
	}
	if o := all[0]; o.Tenant != "Other" || o.State != schemas.StateUnknown || o.By != "" || o.Polled {
		t.Errorf("%+v", o)
	}
	for scope, want := range map[Scope]int{{Tenant: acme}: 1, {Tenant: acme, Agent: "101"}: 1, {Tenant: acme, Agent: "102"}: 0, {Tenant: "nobody"}: 0} {
		if all, err := h.Agents(t.Context(), scope); err != nil || len(all) != want {
			t.Errorf("%+v: %+v %v", scope, all, err)
		}
	}
	if tenants, err := h.Tenants(t.Context()); err != nil || fmt.Sprint(tenants) != "[acme]" {
		t.Errorf("%v %v", tenants, err)
	}
}

// TestAgentsAt: at each instant an agent stands where its events until then have led it,
// whatever came later; agents of which nothing older is kept are unknown.
func TestAgentsAt(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	start := time.Now().UTC().Truncate(time.Second).Add(-10 * time.Minute)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	h.event("101", "AgentState_Ready", 1, at(1), "null")
	h.event("102", "AgentState_Ready", 1, at(2), "null")
	h.event("101", "AgentState_Busy", 2, at(3), "null")
	h.event("101", "AgentEvent_Talking", 3, at(3), `{"callid":"7-1"}`)
	h.event("101", "AgentEvent_Call_Release", 4, at(5), `"7-1"`)
	h.event("101", "AgentState_Work", 5, at(5), "null")
	h.event("102", "AgentOther_ShutdownService", 2, at(6), "null")
	h.heartbeat("101", schemas.StateWrapup, at(5), at(7), 5)
	for minutes, want := range map[int]map[string]string{
		0: {"101": "unknown ", "102": "unknown "},
		1: {"101": "ready ", "102": "unknown "},
		2: {"101": "ready ", "102": "ready "},
		4: {"101": "on_call 7-1", "102": "ready "},
		6: {"101": "wrapup ", "102": "signed_out "},
		9: {"101": "wrapup ", "102": "signed_out "},
	} {
		all, err := h.AgentsAt(t.Context(), Scope{Tenant: acme}, at(minutes))
		got := map[string]string{}
		for _, a := range all {
			got[a.Agent] = fmt.Sprintf("%s %s", a.State, a.CallID)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after %d minutes: %v, want %v (%v)", minutes, got, want, err)
		}
	}
}
