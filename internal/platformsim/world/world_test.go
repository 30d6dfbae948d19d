package world

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"aiccbridge/internal/platformsim/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal collects what a world tells.
type journal struct {
	mu     sync.Mutex
	events map[string][]Event
}

func (j *journal) of(agent string) func(Event) {
	return func(e Event) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.events == nil {
			j.events = make(map[string][]Event)
		}
		j.events[agent] = append(j.events[agent], e)
	}
}

// day is a finished run.
type day struct {
	w      *World
	events map[string][]Event
	start  time.Time
}

func (d day) rows(kind Kind) []Row {
	return d.w.Rows(kind, d.start, d.start.Add(48*time.Hour), d.start.Add(96*time.Hour))
}

// live plays a world for a virtual while inside a bubble: every agent signs
// in, resets his skills and is signed out at the end.
func live(t *testing.T, o Options, in SignIn, length time.Duration) day {
	t.Helper()
	var d day
	synctest.Test(t, func(t *testing.T) {
		d = liveHere(t, o, in, length)
	})
	return d
}

func liveHere(t *testing.T, o Options, in SignIn, length time.Duration) day {
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	d := day{w: w, start: time.Now()}
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	for _, a := range w.Agents() {
		in.Deliver = j.of(a.ID)
		if _, err := w.SignIn(a.ID, in); err != nil {
			t.Fatal(err)
		}
		if err := w.ResetSkills(a.ID); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(length)
	for _, a := range w.Agents() {
		if err := w.SignOut(a.ID, 258); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	time.Sleep(time.Hour) // whoever still speaks would be heard
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	d.events = j.events
	return d
}

func shanghai(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestHourIsTheSameForOneSeed(t *testing.T) {
	o := Options{Seed: 7, Location: shanghai(t), CallInfo: true}
	d := live(t, o, SignIn{}, time.Hour)
	var b bytes.Buffer
	for _, a := range d.w.Agents() {
		for _, e := range d.events[a.ID] {
			content := string(e.Content)
			if content == "" {
				content = "null"
			}
			fmt.Fprintf(&b, "%s %s %s %s\n", a.ID, e.At.UTC().Format("15:04:05.000"), e.Type, content)
		}
	}
	for _, kind := range []Kind{Call, Record, Operation, SkillGrant} {
		for _, r := range d.rows(kind) {
			fmt.Fprintf(&b, "%s %s %q\n", kind, r.Known.UTC().Format("15:04:05"), r.Cells)
		}
	}
	golden(t, "hour.golden", b.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
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
		t.Errorf("differs from %s (-want +got), run with -update if intended:\n%.4000s", path, diff)
	}
}

func TestFlows(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name, only string
		in         SignIn
		want       []string // the first activity, without what may happen inside a talk
	}{
		{"inbound manual", "inbound", SignIn{AutoAnswer: &no}, []string{
			"AgentState_Busy", "AgentOther_PhoneAlerting", "AgentOther_PhoneOffhook", "AgentEvent_Ringing",
			"AgentEvent_Customer_Alerting", "AgentEvent_Talking", "AgentEvent_Call_Release",
			"AgentEvent_Customer_Release", "AgentOther_PhoneRelease", "AgentState_Ready",
		}},
		{"inbound auto, wrap-up", "inbound", SignIn{AutoAnswer: &yes, WrapUpAfterCall: true}, []string{
			"AgentState_Busy", "AgentOther_PhoneAlerting", "AgentOther_PhoneOffhook", "AgentEvent_Auto_Answer",
			"AgentEvent_Talking", "AgentEvent_Call_Release", "AgentEvent_Customer_Release",
			"AgentOther_PhoneRelease", "AgentState_Work", "AgentState_CancelWork_Success",
		}},
		{"not answered", "no_answer", SignIn{}, []string{
			"AgentState_Busy", "AgentOther_PhoneAlerting", "AgentOther_PhoneOffhook", "AgentEvent_Ringing",
			"AgentEvent_No_Answer", "AgentOther_PhoneRelease",
		}},
		{"outbound", "outbound", SignIn{}, []string{
			"AgentOther_PhoneAlerting", "AgentOther_PhoneOffhook", "AgentState_Busy", "AgentEvent_Customer_Alerting",
			"AgentEvent_Talking", "AgentEvent_Call_Release", "AgentEvent_Customer_Release",
			"AgentOther_PhoneRelease", "AgentState_Ready",
		}},
		{"callee does not answer", "callee_silent", SignIn{}, []string{
			"AgentOther_PhoneAlerting", "AgentOther_PhoneOffhook", "AgentState_Busy", "AgentEvent_Customer_Alerting",
			"AgentOther_PhoneRelease", "AgentEvent_Call_Out_Fail", "AgentEvent_Connect_Fail", "AgentState_Ready",
		}},
		{"agent does not lift", "agent_silent", SignIn{}, []string{
			"AgentOther_PhoneAlerting", "AgentEvent_Call_Out_Fail", "AgentEvent_Connect_Fail", "AgentOther_PhoneRelease",
		}},
		{"chat", "chat", SignIn{}, []string{
			"AgentState_Busy", "AgentChat_Ring", "AgentChat_Connected", "AgentChat_DataRecved",
		}},
		{"permanently off-hook", "inbound", SignIn{AutoAnswer: &yes, OffHook: true}, []string{
			"AgentState_Busy", "AgentEvent_Auto_Answer", "AgentEvent_Talking", "AgentEvent_Call_Release",
			"AgentEvent_Customer_Release", "AgentState_Ready",
		}},
		{"rest", "rest", SignIn{}, []string{"AgentState_SetRest_Success", "AgentState_CancelRest_Success"}},
		{"not ready", "not_ready", SignIn{}, []string{
			"AgentState_SetNotReady_Success", "AgentState_CancelNotReady_Success",
		}},
		{"work", "work", SignIn{}, []string{"AgentState_SetWork_Success", "AgentState_CancelWork_Success"}},
	}
	inTalk := map[string]bool{
		"AgentMediaEvent_Record": true, "AgentMediaEvent_StopRecordDone": true, "AgentEvent_MessageData": true,
		"AgentEvent_Hold": true,
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := live(t, Options{Seed: 3, Agents: 1, only: tt.only}, tt.in, 40*time.Minute)
			var got []string
			for i, e := range d.events["101"] {
				unhold := i > 0 && d.events["101"][i-1].Type == "AgentEvent_Hold"
				if !inTalk[e.Type] && !unhold {
					got = append(got, e.Type)
				}
			}
			want := append([]string{"AgentOther_InService", "AgentState_Ready"}, tt.want...)
			if len(got) < len(want) || !cmp.Equal(got[:len(want)], want) {
				t.Errorf("events:\n got %.9999v\nwant %v", got, want)
			}
		})
	}
}

func TestSignInStatus(t *testing.T) {
	for status, want := range map[int]string{
		0:      "[AgentOther_InService AgentState_Ready]",
		Idle:   "[AgentOther_InService AgentState_Ready]",
		Busy:   "[AgentOther_InService AgentState_Ready AgentState_SetNotReady_Success]",
		WrapUp: "[AgentOther_InService AgentState_Ready AgentState_Work]",
	} {
		w, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if _, err := w.SignIn("101", SignIn{Status: status, Deliver: func(e Event) { got = append(got, e.Type) }}); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("status %d: %v, want %s", status, got, want)
		}
	}
}

func TestNoCallsBeforeSkillsAreReset(t *testing.T) {
	for _, free := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, err := New(Options{Agents: 1, CallsWithoutSkills: free})
			if err != nil {
				t.Fatal(err)
			}
			var j journal
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			if _, err := w.SignIn("101", SignIn{Deliver: j.of("101")}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if got := len(j.events["101"]) > 2; got != free {
				t.Errorf("calls without skills allowed: %v, events beyond the sign-in: %v", free, got)
			}
			cancel()
			<-done
		})
	}
}

func TestQuiesceEndsSoonAndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(Options{Seed: 5, Agents: 20})
		if err != nil {
			t.Fatal(err)
		}
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		for _, a := range w.Agents() {
			if _, err := w.SignIn(a.ID, SignIn{Deliver: j.of(a.ID)}); err != nil {
				t.Fatal(err)
			}
			if err := w.ResetSkills(a.ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		if w.Running() == 0 {
			t.Fatal("nothing runs after ten minutes: the test shows nothing")
		}
		w.Quiesce()
		w.Quiesce()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := w.Running(); n != 0 {
			t.Errorf("%d activities still run 5 s after Quiesce", n)
		}
		count := len(j.events["101"])
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(j.events["101"]) != count || w.Running() != 0 {
			t.Error("the world went on after Quiesce")
		}
		cancel()
		<-done
	})
}

func TestWishesWaitForTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(Options{Agents: 1, only: "inbound"})
		if err != nil {
			t.Fatal(err)
		}
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		if _, err := w.SignIn("101", SignIn{Deliver: j.of("101")}); err != nil {
			t.Fatal(err)
		}
		if err := w.ResetSkills("101"); err != nil {
			t.Fatal(err)
		}
		for !w.Status("101").InCall {
			time.Sleep(time.Second)
		}
		if err := w.Ask("101", Wish{State: Busy, Cause: 203}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := w.Status("101").State; got != InCall {
			t.Errorf("state %d during the call, want %d", got, InCall)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		events := j.events["101"]
		last := events[len(events)-1]
		if last.Type != "AgentState_SetNotReady_Success" || string(last.Content) != `{"reason":"203"}` {
			t.Errorf("last event %s %s", last.Type, last.Content)
		}
		if err := w.Ask("101", Wish{State: Idle}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := w.Status("101").State; got != Idle {
			t.Errorf("state %d after sayfree", got)
		}
		cancel()
		<-done
	})
}

func TestSessionErrors(t *testing.T) {
	w, err := New(Options{Agents: 1})
	if err != nil {
		t.Fatal(err)
	}
	quiet := SignIn{Deliver: func(Event) {}}
	_, unknown := w.SignIn("999", quiet)
	_, first := w.SignIn("101", quiet)
	_, second := w.SignIn("101", quiet)
	got := []error{unknown, first, second, w.SignOut("999", 1), w.SignOut("101", 1), w.SignOut("101", 1), w.ResetSkills("101"), w.Ask("999", Wish{})}
	want := []error{ErrUnknownAgent, nil, ErrSignedIn, ErrUnknownAgent, nil, ErrSignedOut, ErrSignedOut, ErrUnknownAgent}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("call %d: %v, want %v", i, got[i], want[i])
		}
	}
	if _, err := New(Options{Agents: -1}); err == nil {
		t.Error("a negative number of agents was accepted")
	}
	faults := fault.NewBook(FaultKinds(), 1, time.Now)
	if err := faults.Set([]fault.Rule{{Fault: syncLate, Share: 2}}); err == nil {
		t.Error("a share of 2 was accepted")
	}
}
