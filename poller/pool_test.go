package poller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

func TestReconcile(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		a, b, c := session.Agent{ID: "1", Phone: "1", Password: "p"}, session.Agent{ID: "2", Phone: "2", Password: "p"}, session.Agent{ID: "3", Phone: "3", Password: "p"}
		p := s.start(a, b)
		pass(time.Minute)
		changed := b
		changed.Phone = "22"
		yes := true
		a.AutoAnswer = &yes
		p.wanted <- []session.Agent{a, changed, c}
		pass(time.Minute)
		also := true
		a.AutoAnswer = &also // another pointer, the same value
		p.wanted <- []session.Agent{a, changed}
		pass(time.Minute)
		before := len(s.store.messages())
		p.wanted <- []session.Agent{changed, a}
		close(p.wanted)
		pass(time.Minute)
		if n := len(s.store.messages()); n != before {
			t.Error("the same set again changed something")
		}
		want := map[string][]string{
			"1": {"signed_in"}, // who is described otherwise goes on
			"2": {"signed_in"},
			"3": {"signed_in", "left"},
		}
		for id, names := range want {
			var got []string
			for _, m := range s.store.messages() {
				if tokens := strings.Split(m.Subject, "."); tokens[4] == id {
					got = append(got, tokens[6])
				}
			}
			if !slices.Equal(got, names) {
				t.Errorf("agent %s: %v, want %v", id, got, names)
			}
		}
		last := map[string]time.Time{}
		for _, e := range s.j.of("ask") {
			last[e.who] = e.at
		}
		if time.Since(last["1"]) > 11*time.Second || time.Since(last["2"]) > 11*time.Second || time.Since(last["3"]) < 100*time.Second {
			t.Errorf("last polls: %v", last)
		}
		p.end()
		checkNumbers(t, s, 7)
	})
}

func TestStartsAreSpread(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.options.StartSpread = 20 * time.Second
		var agents []session.Agent
		for i := range 200 {
			agents = append(agents, session.Agent{ID: fmt.Sprint(10000 + i), Phone: "1", Password: "p"})
		}
		p := s.start(agents...)
		begun := time.Now()
		pass(20 * time.Second)
		perSecond := map[int]int{}
		first := map[string]time.Duration{}
		for _, e := range s.j.of("sign in") {
			perSecond[int(e.at.Sub(begun)/time.Second)]++
			first[e.who] = e.at.Sub(begun)
		}
		if len(first) != 200 {
			t.Fatalf("%d of 200 agents started", len(first))
		}
		for second, n := range perSecond {
			if n > 25 {
				t.Errorf("%d starts in second %d, want about 10", n, second)
			}
		}
		for _, a := range agents {
			if first[a.ID] != startDelay(a.ID, 20*time.Second) {
				t.Errorf("agent %s started after %s", a.ID, first[a.ID])
			}
		}
		p.end()
	})
}

func TestANewGUIDIsKeptBeforeTheNextPoll(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		event := gotEvent("AgentState_Ready", "")
		event.guid = "rotated-1"
		second := gotEmpty()
		second.guid = "rotated-2"
		s.agent("291").script = []answer{event, second}
		fails := 0
		p := s.start(agent291)
		s.sessions.setFail(func(op string) error {
			if op == "swap" {
				if fails++; fails%2 == 1 {
					return errors.New("no responders")
				}
			}
			return nil
		})
		pass(time.Minute)
		var kept string
		for _, e := range s.j.of("session entry", "ask") {
			if e.what == "ask" {
				if e.text != kept {
					t.Errorf("polled with %q while %q is kept", e.text, kept)
				}
				continue
			}
			var entry schemas.Session
			_ = json.Unmarshal([]byte(e.text), &entry)
			plain, _ := s.options.Seal.Open(entry.GUID, "acme.291")
			kept = string(plain)
		}
		if kept != "rotated-2" {
			t.Errorf("kept %q", kept)
		}
		// A restart goes on with the last one.
		p.end()
		s.options.Epoch = 8
		s.mu.Lock()
		s.agents["291"] = &fakeSession{j: s.j, id: "291"}
		s.mu.Unlock()
		p = s.start(agent291)
		pass(time.Second)
		p.end()
		if asks := s.j.of("ask"); asks[len(asks)-1].text != "rotated-2" || len(s.j.of("sign in")) != 1 {
			t.Errorf("after the restart: %v", asks[len(asks)-1])
		}
	})
}

func TestOneMorePollWithANewerGUID(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		late := gotCode("000-003")
		late.guid = "newer"
		good := gotEmpty()
		good.after = 5 * time.Second
		s.agent("291").script = []answer{late, good, late, late}
		p := s.start(agent291)
		pass(time.Second)
		if got := s.stored(); slices.Contains(got, "session.signed_out") || len(s.j.of("ask")) < 2 {
			t.Errorf("stored: %v", got)
		}
		pass(30 * time.Second) // "newer" is not newer than itself
		if got := s.stored(); !slices.Contains(got, "session.signed_out") {
			t.Errorf("stored: %v", got)
		}
		p.end()
	})
}

func TestAnOldSessionIsNotResumed(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(agent291)
		pass(time.Second)
		p.end()
		pass(111 * time.Second)
		s.options.Epoch = 8
		p = s.start(agent291)
		pass(time.Second)
		p.end()
		if n := len(s.j.of("sign in")); n != 2 {
			t.Errorf("%d sign-ins, want 2", n)
		}
	})
}

func TestTheLastStoredMessageBoundsTheGap(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").script = []answer{gotEvent("AgentState_Ready", ""), gotEvent("AgentState_Busy", "")}
		p := s.start(agent291)
		pass(5 * time.Second)
		p.crash()
		messages := s.store.messages()
		last := messages[len(messages)-1]
		var event schemas.Event
		if err := json.Unmarshal(last.Body, &event); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		s.options.LastStored = func(_ context.Context, filter string) (schemas.Stored, bool, error) {
			if filter != "aicc.v1.acme.agent.291.>" {
				t.Errorf("filter %q", filter)
			}
			// A spool has brought it to the stream just now.
			return schemas.Stored{Body: last.Body, StoredAt: time.Now()}, true, nil
		}
		s.options.Epoch = 8
		p = s.start(agent291)
		pass(time.Second)
		p.end()
		g := bodies[schemas.Gap](s, schemas.TypeGap)
		if len(g) != 1 || g[0].LastSeq != 3 || g[0].LastEp != 7 || !g[0].From.Equal(event.ReceivedAt) {
			t.Errorf("gap: %+v", g)
		}
	})
}

func TestAnAgentOfAHigherEpochIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(agent291)
		pass(time.Minute)
		other := newStage() // another bridge, same buckets, same stream
		other.j, other.store, other.sessions, other.states = s.j, s.store, s.sessions, s.states
		other.options.Store, other.options.Sessions, other.options.States, other.options.Seal = s.store, s.sessions, s.states, s.options.Seal
		other.options.Epoch = 8
		q := other.start(agent291)
		pass(time.Minute)
		n := len(s.store.messages())
		asked := len(s.agent("291").j.of("ask"))
		p.end()
		if len(s.store.messages()) != n {
			t.Error("the old owner said something after it was replaced")
		}
		if asked == 0 || s.agent("291").inFlight != 0 || !strings.Contains(s.logs.String(), "somebody else polls the agent") {
			t.Error("the old owner did not notice")
		}
		if e := s.entry("291"); e.Epoch != 8 || !e.Polling {
			t.Errorf("entry: %+v", e)
		}
		q.crash()
		again := s.start(agent291) // epoch 7 once more
		pass(time.Minute)
		again.end()
		s.options.Epoch = 8 // equal to that of the crashed owner: numbers would repeat
		again = s.start(agent291)
		pass(time.Minute)
		again.end()
		if len(s.store.messages()) != n {
			t.Errorf("stored under an old epoch: %v", s.stored()[n:])
		}
	})
}

func TestOptions(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"no tenant":        func(o *Options) { o.Tenant = "" },
		"no names":         func(o *Options) { o.Names = schemas.Names{} },
		"no agent":         func(o *Options) { o.Agent = nil },
		"no store":         func(o *Options) { o.Store = nil },
		"no sealer":        func(o *Options) { o.Seal = nil },
		"no epoch":         func(o *Options) { o.Epoch = 0 },
		"too fast":         func(o *Options) { o.EventGap = 100 * time.Millisecond },
		"too slow":         func(o *Options) { o.IdleGap = time.Second },
		"errors too fast":  func(o *Options) { o.ErrorGap = time.Second },
		"errors too slow":  func(o *Options) { o.ErrorGap = time.Minute },
		"negative silence": func(o *Options) { o.MaxSilence = -1 },
	} {
		o := newStage().options
		if _, err := New(o); err != nil {
			t.Fatal(err)
		}
		if spoil(&o); true {
			if _, err := New(o); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
	pool, _ := New(newStage().options)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := pool.Run(ended, ended, nil); err != nil {
		t.Error(err)
	}
	if err := pool.Run(ended, ended, nil); err == nil {
		t.Error("ran twice")
	}
	if text := fmt.Sprintf("%v %+v %s", agent291, agent291, agent291); strings.Contains(text, agent291.Password) || strings.Contains(text, agent291.Phone) {
		t.Errorf("an agent prints as %s", text)
	}
	if text, err := json.Marshal(agent291); err != nil || string(text) != `"291"` {
		t.Errorf("an agent marshals as %s, %v", text, err)
	}
}
