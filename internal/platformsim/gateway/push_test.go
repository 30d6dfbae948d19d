package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway/push"
	"aiccbridge/internal/platformsim/truth"
)

// arrival is a POST of events as it came off the wire.
type arrival struct {
	after  time.Duration
	line   string // of the request
	token  string // header service_token, spelt like that
	length int64
	events []string // types, as far as the body has a known form
	body   string
}

// receiver is an agent's client on pipes, in virtual time.
type receiver struct {
	*rig
	begin   time.Time
	serving sync.WaitGroup

	mu     sync.Mutex
	answer func(n int) (status int, body string) // to the n-th POST, from 1
	got    []arrival
}

// pushBubble plays with a gateway that runs and posts to a receiver.
func pushBubble(t *testing.T, o push.Options, answer func(n int) (int, string), play func(*receiver)) {
	t.Helper()
	postBubble(t, Options{Push: o, StaticGUID: true}, answer, play) // as older clients need it
}

func postBubble(t *testing.T, o Options, answer func(n int) (int, string), play func(*receiver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := &receiver{begin: time.Now(), answer: answer}
		o.Push.Dial = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			v.serving.Go(func() {
				defer server.Close()
				v.receive(server)
			})
			return client, nil
		}
		v.rig = inBubble(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- v.g.Run(ctx) }()
		play(v)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		v.serving.Wait()
	})
}

func (v *receiver) receive(conn net.Conn) {
	var wire strings.Builder
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &wire)))
	if err != nil {
		return
	}
	body, _ := io.ReadAll(req.Body)
	a := arrival{after: time.Since(v.begin), line: req.Method + " " + req.RequestURI, length: req.ContentLength, body: string(body)}
	for line := range strings.SplitSeq(wire.String(), "\r\n") {
		if token, ok := strings.CutPrefix(line, "service_token: "); ok {
			a.token = token
		}
	}
	var form struct {
		EventList []struct{ EventType string }
		Event     struct{ EventType string }
	}
	if json.Unmarshal(body, &form) == nil {
		for _, e := range append(form.EventList, form.Event) {
			if e.EventType != "" {
				a.events = append(a.events, e.EventType)
			}
		}
	}
	v.mu.Lock()
	v.got = append(v.got, a)
	status, text := v.answer(len(v.got))
	v.mu.Unlock()
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(text), text)
}

func (v *receiver) arrivals() []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.got)
}

// comes lets a time pass in which events come.
func (v *receiver) comes(after time.Duration, types ...string) {
	time.Sleep(after)
	for _, typ := range types {
		v.desk.push("101", typ, "")
	}
	synctest.Wait()
}

func (v *receiver) signIn(extra string) *slotClient {
	v.t.Helper()
	c := v.client("101")
	if a := c.call("PUT", "/onlineagent/101", strings.TrimSuffix(goodBody, "}")+","+extra+"}"); a.code() != "0" {
		v.t.Fatalf("sign-in: %s", a.Body)
	}
	synctest.Wait()
	return c
}

const (
	wantsList   = `"callBackUri":"http://bridge/events","serviceToken":"t-1"`
	wantsSingle = `"pushUrl":"http://bridge/push?token=q%2F1"`
	taken       = `{"message":"success","retcode":"0"}`
)

func always(status int, body string) func(int) (int, string) {
	return func(int) (int, string) { return status, body }
}

// TestListIsPostedUntilTaken: all that waits, oldest first, the same again after 10 s
// with what has come meanwhile.
func TestListIsPostedUntilTaken(t *testing.T) {
	answer := func(n int) (int, string) {
		switch n {
		case 2:
			return 503, "busy"
		case 3:
			return 200, `{"message":"no","retcode":"100-007"}`
		}
		return 200, taken
	}
	pushBubble(t, push.Options{}, answer, func(v *receiver) {
		c := v.signIn(wantsList)
		v.comes(time.Second, "AgentState_Ready")
		v.comes(4*time.Second, "AgentState_Busy", "AgentEvent_Ringing")
		if a := c.call("POST", "/onlineagent/101/handshake", ""); a.code() != "0" {
			t.Errorf("handshake: %s", a.Body)
		}
		v.comes(20 * time.Second)
		got := v.arrivals()
		want := []struct {
			at     time.Duration
			events string
		}{
			{0, "AgentOther_InService"},
			{time.Second, "AgentState_Ready"},
			{11 * time.Second, "AgentState_Ready AgentState_Busy AgentEvent_Ringing"},
			{21 * time.Second, "AgentState_Ready AgentState_Busy AgentEvent_Ringing"},
		}
		if len(got) != len(want) {
			t.Fatalf("%d POSTs: %+v", len(got), got)
		}
		for i, w := range want {
			if g := got[i]; g.after != w.at || strings.Join(g.events, " ") != w.events || g.line != "POST /events" || g.token != "t-1" || g.length != int64(len(g.body)) {
				t.Errorf("POST %d: %+v, want %+v", i, g, w)
			}
		}
		if !strings.HasPrefix(got[0].body, `{"workNo":"101","eventList":[{"eventType":"AgentOther_InService","eventGenTime":`) {
			t.Errorf("body %s", got[0].body)
		}
		if a := c.poll(); a.code() != "000-001" {
			t.Errorf("poll: %s", a.Body)
		}
		s := v.log.Snapshot()
		var taken []bool
		for _, p := range s.Pushes {
			taken = append(taken, p.Taken)
		}
		if !slices.Equal(taken, []bool{true, false, false, true}) || len(s.Events) != 4 || s.Events[3].Way != "push" || s.Events[3].Cut || len(s.Drops) != 0 {
			t.Errorf("truth: %+v, %+v, %+v", s.Pushes, s.Events, s.Drops)
		}
	})
}

func TestHandshakeRenewsTheToken(t *testing.T) {
	pushBubble(t, push.Options{}, always(200, taken), func(v *receiver) {
		c := v.signIn(wantsList)
		for token, code := range map[string]string{"t-2": "0", "t 3": "100-001"} {
			req := c.request("POST", "/onlineagent/101/handshake", "")
			req.Header.Set("service_token", token)
			if a := c.perform(req); a.code() != code {
				t.Errorf("token %q: %s", token, a.Body)
			}
		}
		v.comes(time.Second, "AgentState_Ready")
		if got := v.arrivals(); len(got) != 2 || got[1].token != "t-2" {
			t.Errorf("%+v", got)
		}
	})
}

// TestNobodyTakesTheList: after 120 s of failures the agent is signed out; what was
// posted may have arrived, what was not is dropped.
func TestNobodyTakesTheList(t *testing.T) {
	pushBubble(t, push.Options{}, always(404, taken), func(v *receiver) {
		c := v.signIn(wantsList)
		for range 5 {
			v.comes(20 * time.Second)
			if a := c.call("POST", "/onlineagent/101/handshake", ""); a.code() != "0" {
				t.Errorf("handshake: %s", a.Body)
			}
		}
		v.comes(19 * time.Second)
		if a := c.call("POST", "/onlineagent/101/handshake", ""); a.code() != "0" {
			t.Errorf("after 119 s: %s", a.Body)
		}
		v.comes(2 * time.Second)
		if a := c.call("POST", "/onlineagent/101/handshake", ""); a.code() != "100-006" {
			t.Errorf("after 121 s: %s", a.Body)
		}
		s := v.log.Snapshot()
		if n := len(s.Sessions); n != 2 || s.Sessions[1].Change != "unreachable" || len(s.Events) != 1 || !s.Events[0].Cut || len(v.arrivals()) != 13 {
			t.Errorf("%d POSTs, truth %+v %+v", len(v.arrivals()), s.Sessions, s.Events)
		}
	})
}

// TestSilenceEndsAPush: without a heartbeat in 120 s the agent is signed out.
func TestSilenceEndsAPush(t *testing.T) {
	for name, heartbeat := range map[string]struct{ extra, method, path string }{
		"handshake": {wantsList, "POST", "/onlineagent/101/handshake"},
		"heartbeat": {wantsSingle, "PUT", "/onlineagent/101/heartbeat"},
	} {
		t.Run(name, func(t *testing.T) {
			pushBubble(t, push.Options{}, always(200, taken), func(v *receiver) {
				c := v.signIn(heartbeat.extra)
				for _, wait := range []time.Duration{100 * time.Second, 119 * time.Second, 121 * time.Second} {
					v.comes(wait)
					want := "0"
					if wait > 120*time.Second {
						want = "100-006"
					}
					if a := c.call(heartbeat.method, heartbeat.path, ""); a.code() != want {
						t.Errorf("after %v: %s", wait, a.Body)
					}
				}
				if s := v.log.Snapshot().Sessions; s[len(s)-1].Change != "silent" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestShutdownIsPosted: a session that others end hears of it as the last, if the platform is
// set so, and its heartbeats are answered with the code; who signs out hears nothing.
func TestShutdownIsPosted(t *testing.T) {
	const shutdown = "AgentOther_ShutdownService"
	for name, test := range map[string]struct {
		off    bool
		end    func(v *receiver, c *slotClient)
		change string
		told   bool
	}{
		"silent":      {false, func(v *receiver, _ *slotClient) { v.comes(121 * time.Second) }, "silent", true},
		"displaced":   {false, func(v *receiver, c *slotClient) { c.client("101").call("PUT", "/onlineagent/101/forcelogin", goodBody) }, "displaced", true},
		"thrown out":  {false, func(v *receiver, _ *slotClient) { v.g.Expel("101") }, "forced_out", true},
		"signed out":  {false, func(v *receiver, c *slotClient) { c.call("DELETE", "/onlineagent/101/logout", "") }, "signed_out", false},
		"not so told": {true, func(v *receiver, _ *slotClient) { v.comes(121 * time.Second) }, "silent", false},
	} {
		for way, extra := range map[string]string{"list": wantsList, "single": wantsSingle} {
			t.Run(name+", "+way, func(t *testing.T) {
				postBubble(t, Options{ShutdownEvent: !test.off, StaticGUID: true}, always(200, taken), func(v *receiver) {
					c := v.signIn(extra)
					test.end(v, c)
					v.comes(10 * time.Second)
					want := []string{"AgentOther_InService"}
					if test.told {
						want = append(want, shutdown)
					}
					var got []string
					for _, a := range v.arrivals() {
						got = append(got, a.events...)
					}
					s := v.log.Snapshot()
					if !slices.Equal(got, want) || len(s.Events) != len(want) || s.Sessions[1].Change != test.change {
						t.Errorf("%q, truth %+v %+v", got, s.Events, s.Sessions)
					}
					if last := v.arrivals()[len(got)-1].body; test.told && !strings.Contains(last, `"content":{"loginTime":"`) {
						t.Errorf("body %s", last)
					}
					if a := c.call("POST", "/onlineagent/101/handshake", ""); a.code() == "0" {
						t.Error("a heartbeat of what has ended is answered well")
					}
				})
			})
		}
	}
}

// TestShutdownIsRepeated as every event is, and what waited before it is dropped; where the end
// is that nobody took events, nothing is said of it.
func TestShutdownIsRepeated(t *testing.T) {
	answer := func(n int) (int, string) {
		if n == 1 || n > 4 {
			return 200, taken
		}
		return 503, ""
	}
	postBubble(t, Options{ShutdownEvent: true}, answer, func(v *receiver) {
		v.signIn(wantsList)
		v.comes(115*time.Second, "AgentState_Ready")
		v.comes(time.Minute)
		var got []string
		for _, a := range v.arrivals() {
			got = append(got, fmt.Sprint(a.after, " ", strings.Join(a.events, " ")))
		}
		want := []string{
			"0s AgentOther_InService", "1m55s AgentState_Ready", "2m0s AgentOther_ShutdownService",
			"2m10s AgentOther_ShutdownService", "2m20s AgentOther_ShutdownService",
		}
		s := v.log.Snapshot()
		if !slices.Equal(got, want) || len(s.Events) != 3 || !s.Events[1].Cut || s.Events[2].Cut {
			t.Errorf("%q, truth %+v", got, s.Events)
		}
	})
	postBubble(t, Options{ShutdownEvent: true}, always(503, ""), func(v *receiver) {
		c := v.signIn(wantsList)
		v.comes(100 * time.Second)
		c.call("POST", "/onlineagent/101/handshake", "")
		v.comes(time.Minute)
		if s := v.log.Snapshot(); len(s.Events) != 1 || s.Sessions[1].Change != "unreachable" {
			t.Errorf("truth %+v %+v", s.Events, s.Sessions)
		}
	})
}

// TestClearedWhilePosting: syncagentinfo leaves what is on its way.
func TestClearedWhilePosting(t *testing.T) {
	rule := fault.Rule{Fault: "push.late", Next: 1, Delay: fault.Duration(5 * time.Second)}
	pushBubble(t, push.Options{}, always(200, taken), func(v *receiver) {
		v.set(rule)
		c := v.signIn(wantsList)
		v.comes(time.Second, "AgentState_Ready")
		if a := c.call("POST", "/onlineagent/101/syncagentinfo", ""); a.code() != "0" {
			t.Errorf("syncagentinfo: %s", a.Body)
		}
		v.comes(5 * time.Second)
		if s := v.log.Snapshot(); len(s.Events) != 1 || s.Events[0].Cut || len(s.Drops) != 1 {
			t.Errorf("%+v %+v", s.Events, s.Drops)
		}
	})
}

// TestSingleEvents: in order, each in the form of a poll's answer, up to three tries a
// second apart, then the event is gone and the next one's turn.
func TestSingleEvents(t *testing.T) {
	answer := func(n int) (int, string) {
		switch {
		case n >= 2 && n <= 4:
			return 403, ""
		case n == 5:
			return 500, taken
		case n == 6:
			return 200, ""
		}
		return 200, `{"retcode":0}`
	}
	pushBubble(t, push.Options{}, answer, func(v *receiver) {
		v.signIn(wantsSingle)
		v.comes(time.Second, "AgentState_Busy", "AgentEvent_Ringing", "AgentEvent_Talking")
		v.comes(20 * time.Second)
		var got []string
		for _, a := range v.arrivals() {
			if a.line != "POST /push?token=q%2F1" || a.token != "" || a.length != int64(len(a.body)) || !strings.HasPrefix(a.body, `{"message":"","retcode":"0","event":{"eventType":`) {
				t.Errorf("%+v", a)
			}
			got = append(got, fmt.Sprint(a.after, " ", strings.Join(a.events, " ")))
		}
		want := []string{
			"0s AgentOther_InService", "1s AgentState_Busy", "2s AgentState_Busy", "3s AgentState_Busy",
			"3s AgentEvent_Ringing", "4s AgentEvent_Ringing", "4s AgentEvent_Talking",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		var cut []bool
		for _, e := range v.log.Snapshot().Events {
			cut = append(cut, e.Cut)
		}
		if !slices.Equal(cut, []bool{false, true, false, false}) {
			t.Errorf("given up: %v", cut)
		}
	})
}

// TestWhatCountsAsTaken, by dialect.
func TestWhatCountsAsTaken(t *testing.T) {
	for _, c := range []struct {
		status       int
		body         string
		list, single bool
	}{
		{200, taken, true, true}, {200, `{"retcode":0}`, true, true}, {200, "", false, true}, {200, "ok", false, false},
		{200, `{"retcode":"100-007"}`, false, false}, {200, `{}`, false, false}, {204, "", false, false}, {202, taken, false, false},
	} {
		for extra, want := range map[string]bool{wantsList: c.list, wantsSingle: c.single} {
			pushBubble(t, push.Options{}, always(c.status, c.body), func(v *receiver) {
				v.signIn(extra)
				if p := v.log.Snapshot().Pushes; len(p) != 1 || p[0].Taken != want || p[0].Status != c.status {
					t.Errorf("%d %q to %s: %+v", c.status, c.body, extra, p)
				}
			})
		}
	}
}

// TestSignOutWhilePosting: the POST under way is finished, what comes after it is dropped.
func TestSignOutWhilePosting(t *testing.T) {
	rule := fault.Rule{Fault: "push.late", Next: 1, Delay: fault.Duration(5 * time.Second)}
	pushBubble(t, push.Options{}, always(200, taken), func(v *receiver) {
		v.set(rule)
		c := v.signIn(wantsList)
		v.comes(time.Second, "AgentState_Ready")
		if a := c.call("DELETE", "/onlineagent/101/logout", ""); a.code() != "0" {
			t.Errorf("sign-out: %s", a.Body)
		}
		v.comes(5 * time.Second)
		s := v.log.Snapshot()
		if len(s.Events) != 1 || s.Events[0].Cut || len(s.Drops) != 1 || s.Drops[0].Type != "AgentState_Ready" {
			t.Errorf("%+v %+v", s.Events, s.Drops)
		}
	})
}

func TestFaultsOfPushes(t *testing.T) {
	for name, want := range map[string]string{
		"":                 "0s t-1 true",
		"push.late":        "3s t-1 true",
		"push.unheard":     "0s t-1 true, 10s t-1 true",
		"push.twice":       "0s t-1 true, 0s t-1 true",
		"push.wrong_token": "0s xxx true",
	} {
		pushBubble(t, push.Options{}, always(200, taken), func(v *receiver) {
			if name != "" {
				v.set(fault.Rule{Fault: name, Next: 1})
			}
			v.signIn(wantsList)
			v.comes(15 * time.Second)
			var got []string
			pushes := v.log.Snapshot().Pushes
			for i, a := range v.arrivals() {
				got = append(got, fmt.Sprint(a.after, " ", a.token, " ", pushes[i].Taken))
			}
			if strings.Join(got, ", ") != want || pushes[0].Fault != name || len(v.log.Snapshot().Events) != 1 {
				t.Errorf("%s: %q, truth %+v", name, got, pushes)
			}
		})
	}
	if n := len(push.FaultKinds()); n != 4 {
		t.Errorf("%d kinds, this test knows 4", n)
	}
}

// TestAddressesOfPushes: what no event can be posted to is refused.
func TestAddressesOfPushes(t *testing.T) {
	r := inBubble(t, Options{Push: push.Options{Allowed: []string{"https://bridge/events"}}})
	for extra, code := range map[string]string{
		`"callBackUri":"https://bridge/events","serviceToken":"t"`:                       "0",
		`"callBackUri":"https://bridge/other","serviceToken":"t"`:                        "100-001", // not on the white list
		`"callBackUri":"bridge","serviceToken":"t"`:                                      "100-001",
		`"pushUrl":"ftp://bridge/x"`:                                                     "100-001",
		`"pushUrl":"http://other/x?y=1"`:                                                 "0", // no white list for it
		`"pushUrl":"http://a/","callBackUri":"https://bridge/events","serviceToken":"t"`: "100-001",
		`"pushUrl":null,"callBackUri":"https://bridge/other"`:                            "0", // polled
	} {
		c := r.client("102")
		if a := c.call("PUT", "/onlineagent/102/forcelogin", strings.TrimSuffix(goodBody, "}")+","+extra+"}"); a.code() != code {
			t.Errorf("%s: %s", extra, a.Body)
		}
	}
}

// TestFullQueueOfPushes: the oldest that is not on its way gives way.
func TestFullQueueOfPushes(t *testing.T) {
	log := truth.New()
	s := newSession(&Options{Truth: log, Now: time.Now, MaxQueue: 2}, node{}, "101", 1)
	s.posting = &posting{}
	s.deliver(eventOf("a"))
	if got := s.Waiting(t.Context(), 0); len(got) != 1 {
		t.Errorf("%d wait", len(got))
	}
	s.deliver(eventOf("b"))
	s.deliver(eventOf("c"))
	s.Posted(1, true)
	if snap := log.Snapshot(); snap.Events[0].Type != "a" || snap.Drops[0].Type != "b" || s.queue[0].Type != "c" {
		t.Errorf("%+v", snap)
	}
}
