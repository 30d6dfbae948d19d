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

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// remember lets pools find the last message of an agent in the store.
func (s *stage) remember() {
	s.options.LastStored = func(_ context.Context, filter string) (schemas.Stored, bool, error) {
		times := s.j.of("stored")
		messages := s.store.messages()
		for i := len(messages) - 1; i >= 0; i-- {
			if m := messages[i]; strings.HasPrefix(m.Subject, strings.TrimSuffix(filter, ">")) {
				return schemas.Stored{Subject: m.Subject, Body: m.Body, StoredAt: times[i].at}, true, nil
			}
		}
		return schemas.Stored{}, false, nil
	}
}

// restart runs the next owner for a while, on a session of its own.
func (s *stage) restart(d time.Duration, agents ...session.Agent) {
	s.options.Epoch++
	p := s.start(agents...)
	pass(d)
	p.end()
}

func (s *stage) gaps(cause schemas.GapCause) (out []schemas.Gap) {
	for _, g := range bodies[schemas.Gap](s, schemas.TypeGap) {
		if g.Cause == cause {
			out = append(out, g)
		}
	}
	return out
}

// Another system may write or delete the entry after a crash; the stream still
// shows that nobody said goodbye.
func TestAnUncleanStopShowsInTheStream(t *testing.T) {
	for name, tamper := range map[string]func(s *stage){
		"handed over": func(s *stage) { s.hand("291", "from elsewhere") },
		"deleted": func(s *stage) {
			s.sessions.mu.Lock()
			defer s.sessions.mu.Unlock()
			delete(s.sessions.values, "acme.291")
			delete(s.sessions.revs, "acme.291")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.remember()
				s.agent("291").script = []answer{gotEvent("AgentState_Ready", "")}
				p := s.start(agent291)
				pass(5 * time.Second)
				p.crash()
				stored := s.j.of("stored")
				tamper(s)
				pass(5 * time.Second)
				s.restart(time.Second, agent291)
				g := s.gaps(schemas.GapUnclean)
				if len(g) != 1 || !g[0].From.Equal(stored[len(stored)-1].at) || g[0].LastEp != 7 || g[0].LastSeq != 2 {
					t.Fatalf("gaps: %+v", g)
				}
				pass(time.Hour)
				s.agent("291").signIns = []error{refusal("100-004")}
				s.restart(time.Second, agent291) // left and lost, and then no session
				s.restart(time.Second, session.Agent{ID: "291"})
				if n := len(s.gaps(schemas.GapUnclean)); n != 1 {
					t.Errorf("%d gaps, want no further one after an orderly stop: %v", n, s.stored())
				}
				if n := len(s.gaps(schemas.GapSession)); n != 1 {
					t.Errorf("%d gaps of the session left: %v", n, s.stored())
				}
			})
		})
	}
}

// An older copy of the store is put in the place of a newer one, in which the agent went
// on: what that had is a gap here, once, however orderly the stop before the copy was.
func TestF36WhatAReplacedStoreHad(t *testing.T) {
	scenes := map[string]struct {
		signsOut, remembers bool
		noticed             time.Duration // after the stop; 0: never
		want                int
	}{
		"left":                       {false, true, time.Hour, 1},
		"left, by its entry":         {false, false, time.Hour, 1},
		"signed out":                 {true, true, time.Hour, 1},
		"signed out, by its entry":   {true, false, time.Hour, 1},
		"left a moment ago":          {false, true, time.Second, 1},
		"no copy":                    {true, true, 0, 0},
		"it stopped after the copy":  {true, true, -time.Second, 0},
		"it left later, by an entry": {false, false, -time.Second, 0},
	}
	gaps := 0
	for name, c := range scenes {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				if c.remembers {
					s.remember()
				}
				s.options.SignOutOnShutdown = c.signsOut
				p := s.start(agent291)
				pass(10 * time.Second)
				p.end()
				ended := time.Now()
				if c.noticed != 0 {
					s.options.Copied = ended.Add(c.noticed)
				}
				pass(max(c.noticed, time.Second))
				for range 2 { // the second time there is nothing more to say
					s.restart(20*time.Second, agent291)
					pass(time.Second)
				}
				g := s.gaps(schemas.GapUnclean)
				gaps += len(g)
				if len(g) != c.want || c.want > 0 && (g[0].From.After(ended) || g[0].To.Before(ended.Add(c.noticed))) {
					t.Errorf("gaps: %+v, ended at %s", g, ended)
				}
			})
		})
	}
	t.Attr("tries", fmt.Sprint(len(scenes)))
	t.Attr("gaps", fmt.Sprintf("5/%d", gaps))
	t.Attr("figure", fmt.Sprintf("%d ways to stop before a store is replaced, %d gap records of 5", len(scenes), gaps))
}

// The gateway drops the queue with the session, after 120 s without a poll.
func TestALostQueueIsSaid(t *testing.T) {
	refused := gotNothing(ccgateway.OutcomeNotSent)
	for name, c := range map[string]struct {
		script []answer
		want   int
	}{
		"given up":                   {slices.Repeat([]answer{refused}, 11), 1},
		"back, but the session gone": {append(slices.Repeat([]answer{refused}, 8), gotCode("100-006")), 1},
		"denied twice":               {[]answer{gotStatus(401), gotStatus(401)}, 1},
		"told at once":               {[]answer{gotCode("100-006")}, 0},
		"shut down":                  {[]answer{refused, gotEvent("AgentOther_ShutdownService", "")}, 0},
		"back in time":               {[]answer{refused, refused, gotEmpty()}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				first := gotEmpty()
				first.after = 3 * time.Second
				s.agent("291").script = append([]answer{first}, c.script...)
				p := s.start(agent291)
				good := time.Now().Add(3 * time.Second)
				pass(4 * time.Minute)
				p.end()
				g := s.gaps(schemas.GapSession)
				if len(g) != c.want {
					t.Fatalf("%d gaps, want %d: %v", len(g), c.want, s.stored())
				}
				if c.want == 0 {
					return
				}
				if !g[0].From.Equal(good) || g[0].MaxLost != 0 || g[0].Detail == "" {
					t.Errorf("gap: %+v; last good poll at %s", g[0], good)
				}
				stored := s.stored()
				if i := slices.Index(stored, "gap.session_lost"); stored[i+1] != "session.signed_out" || stored[i+2] != "session.signed_in" {
					t.Errorf("stored: %v", stored)
				}
			})
		})
	}
}

func TestTheQueueOfASessionLeft(t *testing.T) {
	for name, c := range map[string]struct {
		away     time.Duration
		first    answer
		remember bool
		want     int
	}{
		"resumed":                {time.Minute, gotEmpty(), true, 0},
		"too late":               {3 * time.Minute, gotEmpty(), true, 1},
		"too late, no stream":    {3 * time.Minute, gotEmpty(), false, 1},
		"resumed, but gone":      {time.Minute, gotCode("100-006"), true, 1},
		"resumed in no time":     {100 * time.Millisecond, gotCode("100-006"), true, 0},
		"gone, without a stream": {time.Minute, gotCode("100-006"), false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				if c.remember {
					s.remember()
				}
				p := s.start(agent291)
				pass(time.Second)
				p.end()
				left := time.Now()
				pass(c.away)
				s.agent("291").then(c.first)
				s.restart(20*time.Second, agent291)
				g := s.gaps(schemas.GapSession)
				if len(g) != c.want || len(g) > 0 && !g[0].From.Equal(left) || len(s.gaps(schemas.GapUnclean)) > 0 {
					t.Errorf("gaps: %+v, left at %s", g, left)
				}
			})
		})
	}
}

// The poll in flight when intake ends may tell that the session is over.
func TestTheLastPollMayTellTheEnd(t *testing.T) {
	for name, last := range map[string]answer{
		"code": gotCode("100-006"), "event": gotEvent("AgentOther_ShutdownService", ""),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				last.after = 5 * time.Second
				s.agent("291").script = []answer{last}
				p := s.start(agent291)
				pass(time.Second)
				p.end()
				got := s.stored()
				if got[len(got)-1] != "session.signed_out" || s.entry("291").GUID != "" || s.entry("291").Polling {
					t.Errorf("stored: %v, entry %+v", got, s.entry("291"))
				}
			})
		})
	}
}

// A sign-out drops the queue, so it is emptied before.
func TestTheQueueIsEmptiedBeforeTheSignOut(t *testing.T) {
	for name, c := range map[string]struct {
		queue []answer
		held  int
		want  []string
		outs  int
	}{
		"emptied":     {slices.Repeat([]answer{gotEvent("AgentEvent_Hold", "")}, 4), 5, []string{"call.hold", "session.signed_out"}, 1},
		"ended":       {[]answer{gotEvent("AgentEvent_Hold", ""), gotEvent("AgentOther_ShutdownService", "")}, 2, []string{"session.shutdown_service", "session.signed_out"}, 0},
		"without end": {slices.Repeat([]answer{gotEvent("AgentEvent_Hold", "")}, 1000), 26, []string{"call.hold", "session.signed_out"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.options.SignOutOnShutdown = true
				s.agent("291").script = slices.Clone(c.queue)
				s.agent("291").script[0].after = 5 * time.Second
				p := s.start(agent291)
				pass(time.Second)
				p.end()
				got := s.stored()
				if n := len(s.j.of("ask")); n != c.held || !slices.Equal(got[len(got)-2:], c.want) || len(s.j.of("sign out")) != c.outs {
					t.Errorf("%d polls, %d sign-outs, stored: %v", n, len(s.j.of("sign out")), got[max(0, len(got)-4):])
				}
			})
		})
	}
}

// An event in hand at the end of work is stored if the store comes back in time.
func TestAnEventInHandGetsALastChance(t *testing.T) {
	for name, c := range map[string]struct {
		back time.Duration
		want bool
	}{"in time": {1500 * time.Millisecond, true}, "too late": {10 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				event := gotEvent("AgentState_Ready", "")
				event.after = 5 * time.Second
				s.agent("291").script = []answer{event}
				p := s.start(agent291)
				pass(time.Second)
				s.store.setRefuse(func(schemas.Message) error { return errors.New("no responders") })
				pass(10 * time.Second)
				p.stopWork()
				begun := time.Now()
				pass(c.back)
				s.store.setRefuse(nil)
				<-p.done
				p.stopIntake()
				if took := time.Since(begun); took > max(c.back, 3*time.Second) {
					t.Errorf("the end took %s", took)
				}
				if slices.Contains(s.stored(), "state.ready") != c.want || slices.Contains(s.stored(), "session.left") || !s.entry("291").Polling {
					t.Errorf("stored: %v", s.stored())
				}
			})
		})
	}
}

// What stands where an event should is kept, and costs nothing else.
func TestBadItemsBesideEvents(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		mixed := gotEvent("AgentState_Ready", "")
		mixed.poll.Bad = []json.RawMessage{json.RawMessage(`{"workNo":"291","signature":"s3cret"}`), json.RawMessage(`7`)}
		gone := gotCode("100-006")
		gone.poll.Bad = []json.RawMessage{json.RawMessage(`"odd"`)}
		s.agent("291").script = []answer{mixed, gotEmpty(), gone}
		p := s.start(agent291)
		pass(time.Minute)
		p.end()
		letters := bodies[schemas.DeadLetter](s, schemas.TypeDeadLetter)
		if len(letters) != 3 || len(s.gaps(schemas.GapUndecodable)) != 3 {
			t.Fatalf("%d dead letters, stored %v", len(letters), s.stored())
		}
		if got := string(letters[0].Original); !strings.Contains(got, "workNo") || strings.Contains(got, "s3cret") {
			t.Errorf("original: %s", got)
		}
		if got := s.stored(); !slices.Contains(got, "state.ready") || !slices.Contains(got, "session.signed_out") {
			t.Errorf("stored: %v", got)
		}
		checkNumbers(t, s, 7)
	})
}
