package phone_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/platformsim/world"
	. "aiccbridge/internal/platformsim/world/phone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// floor is a world of agents whose clients are this test.
type floor struct {
	*world.World
	t  *testing.T
	mu sync.Mutex
	// events of each agent since they were looked at last
	events map[string][]string
}

// working runs a world of three agents, from 101 on, on virtual time.
func working(t *testing.T, o world.Options, in world.SignIn, f func(*floor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Agents, o.Softphone = 3, true
		o.Pace.Talk = 100 * time.Hour
		w, err := world.New(o)
		if err != nil {
			t.Fatal(err)
		}
		v := &floor{World: w, t: t, events: map[string][]string{}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		for _, a := range w.Agents() {
			in.Deliver = func(e world.Event) {
				v.mu.Lock()
				defer v.mu.Unlock()
				v.events[a.ID] = append(v.events[a.ID], e.Type)
			}
			if _, err := w.SignIn(a.ID, in); err != nil {
				t.Fatal(err)
			}
		}
		f(v)
		cancel()
		<-done
	})
}

// heard are an agent's events, their groups left out.
func (v *floor) heard(agent string) string {
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	all := strings.Join(v.events[agent], " ")
	v.events[agent] = nil
	for _, group := range []string{"AgentEvent_", "AgentState_", "AgentOther_", "AgentMediaEvent_"} {
		all = strings.ReplaceAll(all, group, "")
	}
	return all
}

// act is something that a client asks for, and what comes of it within a minute.
type act struct {
	who  string
	do   func(p *Phone) error
	err  error
	want map[string]string // by agent
}

func (v *floor) play(acts []act) {
	v.t.Helper()
	for _, agent := range v.Agents() {
		v.heard(agent.ID)
	}
	for i, a := range acts {
		if err := a.do(v.Phone(a.who)); !errors.Is(err, a.err) {
			v.t.Errorf("act %d: %v, want %v", i, err, a.err)
		}
		time.Sleep(time.Minute)
		for _, agent := range []string{"101", "102", "103"} {
			if got := v.heard(agent); got != a.want[agent] {
				v.t.Errorf("act %d: agent %s heard %q, want %q", i, agent, got, a.want[agent])
			}
		}
	}
}

func one(agent, events string) map[string]string { return map[string]string{agent: events} }

func out(number string) func(*Phone) error {
	return func(p *Phone) error { _, err := p.CallOut(Outbound, number); return err }
}

func inner(agent string, chat bool) func(*Phone) error {
	return func(p *Phone) error { _, err := p.CallAgent(agent, chat); return err }
}

func transfer(device int, address string, mode int) func(*Phone) error {
	return func(p *Phone) error { return p.Transfer(device, address, mode) }
}

func help(device int, address string, three bool) func(*Phone) error {
	return func(p *Phone) error { return p.Help(device, address, three) }
}

var (
	answer, reject, release = (*Phone).Answer, (*Phone).Reject, (*Phone).Release
	hold                    = (*Phone).Hold
	unhold                  = func(p *Phone) error { return p.Unhold("") }
	stopPlay                = func(p *Phone) error { return p.Play("stopplay") }
)

const (
	called = "PhoneAlerting PhoneOffhook Busy Customer_Alerting Talking Record"
	rings  = "Busy PhoneAlerting PhoneOffhook Ringing Customer_Alerting"
	hungUp = "Call_Release StopRecordDone Customer_Release PhoneRelease Ready"
	left   = "Call_Release Customer_Release PhoneRelease Ready"
)

// TestCommands: what each call of a client does in each situation, and to whom.
func TestCommands(t *testing.T) {
	manual := false
	for name, acts := range map[string][]act{
		"nothing to do": {
			{"101", answer, ErrAnswer, nil}, {"101", reject, ErrAnswer, nil}, {"101", hold, ErrHold, nil}, {"101", unhold, ErrUnhold, nil},
			{"101", release, ErrRelease, nil}, {"101", (*Phone).CancelTransfer, ErrTransfer, nil}, {"101", transfer(Agent, "102", ModeTalk), ErrTransfer, nil},
			{"101", help(Agent, "102", false), ErrHelp, nil}, {"101", func(p *Phone) error { return p.Join("") }, ErrThree, nil},
			{"101", func(p *Phone) error { return p.Mute(true) }, ErrMute, nil}, {"101", (*Phone).SecondDial, ErrCallOut, nil},
			{"101", func(p *Phone) error { return p.Drop("1-1") }, ErrRelease, nil}, {"101", func(p *Phone) error { return p.Snatch("102") }, ErrAnswer, nil},
		},
		"out and held": {
			{"101", out("5550100"), nil, one("101", called)},
			{"101", out("5550101"), ErrCallOut, nil},
			{"101", func(p *Phone) error { return p.Mute(false) }, ErrMute, nil},
			{"101", func(p *Phone) error { return p.Mute(true) }, nil, nil}, {"101", func(p *Phone) error { return p.Mute(false) }, nil, nil},
			{"101", (*Phone).SecondDial, nil, nil},
			{"101", hold, nil, one("101", "Hold")}, {"101", hold, ErrHold, nil},
			{"101", unhold, nil, one("101", "Talking")}, {"101", unhold, ErrUnhold, nil},
			{"101", release, nil, one("101", hungUp)}, {"101", release, ErrRelease, nil},
		},
		"nobody lifts": {{"101", out("5550199"), nil, one("101", "PhoneAlerting PhoneOffhook Busy Customer_Alerting PhoneRelease Call_Out_Fail Connect_Fail Ready")}},
		"two agents": {
			{"101", inner("104", false), nil, one("101", "PhoneAlerting PhoneOffhook Busy PhoneRelease Inside_Call_Fail Connect_Fail Ready")},
			{"101", inner("101", false), ErrCallOut, nil},
		},
		"an adviser": {
			{"101", out("5550100"), nil, one("101", called)},
			{"101", help(Queue, "12", false), nil, one("101", "Hold Customer_Alerting Talking")},
			{"101", release, nil, one("101", "Customer_Release")},
			{"101", unhold, nil, one("101", "Talking")},
			{"101", help(Queue, "1299", false), nil, one("101", "Hold Customer_Alerting Consult_Fail")},
			{"101", help(Queue, "12", true), nil, one("101", "Customer_Alerting Talking Conference")},
			{"101", func(p *Phone) error { return p.Disconnect("12") }, nil, one("101", "Customer_Release")},
			{"101", func(p *Phone) error { return p.Disconnect("5550100") }, nil, one("101", hungUp)},
		},
		"transfers": {
			{"101", out("5550100"), nil, one("101", called)},
			{"101", transfer(IVR, "7", ModeSuspend), nil, one("101", "ReturnFromIvr Talking")},
			{"101", transfer(Outside, "5550199", ModeTalk), nil, one("101", "Hold Customer_Alerting Connect_Fail Talking")},
			{"101", transfer(Outside, "5550199", ModeSuccess), nil, one("101", "Hold Customer_Alerting Connect_Fail SuccTransResult Talking")},
			{"101", transfer(Outside, "5550102", ModeTalk), nil, one("101", "Hold Customer_Alerting Talking")},
			{"101", (*Phone).CancelTransfer, nil, one("101", "Customer_Release Talking")},
			{"101", transfer(Queue, "12", ModeTalk), ErrTransfer, nil},
			{"101", transfer(Outside, "5550102", ModeSuccess), nil, one("101", "Hold Customer_Alerting StopRecordDone SuccTransResult Call_Release PhoneRelease Ready")},
			{"101", out("5550100"), nil, one("101", called)},
			{"101", transfer(Outside, "5550103", ModeSuspend), nil, one("101", "StopRecordDone Call_Release PhoneRelease Ready")},
			{"101", out("5550100"), nil, one("101", called)},
			{"101", transfer(Outside, "5550104", ModeThree), nil, one("101", "Hold Customer_Alerting Talking Conference")},
			{"101", release, nil, one("101", hungUp)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{Recorded: 100}
			o.Pace.Ring = 2 * time.Second
			working(t, o, world.SignIn{AutoAnswer: &manual}, func(v *floor) { v.play(acts) })
		})
	}
}

// TestAgentsAmongThemselves: what one does, the other hears.
func TestAgentsAmongThemselves(t *testing.T) {
	manual := false
	o := world.Options{Recorded: 100}
	o.Pace.Ring = 2 * time.Minute // nobody gives up within an act
	working(t, o, world.SignIn{AutoAnswer: &manual}, func(v *floor) {
		dial := "PhoneAlerting PhoneOffhook Busy Customer_Alerting"
		v.play([]act{
			{"101", inner("102", false), nil, map[string]string{"101": dial, "102": rings}},
			{"102", reject, nil, map[string]string{"101": "PhoneRelease Inside_Call_Fail Connect_Fail Ready", "102": "Call_Release PhoneRelease Ready"}},
			{"101", inner("102", false), nil, map[string]string{"101": dial, "102": rings}},
			{"103", inner("102", false), nil, one("103", "PhoneAlerting PhoneOffhook Busy PhoneRelease Inside_Call_Fail Connect_Fail Ready")},
			{"102", answer, nil, map[string]string{"101": "Talking Record", "102": "Talking"}},
			{"102", transfer(Agent, "103", ModeTalk), ErrTransfer, nil},
			{"102", hold, nil, one("102", "Hold")}, {"102", unhold, nil, one("102", "Talking")},
			{"102", release, nil, map[string]string{"101": hungUp, "102": left}},
			{"101", inner("102", true), nil, map[string]string{"101": "Busy AgentChat_CallOutCreated", "102": "Busy AgentChat_Ring"}},
			{"102", answer, ErrAnswer, nil},
			{"101", release, ErrRelease, nil},
		})
		chat := v.Phone("101").States()[0].CallID
		v.play([]act{
			{"102", func(p *Phone) error { return p.AnswerChat("1-1") }, ErrChat, nil},
			{"102", func(p *Phone) error { return p.AnswerChat(chat) }, nil, map[string]string{"101": "AgentChat_Connected", "102": "AgentChat_Connected"}},
			{"102", func(p *Phone) error { return p.Say(chat, "hello") }, nil, one("101", "AgentChat_DataRecved")},
			{"101", func(p *Phone) error { return p.DropChat(chat) }, nil, map[string]string{"101": "AgentChat_Disconnected Ready", "102": "AgentChat_Disconnected Ready"}},
		})
	})
}

// TestRowsOfATransfer: the call is one chain of rows over both agents, and what they did
// meanwhile is among their operations.
func TestRowsOfATransfer(t *testing.T) {
	automatic := true
	o := world.Options{Recorded: 100, SyncDelay: -1}
	o.Pace.Ring = 2 * time.Second
	working(t, o, world.SignIn{AutoAnswer: &automatic}, func(v *floor) {
		began := time.Now()
		id, err := v.Phone("101").CallOut(Outbound, "5550100")
		if err != nil {
			t.Fatal(err)
		}
		for _, do := range []func(*Phone) error{hold, unhold, transfer(Agent, "102", ModeTalk), release} {
			time.Sleep(time.Minute)
			if err := do(v.Phone("101")); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute)
		if err := v.Phone("102").Release(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		var legs, holds []string
		for _, r := range v.Rows(world.Call, began, time.Now(), time.Now()) {
			if r.CallID == id {
				legs = append(legs, r.AgentID+" "+r.Cells[17]+" "+r.Cells[16])
			}
		}
		if want := []string{"101 1 0", "102 -1 0"}; !slices.Equal(legs, want) {
			t.Errorf("legs %q, want %q", legs, want)
		}
		for _, r := range v.Rows(world.Operation, began, time.Now(), time.Now()) {
			if r.Cells[9] == "38" {
				holds = append(holds, r.AgentID+" "+r.CallID)
			}
		}
		if want := []string{"101 " + id, "101 " + id}; !slices.Equal(holds, want) {
			t.Errorf("holds %q, want %q", holds, want)
		}
		recorded := v.Rows(world.Record, began, time.Now(), time.Now())
		if len(recorded) < 1 || recorded[0].AgentID != "101" || recorded[0].CallID != id {
			t.Errorf("recordings %+v", recorded)
		}
	})
}

// TestMissedCall: who does not answer in time is not ready afterwards.
func TestMissedCall(t *testing.T) {
	manual := false
	working(t, world.Options{}, world.SignIn{AutoAnswer: &manual}, func(v *floor) {
		v.play([]act{{"101", inner("102", false), nil, map[string]string{
			"101": "PhoneAlerting PhoneOffhook Busy Customer_Alerting PhoneRelease Inside_Call_Fail Connect_Fail Ready",
			"102": rings + " No_Answer PhoneRelease Ready SetNotReady_Success",
		}}})
	})
}

// TestSignOutInACall: the rows are written, and the other agent's phone goes on hook.
func TestSignOutInACall(t *testing.T) {
	automatic := true
	working(t, world.Options{SyncDelay: -1}, world.SignIn{AutoAnswer: &automatic}, func(v *floor) {
		began := time.Now()
		for _, caller := range []string{"101", "103"} {
			if _, err := v.Phone(caller).CallAgent("102", false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			gone := map[string]string{"101": "101", "103": "102"}[caller]
			if err := v.SignOut(gone, 258); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			for _, a := range v.Agents() {
				if st := v.Status(a.ID); st.InCall {
					t.Errorf("after %s left: %s is in a call", gone, a.ID)
				}
			}
		}
		if n := len(v.Rows(world.Call, began, time.Now(), time.Now())); n != 2 || v.Running() != 0 {
			t.Errorf("%d rows, %d running", n, v.Running())
		}
	})
}

// TestQuiesceEndsHeldCalls, which would wait for their client for ever.
func TestQuiesceEndsHeldCalls(t *testing.T) {
	working(t, world.Options{}, world.SignIn{}, func(v *floor) {
		if err := out("5550100")(v.Phone("101")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := v.Phone("101").Hold(); err != nil {
			t.Fatal(err)
		}
		v.Quiesce()
		time.Sleep(5 * time.Second)
		if v.Running() != 0 || v.Status("101").InCall {
			t.Errorf("%d running, %+v", v.Running(), v.Status("101"))
		}
		if err := out("5550100")(v.Phone("101")); !errors.Is(err, ErrCallOut) {
			t.Errorf("a call after the end: %v", err)
		}
	})
}

// TestAnythingAtAnyTime: whatever clients ask for, in whatever order, every call ends and
// is one chain of rows.
func TestAnythingAtAnyTime(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		automatic := seed%2 == 0
		working(t, world.Options{Seed: seed, SyncDelay: -1, CallsWithoutSkills: true}, world.SignIn{AutoAnswer: &automatic}, func(v *floor) {
			began := time.Now()
			for range 300 {
				agents := []string{"101", "102", "103"}
				who, other := agents[r.IntN(3)], agents[r.IntN(3)]
				p := v.Phone(who)
				id := "1-1"
				if s := p.States(); len(s) > 0 {
					id = s[r.IntN(len(s))].CallID
				}
				commands := []func(*Phone) error{
					out("5550100"), out("5550199"), inner(other, false), inner(other, true), answer, answer, reject, hold, unhold, release,
					transfer(Agent, other, r.IntN(5)), transfer(1+r.IntN(5), "5550102", r.IntN(5)), help(Agent, other, r.IntN(2) == 0), help(Queue, "12", false),
					(*Phone).CancelTransfer, func(p *Phone) error { return p.Join("") }, func(p *Phone) error { return p.Drop(id) },
					func(p *Phone) error { return p.Disconnect(other) }, func(p *Phone) error { return p.Snatch(other) },
					func(p *Phone) error { return p.AnswerChat(id) }, func(p *Phone) error { return p.RejectChat(id) }, func(p *Phone) error { return p.DropChat(id) },
					func(p *Phone) error { return p.Say(id, "x") }, func(p *Phone) error { return p.TransferChat(id, 1, "12") },
					func(p *Phone) error { return p.Play("play") }, stopPlay, stopPlay, func(p *Phone) error { return p.Tape("record") },
					func(p *Phone) error { return p.Tape("pauserecord") }, func(p *Phone) error { return p.Tape("stoprecord") },
				}
				_ = commands[r.IntN(len(commands))](p) // many make no sense
				time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
			}
			v.Quiesce()
			time.Sleep(time.Minute)
			if v.Running() != 0 {
				t.Errorf("seed %d: %d still run", seed, v.Running())
			}
			chains := map[string][]string{}
			for _, row := range v.Rows(world.Call, began, time.Now(), time.Now()) {
				chains[row.CallID] = append(chains[row.CallID], row.Cells[17])
			}
			for id, got := range chains {
				slices.Sort(got)
				want := []string{"-1"}
				for n := 1; n < len(got); n++ {
					want = append(want, fmt.Sprint(n))
				}
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("seed %d: call %s has the rows %q", seed, id, got)
				}
			}
			if len(chains) < 10 {
				t.Errorf("seed %d: %d calls", seed, len(chains))
			}
		})
	}
}
