package platformsim_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
)

// seenByAgent is what testdata/agentclient.py says of an agent.
type seenByAgent struct {
	GUID       bool              `json:"guid"`
	Calls      map[string]string `json:"calls"` // retcodes
	Skills     json.RawMessage   `json:"skills"`
	Polls      map[string]int    `json:"polls"` // by retcode
	Events     []string          `json:"events"`
	Broken     int               `json:"broken"`
	Resent     int               `json:"resent"`
	Heartbeats int               `json:"heartbeats"`
	Hasty      int               `json:"hasty_heartbeats"`
}

// foreign runs a client that is not ours, written in another language, with all
// agents of a simulator.
func foreign(t *testing.T, s *platformsim.Sim, length, heartbeat time.Duration) map[string]seenByAgent {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is not installed; the tests of the simulator need it")
	}
	agents, err := json.Marshal(s.Settings().Agents)
	if err != nil {
		t.Fatal(err)
	}
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
	c := exec.CommandContext(t.Context(), python, "testdata/agentclient.py", s.Settings().GatewayURL, s.Settings().CAFile, seconds(length), seconds(heartbeat))
	var out, trouble bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(agents), &out, &trouble
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, trouble.String())
	}
	var seen map[string]seenByAgent
	if err := json.Unmarshal(out.Bytes(), &seen); err != nil || trouble.Len() > 0 {
		t.Fatalf("%v: %s %s", err, out.String(), trouble.String())
	}
	return seen
}

// foreignOptions are those of a platform for three agents. FOREIGN=150s makes it a long
// run, with the times of a real platform.
func foreignOptions(t *testing.T) (o platformsim.Options, length, heartbeat time.Duration, long bool) {
	o = platformsim.Options{
		Seed: 8, Agents: 3, Dir: t.TempDir(),
		Pace: world.Pace{
			Idle: 200 * time.Millisecond, Queue: 100 * time.Millisecond, Ring: 100 * time.Millisecond, Talk: 400 * time.Millisecond,
			WrapUp: 50 * time.Millisecond, Rest: 200 * time.Millisecond, Signal: 10 * time.Millisecond,
		},
	}
	if text := os.Getenv("FOREIGN"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return o, d, time.Minute, true
	}
	o.Gateway = gateway.Options{
		WaitTimes: 8, WaitInterval: 50 * time.Millisecond, MaxTime: 2 * time.Second,
		GUIDInterval: 500 * time.Millisecond, GUIDTimeout: 2 * time.Second,
	}
	return o, 8 * time.Second, time.Second, false
}

// changes are the begins and ends of an agent's sessions.
func changes(s *platformsim.Sim, agent string) (all []string) {
	for _, c := range s.Truth().Sessions {
		if c.Agent == agent {
			all = append(all, c.Change)
		}
	}
	return all
}

// TestForeignClient: with AUTHMODE 1 the vendor's demo works, for as long as it likes,
// and reads every event that was handed out.
func TestForeignClient(t *testing.T) {
	t.Parallel()
	o, length, heartbeat, _ := foreignOptions(t)
	o.Gateway.StaticGUID = true
	o.Faults = []fault.Rule{{Fault: "poll.cut", Share: 0.05}}
	s := start(t, o)
	seen := foreign(t, s, length, heartbeat)
	if len(seen) != 3 {
		t.Fatalf("%d agents", len(seen))
	}
	resent := 0
	for agent, a := range seen {
		if codes := slices.Collect(maps.Keys(a.Polls)); !a.GUID || a.Broken > 0 || !slices.Equal(codes, []string{"0"}) {
			t.Errorf("agent %s: GUID taken: %v, polls %v, %d broken", agent, a.GUID, a.Polls, a.Broken)
		}
		for i, want := range []string{
			"AgentOther_InService", "AgentState_Ready", "AgentState_SetNotReady_Success", "AgentState_CancelNotReady_Success",
			"AgentState_SetRest_Success", "AgentState_CancelRest_Success", "AgentState_SetWork_Success", "AgentState_CancelWork_Success",
		} {
			if i >= len(a.Events) || a.Events[i] != want {
				t.Errorf("agent %s: the first events are %q, want %s", agent, a.Events[:min(9, len(a.Events))], want)
				break
			}
		}
		if len(a.Calls) < 14 || string(a.Skills) != `[{"name": "sales", "id": "12", "mediatype": "5"}]` {
			t.Errorf("agent %s: calls %v, skills %s", agent, a.Calls, a.Skills)
		}
		for name, code := range a.Calls {
			if code != "0" {
				t.Errorf("agent %s: %s: %s", agent, name, code)
			}
		}
		if a.Heartbeats < int(length/heartbeat) || a.Hasty > 0 {
			t.Errorf("agent %s: %d heartbeats, %d without a pause", agent, a.Heartbeats, a.Hasty)
		}
		if got, want := changes(s, agent), []string{"signed_in", "signed_out"}; !slices.Equal(got, want) {
			t.Errorf("agent %s: %v, want %v", agent, got, want)
		}
		var handedOut []string
		for _, e := range s.Truth().Events {
			if e.Agent == agent {
				handedOut = append(handedOut, e.Type)
			}
		}
		if !slices.Equal(a.Events, handedOut) || len(handedOut) < 10 {
			t.Errorf("agent %s read %d events, %d were handed out", agent, len(a.Events), len(handedOut))
		}
		resent += a.Resent
		t.Logf("agent %s: %d polls, %d events, %d resent, %d heartbeats", agent, a.Polls["0"], len(a.Events), a.Resent, a.Heartbeats)
	}
	if resent == 0 {
		t.Error("nothing was cut: the test does not show that a GET may be sent again")
	}
}

// TestForeignClientWithoutRotation: with AUTHMODE 2 the vendor's demo, which never looks
// for a new GUID, lives as long as its first one, and is signed out for its silence then.
func TestForeignClientWithoutRotation(t *testing.T) {
	t.Parallel()
	o, length, heartbeat, long := foreignOptions(t)
	s := start(t, o)
	for agent, a := range foreign(t, s, length, heartbeat) {
		if !a.GUID || a.Polls["0"] == 0 || len(a.Events) == 0 || a.Calls["forcelogin"] != "0" {
			t.Errorf("agent %s: GUID taken: %v, polls %v, calls %v", agent, a.GUID, a.Polls, a.Calls)
		}
		if a.Polls["000-003"] < 200 || a.Calls["logout"] == "0" {
			t.Errorf("agent %s: the GUID did not die: polls %v, sign-out %s", agent, a.Polls, a.Calls["logout"])
		}
		if got, want := changes(s, agent), []string{"signed_in", "silent"}; !long && !slices.Equal(got, want) {
			t.Errorf("agent %s: %v, want %v", agent, got, want)
		}
		t.Logf("agent %s: polls %v", agent, a.Polls)
	}
}
