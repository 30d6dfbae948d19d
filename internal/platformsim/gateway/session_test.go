package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

func TestForcedSignInDisplaces(t *testing.T) {
	for _, code := range []string{"100-006", "000-003"} {
		for _, event := range []bool{false, true} {
			r := overHTTP(t, Options{DisplacedCode: code, ShutdownEvent: event, WaitTimes: 3})
			old := r.signIn("101")
			fresh := r.client("101")
			if a := fresh.call("PUT", "/onlineagent/101/forcelogin", goodBody); a.code() != "0" {
				t.Fatal(a.Body)
			}
			if event {
				a := old.poll()
				if a.eventType() != "AgentOther_ShutdownService" || !strings.Contains(string(a.Event), `"loginTime":"1`) {
					t.Errorf("displaced session hears %s", a.Body)
				}
			}
			if a := old.poll(); a.code() != code {
				t.Errorf("displaced session hears %s, want %s", a.Body, code)
			}
			if a := fresh.poll(); a.eventType() != "AgentOther_InService" {
				t.Errorf("new session hears %s", a.Body)
			}
			if len(r.desk.signOuts()) != 1 || r.desk.signOuts()[0] != 264 {
				t.Errorf("sign-out causes %v", r.desk.signOuts())
			}
		}
	}
}

func TestHeldPollEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{})
		c := r.signIn("101")
		held := make(chan answer, 1)
		begin := time.Now()
		go func() { held <- c.poll() }()
		time.Sleep(3 * time.Second)
		if !r.g.Expel("101") || r.g.Expel("101") || r.g.Expel("999") {
			t.Error("an agent can be expelled once")
		}
		if a := <-held; a.code() != "100-006" || time.Since(begin) > 4*time.Second {
			t.Errorf("after %v: %s", time.Since(begin), a.Body)
		}
	})
}

func TestSignOut(t *testing.T) {
	tests := map[string]struct {
		path, want string
		inCall     bool
		cause      int
	}{
		"logout":                {"/logout", "0", false, 258},
		"logout in a call":      {"/logout", "100-010", true, 0},
		"forced in a call":      {"/forcelogout", "0", true, 258},
		"with reason":           {"/forcelogoutwithreason/17", "0", true, 17},
		"with too big a reason": {"/forcelogoutwithreason/256", "100-005", false, 0},
		"with a word":           {"/forcelogoutwithreason/x", "100-005", false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := overHTTP(t, Options{NoHold: true})
			c := r.signIn("101")
			r.desk.push("101", "AgentState_Ready", "")
			r.desk.status = world.Status{InCall: tt.inCall}
			if a := c.call("DELETE", "/onlineagent/101"+tt.path, ""); a.code() != tt.want {
				t.Errorf("%s, want %s", a.Body, tt.want)
			}
			a := c.poll()
			if tt.want != "0" {
				if a.eventType() != "AgentState_Ready" {
					t.Errorf("the session should go on: %s", a.Body)
				}
				return
			}
			if a.code() != "100-006" {
				t.Errorf("poll after sign-out: %s", a.Body)
			}
			if len(r.desk.signOuts()) != 1 || r.desk.signOuts()[0] != tt.cause {
				t.Errorf("causes %v, want %d", r.desk.signOuts(), tt.cause)
			}
			drops := r.log.Snapshot().Drops
			if len(drops) != 1 || drops[0].Reason != "session" {
				t.Errorf("truth: drops %+v", drops)
			}
		})
	}
}

func TestSilenceEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.g.Run(ctx) }()
		c := r.signIn("101")
		for range 30 { // held polls of 10 s are no silence
			c.poll()
		}
		time.Sleep(119 * time.Second)
		if len(r.desk.signOuts()) != 0 {
			t.Error("signed out before MAXTIME")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(r.desk.signOuts()) != 1 || r.desk.signOuts()[0] != 263 {
			t.Errorf("after MAXTIME: sign-out causes %v", r.desk.signOuts())
		}
		if a := c.poll(); a.code() != "100-006" {
			t.Errorf("poll after MAXTIME: %s", a.Body)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTruthKnowsThePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{})
		c := r.signIn("101")
		c.poll()
		before := r.log.Snapshot().Polling["101"].Polls
		time.Sleep(40 * time.Second)
		c.poll()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { c.poll() })
		}
		both.Wait()
		want := truth.Polling{Polls: before + 3, LongestSilence: 40 * time.Second, Overlaps: 1}
		if got := r.log.Snapshot().Polling["101"]; got != want {
			t.Errorf("the polls are %+v, want %+v", got, want)
		}
	})
}

func TestGUIDRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{NoHold: true})
		c := r.signIn("101")
		first := c.guid
		for range 59 {
			time.Sleep(time.Second)
			c.poll()
		}
		if c.guid != first {
			t.Fatal("rotated before GUIDINTERVAL")
		}
		time.Sleep(time.Second)
		c.poll()
		second := c.guid
		if second == first {
			t.Fatal("not rotated at GUIDINTERVAL")
		}
		c.guid = first
		time.Sleep(59 * time.Second)
		if a := c.poll(); a.code() != "0" {
			t.Errorf("the old GUID died before its timeout: %s", a.Body)
		}
		c.guid = first
		time.Sleep(time.Second)
		if a := c.poll(); a.code() != "000-003" {
			t.Errorf("the old GUID outlived its timeout: %s", a.Body)
		}
		c.guid = second
		if a := c.call("PUT", "/onlineagent/101/updateGuid", ""); a.code() != "0" {
			t.Errorf("updateGuid: %s", a.Body)
		} else {
			var result struct{ GUID string }
			if err := json.Unmarshal(a.Result, &result); err != nil {
				t.Fatal(err)
			}
			if a := c.poll(); a.code() != "000-003" {
				t.Errorf("updateGuid left the old GUID alive: %s", a.Body)
			}
			c.guid = result.GUID
			if a := c.poll(); a.code() != "0" {
				t.Errorf("the GUID of updateGuid does not work: %s", a.Body)
			}
		}
	})
}

func TestStaticGUIDStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{NoHold: true, StaticGUID: true})
		c := r.signIn("101")
		first := c.guid
		for range 10 {
			time.Sleep(time.Minute)
			if a := c.poll(); a.code() != "0" || c.guid != first {
				t.Fatalf("%s, rotated: %v", a.Body, c.guid != first)
			}
		}
	})
}

func TestWhoMayAsk(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true, NeedCookie: true})
	c := r.signIn("101")
	stranger := r.client("101")
	if a := stranger.poll(); a.code() != "000-003" {
		t.Errorf("no GUID: %s", a.Body)
	}
	stranger.guid = "guess.AgentGateway0"
	if a := stranger.poll(); a.code() != "000-003" {
		t.Errorf("wrong GUID: %s", a.Body)
	}
	stranger.guid = c.guid
	if a := stranger.poll(); a.code() != "100-006" {
		t.Errorf("without the cookie: %s", a.Body)
	}
	for path, want := range map[string]string{
		"/agentevent/102": "100-006", "/agentevent/999": "100-006", "/agentevent/12x": "000-002",
		"/agentevent/allagentevent": "000-001", "/nothing": "000-002",
	} {
		if a := c.call("GET", path, ""); a.code() != want || a.Status != 200 {
			t.Errorf("%s: %d %s, want %s", path, a.Status, a.Body, want)
		}
	}
	free := overHTTP(t, Options{NoHold: true, NoCookie: true})
	c = free.signIn("101")
	stranger = free.client("101")
	stranger.guid = c.guid
	if a := stranger.poll(); a.code() != "0" {
		t.Errorf("the cookie is switched off: %s", a.Body)
	}
}

func TestPushModeIsNoPollMode(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true})
	c := r.client("101")
	if a := c.call("PUT", "/onlineagent/101", `{"password":"right","phonenum":"1","callBackUri":"https://x/","serviceToken":"abc"}`); a.code() != "0" {
		t.Fatal(a.Body)
	}
	if a := c.poll(); a.code() != "000-001" {
		t.Errorf("poll in push mode: %s", a.Body)
	}
	if a := c.call("POST", "/onlineagent/101/handshake", ""); a.code() != "0" {
		t.Errorf("heartbeat: %s", a.Body)
	}
	half := r.client("102")
	if a := half.call("PUT", "/onlineagent/102", `{"password":"right","phonenum":"1","serviceToken":"abc"}`); a.code() != "0" {
		t.Fatal(a.Body)
	}
	if a := half.poll(); a.code() != "0" {
		t.Errorf("one of the two fields selects push mode: %s", a.Body)
	}
}

func TestSessionInterfaces(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true})
	c := r.signIn("101")
	r.desk.status = world.Status{State: world.Busy}
	if a := c.call("GET", "/onlineagent/101/agentstatus", ""); string(a.Result) != `{"agentState":3,"isWorking":false}` {
		t.Errorf("agentstatus: %s", a.Body)
	}
	for _, tt := range []struct{ method, path, want string }{
		{"POST", "/resetskill/true", "0"},
		{"POST", "/resetskill/false?skillid=1;2", "0"},
		{"POST", "/resetskill/maybe", "000-002"},
		{"POST", "/saybusy", "0"},
		{"POST", "/saybusy?reason=205", "0"},
		{"POST", "/saybusy?reason=7", "000-002"},
		{"POST", "/cancelbusy", "0"},
		{"POST", "/work", "0"},
		{"POST", "/rest/600/12", "0"},
		{"POST", "/rest/0/12", "000-002"},
		{"POST", "/rest/86400/12", "000-002"},
		{"POST", "/rest/60/256", "000-002"},
		{"POST", "/rest//12", "000-002"},
		{"POST", "/rest/60/0?prolong=maybe", "000-002"},
		{"POST", "/rest/60/0?prolong=true", "0"},
		{"POST", "/cancelrest", "0"},
		{"POST", "/sayfree/", "0"},
		{"POST", "/cancelWork", "0"},
		{"POST", "/saybusy?reason=250&prolong=TRUE", "0"},
		{"PUT", "/nosuchlogin", "000-002"},
		{"PUT", "/loginex", "000-006"},
		{"PUT", "/forceloginex", "000-006"},
	} {
		if a := c.call(tt.method, "/onlineagent/101"+tt.path, ""); a.code() != tt.want {
			t.Errorf("%s: %s, want %s", tt.path, a.Body, tt.want)
		}
	}
	want := []world.Wish{{State: world.Busy, Cause: 1}, {State: world.Busy, Cause: 205}, {State: world.Idle, Of: world.Busy}, {State: world.WrapUp}, {State: world.Resting, Cause: 12, For: 10 * time.Minute},
		{State: world.Resting, For: time.Minute, Prolong: true}, {State: world.Idle, Of: world.Resting}, {State: world.Idle},
		{State: world.Idle, Of: world.WrapUp}, {State: world.Busy, Cause: 250, Prolong: true}}
	if r.desk.skills != 2 || len(r.desk.wishes) != len(want) {
		t.Fatalf("skills reset %d times, wishes %v", r.desk.skills, r.desk.wishes)
	}
	for i := range want {
		if r.desk.wishes[i] != want[i] {
			t.Errorf("wish %d: %+v, want %+v", i, r.desk.wishes[i], want[i])
		}
	}
	r.desk.push("101", "AgentState_Ready", "")
	if a := c.call("POST", "/onlineagent/101/syncagentinfo", ""); a.code() != "0" || !strings.Contains(a.Body, `"state":4`) {
		t.Errorf("syncagentinfo: %s", a.Body)
	}
	if a := c.poll(); a.Body != `{"message":"","retcode":"0"}` {
		t.Errorf("syncagentinfo left an event: %s", a.Body)
	}
	if drops := r.log.Snapshot().Drops; len(drops) != 1 || drops[0].Reason != "cleared" {
		t.Errorf("truth: %+v", drops)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	d, l := &desk{}, truth.New()
	for name, o := range map[string]Options{
		"no floor":  {Truth: l},
		"no truth":  {Floor: d},
		"idle form": {Floor: d, Truth: l, Shape: wire.Shape{Idle: "nil"}},
		"key order": {Floor: d, Truth: l, Shape: wire.Shape{Order: "list"}},
		"displaced": {Floor: d, Truth: l, DisplacedCode: "100-002"},
		"GUID life": {Floor: d, Truth: l, GUIDInterval: time.Hour},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A client that leaves during the hold takes nothing along.
func TestClientGoneDuringTheHold(t *testing.T) {
	if lost := leaveDuringHold(t); lost {
		t.Error("the event was taken by a client that had gone")
	}
}

func leaveDuringHold(t *testing.T) (lost bool) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{})
		c := r.signIn("101")
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			defer close(left)
			c.perform(c.request("GET", "/agentevent/101", "").WithContext(ctx))
		}()
		time.Sleep(time.Second + 30*time.Millisecond)
		r.desk.push("101", "AgentState_Ready", "") // the step has 70 ms to go
		time.Sleep(10 * time.Millisecond)
		cancel()
		<-left
		lost = c.poll().eventType() != "AgentState_Ready"
	})
	return lost
}

func TestClientGoneOverHTTP(t *testing.T) {
	r := overHTTP(t, Options{WaitTimes: 10_000})
	c := r.signIn("101")
	ctx, cancel := context.WithCancelCause(t.Context())
	req := c.request("GET", "/agentevent/101", "").WithContext(ctx)
	left := make(chan answer, 1)
	go func() { left <- c.perform(req) }()
	s := r.g.slot("101")
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.session.held() == 1 })
	cancel(errors.New("leaving"))
	if a := <-left; a.Err == nil {
		t.Fatal("the poll was not cancelled")
	}
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.session.held() == 0 })
	r.desk.push("101", "AgentState_Ready", "")
	if a := c.poll(); a.eventType() != "AgentState_Ready" {
		t.Errorf("the event is gone: %s", a.Body)
	}
}

func (s *session) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polling
}

// waitFor waits for what another goroutine does to a real connection.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatal("never came true")
		case <-tick.C:
		}
	}
}

var _ http.Handler = (*Gateway)(nil)

func TestPushURLOfOlderClients(t *testing.T) {
	for fields, want := range map[string]string{
		`"pushUrl":"https://x/e?token=1"`: "000-001", `"pushUrl":null`: "0", `"pushUrl":""`: "0",
		`"pushUrl":"https://x/","callBackUri":"https://x/","serviceToken":"a"`: "",
		`"pushUrl":"https://x/","serviceToken":"a"`:                            "000-001",
	} {
		r := overHTTP(t, Options{NoHold: true})
		c := r.client("101")
		a := c.call("PUT", "/onlineagent/101", `{"password":"right","phonenum":"1",`+fields+`}`)
		if signedIn := a.code() == "0"; signedIn != (want != "") || !signedIn && a.code() != "100-001" {
			t.Errorf("%s: %s", fields, a.Body)
			continue
		}
		if want == "" {
			continue
		}
		if a := c.poll(); a.code() != want {
			t.Errorf("%s: poll: %s, want %s", fields, a.Body, want)
		}
		if a := c.call("PUT", "/onlineagent/101/heartbeat", ""); a.code() != "0" {
			t.Errorf("%s: heartbeat: %s", fields, a.Body)
		}
	}
}

func TestSignInModeComesBack(t *testing.T) {
	for _, mode := range []string{`"1"`, `2`, `null`, `{"a":[1]}`} {
		r := overHTTP(t, Options{NoHold: true})
		c := r.client("101")
		if a := c.call("PUT", "/onlineagent/101", `{"password":"right","phonenum":"1","signInMode":`+mode+`}`); a.code() != "0" {
			t.Fatal(a.Body)
		}
		if a := c.call("POST", "/onlineagent/101/syncagentinfo", ""); !strings.Contains(a.Body, `"signInMode":`+mode+`}`) {
			t.Errorf("%s: %s", mode, a.Body)
		}
	}
}

// TestStateIsPending: what was asked for during a call shows as state 9, and what the
// contact centre refuses as 100-009.
func TestStateIsPending(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true})
	c := r.signIn("101")
	for want, st := range map[string]world.Status{
		`{"agentState":9,"isWorking":true}`:  {State: world.InCall, InCall: true, Pending: world.Resting},
		`{"agentState":9,"isWorking":false}`: {State: world.WrapUp, Pending: world.Busy},
		`{"agentState":7,"isWorking":true}`:  {State: world.InCall, InCall: true},
		`{"agentState":8,"isWorking":false}`: {State: world.Resting},
	} {
		r.desk.mu.Lock()
		r.desk.status = st
		r.desk.mu.Unlock()
		if a := c.call("GET", "/onlineagent/101/agentstatus", ""); string(a.Result) != want {
			t.Errorf("%+v: %s, want %s", st, a.Body, want)
		}
	}
	for err, want := range map[error]string{world.ErrWrongState: "100-009", world.ErrSignedOut: "100-006"} {
		r.desk.refuse = err
		if a := c.call("POST", "/onlineagent/101/rest/60/1", ""); a.code() != want {
			t.Errorf("%v: %s", err, a.Body)
		}
	}
}
