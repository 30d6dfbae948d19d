package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{})
		c := r.signIn("101")
		begin := time.Now()
		if a := c.poll(); a.Body != `{"message":"","retcode":"0"}` || time.Since(begin) != 10*time.Second {
			t.Errorf("idle poll: %s after %v", a.Body, time.Since(begin))
		}
		begin = time.Now()
		timer := time.AfterFunc(3210*time.Millisecond, func() { r.desk.push("101", "AgentState_Ready", "") })
		defer timer.Stop()
		if a := c.poll(); a.eventType() != "AgentState_Ready" || time.Since(begin) != 3300*time.Millisecond {
			t.Errorf("event during the hold: %s after %v, want the end of the step", a.Body, time.Since(begin))
		}
		r.desk.push("101", "AgentState_Work", "")
		begin = time.Now()
		if a := c.poll(); a.eventType() != "AgentState_Work" || time.Since(begin) != 0 {
			t.Errorf("waiting event: %s after %v", a.Body, time.Since(begin))
		}
	})
}

func TestFlagOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{NoHold: true})
		c := r.signIn("101")
		begin := time.Now()
		if a := c.poll(); a.Body != `{"message":"","retcode":"0"}` || time.Since(begin) != 0 {
			t.Errorf("%s after %v", a.Body, time.Since(begin))
		}
	})
}

func TestOneEventPerPoll(t *testing.T) {
	if got := drain(t); got != 20 {
		t.Errorf("20 events came, %d were handed out", got)
	}
}

func drain(t *testing.T) int {
	r := overHTTP(t, Options{NoHold: true})
	c := r.signIn("101")
	for i := range 20 {
		r.desk.push("101", "AgentEvent_Hold", fmt.Sprintf(`"1456401416-%d"`, i))
	}
	n := 0
	for {
		a := c.poll()
		if a.eventType() == "" {
			return n
		}
		if want := fmt.Sprintf(`"content":"1456401416-%d"`, n); !strings.Contains(a.Body, want) {
			t.Fatalf("event %d: %s", n, a.Body)
		}
		n++
	}
}

func TestManyPollersShareTheEvents(t *testing.T) {
	r := overHTTP(t, Options{WaitTimes: 5})
	c := r.signIn("101")
	const events = 60
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				own := slotClient{rig: r, agent: "101", guid: c.guid, jar: c.jar}
				a := own.poll()
				if a.eventType() == "" {
					return
				}
				mu.Lock()
				seen[a.Body]++
				mu.Unlock()
			}
		})
	}
	for i := range events {
		r.desk.push("101", "AgentEvent_Hold", fmt.Sprintf(`"1-%d"`, i))
	}
	all.Wait()
	if len(seen) != events {
		t.Errorf("%d different events, want %d", len(seen), events)
	}
	for body, n := range seen {
		if n != 1 {
			t.Errorf("%d times: %s", n, body)
		}
	}
}

func TestQueueOverflowDropsTheOldest(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true, MaxQueue: 3})
	c := r.signIn("101")
	for i := range 5 {
		r.desk.push("101", "AgentEvent_Hold", fmt.Sprintf(`"1-%d"`, i))
	}
	if r.g.Pending() != 3 {
		t.Errorf("%d events wait", r.g.Pending())
	}
	if a := c.poll(); !strings.Contains(a.Body, `"1-2"`) {
		t.Errorf("first survivor: %s", a.Body)
	}
	drops := r.log.Snapshot().Drops
	if len(drops) != 2 || string(drops[0].Content) != `"1-0"` || drops[0].Reason != "overflow" {
		t.Errorf("truth: %+v", drops)
	}
}

func TestShapes(t *testing.T) {
	const content = `{"callid":"1-2","feature":"0","mediaType":5,"caller":"5550100"}`
	at := time.UnixMilli(1784529722590)
	tests := map[string]struct {
		shape       wire.Shape
		event, idle string
	}{
		"newest": {wire.Shape{},
			`{"message":"","retcode":"0","event":{"eventType":"T","eventGenTime":1784529722590,"workNo":"101","content":` + content + `}}`,
			`{"message":"","retcode":"0"}`},
		"old": {wire.Shape{NoGenTime: true, Idle: "null"},
			`{"message":"","retcode":"0","event":{"eventType":"T","workNo":"101","content":` + content + `}}`,
			`{"message":"","retcode":"0","event":null}`},
		"reversed": {wire.Shape{NoGenTime: true, Order: "reversed", Idle: "list"},
			`{"event":{"content":` + content + `,"workNo":"101","eventType":"T"},"retcode":"0","message":""}`,
			`{"event":[],"retcode":"0","message":""}`},
		"noise": {wire.Shape{NoGenTime: true, JSONKey: true, LeadingSpace: true},
			`{"message":"","retcode":"0","event":{"eventType":" T","workNo":"101","jsonKey":["workNo","eventType","content"],"content":{"callid":"1-2","feature":"0","mediaType":5,"caller":"5550100","jsonKey":["callid","feature","mediaType","caller"]}}}`,
			`{"message":"","retcode":"0"}`},
		"variants": {wire.Shape{NoGenTime: true, Variants: true},
			`{"message":"success","retcode":0,"event":{"eventType":"T","workNo":101,"content":{"callid":"1-2","feature":0,"mediaType":"5","caller":"5550100"}}}`,
			`{"message":"success","retcode":0}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := overHTTP(t, Options{NoHold: true, Shape: tt.shape})
			c := r.signIn2("101")
			r.desk.deliver["101"](world.Event{At: at, Type: "T", Content: json.RawMessage(content)})
			if a := c.poll(); a.Body != tt.event {
				t.Errorf("event:\n got %s\nwant %s", a.Body, tt.event)
			}
			if a := c.poll(); a.Body != tt.idle {
				t.Errorf("idle:\n got %s\nwant %s", a.Body, tt.idle)
			}
			if e := r.log.Snapshot().Events; string(e[len(e)-1].Content) != content {
				t.Errorf("truth holds %s", e[len(e)-1].Content)
			}
		})
	}
	null := wire.Shape{NoGenTime: true, JSONKey: true, Variants: true}
	if got := string(null.Event("101", world.Event{Type: "T"})); !strings.HasSuffix(got, `"content":null}`) {
		t.Errorf("content null: %s", got)
	}
	if got := string(null.Event("101", world.Event{Type: "T", Content: json.RawMessage(`"1-2"`)})); !strings.HasSuffix(got, `"content":"1-2"}`) {
		t.Errorf("content string: %s", got)
	}
}

// signIn2 signs in where the first event does not look as documented.
func (r *rig) signIn2(agent string) *slotClient {
	r.t.Helper()
	c := r.client(agent)
	if a := c.call("PUT", "/onlineagent/"+agent, goodBody); a.code() != "0" {
		r.t.Fatal(a.Body)
	}
	c.poll()
	return c
}

func TestAllAgents(t *testing.T) {
	r := overHTTP(t, Options{AllAgents: true, WaitTimes: 2})
	a1, a2 := r.client("101"), r.client("102")
	for _, c := range []*slotClient{a1, a2} {
		if a := c.call("PUT", "/onlineagent/"+c.agent, goodBody); a.code() != "0" {
			t.Fatal(a.Body)
		}
	}
	if a := a1.poll(); a.code() != "000-001" {
		t.Errorf("poll of one agent: %s", a.Body)
	}
	a := a1.call("GET", "/agentevent/allagentevent?time=1", "")
	var list []struct{ EventType, WorkNo string }
	if err := json.Unmarshal(a.Event, &list); err != nil || len(list) != 2 {
		t.Errorf("%s %v", a.Body, err)
	}
	if a := a2.call("GET", "/agentevent/allagentevent", ""); a.Body != `{"message":"","retcode":"0"}` {
		t.Errorf("nothing more: %s", a.Body)
	}
	a1.guid = "none"
	if a := a1.call("GET", "/agentevent/allagentevent", ""); a.code() != "000-003" {
		t.Errorf("wrong GUID: %s", a.Body)
	}
}

func TestAllAgentsIsNoHeartbeat(t *testing.T) {
	for name, tt := range map[string]struct {
		o    Options
		stay map[string]string // retcode after MAXTIME of allagentevent alone
	}{
		"default":              {Options{}, map[string]string{"101": "100-006", "102": "100-006", "103": "0"}},
		"every request":        {Options{AnyRequestCounts: true}, map[string]string{"101": "0", "102": "100-006", "103": "0"}},
		"allagentevent counts": {Options{AllAgentsCounts: true}, map[string]string{"101": "0", "102": "0", "103": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := tt.o
				o.AllAgents, o.NoHold, o.StaticGUID = true, true, true
				r := inBubble(t, o)
				clients := map[string]*slotClient{}
				for agent := range tt.stay {
					clients[agent] = r.client(agent)
					if a := clients[agent].call("PUT", "/onlineagent/"+agent, goodBody); a.code() != "0" {
						t.Fatal(a.Body)
					}
				}
				for range 12 {
					time.Sleep(10 * time.Second)
					if a := clients["101"].call("GET", "/agentevent/allagentevent", ""); a.code() != "0" {
						t.Fatal(a.Body)
					}
					clients["103"].call("POST", "/onlineagent/103/handshake", "")
				}
				for agent, want := range tt.stay {
					if a := clients[agent].call("GET", "/onlineagent/"+agent+"/agentstatus", ""); a.code() != want {
						t.Errorf("agent %s: %s, want %s", agent, a.Body, want)
					}
				}
			})
		})
	}
}

// With the real contact centre behind: what a client reads is what truth has.
func TestClientSeesWhatTruthSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := world.New(world.Options{Seed: 9, Agents: 2})
		if err != nil {
			t.Fatal(err)
		}
		log := truth.New()
		faults := fault.NewBook(FaultKinds(), 0, time.Now)
		if err := faults.Set([]fault.Rule{{Fault: "poll.cut_after_pop", Share: 0.1}}); err != nil {
			t.Fatal(err)
		}
		g, err := New(Options{Floor: w, Truth: log, Faults: faults})
		if err != nil {
			t.Fatal(err)
		}
		r := inBubble(t, Options{})
		r.g, r.log = g, log
		r.do = directly(g)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = w.Run(ctx) })
		all.Go(func() { _ = g.Run(ctx) })
		read := make([]int, 2)
		for i, agent := range w.Agents() {
			c := r.client(agent.ID)
			body := fmt.Sprintf(`{"password":%q,"phonenum":%q}`, agent.Password, agent.Phone)
			if a := c.call("PUT", "/onlineagent/"+agent.ID, body); a.code() != "0" {
				t.Fatal(a.Body)
			}
			if a := c.call("POST", "/onlineagent/"+agent.ID+"/resetskill/true", ""); a.code() != "0" {
				t.Fatal(a.Body)
			}
			all.Go(func() {
				for end := time.Now().Add(2 * time.Hour); time.Now().Before(end); {
					if c.poll().eventType() != "" {
						read[i]++
					}
				}
			})
		}
		time.Sleep(2*time.Hour + time.Minute)
		cancel()
		all.Wait()
		whole, cut := 0, 0
		for _, e := range log.Snapshot().Events {
			if e.Cut {
				cut++
			} else {
				whole++
			}
		}
		if whole != read[0]+read[1] || cut == 0 || whole < 100 {
			t.Errorf("truth: %d whole, %d cut; read %v", whole, cut, read)
		}
	})
}

func directly(h http.Handler) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		w := newRecorder()
		h.ServeHTTP(w, req)
		resp := w.Result()
		for name, values := range maps.Clone(resp.Header) { // as net/http reads them off the wire
			delete(resp.Header, name)
			resp.Header[http.CanonicalHeaderKey(name)] = values
		}
		return resp, nil
	}
}
