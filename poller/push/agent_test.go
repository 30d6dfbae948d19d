package push

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// platform is one agent's session there. It answers what it is told.
type platform struct {
	mu      sync.Mutex
	signIns []ccgateway.SignIn
	refuse  []error // of sign-ins, then success
	beats   []beat
	answer  error // of heartbeats
	outs    int
	ticket  string
	during  func(ccgateway.SignIn) // called before a sign-in is answered
}

type beat struct {
	at    time.Time
	token string
}

func (p *platform) SignIn(_ context.Context, in ccgateway.SignIn) (ccgateway.SignedIn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signIns = append(p.signIns, in)
	if p.during != nil {
		p.during(in)
	}
	if len(p.refuse) > 0 {
		err := p.refuse[0]
		p.refuse = p.refuse[1:]
		return ccgateway.SignedIn{}, err
	}
	p.ticket, p.answer = "guid", nil
	return ccgateway.SignedIn{LoginTime: time.UnixMilli(1471585949806)}, nil
}

func (p *platform) ForceSignIn(ctx context.Context, in ccgateway.SignIn) (ccgateway.SignedIn, error) {
	return p.SignIn(ctx, in)
}

func (p *platform) beat(token string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats = append(p.beats, beat{time.Now(), token})
	return p.answer
}

func (p *platform) Handshake(_ context.Context, token string) error { return p.beat(token) }
func (p *platform) Heartbeat(context.Context) (time.Time, error)    { return time.Time{}, p.beat("") }
func (p *platform) ResetSkills(context.Context) error               { return nil }
func (p *platform) Poll(context.Context) ccgateway.Poll             { panic("an agent that is pushed is polled") }
func (p *platform) UpdateGUID(context.Context) error                { return nil }
func (p *platform) Move(string) error                               { return nil }
func (p *platform) Resume(ticket string)                            { p.ticket = ticket }
func (p *platform) Ticket() string                                  { return p.ticket }
func (p *platform) GUID() string                                    { return p.ticket }
func (p *platform) Status(context.Context) (ccgateway.Status, error) {
	return ccgateway.Status{State: 4}, nil
}
func (p *platform) SignOut(context.Context) error {
	p.outs++
	return nil
}

func (p *platform) answers(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = err
}

// seen is what the platform was asked so far.
func (p *platform) seen() (signIns []ccgateway.SignIn, beats []beat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.signIns), slices.Clone(p.beats)
}

func refusal(code string) error {
	return &ccgateway.CodeError{Operation: "x", Agent: "291", Code: code, Class: ccgateway.Classify(code)}
}

func withURL(o *Options) {
	o.URL = &url.URL{Scheme: "https", Host: "bridge.example.com", Path: "/events/acme"}
}

func withPushURL(o *Options) {
	withURL(o)
	o.PushURL = true
}

// cares runs the loop of agent 291 until stop is called.
func (s *scene) cares(d *Desk, p *platform) (stop func()) {
	s.t.Helper()
	a := session.Agent{ID: "291", Phone: "70092", Password: "correct-horse"}
	loop := d.Loop(a, session.Parts{Gateway: p, Seat: session.NewMetrics(nil).Seat("acme", "291")})
	intake, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		loop.Run(intake, context.Background())
	}()
	var once sync.Once
	stop = func() { once.Do(func() { end(); <-done }) }
	s.t.Cleanup(stop)
	return stop
}

// TestKeptSignedIn: signed in for pushes, kept alive every 30 s with another token each time.
func TestKeptSignedIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		p.during = func(in ccgateway.SignIn) { // a push may be faster than the answer
			if code, _ := s.push(in.Push.ServiceToken, list("291", "AgentOther_InService")); code != http.StatusOK {
				t.Errorf("a push during the sign-in: %d", code)
			}
		}
		d, _ := s.own()
		stop := s.cares(d, p)
		time.Sleep(95 * time.Second)
		signIns, beats := p.seen()
		if len(signIns) != 1 || signIns[0].Push.CallBackURI != "https://bridge.example.com/events/acme" || len(beats) != 3 {
			t.Fatalf("%+v %+v", signIns, beats)
		}
		told := []string{signIns[0].Push.ServiceToken, beats[0].token, beats[1].token, beats[2].token}
		if len(slices.Compact(slices.Sorted(slices.Values(told)))) != 4 {
			t.Errorf("tokens are told twice: %q", told)
		}
		for i, token := range told {
			want := http.StatusForbidden
			if i >= 2 {
				want = http.StatusOK
			}
			if code, _ := s.push(token, list("291", "X@"+strings.Repeat("1", i+1))); code != want {
				t.Errorf("token %d: %d", i, code)
			}
		}
		stop()
		s.want("291", "AgentOther_InService", schemas.EventSignedIn, "X", "X", schemas.EventLeft)
		s.stop()
	})
}

// TestSessionsEnd: what ends a session is said once, and the agent is signed in again. Where the
// gateway does not push it, it may be that no push arrived: what waited is in a gap.
func TestSessionsEnd(t *testing.T) {
	for name, end := range map[string]func(s *scene, p *platform){
		"not signed in": func(_ *scene, p *platform) { p.answers(refusal("100-006")) },
		"no permission": func(_ *scene, p *platform) { p.answers(refusal("000-003")) },
		"no answer":     func(_ *scene, p *platform) { p.answers(context.DeadlineExceeded) },
		"shut down": func(s *scene, _ *platform) {
			s.push(secret, `{"workNo":"291","eventList":[{"eventType":"AgentOther_ShutdownService","workNo":"291","content":{"loginTime":"1471585949806"}}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newScene(t, withURL), &platform{}
				d, _ := s.own()
				stop := s.cares(d, p)
				time.Sleep(5 * time.Minute)
				end(s, p)
				time.Sleep(6 * time.Minute)
				stop()
				want := []string{schemas.EventSignedIn, "gap session_lost", schemas.EventSignedOut, schemas.EventSignedIn, schemas.EventStatus, schemas.EventLeft}
				if name == "shut down" {
					want = []string{schemas.EventSignedIn, "AgentOther_ShutdownService", schemas.EventSignedOut, schemas.EventSignedIn, schemas.EventLeft}
				}
				s.want("291", want...)
				s.stop()
			})
		})
	}
}

// TestWhatEndedUnseen: what may have gone with a session is what was pushed since the last push
// that was taken, but no longer ago than the gateway bears failures, by the last good heartbeat. It
// is the same after a restart.
func TestWhatEndedUnseen(t *testing.T) {
	for name, test := range map[string]struct {
		quiet   time.Duration // since a push was taken
		restart bool
		from    time.Duration // of the gap, before the end is seen
	}{
		"pushed just before":   {10 * time.Second, false, 20 * time.Second},
		"quiet for an hour":    {time.Hour, false, givesUpAfter + giveUpSlack + 30*time.Second},
		"while it was stopped": {10 * time.Second, true, givesUpAfter + 20*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newScene(t, withURL), &platform{}
				d, kill := s.own()
				stop := s.cares(d, p)
				time.Sleep(50*time.Second - test.quiet%time.Minute) // the next heartbeat is 30 s later
				s.takes("A")
				time.Sleep(test.quiet)
				if test.restart {
					stop()
					kill()
					time.Sleep(20 * time.Second)
				}
				p.answers(refusal("100-006"))
				if test.restart {
					d, _ = s.own()
					stop = s.cares(d, p)
				}
				time.Sleep(31 * time.Second)
				stop()
				var gaps []schemas.Gap
				for _, m := range s.shelf.kept {
					var g schemas.Gap
					if m.Type == schemas.TypeGap && json.Unmarshal(m.Body, &g) == nil {
						gaps = append(gaps, g)
					}
				}
				if len(gaps) != 1 || gaps[0].To.Sub(gaps[0].From).Round(time.Second) != test.from {
					t.Errorf("%+v, want one of %s", gaps, test.from)
				}
				s.stop()
			})
		})
	}
}

// TestShutdownOfAnother: the event of an earlier session ends nothing, and the gateway is asked
// where the agent stands.
func TestShutdownOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		d, _ := s.own()
		stop := s.cares(d, p)
		synctest.Wait()
		s.push(secret, `{"workNo":"291","eventList":[{"eventType":"AgentOther_ShutdownService","workNo":"291","content":{"loginTime":"1471585000000"}}]}`)
		time.Sleep(time.Minute)
		if state := s.shelf.state(t, "291"); state != schemas.StateReady {
			t.Errorf("state %q", state)
		}
		stop()
		s.want("291", schemas.EventSignedIn, "AgentOther_ShutdownService", schemas.EventStatus, schemas.EventLeft)
		s.stop()
	})
}

// TestRefusedWhileItEnds: what the gateway could not push went with the session, and a gap says
// so.
func TestRefusedWhileItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		d, _ := s.own()
		stop := s.cares(d, p)
		synctest.Wait()
		release := s.shelf.holdBack()
		if code, _ := s.push(secret, list("291", "A")); code != http.StatusServiceUnavailable {
			t.Error(code)
		}
		release()
		p.answers(refusal("100-006"))
		time.Sleep(31 * time.Second)
		stop()
		s.want("291", schemas.EventSignedIn, "A", "gap session_lost", schemas.EventSignedOut, schemas.EventSignedIn, schemas.EventLeft)
		s.stop()
	})
}

// TestSignedOutWhileRefusing: what waits when the bridge signs the agent out is dropped, and in a
// gap; there is none where everything was taken.
func TestSignedOutWhileRefusing(t *testing.T) {
	for name, refuses := range map[string]bool{"refused": true, "nothing refused": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newScene(t, withURL), &platform{}
				d, _ := s.own()
				d.o.SignOutOnShutdown = true
				stop := s.cares(d, p)
				synctest.Wait()
				want := []string{schemas.EventSignedIn, schemas.EventSignedOut}
				if refuses {
					s.inlet.bytes.Store(maxBytesInside)
					s.push(secret, list("291", "A"))
					s.inlet.bytes.Store(0)
					want = slices.Insert(want, 1, "gap session_lost")
					time.Sleep(time.Second)
				}
				stop()
				s.want("291", want...)
				s.stop()
			})
		})
	}
}

// TestResumed: the next owner goes on with the session, whatever token the gateway has, and
// tells another at once; nothing is lost between them, so no gap is said.
func TestResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		d, kill := s.own()
		stop := s.cares(d, p)
		time.Sleep(70 * time.Second)
		_, beats := p.seen()
		token := beats[len(beats)-1].token
		s.push(token, list("291", "A"))
		stop()
		kill()
		d, _ = s.own()
		stop = s.cares(d, p)
		synctest.Wait()
		if signIns, beats := p.seen(); len(signIns) != 1 || len(beats) != 3 {
			t.Errorf("%d sign-ins, %d heartbeats", len(signIns), len(beats))
		}
		if code, _ := s.push(token, list("291", "A", "B")); code != http.StatusOK {
			t.Error(code)
		}
		time.Sleep(35 * time.Second) // where it stands is asked after a good heartbeat
		stop()
		s.want("291", schemas.EventSignedIn, "A", schemas.EventLeft, schemas.EventResumed, schemas.EventStatus, "B", schemas.EventLeft)
		s.stop()
	})
}

// TestPushedBeforeItIsResumed: a push that is faster than the agent's loop makes no gap of a
// session that goes on.
func TestPushedBeforeItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		d, kill := s.own()
		stop := s.cares(d, p)
		synctest.Wait()
		s.takes("AgentState_Ready")
		time.Sleep(4*time.Minute + 55*time.Second)
		state, _, _ := states{s.shelf}.Get(t.Context(), schemas.AgentKey("acme", "291"))
		kill()
		stop()
		s.shelf.forget(schemas.EventLeft) // it crashed
		s.shelf.values["state/"+schemas.AgentKey("acme", "291")] = state
		d, _ = s.own()
		loop := d.Loop(session.Agent{ID: "291", Password: "correct-horse"}, session.Parts{Gateway: p, Seat: session.NewMetrics(nil).Seat("acme", "291")})
		s.takes("B")
		intake, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); loop.Run(intake, t.Context()) }()
		synctest.Wait()
		end()
		<-done
		s.want("291", schemas.EventSignedIn, "AgentState_Ready", "B", schemas.EventResumed, schemas.EventStatus, schemas.EventLeft)
		s.stop()
	})
}

// TestResumedAtPushURL: what came while nobody had the agents was not repeated for long.
func TestResumedAtPushURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withPushURL), &platform{}
		d, kill := s.own()
		stop := s.cares(d, p)
		time.Sleep(5 * time.Second)
		stop()
		kill()
		time.Sleep(5 * time.Second)
		d, _ = s.own()
		stop = s.cares(d, p)
		synctest.Wait()
		stop()
		s.want("291", schemas.EventSignedIn, schemas.EventLeft, "gap session_lost", schemas.EventResumed, schemas.EventStatus, schemas.EventLeft)
		s.stop()
	})
}

// TestEntryInTurn: the session entry says which message was the last, so it is not written
// while one is being stored.
func TestEntryInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		d, _ := s.own()
		stop := s.cares(d, p)
		synctest.Wait()
		entry := func() (e schemas.Session) {
			value, _, _ := s.shelf.Get(t.Context(), schemas.AgentKey("acme", "291"))
			if err := json.Unmarshal(value, &e); err != nil {
				t.Fatal(err)
			}
			return e
		}
		first := entry()
		release := s.shelf.holdBack()
		s.push(secret, list("291", "A"))
		time.Sleep(2 * time.Minute)
		if e := entry(); !e.UpdatedAt.Equal(first.UpdatedAt) {
			t.Errorf("written with %d while a message is being stored", e.LastSeq)
		}
		release()
		synctest.Wait()
		if e := entry(); e.LastSeq != 2 {
			t.Errorf("the last message is %d, by the entry", e.LastSeq)
		}
		stop()
		s.stop()
	})
}

// TestShutdownLate: what ended the session before, heard late, does not end the next one; of
// several ends the last one counts.
func TestShutdownLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		over := func() {
			s.push(secret, `{"workNo":"291","eventList":[{"eventType":"AgentOther_ShutdownService","workNo":"291"}]}`)
		}
		d, _ := s.own()
		p.during = func(ccgateway.SignIn) { over() }
		stop := s.cares(d, p)
		time.Sleep(time.Minute)
		s.want("291", "AgentOther_ShutdownService", schemas.EventSignedIn)
		stop()
		s.stop()
	})
	s := newScene(t)
	d, _ := s.own()
	for _, login := range []string{"1", "2"} {
		s.push(secret, `{"workNo":"291","eventList":[{"eventType":"AgentOther_ShutdownService","workNo":"291","content":{"loginTime":"`+login+`"}}]}`)
	}
	if e := <-d.seats["291"].over; !strings.Contains(string(e.event.Content), "2") {
		t.Errorf("got %s", e.event.Content)
	}
}

// TestPolledBefore: the session of an agent who was polled is not one to be pushed.
func TestPolledBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{}
		o := s.options()
		polled := record.NewTenant(o.Record()).Recorder("291", 0) // as a loop of polls leaves it
		if err := polled.Announce(t.Context(), schemas.EventLeft, nil); err != nil {
			t.Fatal(err)
		}
		key := schemas.AgentKey("acme", "291")
		s.shelf.values[key], _ = json.Marshal(schemas.Session{
			Tenant: "acme", Agent: "291", Epoch: s.epoch, GUID: key + "|polled", UpdatedAt: time.Now(),
		})
		d, _ := s.own()
		stop := s.cares(d, p)
		synctest.Wait()
		stop()
		if len(p.signIns) != 1 {
			t.Errorf("%d sign-ins", len(p.signIns))
		}
		s.stop()
	})
}

// TestHalted: a wrong password is not tried again.
func TestHalted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withURL), &platform{refuse: []error{refusal("100-004"), refusal("100-004")}}
		d, _ := s.own()
		stop := s.cares(d, p)
		time.Sleep(time.Hour)
		stop()
		if len(p.signIns) != 1 {
			t.Errorf("%d sign-ins", len(p.signIns))
		}
		s.want("291")
		s.stop()
	})
}

// TestOldDialectSignsIn: pushUrl with the token in it, and the heartbeat of those clients.
func TestOldDialectSignsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newScene(t, withPushURL), &platform{}
		d, _ := s.own()
		stop := s.cares(d, p)
		time.Sleep(3*time.Minute + time.Second)
		stop()
		u, err := url.Parse(p.signIns[0].Push.PushURL)
		if err != nil || p.signIns[0].Push.ServiceToken != "" || len(p.beats) != 3 || p.beats[0].token != "" {
			t.Fatalf("%v %+v %+v", err, p.signIns[0].Push, p.beats)
		}
		if pass, ok := s.inlet.tokens.check(u.Query().Get("token")); !ok || pass.agent != "291" {
			t.Errorf("%+v %t", pass, ok)
		}
		s.stop()
	})
}

func TestAddressTooLong(t *testing.T) {
	_, err := New(Options{
		Tenant: "acme", Names: newScene(t).inlet.o.Names, Key: make([]byte, 32), Letters: newShelf(),
		URL: &url.URL{Scheme: "https", Host: strings.Repeat("x", 200), Path: "/"},
	})
	if err == nil || !strings.Contains(err.Error(), "200 characters") {
		t.Errorf("got %v", err)
	}
}
