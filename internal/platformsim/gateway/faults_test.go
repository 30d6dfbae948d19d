package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"aiccbridge/internal/platformsim/fault"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// set replaces the rules.
func (r *rig) set(rules ...fault.Rule) {
	r.t.Helper()
	if err := r.g.o.Faults.Set(rules); err != nil {
		r.t.Fatal(err)
	}
}

// one sets a single rule for the next poll.
func (r *rig) one(f fault.Rule) {
	r.t.Helper()
	f.Next = 1
	r.set(f)
}

func TestFaults(t *testing.T) {
	const hold = `"1456401416-3"`
	tests := map[string]struct {
		fault fault.Rule
		check func(t *testing.T, a answer)
		lost  bool // the next poll does not bring the event
	}{
		"503": {fault.Rule{Fault: "poll.status"}, func(t *testing.T, a answer) {
			if a.Status != 503 || !strings.HasPrefix(a.Body, "<html>") || a.Header.Get("Content-Type") != "text/html" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, false},
		"500 after pop": {fault.Rule{Fault: "poll.status_after_pop", Status: 500}, func(t *testing.T, a answer) {
			if a.Status != 500 {
				t.Errorf("%d", a.Status)
			}
		}, true},
		"cut": {fault.Rule{Fault: "poll.cut"}, func(t *testing.T, a answer) {
			if a.Err == nil {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, false},
		"cut after pop": {fault.Rule{Fault: "poll.cut_after_pop"}, func(t *testing.T, a answer) {
			if a.Err == nil {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, true},
		"retcode": {fault.Rule{Fault: "poll.code", Code: "105-002"}, func(t *testing.T, a answer) {
			if a.code() != "105-002" || a.Status != 200 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, false},
		"empty": {fault.Rule{Fault: "poll.empty"}, func(t *testing.T, a answer) {
			if a.Status != 200 || a.Body != "" || a.Err != nil {
				t.Errorf("%d %q %v", a.Status, a.Body, a.Err)
			}
		}, false},
		"empty after pop": {fault.Rule{Fault: "poll.empty_after_pop"}, func(t *testing.T, a answer) {
			if a.Status != 200 || a.Body != "" {
				t.Errorf("%d %q", a.Status, a.Body)
			}
		}, true},
		"slow": {fault.Rule{Fault: "poll.slow", Delay: fault.Duration(50 * time.Millisecond)}, func(t *testing.T, a answer) {
			if a.eventType() != "AgentEvent_Hold" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}, true},
		"truncated": {fault.Rule{Fault: "poll.truncated"}, func(t *testing.T, a answer) {
			if a.Err == nil || a.Body == "" || json.Valid([]byte(a.Body)) {
				t.Errorf("%q %v", a.Body, a.Err)
			}
		}, true},
		"bad JSON": {fault.Rule{Fault: "poll.bad_json"}, func(t *testing.T, a answer) {
			if a.Err != nil || json.Valid([]byte(a.Body)) {
				t.Errorf("%q %v", a.Body, a.Err)
			}
		}, true},
		"GBK": {fault.Rule{Fault: "poll.gbk"}, func(t *testing.T, a answer) {
			plain, err := simplifiedchinese.GBK.NewDecoder().String(a.Body)
			if err != nil || !strings.Contains(plain, `"操作成功"`) || !strings.Contains(plain, hold) ||
				!strings.Contains(a.Header.Get("Content-Type"), "GBK") {
				t.Errorf("%q %v", plain, err)
			}
		}, true},
		"NUL": {fault.Rule{Fault: "poll.nul"}, func(t *testing.T, a answer) {
			if !strings.Contains(a.Body, `"1456401416-3\u0000\u0000"`) || !strings.Contains(a.Body, `"workNo":"101\u0000`) || a.code() != "0" {
				t.Errorf("%s", a.Body)
			}
		}, true},
		"wrong types": {fault.Rule{Fault: "poll.wrong_types"}, func(t *testing.T, a answer) {
			if !strings.HasPrefix(a.Body, `{"message":{},"retcode":0,"event":{"eventType":"AgentEvent_Hold","eventGenTime":"1`) ||
				!strings.Contains(a.Body, `"workNo":101,`) {
				t.Errorf("%s", a.Body)
			}
		}, true},
		"unknown type": {fault.Rule{Fault: "poll.unknown_type"}, func(t *testing.T, a answer) {
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
			if tt.fault.Fault == unknownType {
				return
			}
			events := r.log.Snapshot().Events
			last := events[len(events)-1]
			f := tt.fault
			if tt.lost && last.Fault != f.Fault || last.Cut != (tt.lost && loses(&f)) || last.Type != "AgentEvent_Hold" {
				t.Errorf("truth: %+v", last)
			}
		})
	}
}

func TestCutOnReusedConnectionOnly(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true})
	c := r.signIn("101") // two requests: the connection is used
	r.one(fault.Rule{Fault: "poll.cut_reused"})
	r.desk.push("101", "AgentState_Ready", "")
	if a := c.poll(); a.Err == nil {
		t.Errorf("reused connection: %s", a.Body)
	}
	if a := c.poll(); a.eventType() != "AgentState_Ready" {
		t.Errorf("fresh connection: %s", a.Body)
	}
	if left := r.g.o.Faults.Rules()[0].Next; left != 0 {
		t.Errorf("the rule has %d to go", left)
	}
	fresh := overHTTP(t, Options{NoHold: true})
	fresh.one(fault.Rule{Fault: "signin.cut_reused"})
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
	r.one(fault.Rule{Fault: "poll.cut_after_pop"})
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
		r.one(fault.Rule{Fault: "poll.slow"})
		begin := time.Now()
		ctx, cancel := contextFor(t, 20*time.Second)
		defer cancel()
		c.perform(c.request("GET", "/agentevent/101", "").WithContext(ctx))
		if d := time.Since(begin); d != 20*time.Second {
			t.Errorf("gave up after %v", d)
		}
		events := r.log.Snapshot().Events
		if last := events[len(events)-1]; !last.Cut || last.Fault != "poll.slow" {
			t.Errorf("truth: %+v", last)
		}
	})
}

func TestRulesCountAndLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{NoHold: true})
		c, other := r.signIn("101"), r.signIn("102")
		r.set(
			fault.Rule{Fault: "poll.code", Agent: "101", Next: 2},
			fault.Rule{Fault: "poll.code", Agent: "102", Code: "000-004", For: fault.Duration(5000 * time.Millisecond)},
			fault.Rule{Fault: "signin.status", Status: 502, Next: 1},
			fault.Rule{Fault: "session.code", Code: "100-007", Next: 1},
		)
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
		left := r.g.o.Faults.Rules()
		if left[0].Next != 0 || left[2].Next != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestSharesAreDrawnFromTheSeed(t *testing.T) {
	draw := func(seed uint64) (out string) {
		r := inBubble(t, Options{NoHold: true, Faults: fault.NewBook(FaultKinds(), seed, time.Now)})
		c := r.signIn("101")
		r.set(fault.Rule{Fault: "poll.code", Share: 0.5})
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
	for name, f := range map[string]fault.Rule{
		"unknown kind":     {Fault: "poll.typo", Next: 1},
		"never":            {Fault: "poll.cut"},
		"share":            {Fault: "poll.cut", Share: 1.5},
		"negative":         {Fault: "poll.cut", Next: -1},
		"unknown call":     {Fault: "dance.cut", Next: 1},
		"sign-in pops":     {Fault: "signin.cut_after_pop", Next: 1},
		"injects after":    {Fault: "poll.unknown_type_after_pop", Next: 1},
		"impossible state": {Fault: "poll.status", Next: 1, Status: 99},
	} {
		g := inBubble(t, Options{}).g
		if err := g.o.Faults.Set([]fault.Rule{f}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// conversation plays what a client does, at one time and on one connection,
// under a rule, and returns all that he sees.
func conversation(t *testing.T, rules ...fault.Rule) (seen string) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{NoHold: true})
		direct, conn := r.do, ConnContext(t.Context(), nil)
		r.do = func(req *http.Request) (*http.Response, error) { return direct(req.WithContext(conn)) }
		r.set(rules...)
		c, begin := r.client("101"), time.Now()
		note := func(a answer) {
			seen += fmt.Sprintln(time.Since(begin), a.Status, a.Header.Get("Content-Type"), a.Header.Get("Content-Length"), a.Body, a.Err)
		}
		note(c.call("GET", "/nothing", "")) // from here on the connection is used
		note(c.call("PUT", "/onlineagent/101", goodBody))
		note(c.call("GET", "/onlineagent/101/agentstatus", ""))
		r.desk.push("101", "AgentEvent_Hold", `"1456401416-3"`)
		for range 3 {
			note(c.poll())
		}
	})
	return seen
}

func TestEveryFaultHasAnEffect(t *testing.T) {
	polite := conversation(t)
	if again := conversation(t); again != polite {
		t.Fatalf("two polite conversations differ:\n%s\n%s", polite, again)
	}
	for _, k := range FaultKinds() {
		if strings.HasPrefix(k.Name, "push.") {
			continue // TestFaultsOfPushes
		}
		if conversation(t, fault.Rule{Fault: k.Name, Next: 1}) == polite {
			t.Errorf("%s has no effect", k.Name)
		}
		if k.What == "" {
			t.Errorf("%s is not explained", k.Name)
		}
	}
}

func TestFaultsOfOneInterface(t *testing.T) {
	r := inBubble(t, Options{NoHold: true})
	c := r.signIn("101")
	r.set(
		fault.Rule{Fault: "session.code", Operation: "handshake", Code: "100-007", Next: 1},
		fault.Rule{Fault: "session.code", Path: base + "/onlineagent/*/saybusy", Next: 1},
	)
	for path, want := range map[string]string{"agentstatus": "0", "handshake": "100-007", "saybusy": "000-003"} {
		method := "POST"
		if path == "agentstatus" {
			method = "GET"
		}
		if a := c.call(method, "/onlineagent/101/"+path, ""); a.code() != want {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
}
