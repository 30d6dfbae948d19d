package gateway

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// one sets a single rule for the next poll.
func (r *rig) one(f Fault) {
	r.t.Helper()
	f.Next = 1
	if err := r.g.SetFaults(Faults{Rules: []Fault{f}}); err != nil {
		r.t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	const hold = `"1456401416-3"`
	tests := map[string]struct {
		fault Fault
		check func(t *testing.T, a answer)
		lost  bool // the next poll does not bring the event
	}{
		"503": {Fault{Kind: "status"}, func(t *testing.T, a answer) {
			if a.Status != 503 || !strings.HasPrefix(a.Body, "<html>") || a.Header.Get("Content-Type") != "text/html" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, false},
		"500 after pop": {Fault{Kind: "status", Status: 500, AfterPop: true}, func(t *testing.T, a answer) {
			if a.Status != 500 {
				t.Errorf("%d", a.Status)
			}
		}, true},
		"cut": {Fault{Kind: "cut"}, func(t *testing.T, a answer) {
			if a.Err == nil {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, false},
		"cut after pop": {Fault{Kind: "cut_after_pop"}, func(t *testing.T, a answer) {
			if a.Err == nil {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, true},
		"retcode": {Fault{Kind: "code", Code: "105-002"}, func(t *testing.T, a answer) {
			if a.code() != "105-002" || a.Status != 200 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, false},
		"empty": {Fault{Kind: "empty"}, func(t *testing.T, a answer) {
			if a.Status != 200 || a.Body != "" || a.Err != nil {
				t.Errorf("%d %q %v", a.Status, a.Body, a.Err)
			}
		}, false},
		"empty after pop": {Fault{Kind: "empty", AfterPop: true}, func(t *testing.T, a answer) {
			if a.Status != 200 || a.Body != "" {
				t.Errorf("%d %q", a.Status, a.Body)
			}
		}, true},
		"slow": {Fault{Kind: "slow", DelayMS: 50}, func(t *testing.T, a answer) {
			if a.eventType() != "AgentEvent_Hold" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, true},
		"truncated": {Fault{Kind: "truncated"}, func(t *testing.T, a answer) {
			if a.Err == nil || a.Body == "" || json.Valid([]byte(a.Body)) {
				t.Errorf("%q %v", a.Body, a.Err)
			}
		}, true},
		"bad JSON": {Fault{Kind: "bad_json"}, func(t *testing.T, a answer) {
			if a.Err != nil || json.Valid([]byte(a.Body)) {
				t.Errorf("%q %v", a.Body, a.Err)
			}
		}, true},
		"GBK": {Fault{Kind: "gbk"}, func(t *testing.T, a answer) {
			plain, err := simplifiedchinese.GBK.NewDecoder().String(a.Body)
			if err != nil || !strings.Contains(plain, `"操作成功"`) || !strings.Contains(plain, hold) ||
				!strings.Contains(a.Header.Get("Content-Type"), "GBK") {
				t.Errorf("%q %v", plain, err)
			}
		}, true},
		"NUL": {Fault{Kind: "nul"}, func(t *testing.T, a answer) {
			if !strings.Contains(a.Body, `"1456401416-3\u0000\u0000"`) || !strings.Contains(a.Body, `"workNo":"101\u0000`) || a.code() != "0" {
				t.Errorf("%s", a.Body)
			}
		}, true},
		"wrong types": {Fault{Kind: "wrong_types"}, func(t *testing.T, a answer) {
			if !strings.HasPrefix(a.Body, `{"message":{},"retcode":0,"event":{"eventType":"AgentEvent_Hold","eventGenTime":"1`) ||
				!strings.Contains(a.Body, `"workNo":101,`) {
				t.Errorf("%s", a.Body)
			}
		}, true},
		"unknown type": {Fault{Kind: "unknown_type"}, func(t *testing.T, a answer) {
			if a.eventType() != "AgentFuture_Something_New" {
				t.Errorf("%s", a.Body)
			}
		}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := overHTTP(t, Options{NoHold: true})
			c := r.signIn("101")
			r.desk.push("101", "AgentEvent_Hold", hold)
			r.one(tt.fault)
			tt.check(t, c.poll())
			a := c.poll()
			if got := a.eventType() == ""; got != tt.lost || a.code() != "0" {
				t.Errorf("next poll: %s", a.Body)
			}
			if tt.fault.Kind == "unknown_type" {
				return
			}
			events := r.log.Snapshot().Events
			last := events[len(events)-1]
			f := tt.fault
			if tt.lost && last.Fault != f.Kind || last.Cut != (tt.lost && f.loses()) || last.Type != "AgentEvent_Hold" {
				t.Errorf("truth: %+v", last)
			}
		})
	}
	if len(tests) < len(kinds) {
		t.Errorf("%d tests for %d kinds", len(tests), len(kinds))
	}
}

func TestCutOnReusedConnectionOnly(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true})
	c := r.signIn("101") // two requests: the connection is used
	r.one(Fault{Kind: "cut_reused"})
	r.desk.push("101", "AgentState_Ready", "")
	if a := c.poll(); a.Err == nil {
		t.Errorf("reused connection: %s", a.Body)
	}
	if a := c.poll(); a.eventType() != "AgentState_Ready" {
		t.Errorf("fresh connection: %s", a.Body)
	}
	if left := r.g.Faults().Rules[0].Next; left != 0 {
		t.Errorf("the rule has %d to go", left)
	}
	fresh := overHTTP(t, Options{NoHold: true})
	fresh.one(Fault{Kind: "cut_reused", On: "signin"})
	fresh.signIn("101")
}

func TestTruthKnowsTheCut(t *testing.T) {
	if !cutMarks(t) {
		t.Error("truth does not know that the answer was cut")
	}
}

// cutMarks cuts one answer and asks truth.
func cutMarks(t *testing.T) (marked bool) {
	r := overHTTP(t, Options{NoHold: true})
	c := r.signIn("101")
	r.desk.push("101", "AgentState_Ready", "")
	r.one(Fault{Kind: "cut_after_pop"})
	if a := c.poll(); a.Err == nil {
		t.Fatalf("not cut: %s", a.Body)
	}
	events := r.log.Snapshot().Events
	return events[len(events)-1].Cut
}

func TestGivingUpOnASlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{NoHold: true})
		c := r.signIn("101")
		r.desk.push("101", "AgentState_Ready", "")
		r.one(Fault{Kind: "slow"})
		begin := time.Now()
		ctx, cancel := contextFor(t, 20*time.Second)
		defer cancel()
		c.perform(c.request("GET", "/agentevent/101", "").WithContext(ctx))
		if d := time.Since(begin); d != 20*time.Second {
			t.Errorf("gave up after %v", d)
		}
		events := r.log.Snapshot().Events
		if last := events[len(events)-1]; !last.Cut || last.Fault != "slow" {
			t.Errorf("truth: %+v", last)
		}
	})
}

func TestRulesCountAndLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{NoHold: true})
		c, other := r.signIn("101"), r.signIn("102")
		rules := []Fault{
			{Kind: "code", Agent: "101", Next: 2},
			{Kind: "code", Agent: "102", Code: "000-004", ForMS: 5000},
			{Kind: "status", On: "signin", Status: 502, Next: 1},
			{Kind: "code", On: "other", Code: "100-007", Next: 1},
		}
		if err := r.g.SetFaults(Faults{Rules: rules}); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"000-003", "000-003", "0"} {
			if a := c.poll(); a.code() != want {
				t.Errorf("poll %d: %s, want %s", i, a.Body, want)
			}
		}
		if a := other.poll(); a.code() != "000-004" {
			t.Errorf("during the switch-over: %s", a.Body)
		}
		time.Sleep(5 * time.Second)
		if a := other.poll(); a.code() != "0" {
			t.Errorf("after the switch-over: %s", a.Body)
		}
		if a := c.call("PUT", "/onlineagent/101", goodBody); a.Status != 502 {
			t.Errorf("sign-in: %d %s", a.Status, a.Body)
		}
		if a := c.call("GET", "/onlineagent/101/agentstatus", ""); a.code() != "100-007" {
			t.Errorf("agentstatus: %s", a.Body)
		}
		left := r.g.Faults()
		if left.Rules[0].Next != 0 || left.Rules[2].Next != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestSharesAreDrawnFromTheSeed(t *testing.T) {
	draw := func(seed uint64) (out string) {
		r := inBubble(t, Options{NoHold: true, Seed: seed})
		c := r.signIn("101")
		if err := r.g.SetFaults(Faults{Rules: []Fault{{Kind: "code", Share: 0.5}}}); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			if c.poll().code() == "0" {
				out += "."
			} else {
				out += "x"
			}
		}
		return out
	}
	one, again, other := draw(1), draw(1), draw(2)
	if one != again || one == other || !strings.Contains(one, ".") || !strings.Contains(one, "x") {
		t.Errorf("draws:\n%s\n%s\n%s", one, again, other)
	}
}

func TestFaultsAreChecked(t *testing.T) {
	for name, f := range map[string]Fault{
		"unknown kind":     {Kind: "typo", Next: 1},
		"never":            {Kind: "cut"},
		"share":            {Kind: "cut", Share: 1.5},
		"negative":         {Kind: "cut", Next: -1},
		"unknown call":     {Kind: "cut", Next: 1, On: "dance"},
		"sign-in pops":     {Kind: "cut_after_pop", Next: 1, On: "signin"},
		"injects after":    {Kind: "unknown_type", Next: 1, AfterPop: true},
		"impossible state": {Kind: "status", Next: 1, Status: 99},
	} {
		g := inBubble(t, Options{}).g
		if err := g.SetFaults(Faults{Rules: []Fault{f}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if len(Kinds()) != len(kinds) {
		t.Error("Kinds is not complete")
	}
}

func TestFaultsSurviveJSON(t *testing.T) {
	var f Faults
	text := `{"rules":[{"kind":"slow","agent":"101","next":2,"delay_ms":25000}]}`
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(f)
	if err != nil || string(back) != text {
		t.Errorf("%s %v", back, err)
	}
}
