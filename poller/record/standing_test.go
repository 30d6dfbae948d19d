package record

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

func standing(s *shelf, logs *strings.Builder) *Standing {
	return newStanding(s, "acme", "291", zerolog.New(logs).Level(zerolog.WarnLevel))
}

func TestWhatEventsSayOfTheStanding(t *testing.T) {
	for name, c := range map[string]struct {
		events []schemas.Event
		state  schemas.State
		call   string
		writes int
	}{
		"nothing":           {nil, schemas.StateUnknown, "", 0},
		"a state":           {[]schemas.Event{{State: schemas.StateReady}}, schemas.StateReady, "", 1},
		"the same again":    {[]schemas.Event{{State: schemas.StateReady}, {State: schemas.StateReady}}, schemas.StateReady, "", 1},
		"a call":            {[]schemas.Event{{State: schemas.StateOnCall}, {Group: schemas.GroupCall, CallID: "1-1"}}, schemas.StateOnCall, "1-1", 2},
		"another's leg":     {[]schemas.Event{{Group: schemas.GroupCall, CallID: "1-1"}, {Group: schemas.GroupCall, CallID: "1-2", CallRole: "assistant"}}, schemas.StateUnknown, "1-1", 1},
		"the customer goes": {[]schemas.Event{{Group: schemas.GroupCall, CallID: "1-1", Name: "customer_release"}}, schemas.StateUnknown, "", 0},
		"the call is over":  {[]schemas.Event{{Group: schemas.GroupCall, CallID: "1-1"}, {Type: "AgentEvent_Call_Release", CallID: "1-1"}}, schemas.StateUnknown, "", 2},
		"another is over":   {[]schemas.Event{{Group: schemas.GroupCall, CallID: "1-1"}, {Type: "AgentEvent_Call_Release", CallID: "1-2"}}, schemas.StateUnknown, "1-1", 1},
		"and then a state":  {[]schemas.Event{{Group: schemas.GroupCall, CallID: "1-1"}, {State: schemas.StateWrapup}}, schemas.StateWrapup, "", 2},
	} {
		s := &shelf{}
		k := standing(s, &strings.Builder{})
		for i, e := range c.events {
			e.ReceivedAt, e.Position = time.Unix(int64(i), 0), schemas.Position{Epoch: 7, Seq: uint64(i) + 1}
			k.learn(t.Context(), e)
		}
		if k.known.State != c.state || k.known.CallID != c.call || len(s.states) != c.writes || int(k.known.Seq) != len(c.events) {
			t.Errorf("%s: %+v after %d writes", name, k.known, len(s.states))
		}
	}
}

func TestAWriteThatFailsIsTriedAgain(t *testing.T) {
	s := &shelf{fail: errors.New("no responders")}
	k := standing(s, &strings.Builder{})
	k.learn(t.Context(), schemas.Event{Via: schemas.WayPoll, State: schemas.StateReady})
	s.fail = nil
	k.Refresh(t.Context())
	k.Refresh(t.Context())
	var kept schemas.AgentState
	if len(s.states) != 1 || json.Unmarshal(s.states[0], &kept) != nil || kept.State != schemas.StateReady || kept.Agent != "291" || kept.Tenant != "acme" {
		t.Errorf("%d writes: %+v", len(s.states), kept)
	}
}

func TestWhatIsRecalledAndForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		kept           string
		err            error
		state          schemas.State
		afterForgotten schemas.State
	}{
		"nothing":     {"", nil, schemas.StateUnknown, schemas.StateUnknown},
		"a state":     {`{"agent":"291","state":"rest"}`, nil, schemas.StateRest, schemas.StateUnknown},
		"signed out":  {`{"agent":"291","state":"signed_out"}`, nil, schemas.StateSignedOut, schemas.StateSignedOut},
		"another's":   {`{"agent":"292","state":"rest"}`, nil, schemas.StateUnknown, schemas.StateUnknown},
		"no JSON":     {`<html>`, nil, schemas.StateUnknown, schemas.StateUnknown},
		"unreachable": {`{"agent":"291","state":"rest"}`, errors.New("timeout"), schemas.StateUnknown, schemas.StateUnknown},
	} {
		s := &shelf{fail: c.err}
		if c.kept != "" {
			s.states = [][]byte{[]byte(c.kept)}
		}
		k := standing(s, &strings.Builder{})
		k.Recall(t.Context())
		if k.known.State != c.state {
			t.Errorf("%s: recalled %+v", name, k.known)
		}
		k.Forget(t.Context())
		if k.known.State != c.afterForgotten {
			t.Errorf("%s: forgotten, %+v", name, k.known)
		}
	}
}

// The gateway is asked a few times, and again after the next gap.
func TestDoubt(t *testing.T) {
	var logs strings.Builder
	k := standing(&shelf{}, &logs)
	if k.InDoubt() {
		t.Error("in doubt without a reason")
	}
	var asked []int
	for range 2 {
		k.Doubt()
		n := 0
		for ; k.InDoubt(); n++ {
			k.NotTold(errors.New("busy"))
		}
		asked = append(asked, n)
	}
	if !slices.Equal(asked, []int{askAttempts, askAttempts}) || strings.Count(logs.String(), "does not say") != 2 {
		t.Errorf("asked %v times, logged: %s", asked, logs.String())
	}
	k.Doubt()
	if k.Told(); k.InDoubt() {
		t.Error("in doubt although the gateway told")
	}
}

func TestWhatTheGatewaySaysOfTheState(t *testing.T) {
	for code, want := range map[int]schemas.State{
		-1: schemas.StateUnknown, 0: schemas.StateUnknown, 2: schemas.StateSignedOut, 3: schemas.StateNotReady, 4: schemas.StateReady,
		7: schemas.StateOnCall, 9: schemas.StateUnknown, 99: schemas.StateUnknown,
	} {
		if got := stateOf(code); got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
}
