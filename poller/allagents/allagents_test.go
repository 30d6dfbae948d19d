package allagents

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"
)

func (s *scene) want(t *testing.T, agent string, types ...string) {
	t.Helper()
	if got := s.shelf.types(t, agent); !slices.Equal(got, types) {
		t.Errorf("stored of %q: %q, want %q", agent, got, types)
	}
}

func unknown(err string) ccgateway.Poll {
	return ccgateway.Poll{Outcome: ccgateway.OutcomeUnknown, Err: errors.New(err), MayHaveLost: true}
}

// TestGapOfEachSeen: a poll of unknown outcome is a gap of each agent who was seen at that
// node, and of no other.
func TestGapOfEachSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		first := &script{polls: []ccgateway.Poll{brings("291 A", "292 A", "291 B"), unknown("connection reset"), brings("291 C")}}
		second := &script{polls: []ccgateway.Poll{brings("301 A")}}
		stop, _ := s.own(t, Node{"one", first.poll}, Node{"two", second.poll})
		time.Sleep(time.Minute)
		stop()
		s.want(t, "291", "A", "B", "gap", "C", schemas.EventLeft)
		s.want(t, "292", "A", "gap", schemas.EventLeft)
		s.want(t, "301", "A", schemas.EventLeft)
		gap := s.shelf.lines(t, "292")[1]
		if at := first.times()[1]; gap.Cause != schemas.GapPollUnknown || !gap.From.Equal(at) || !strings.Contains(gap.Detail, "connection reset") {
			t.Errorf("%+v, the poll was at %s", gap, at)
		}
		for _, l := range s.shelf.lines(t, "291") {
			if l.Type != "gap" && l.Via != schemas.WayAllAgents {
				t.Errorf("%+v", l)
			}
		}
	})
}

// TestPauses: polls follow each other as those of single agents do, and less and less often
// when they fail.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		n := &script{polls: []ccgateway.Poll{brings("291 A"), {Outcome: ccgateway.OutcomeEmpty}}}
		for range 12 {
			n.polls = append(n.polls, ccgateway.Poll{Outcome: ccgateway.OutcomeRefused, Code: "999-001", Err: errors.New("busy")})
		}
		n.polls = append(n.polls, brings("291 B"))
		stop, _ := s.own(t, Node{"one", n.poll})
		time.Sleep(5 * time.Minute)
		stop()
		var pauses []time.Duration
		for i, at := range n.times()[1:] {
			pauses = append(pauses, at.Sub(n.times()[i]))
		}
		if pauses[0] != defaultEventGap || pauses[1] != defaultIdleGap || pauses[14] != defaultEventGap {
			t.Errorf("after an event %s, nothing %s, and again an event %s", pauses[0], pauses[1], pauses[14])
		}
		failed := pauses[2:14]
		if slices.Min(failed) < defaultErrorGap || slices.Max(failed) > maxErrorGap*3/2 || slices.Min(failed[6:]) <= failed[0] {
			t.Errorf("after failures: %s", failed)
		}
		s.want(t, "291", "A", "B", schemas.EventLeft)
		if n := strings.Count(s.logs.String(), "poll of all agents failed"); n != 1 || !strings.Contains(s.logs.String(), "work again") {
			t.Errorf("%d lines: %s", n, s.logs)
		}
	})
}

// TestWrongMode: a gateway that lets single agents be polled only is told from one in trouble.
func TestWrongMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		n := &script{}
		for range 5 {
			n.polls = append(n.polls, ccgateway.Poll{Outcome: ccgateway.OutcomeRefused, Code: "000-001", Err: errors.New("000-001")})
		}
		stop, _ := s.own(t, Node{"one", n.poll})
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		if logs := s.logs.String(); !strings.Contains(logs, "EVENT_METHOD=AGENT_POLL and GET_EVENT_MODE=2") {
			t.Error(logs)
		}
	})
}

// TestNobodys: an event that names no agent, and what is none, are dead letters; the others
// of the answer are stored.
func TestNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		p := brings("291 A", " B", "291 C")
		p.Bad = []json.RawMessage{json.RawMessage(`"no event"`)}
		n := &script{polls: []ccgateway.Poll{p}}
		stop, _ := s.own(t, Node{"one", n.poll})
		time.Sleep(time.Second)
		stop()
		s.want(t, "291", "A", "C", schemas.EventLeft)
		letters := 0
		for _, m := range s.shelf.kept {
			if m.Type == schemas.TypeDeadLetter {
				letters++
			}
		}
		if letters != 2 {
			t.Errorf("%d dead letters", letters)
		}
	})
}

// TestOwnerDied: an agent whose last owner did not stop has a gap when he is heard of; one
// whose owner stopped in order has none.
func TestOwnerDied(t *testing.T) {
	for name, orderly := range map[string]bool{"killed": false, "stopped": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				stop, kill := s.own(t, Node{"one", (&script{polls: []ccgateway.Poll{brings("291 AgentState_Ready")}}).poll})
				time.Sleep(time.Second)
				want := []string{"AgentState_Ready"}
				if orderly {
					stop()
					want = append(want, schemas.EventLeft, "B")
				} else {
					kill()
					want = append(want, "gap", "B")
				}
				stop, _ = s.own(t, Node{"one", (&script{polls: []ccgateway.Poll{brings("291 B")}}).poll})
				time.Sleep(time.Second)
				got := s.shelf.types(t, "291")
				stop()
				if !slices.Equal(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			})
		})
	}
}
