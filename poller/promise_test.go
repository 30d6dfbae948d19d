package poller

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

var promises = []struct {
	name  string
	check func(s *stage) error
}{
	{"events are stored before the next poll", storedBeforeNextPoll},
	{"the end of intake loses no event of a held poll", heldEventIsStored},
	{"every poll of unknown outcome has one gap record", oneGapPerUnknown},
	{"equal events are events of their own", equalEventsHaveTheirOwnIDs},
}

func TestPromises(t *testing.T) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				if err := p.check(s); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func storedBeforeNextPoll(s *stage) error {
	for range 5 {
		s.agent("291").script = append(s.agent("291").script, gotEvent("AgentState_Ready", ""))
	}
	p := s.start(agent291)
	pass(20 * time.Second)
	p.end()
	waiting, seen := false, 0
	for _, e := range s.j.of("ask", "answer", "stored") {
		switch {
		case e.what == "answer":
			waiting = e.text == "event"
		case e.what == "stored" && waiting:
			waiting = false
			seen++
		case e.what == "ask" && waiting:
			return fmt.Errorf("at %s: next poll before the event was stored", e.at)
		}
	}
	if seen != 5 {
		return fmt.Errorf("%d events stored, want 5", seen)
	}
	return nil
}

func heldEventIsStored(s *stage) error {
	held := gotEvent("AgentEvent_Talking", `{"callid":"1456401416-3"}`)
	held.after = 8 * time.Second
	s.agent("291").script = []answer{held}
	p := s.start(agent291)
	pass(3 * time.Second)
	p.stopIntake() // five seconds before the answer
	begun := time.Now()
	p.end()
	if got := s.stored(); !slices.Contains(got, "call.talking") || got[len(got)-1] != "session.left" {
		return fmt.Errorf("stored: %v", got)
	}
	if took := time.Since(begun); took > 6*time.Second {
		return fmt.Errorf("the end took %s", took)
	}
	if n := len(s.j.of("ask")); n != 1 {
		return fmt.Errorf("%d polls, want 1", n)
	}
	if e := s.entry("291"); e.Polling || e.GUID == "" {
		return fmt.Errorf("entry after an orderly stop: %+v", e)
	}
	return nil
}

func oneGapPerUnknown(s *stage) error {
	lost := []answer{gotNothing(ccgateway.OutcomeUnknown), gotStatus(503), gotNothing(ccgateway.OutcomeUnknown)}
	harmless := []answer{gotEmpty(), gotNothing(ccgateway.OutcomeNotSent), gotStatus(404), gotCode("100-007"), gotEmpty()}
	s.agent("291").script = slices.Concat(lost, harmless, lost[:1])
	p := s.start(agent291)
	pass(2 * time.Minute)
	p.end()
	gaps := bodies[schemas.Gap](s, schemas.TypeGap)
	if len(gaps) != 4 {
		return fmt.Errorf("%d gap records, want 4", len(gaps))
	}
	for i, g := range gaps {
		if g.Cause != schemas.GapPollUnknown || g.MaxLost != 1 || g.LastSeq != g.Seq-1 || g.LastEp != 7 || g.Detail == "" {
			return fmt.Errorf("gap %d: %+v", i, g)
		}
	}
	return nil
}

func equalEventsHaveTheirOwnIDs(s *stage) error {
	s.agent("291").script = slices.Repeat([]answer{gotEvent("AgentState_Ready", "")}, 5)
	p := s.start(agent291)
	pass(20 * time.Second)
	p.end()
	ids := map[string]bool{}
	for _, m := range s.store.messages() {
		if ids[m.MsgID()] {
			return fmt.Errorf("the id %s comes twice; the store would drop one of the two", m.MsgID())
		}
		ids[m.MsgID()] = true
	}
	return nil
}

func TestNumbersHaveNoHolesAndKeepTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		var want []string
		for i := range 200 {
			a := gotEvent("AgentEvent_Hold", fmt.Sprintf(`"1456401416-%d"`, i))
			want = append(want, fmt.Sprintf("1456401416-%d", i))
			a.after = time.Duration(i%7) * time.Second
			s.agent("291").script = append(s.agent("291").script, a)
			if i%10 == 3 {
				s.agent("291").script = append(s.agent("291").script, gotNothing(ccgateway.OutcomeUnknown))
			}
		}
		fails := 0
		s.store.refuse = func(schemas.Message) error { // every third attempt fails
			if fails++; fails%3 == 0 {
				return fmt.Errorf("no response from stream")
			}
			return nil
		}
		p := s.start(agent291)
		pass(30 * time.Minute)
		p.end()
		var got []string
		for _, e := range bodies[schemas.Event](s, schemas.TypeEvent) {
			if e.Name == "hold" {
				got = append(got, e.CallID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("events out of order or missing: %d of %d", len(got), len(want))
		}
		checkNumbers(t, s, 7)
		if n := len(bodies[schemas.Heartbeat](s, schemas.TypeHeartbeat)); n < 5 {
			t.Errorf("%d heartbeats in half an hour", n)
		}
		if e := s.entry("291"); int(e.LastSeq) != len(s.store.messages()) {
			t.Errorf("entry's last seq %d, stored %d", e.LastSeq, len(s.store.messages()))
		}
	})
}

// checkNumbers checks that the messages of one agent are numbered 1, 2, 3, …
func checkNumbers(t *testing.T, s *stage, epoch uint64) {
	t.Helper()
	seen := map[string]uint64{}
	for _, m := range s.store.messages() {
		if m.Type == schemas.TypeDeadLetter {
			continue
		}
		var p struct {
			Agent string
			schemas.Position
		}
		if err := json.Unmarshal(m.Body, &p); err != nil {
			t.Fatal(err)
		}
		if seen[p.Agent]++; p.Epoch != epoch || p.Seq != seen[p.Agent] {
			t.Errorf("agent %s: number %d.%d, want %d.%d", p.Agent, p.Epoch, p.Seq, epoch, seen[p.Agent])
		}
	}
}

func TestPacing(t *testing.T) {
	for name, c := range map[string]struct {
		always      answer
		least, most time.Duration
		lastsAnHour bool
	}{
		"events without end":      {gotEvent("AgentState_Ready", ""), 200 * time.Millisecond, 200 * time.Millisecond, true},
		"nothing, and no hold":    {gotEmpty(), 400 * time.Millisecond, 400 * time.Millisecond, true},
		"status 500":              {gotStatus(500), 1001 * time.Millisecond, 15 * time.Second, false},
		"status 404":              {gotStatus(404), 1001 * time.Millisecond, 15 * time.Second, false},
		"no connection":           {gotNothing(ccgateway.OutcomeNotSent), 1001 * time.Millisecond, 15 * time.Second, false},
		"connections cut":         {gotNothing(ccgateway.OutcomeUnknown), 1001 * time.Millisecond, 15 * time.Second, false},
		"gateway busy":            {gotCode("100-007"), 1001 * time.Millisecond, 15 * time.Second, false},
		"switchover":              {gotCode("000-004"), 1001 * time.Millisecond, 2 * time.Second, false},
		"switchover has finished": {gotCode("105-003"), 1001 * time.Millisecond, 2 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").forever = &c.always
				p := s.start(agent291)
				pass(10 * time.Minute)
				p.end()
				checkPace(t, s.j.of("ask", "answer", "sign in"), c.least, c.most)
				if n := len(s.j.of("sign in")); c.lastsAnHour && n != 1 {
					t.Errorf("%d sign-ins", n)
				}
				if s.agent("291").crowd != 1 {
					t.Errorf("%d polls in flight at once", s.agent("291").crowd)
				}
			})
		})
	}
}

// checkPace checks the pauses between an answer and the next request of the same
// session, and that the gateway hears from us often enough (120 s) across sign-ins.
func checkPace(t *testing.T, entries []journalEntry, least, most time.Duration) {
	t.Helper()
	polls := 0
	for i := 1; i < len(entries); i++ {
		pause := entries[i].at.Sub(entries[i-1].at)
		switch {
		case entries[i].what == "ask" && entries[i-1].what == "answer":
			polls++
			if pause < least || pause > most {
				t.Errorf("poll %d after a pause of %s, want %s to %s", polls, pause, least, most)
			}
		case entries[i].what == "sign in" && (pause <= time.Second || pause > 100*time.Second):
			t.Errorf("sign-in after a pause of %s", pause)
		}
	}
	if polls < 20 {
		t.Errorf("only %d polls", polls)
	}
}

func TestAnIdleAgentCosts346PollsAnHour(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(agent291)
		pass(time.Hour)
		if n := len(s.j.of("answer")); n < 340 || n > 360 {
			t.Errorf("%d polls in an hour, want 3600 s / (10 s hold + 0.4 s)", n)
		}
		saved := s.j.of("session entry")
		for i := 3; i < len(saved); i++ { // the first belong to the sign-in
			if d := saved[i].at.Sub(saved[i-1].at); d > 70*time.Second || d < 50*time.Second {
				t.Errorf("session entry refreshed after %s", d)
			}
		}
		p.end()
	})
}

func TestTheEndOfWorkCutsAtOnceAndTheNextOwnerSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		held := gotEvent("AgentState_Ready", "")
		held.after = 9 * time.Second
		s.agent("291").script = []answer{gotEvent("AgentState_Busy", ""), held}
		p := s.start(agent291)
		pass(3 * time.Second)
		begun := time.Now()
		p.crash()
		if took := time.Since(begun); took != 0 {
			t.Errorf("hard stop took %s", took)
		}
		before := s.entry("291")
		if !before.Polling || before.Epoch != 7 {
			t.Fatalf("entry of a crashed owner: %+v", before)
		}
		pass(20 * time.Second)
		s.options.Epoch = 8
		p = s.start(agent291)
		pass(time.Second)
		gaps := bodies[schemas.Gap](s, schemas.TypeGap)
		if len(gaps) != 1 {
			t.Fatalf("%d gap records, want 1", len(gaps))
		}
		g := gaps[0]
		if g.Cause != schemas.GapUnclean || g.Epoch != 8 || g.Seq != 1 || g.LastEp != 7 || g.LastSeq != before.LastSeq ||
			!g.From.Equal(before.UpdatedAt) || !g.To.After(g.From) || g.MaxLost != 0 {
			t.Errorf("gap: %+v; entry before: %+v", g, before)
		}
		if n := len(s.j.of("sign in")); n != 1 {
			t.Errorf("%d sign-ins: a session of 23 s is to be resumed", n)
		}
		p.end()
		s.options.Epoch = 9
		p = s.start(agent291)
		pass(time.Second)
		p.end()
		if n := len(bodies[schemas.Gap](s, schemas.TypeGap)); n != 1 {
			t.Errorf("%d gap records after an orderly stop, want no further one", n)
		}
	})
}

func TestStartAndStopAtRandom(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		for id := range 20 {
			a := gotEvent("AgentState_Ready", "")
			a.after, a.poll.Events[0].WorkNo = 700*time.Millisecond, fmt.Sprint(id)
			s.agent(fmt.Sprint(id)).forever = &a
		}
		p := s.start()
		for round := range 200 {
			var agents []session.Agent
			for id := range 20 {
				if (round*7+id*3)%5 != 0 {
					agents = append(agents, session.Agent{ID: fmt.Sprint(id), Phone: "1", Password: fmt.Sprint((round + id) / 13)})
				}
			}
			p.wanted <- agents
			time.Sleep(time.Duration(round%11) * 130 * time.Millisecond)
		}
		p.stopIntake()
		synctest.Wait()
		p.end()
		total := 0
		for id, a := range s.agents {
			if total += a.popped; a.crowd > 1 {
				t.Errorf("agent %s: %d polls in flight at once", id, a.crowd)
			}
		}
		stored := 0
		for _, name := range s.stored() {
			if name == "state.ready" {
				stored++
			}
		}
		if stored != total || total == 0 {
			t.Errorf("%d events popped, %d stored", total, stored)
		}
		checkNumbers(t, s, 7)
	})
}
