package platformsim_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/world"
)

// TestSoftphone: a client that is not ours plays whole sessions over HTTPS; every event
// that the documents have for them arrives, in order.
func TestSoftphone(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is not installed; the tests of the simulator need it")
	}
	s := start(t, platformsim.Options{
		Seed: 5, Agents: 6, Dir: t.TempDir(),
		Pace: world.Pace{
			Idle: 200 * time.Millisecond, Queue: 50 * time.Millisecond, Ring: 100 * time.Millisecond, Talk: 5 * time.Minute,
			WrapUp: 50 * time.Millisecond, Rest: 200 * time.Millisecond, Signal: 10 * time.Millisecond,
		},
		World: world.Options{Softphone: true, Recorded: 100},
	})
	agents, err := json.Marshal(s.Settings().Agents)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), python, "testdata/softphone.py", s.Settings().GatewayURL, s.Settings().CAFile)
	c.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var out, trouble bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(agents), &out, &trouble
	if err := c.Run(); err != nil || trouble.Len() > 0 {
		t.Fatalf("%v: %s", err, trouble.String())
	}
	var seen map[string]struct{ Events, Wrong []string }
	if err := json.Unmarshal(out.Bytes(), &seen); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	for session, want := range map[string]string{
		"inbound": "AgentOther_InService AgentState_Ready AgentState_Busy AgentOther_PhoneAlerting AgentOther_PhoneOffhook AgentEvent_Ringing " +
			"AgentEvent_Customer_Alerting AgentEvent_Talking AgentMediaEvent_Record AgentEvent_Hold AgentEvent_Talking " +
			"AgentMediaEvent_StopRecordDone AgentMediaEvent_Record AgentEvent_Hold AgentEvent_Customer_Alerting AgentEvent_Talking AgentMediaEvent_StopRecordDone AgentEvent_Call_Release " +
			"AgentOther_PhoneRelease AgentState_Work AgentState_SetNotReady_Success",
		"adviser": "AgentOther_InService AgentState_Ready AgentState_Busy AgentOther_PhoneAlerting AgentOther_PhoneOffhook AgentEvent_Ringing " +
			"AgentEvent_Customer_Alerting AgentEvent_Talking AgentEvent_Talking AgentEvent_Call_Release " +
			"AgentEvent_Customer_Release AgentOther_PhoneRelease AgentState_Work AgentState_CancelWork_Success",
		"outbound": "AgentOther_InService AgentState_Ready AgentOther_PhoneAlerting AgentOther_PhoneOffhook AgentState_Busy " +
			"AgentEvent_Customer_Alerting AgentEvent_Talking AgentMediaEvent_Record AgentEvent_Hold AgentEvent_Customer_Alerting " +
			"AgentEvent_Talking AgentEvent_Conference AgentEvent_Customer_Release AgentEvent_Call_Release AgentMediaEvent_StopRecordDone " +
			"AgentEvent_Customer_Release AgentOther_PhoneRelease AgentState_Ready " +
			"AgentOther_PhoneAlerting AgentOther_PhoneOffhook AgentState_Busy AgentEvent_Customer_Alerting AgentOther_PhoneRelease " +
			"AgentEvent_Call_Out_Fail AgentEvent_Connect_Fail AgentState_Ready",
		"chat": "AgentOther_InService AgentState_Ready AgentState_Busy AgentChat_CallOutCreated AgentChat_Connected AgentChat_Disconnected AgentState_Ready",
		"chatted": "AgentOther_InService AgentState_Ready AgentState_Busy AgentChat_Ring AgentChat_Connected AgentChat_DataRecved " +
			"AgentChat_Disconnected AgentState_Ready",
	} {
		got, ok := seen[session]
		if !ok || len(got.Wrong) > 0 {
			t.Errorf("%s: %q", session, got.Wrong)
		}
		if !slices.Equal(got.Events, strings.Fields(want)) {
			t.Errorf("%s:\n%s, want\n%s", session, strings.Join(got.Events, " "), want)
		}
	}
}
