package push

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func (s *scene) want(agent string, types ...string) {
	s.t.Helper()
	if got := s.shelf.types(s.t, agent); !slices.Equal(got, types) {
		s.t.Errorf("stored of %s: %q, want %q", agent, got, types)
	}
}

// TestListAgain: a list that comes again, also longer, also to another owner, has no second
// effect; what happened twice is two.
func TestListAgain(t *testing.T) {
	t.Run("the same", func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("A", "B")
		s.takes("A", "B")
		s.want("291", "A", "B")
	})
	t.Run("longer", func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("A", "B")
		s.takes("A", "B", "C")
		s.takes("A", "B", "C", "A")
		s.want("291", "A", "B", "C", "A")
	})
	t.Run("to the next owner", func(t *testing.T) {
		s := newScene(t)
		_, kill := s.own()
		s.takes("A", "B")
		kill()
		s.own()
		s.takes("A", "B")
		s.takes("C")
		s.want("291", "A", "B", "C")
	})
	t.Run("after own messages", func(t *testing.T) {
		s := newScene(t)
		d, _ := s.own()
		s.takes("A", "B")
		seat := d.seats["291"]
		if err := seat.with(t.Context(), func() error { return seat.record.Heartbeat(t.Context()) }); err != nil {
			t.Fatal(err)
		}
		s.stop()
		s.own()
		s.takes("A", "B", "C")
		s.want("291", "A", "B", "C")
	})
	t.Run("twice, with other events between", func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("A")
		s.takes("B")
		s.takes("A")
		s.takes("B", "A")
		s.want("291", "A", "B", "A", "B", "A")
	})
	t.Run("twice, as the platform's time says", func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("A@1", "B@2")
		s.takes("A@3", "B@4")
		s.takes("A@3", "B@4", "A@5")
		s.want("291", "A", "B", "A", "B", "A")
	})
	t.Run("a beginning alone is another list", func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("A", "B")
		s.takes("A", "C")
		s.want("291", "A", "B", "A", "C")
	})
	t.Run("members in another order", func(t *testing.T) {
		s := newScene(t)
		s.own()
		for _, body := range []string{
			`{"workNo":"291","eventList":[{"eventType":"A","workNo":"291","content":{"x":1,"y":2}}]}`,
			`{"eventList":[{"content":{"y":2, "x":1},"workNo":"291","eventType":"A"}],"workNo":"291"}`,
		} {
			if code, answer := s.push(secret, body); code != http.StatusOK {
				t.Fatal(code, answer)
			}
		}
		s.want("291", "A")
	})
}

// TestSessionsOverlap: while a session ends and the next one begins the gateway pushes of both.
// What comes again of either is known, although there was a list of the other one between, and
// what happened twice in one of them is two.
func TestSessionsOverlap(t *testing.T) {
	// A step is a session and the events of its list; * marks what has come before.
	for name, steps := range map[string][]string{
		"with times":                {"1 A@1", "2 B@2", "*1 A@1", "*2 B@2", "2 B@2 C@3", "*1 A@1", "*2 B@2 C@3"},
		"without":                   {"1 A", "2 B", "*1 A", "*2 B", "2 B C", "*1 A", "*2 B C", "2 A", "*1 A"},
		"twice in one of them":      {"1 A", "2 B", "1 C", "1 A", "*1 A"},
		"the earlier one goes on":   {"1 A", "2 B", "1 A D", "*2 B", "*1 A D", "2 E"},
		"three of them":             {"1 A", "2 B", "3 C", "*1 A", "*2 B", "*3 C", "3 A"},
		"shorter than it was, late": {"1 A@1", "1 A@1 B@2", "2 C@3", "*1 A@1", "*2 C@3"},
	} {
		for way, of := range map[string]func(r *http.Request, session string){
			"guid":    func(r *http.Request, session string) { r.Header.Set("Guid", session) },
			"address": func(r *http.Request, session string) { r.URL.RawQuery = "token=t" + session },
		} {
			t.Run(name+", by "+way, func(t *testing.T) {
				s := newScene(t, func(o *Options) { o.Secrets = func() []string { return []string{secret, "t1", "t2", "t3"} } })
				s.own()
				for _, step := range steps {
					parts := strings.Fields(strings.TrimPrefix(step, "*"))
					r := httptest.NewRequest(http.MethodPost, "/events/acme", strings.NewReader(list("291", parts[1:]...)))
					r.Header["Service_token"] = []string{secret}
					if of(r, parts[0]); r.URL.RawQuery != "" {
						delete(r.Header, "Service_token")
					}
					before, w := s.shelf.types(t, "291"), httptest.NewRecorder()
					s.inlet.ServeHTTP(w, r)
					want := append(before, parts[len(parts)-1][:1])
					if strings.HasPrefix(step, "*") {
						want = before
					}
					if got := s.shelf.types(t, "291"); w.Code != http.StatusOK || !slices.Equal(got, want) {
						t.Fatalf("%s: %d, stored %q, want %q", step, w.Code, got, want)
					}
				}
			})
		}
	}
}

// pushOf pushes an event of the agent 291 in one of its sessions, and returns what is known of its state.
func (s *scene) pushOf(session, event string) schemas.State {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/events/acme", strings.NewReader(list("291", event)))
	r.Header["Service_token"], r.Header["Guid"] = []string{secret}, []string{session}
	w := httptest.NewRecorder()
	if s.inlet.ServeHTTP(w, r); w.Code != http.StatusOK {
		s.t.Fatalf("%s of session %s: %d", event, session, w.Code)
	}
	return s.shelf.state(s.t, "291")
}

// TestLateOfSessionBefore: what comes late of a session that another one has followed is stored,
// and does not say where the agent stands.
func TestLateOfSessionBefore(t *testing.T) {
	s := newScene(t)
	s.own()
	for _, step := range []struct {
		session, event string
		want           schemas.State
	}{
		{"1", "AgentState_Ready", schemas.StateReady},
		{"2", "AgentState_SetNotReady_Success", schemas.StateNotReady},
		{"1", "AgentOther_ShutdownService", schemas.StateNotReady},
		{"2", "AgentState_SetRest_Success", schemas.StateRest},
		{"3", "AgentState_Ready", schemas.StateReady},
		{"2", "AgentOther_ShutdownService", schemas.StateReady},
		{"3", "AgentState_SetNotReady_Success", schemas.StateNotReady},
		{"3", "AgentOther_ShutdownService", schemas.StateSignedOut},
	} {
		if got := s.pushOf(step.session, step.event); got != step.want {
			t.Errorf("%s of session %s: state %q, want %q", step.event, step.session, got, step.want)
		}
	}
	if got := s.shelf.types(t, "291"); len(got) != 8 || got[2] != "AgentOther_ShutdownService" {
		t.Errorf("stored: %q", got)
	}
}

// TestSessionThatGoesOn: who takes pushes over does not know which of two sessions is the earlier
// one, and may guess wrong. What goes on for longer than the gateway repeats is the agent's.
func TestSessionThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.pushOf("2", "AgentState_Ready")
		if got := s.pushOf("1", "AgentOther_ShutdownService"); got != schemas.StateSignedOut {
			t.Errorf("a session that nobody knows is the newest: %q", got)
		}
		time.Sleep(givesUpAfter + time.Second)
		if got := s.pushOf("2", "AgentState_SetRest_Success"); got != schemas.StateRest {
			t.Errorf("it goes on: %q", got)
		}
		if got := s.pushOf("1", "AgentState_Ready"); got != schemas.StateRest {
			t.Errorf("the other one is the late one now: %q", got)
		}
		s.stop()
	})
}

// TestListAgainMuchLater: without the platform's time an equal list is another one when the
// gateway can't be repeating itself any more; with it, it never is.
func TestListAgainMuchLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("A")
		s.takes("B@1")
		time.Sleep(sameFor + time.Second)
		s.takes("B@1")
		s.takes("A")
		time.Sleep(sameFor + time.Second)
		s.takes("A")
		s.want("291", "A", "B", "A", "A")
		s.stop()
	})
}

// TestNotStoredInTime: the answer is 503, the storing goes on, and the list that comes again
// is known, also when it is longer.
func TestNotStoredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("A")
		release := s.shelf.holdBack()
		begun := time.Now()
		if code, body := s.push(secret, list("291", "B", "C")); code != http.StatusServiceUnavailable || !strings.Contains(body, `"retcode":"1"`) {
			t.Fatal(code, body)
		}
		if code, _ := s.push(secret, list("291", "B", "C", "D")); code != http.StatusServiceUnavailable {
			t.Fatal(code)
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("two answers took %s", took)
		}
		release()
		synctest.Wait()
		s.takes("B", "C", "D")
		s.want("291", "A", "B", "C", "D")
		s.stop()
	})
}

// TestKilledHalfway: of a list of which a part is stored, the next owner stores the rest.
func TestKilledHalfway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		_, kill := s.own()
		s.takes("A")
		s.takes("A", "B") // the second is stored, and the third will not be
		release := s.shelf.holdBack()
		if code, _ := s.push(secret, list("291", "A", "B", "C")); code != http.StatusServiceUnavailable {
			t.Fatal(code)
		}
		kill()
		release()
		s.own()
		s.takes("A", "B", "C", "D")
		s.want("291", "A", "B", "C", "D")
		s.stop()
	})
}

// TestLastMessageUnknown: a list is not taken while it may be stored already; after a while it
// is, for the gateway would sign the agent out.
func TestLastMessageUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.shelf.fail = errors.New("the hub is away")
		if code, _ := s.push(secret, list("291", "A")); code != http.StatusServiceUnavailable {
			t.Fatal(code)
		}
		s.want("291")
		time.Sleep(50 * time.Second)
		s.takes("A")
		s.want("291", "A")
		s.stop()
	})
}

// TestOldDialect: one event in a poll's envelope, and the token in the address.
func TestOldDialect(t *testing.T) {
	s := newScene(t)
	s.own()
	post := func(query, body string) int {
		w := httptest.NewRecorder()
		s.inlet.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/events/acme?"+query, strings.NewReader(body)))
		return w.Code
	}
	event := `{"message":"","retcode":"0","event":{"eventType":"A","workNo":"291","content":null}}`
	for range 2 {
		if code := post("token="+secret, event); code != http.StatusOK {
			t.Fatal(code)
		}
	}
	nameless := `{"message":"","retcode":"0","event":{"eventType":"B","content":null}}`
	if code := post("agent=291&token="+secret, nameless); code != http.StatusOK {
		t.Fatal(code)
	}
	s.want("291", "A", "B")
	for _, query := range []string{"", "token=", "token=x", "token=" + secret + "&token=x"} {
		if code := post(query, event); code != http.StatusForbidden {
			t.Errorf("%q: %d", query, code)
		}
	}
}

// TestWrongToken: nothing is read or stored, the answer does not say why, the log does, once.
func TestWrongToken(t *testing.T) {
	s := newScene(t)
	d, _ := s.own()
	other := tokens{s.inlet.o.Key, "other"}.issue("291", time.Now())
	for _, token := range []string{"", "x", secret + "x", secret[1:], other, strings.Repeat("a", tokenChars)} {
		code, body := s.push(token, list("291", "A"))
		if code != http.StatusForbidden || strings.Contains(body, `"0"`) {
			t.Errorf("%q: %d %s", token, code, body)
		}
	}
	s.want("291")
	if n := strings.Count(s.logs.String(), "push refused"); n != 1 || strings.Contains(s.logs.String(), secret) {
		t.Errorf("%d lines: %s", n, s.logs)
	}
	own := s.inlet.tokens.issue("291", time.Now())
	if code, _ := s.push(own, list("292", "A")); code != http.StatusForbidden {
		t.Errorf("a token of another agent: %d", code)
	}
	if code, _ := s.push(own, list("291", "A")); code != http.StatusOK {
		t.Errorf("its own token: %d", code)
	}
	// the one before is good until the next is told
	first := time.Now()
	d.seats["291"].told(first)
	d.seats["291"].told(first.Add(30 * time.Second))
	if code, _ := s.push(s.inlet.tokens.issue("291", first), list("291", "B")); code != http.StatusOK {
		t.Errorf("the token before: %d", code)
	}
	d.seats["291"].told(first.Add(60 * time.Second))
	if code, _ := s.push(s.inlet.tokens.issue("291", first), list("291", "C")); code != http.StatusForbidden {
		t.Errorf("the token before that: %d", code)
	}
	s.want("291", "A", "B")
}

// TestTokensEnd: a token of the bridge's is good for as long as its session may be alive: while
// heartbeats are answered, and not for ever where nobody sends any. A tenant's secret does not end.
func TestTokensEnd(t *testing.T) {
	push := func(s *scene, token string, address bool) int {
		r := httptest.NewRequest(http.MethodPost, "/events/acme", strings.NewReader(list("291", "A")))
		if address {
			r.URL.RawQuery = "token=" + token
		} else {
			r.Header["Service_token"] = []string{token}
		}
		w := httptest.NewRecorder()
		s.inlet.ServeHTTP(w, r)
		return w.Code
	}
	for name, test := range map[string]struct {
		address bool
		old     time.Duration // when the bridge begins to have the agents
		after   time.Duration // since then
		good    bool
	}{
		"a list":                          {false, 0, maxSilence - time.Second, true},
		"a list, later":                   {false, 0, maxSilence + time.Second, false},
		"a list, after a restart":         {false, time.Minute, time.Minute, true},
		"a list, after a late restart":    {false, maxSilence, time.Second, false},
		"a pushUrl, after a restart":      {true, 8 * time.Hour, maxSilence - time.Second, true},
		"a pushUrl, long after a restart": {true, 8 * time.Hour, maxSilence + time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				token := s.inlet.tokens.issue("291", time.Now())
				time.Sleep(test.old)
				s.own()
				push(s, token, test.address) // which keeps no session alive
				time.Sleep(test.after)
				if code := push(s, token, test.address); (code == http.StatusOK) != test.good {
					t.Error(code)
				}
				if code := push(s, secret, test.address); code != http.StatusOK {
					t.Errorf("the tenant's secret: %d", code)
				}
				s.stop()
			})
		})
	}
	t.Run("kept signed in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, p := newScene(t, withPushURL), &platform{}
			d, _ := s.own()
			stop := s.cares(d, p)
			time.Sleep(8 * time.Hour)
			u, _ := url.Parse(p.signIns[0].Push.PushURL)
			token := u.Query().Get("token")
			if code := push(s, token, true); code != http.StatusOK {
				t.Errorf("after eight hours of heartbeats: %d", code)
			}
			stop()
			time.Sleep(maxSilence + time.Minute)
			if code := push(s, token, true); code != http.StatusForbidden {
				t.Errorf("when nobody has kept the session for long: %d", code)
			}
			s.stop()
		})
	})
}

// TestSecretReplaced: several are good while one is replaced.
func TestSecretReplaced(t *testing.T) {
	secrets := []string{secret, "the-next-secret"}
	s := newScene(t, func(o *Options) { o.Secrets = func() []string { return secrets } })
	s.own()
	for _, token := range slices.Clone(secrets) {
		if code, _ := s.push(token, list("291", "A")); code != http.StatusOK {
			t.Errorf("%s: %d", token, code)
		}
	}
	secrets = secrets[1:]
	if code, _ := s.push(secret, list("291", "B")); code != http.StatusForbidden {
		t.Errorf("the old one: %d", code)
	}
	secrets = []string{""}
	if code, _ := s.push("", list("291", "B")); code != http.StatusForbidden {
		t.Errorf("an empty one: %d", code)
	}
}

// TestNotUnderstood: a dead letter, and success, or it would come until the agent is signed
// out; the same once more is the same.
func TestNotUnderstood(t *testing.T) {
	s := newScene(t)
	s.own()
	for _, body := range []string{"no JSON", "no JSON", `{"workNo":"291"}`, `{"eventList":[{"eventType":"A"}]}`, `{"workNo":"../x","eventList":[{"eventType":"A"}]}`} {
		if code, answer := s.push(secret, body); code != http.StatusOK || answer != success {
			t.Errorf("%s: %d %s", body, code, answer)
		}
	}
	letters := 0
	for _, m := range s.shelf.kept {
		var l schemas.DeadLetter
		if m.Type == schemas.TypeDeadLetter && json.Unmarshal(m.Body, &l) == nil && l.Tenant == "acme" && l.Reason == schemas.ReasonUndecodable {
			letters++
		}
	}
	if letters != 4 {
		t.Errorf("%d dead letters", letters)
	}
	// one bad item: the others are stored, and where it stood there is a gap
	if code, _ := s.push(secret, `{"workNo":"292","eventList":[{"eventType":"A"},7,{"eventType":"B"}]}`); code != http.StatusOK {
		t.Error(code)
	}
	s.want("292", "A", "gap undecodable", "B")
	if code, _ := s.push(secret, `{"workNo":"292","eventList":[{"eventType":"A"},7,{"eventType":"B"},{"eventType":"C"}]}`); code != http.StatusOK {
		t.Error(code)
	}
	s.want("292", "A", "gap undecodable", "B", "C")
}

// TestElsewhere: a bridge without the lease says so, to the gateway and to a load balancer.
func TestElsewhere(t *testing.T) {
	s := newScene(t)
	get := func() int {
		w := httptest.NewRecorder()
		s.inlet.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/events/acme", nil))
		return w.Code
	}
	if code, _ := s.push(secret, list("291", "A")); code != http.StatusServiceUnavailable || get() != http.StatusServiceUnavailable {
		t.Error(code, get())
	}
	s.own()
	if get() != http.StatusOK {
		t.Error(get())
	}
	s.takes("A")
	s.stop()
	if code, _ := s.push(secret, list("291", "B")); code != http.StatusServiceUnavailable || get() != http.StatusServiceUnavailable {
		t.Error(code, get())
	}
	s.want("291", "A")
	w := httptest.NewRecorder()
	s.inlet.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/events/acme", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Error(w.Code)
	}
}

// TestLimits: what is too large is refused, and so is who comes when all places are taken.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, func(o *Options) { o.MaxBodyBytes, o.MaxInside = 200, 1 })
		s.own()
		if code, _ := s.push(secret, list("291", strings.Repeat("A", 200))); code != http.StatusRequestEntityTooLarge {
			t.Error(code)
		}
		release := s.shelf.holdBack()
		first := make(chan int)
		go func() {
			code, _ := s.push(secret, list("291", "A"))
			first <- code
		}()
		synctest.Wait()
		if code, body := s.push(secret, list("292", "A")); code != http.StatusServiceUnavailable || !strings.Contains(body, "crowded") {
			t.Error(code, body)
		}
		release()
		if code := <-first; code != http.StatusOK {
			t.Error(code)
		}
		s.stop()
	})
}

// TestBytesInside: however many pushes may be in hand, their bodies have a limit together.
func TestBytesInside(t *testing.T) {
	s := newScene(t)
	s.own()
	s.inlet.bytes.Store(maxBytesInside)
	if code, body := s.push(secret, list("291", "A")); code != http.StatusServiceUnavailable || !strings.Contains(body, "crowded") {
		t.Error(code, body)
	}
	s.inlet.bytes.Store(0)
	s.takes("A")
	if n := s.inlet.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are inside", n)
	}
}

// TestBytesBehindTheAnswer: a list that is still being stored when its push has been answered 503
// counts until it is.
func TestBytesBehindTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.own()
		release, body := s.shelf.holdBack(), list("291", "A", "B")
		for range 2 { // the second finds the first one being stored
			if code, _ := s.push(secret, body); code != http.StatusServiceUnavailable {
				t.Error(code)
			}
			if n, shown := s.inlet.bytes.Load(), testutil.ToFloat64(s.inlet.counts.bytes); n != int64(len(body)) || shown != float64(n) {
				t.Errorf("%d bytes count, %g are shown, of %d", n, shown, len(body))
			}
		}
		release()
		synctest.Wait()
		if n, shown := s.inlet.bytes.Load(), testutil.ToFloat64(s.inlet.counts.bytes); n != 0 || shown != 0 {
			t.Errorf("%d bytes count, %g are shown", n, shown)
		}
		s.stop()
	})
}

// TestRefusedUnread: what comes to a pushUrl and finds no room may be lost, and lies in a gap of
// whose it was, or of all whom others sign in where nothing says that.
func TestRefusedUnread(t *testing.T) {
	event := func(agent, kind string) string {
		return `{"message":"","retcode":"0","event":{"eventType":"` + kind + `","workNo":"` + agent + `","content":{"workNo":"293"}}}`
	}
	for name, test := range map[string]struct {
		query, body string
		agents      []string // that have a gap
	}{
		"named by the body":    {"", event("291", "B"), []string{"291"}},
		"named by the address": {"&agent=292", `{"message":"","retcode":"0","event":{"eventType":"B"}}`, []string{"292"}},
		"not named":            {"", `{"message":"","retcode":"0","event":{"eventType":"B"}}`, []string{"291", "292"}},
		"named too late":       {"", `{"message":"` + strings.Repeat("x", beginBytes) + `","event":{"eventType":"B","workNo":"291"}}`, []string{"291", "292"}},
		"a list":               {"", list("292", "B"), []string{"292"}},
		"never heard of":       {"", event("294", "B"), []string{"294"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.own()
			post := func(query, body string) int {
				w := httptest.NewRecorder()
				s.inlet.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/events/acme?token="+secret+query, strings.NewReader(body)))
				return w.Code
			}
			for _, agent := range []string{"291", "292"} {
				post("", event(agent, "A"))
			}
			s.inlet.bytes.Store(maxBytesInside)
			if code := post(test.query, test.body); code != http.StatusServiceUnavailable {
				t.Error(code)
			}
			s.inlet.bytes.Store(0)
			for _, agent := range []string{"291", "292", "293", "294"} {
				post("", event(agent, "C"))
				has := slices.Contains(s.shelf.types(t, agent), "gap session_lost")
				if want := slices.Contains(test.agents, agent); has != want {
					t.Errorf("agent %s has a gap: %t, want %t", agent, has, want)
				}
			}
		})
	}
}

// TestStopsWhileItRefuses: what was refused last is in a gap, though the bridge stops in order and
// the next one begins soon.
func TestStopsWhileItRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("AgentState_Ready")
		s.inlet.bytes.Store(maxBytesInside)
		if code, _ := s.push(secret, list("291", "A")); code != http.StatusServiceUnavailable {
			t.Error(code)
		}
		s.inlet.bytes.Store(0)
		time.Sleep(100 * time.Second)
		s.stop()
		time.Sleep(30 * time.Second)
		s.own()
		s.takes("B")
		s.want("291", "AgentState_Ready", "gap session_lost", "B")
		s.stop()
	})
}

// TestOutgrown: an agent who has messages of a higher epoch ends the ownership.
func TestOutgrown(t *testing.T) {
	s := newScene(t)
	s.epoch = 8
	s.own()
	s.takes("A")
	s.stop()
	s.epoch = 3
	d := s.inlet.Desk(s.options())
	done := make(chan error)
	go func() { done <- d.Run(t.Context(), t.Context()) }()
	for s.inlet.desk.Load() != d {
		time.Sleep(time.Millisecond)
	}
	if code, _ := s.push(secret, list("291", "B")); code != http.StatusServiceUnavailable {
		t.Error(code)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "epoch 9") {
		t.Errorf("got %v", err)
	}
	s.want("291", "A")
}

// TestAway: who was signed in when nobody took pushes for longer than the gateway repeats them
// may have lost events.
func TestAway(t *testing.T) {
	for name, test := range map[string]struct {
		crash bool
		away  time.Duration
		beats time.Duration
		gap   bool
	}{
		"stopped for a minute":        {false, time.Minute, 0, false},
		"stopped for three":           {false, 3 * time.Minute, 0, true},
		"crashed for three":           {true, 3 * time.Minute, 0, true},
		"without heartbeats":          {true, 3 * time.Minute, -1, true},
		"without, and away for a bit": {false, time.Second, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.beats = test.beats
				_, kill := s.own()
				s.takes("AgentState_Ready")
				if test.beats == 0 {
					time.Sleep(9 * time.Minute) // the last heartbeat is minutes ago
				}
				if test.crash {
					kill()
				}
				s.stop()
				time.Sleep(test.away)
				s.own()
				s.takes("AgentState_Busy")
				want := []string{"AgentState_Ready", "AgentState_Busy"}
				if test.gap {
					want = slices.Insert(want, 1, "gap unclean_stop")
				}
				s.want("291", want...)
				s.stop()
			})
		})
	}
}

// TestGivenUp: the gateway drops what waits, and signs the agent out, after 120 s without a push
// that is taken; with a pushUrl it drops single events much sooner. A gap says so, and only then.
func TestGivenUp(t *testing.T) {
	single := func(s *scene, event string) int {
		w := httptest.NewRecorder()
		body := `{"message":"","retcode":"0","event":{"eventType":"` + event + `","workNo":"291","content":null}}`
		s.inlet.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/events/acme?token="+secret, strings.NewReader(body)))
		return w.Code
	}
	lists := func(s *scene, event string) int {
		code, _ := s.push(secret, list("291", event))
		return code
	}
	for name, test := range map[string]struct {
		push func(*scene, string) int
		away time.Duration
		gap  bool
	}{
		"a list":         {lists, time.Minute, false},
		"a list, longer": {lists, 3 * time.Minute, true},
		"a pushUrl":      {single, 3 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.own()
				s.takes("AgentState_Ready")
				release, begun := s.shelf.holdBack(), time.Now()
				for _, event := range []string{"A", "lost", "lost", "lost"} {
					if code := test.push(s, event); code != http.StatusServiceUnavailable {
						t.Fatal(code)
					}
				}
				time.Sleep(test.away)
				release()
				synctest.Wait()
				for _, event := range []string{"C", "D"} {
					if code := test.push(s, event); code != http.StatusOK {
						t.Fatal(code)
					}
				}
				want := []string{"AgentState_Ready", "A", "C", "D"}
				if test.gap {
					want = slices.Insert(want, 2, "gap session_lost")
				}
				s.want("291", want...)
				for _, m := range s.shelf.kept {
					var g schemas.Gap
					if m.Type == schemas.TypeGap && (json.Unmarshal(m.Body, &g) != nil || !g.From.Equal(begun) || g.To.Before(begun.Add(test.away))) {
						t.Errorf("%+v, since %s", g, begun)
					}
				}
				s.stop()
			})
		})
	}
}

// TestShorterLate: a list whose body was slow on its way, while the gateway repeated it, longer
// by then, is known; one that begins to come in afterwards is another one.
func TestShorterLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.own()
		s.takes("X")
		slow, late := io.Pipe()
		code := make(chan int)
		go func() {
			r := httptest.NewRequest(http.MethodPost, "/events/acme", slow)
			r.Header["Service_token"] = []string{secret}
			w := httptest.NewRecorder()
			s.inlet.ServeHTTP(w, r)
			code <- w.Code
		}()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		s.takes("A", "B")
		if _, err := io.WriteString(late, list("291", "A")); err != nil {
			t.Fatal(err)
		}
		late.Close()
		if got := <-code; got != http.StatusOK {
			t.Fatal(got)
		}
		s.takes("A", "B", "C")
		s.want("291", "X", "A", "B", "C")
		time.Sleep(time.Second)
		s.takes("A")
		s.takes("A@1", "B@2")
		s.takes("A@1")
		s.want("291", "X", "A", "B", "C", "A", "A", "B")
		s.stop()
	})
}

func TestChainText(t *testing.T) {
	c := chain{}.then([]byte("key"), ccgateway.Item{Event: ccgateway.Event{Type: "A"}}, time.Unix(1764374400, 0))
	if back := parseChain(c.String()); back != c || len(c.String()) > 60 {
		t.Errorf("%s: %+v, want %+v", c, back, c)
	}
	for _, text := range []string{"", "1", "1.2.x", "-1.2.aaaaaaaaaaaaaaaaaaaaaaaaaa", "a.b.c"} {
		if parseChain(text) != (chain{}) {
			t.Errorf("%q is read", text)
		}
	}
	other := chain{}.then([]byte("yek"), ccgateway.Item{Event: ccgateway.Event{Type: "A"}}, time.Unix(1764374400, 0))
	if other.sum == c.sum {
		t.Error("the hash does not depend on the key")
	}
}

func TestTokenText(t *testing.T) {
	k, at := tokens{[]byte("key"), "acme"}, time.UnixMilli(1764374400123)
	for _, agent := range []string{"1", "291", "0291", "9999999999"} {
		text := k.issue(agent, at)
		if p, ok := k.check(text); !ok || p.agent != agent || !p.at.Equal(at) || len(text) > 50 {
			t.Errorf("%s: %q is %+v %t", agent, text, p, ok)
		}
	}
}

// FuzzPush: whatever comes, with a good token, is stored or a dead letter, and never panics.
func FuzzPush(f *testing.F) {
	f.Add(list("291", "A", "B@1"), "application/json")
	f.Add(`{"message":"","retcode":"0","event":{"eventType":"A","workNo":"291"}}`, "")
	f.Add(`{"workNo":"291","eventList":[7]}`, "text/plain; charset=GBK")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		s := newScene(t)
		s.own()
		defer s.stop()
		r := httptest.NewRequest(http.MethodPost, "/events/acme?token="+secret, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		s.inlet.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusRequestEntityTooLarge {
			t.Fatal(w.Code, w.Body)
		}
	})
}
