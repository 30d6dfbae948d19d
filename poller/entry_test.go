package poller

import (
	"errors"
	"slices"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// hand puts a GUID into the bucket as another system does.
func (s *stage) hand(id, guid string) {
	sealed, _ := s.options.Seal.Seal([]byte(guid))
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	s.sessions.set(schemas.AgentKey("acme", id), []byte(`{"tenant":"acme","agent":"`+id+`","guid":"`+sealed+`"}`))
}

func TestWithoutPasswordTheGUIDComesFromTheBucket(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(Agent{ID: "291"})
		pass(time.Minute)
		if n := len(s.j.of("ask", "sign in")); n != 0 {
			t.Fatalf("%d requests without GUID or password", n)
		}
		last := func() string { asks := s.j.of("ask"); return asks[len(asks)-1].text }
		s.hand("291", "first")
		pass(11 * time.Second)
		if last() != "first" {
			t.Fatalf("polled with %q", last())
		}
		// The other system signs in anew: our GUID dies, the new one is in the bucket.
		s.agent("291").then(gotCode("000-003"))
		s.hand("291", "second")
		pass(30 * time.Second)
		if last() != "second" {
			t.Errorf("polled with %q", last())
		}
		// The next one replaces a GUID that still works: noticed at the refresh.
		s.hand("291", "third")
		pass(40 * time.Second)
		if last() != "third" {
			t.Errorf("polled with %q", last())
		}
		// Gone, and only then handed over once more.
		s.agent("291").then(gotCode("100-006"))
		pass(30 * time.Second)
		n := len(s.j.of("ask"))
		pass(time.Minute)
		if len(s.j.of("ask")) != n {
			t.Error("polled on without session")
		}
		s.hand("291", "fourth")
		pass(11 * time.Second)
		if last() != "fourth" {
			t.Errorf("polled with %q", last())
		}
		// Handed over before we notice that the old one is gone.
		gone := gotCode("100-006")
		gone.after = 9 * time.Second
		s.agent("291").then(gone)
		pass(15 * time.Second)
		s.hand("291", "fifth")
		pass(30 * time.Second)
		if last() != "fifth" {
			t.Errorf("polled with %q", last())
		}
		p.end()
		once := []string{"session.resumed", "session.signed_out"}
		want := slices.Concat(once, once, []string{"session.resumed", "session.left"})
		if got := s.stored(); !slices.Equal(got, want) || len(s.j.of("sign in")) != 0 {
			t.Errorf("stored: %v", got)
		}
	})
}

func TestAWriteWhoseAnswerIsLostIsKnownAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		for _, guid := range []string{"a", "b", "c"} {
			next := gotEmpty()
			next.after, next.guid = 25*time.Second, guid
			s.agent("291").script = append(s.agent("291").script, next)
		}
		n := 0
		s.sessions.late = func() error { // every second write happens, and fails
			if n++; n%2 == 0 {
				return errors.New("timeout")
			}
			return nil
		}
		p := s.start(seat291)
		pass(5 * time.Minute)
		p.end()
		var used []string
		for _, e := range s.j.of("ask") {
			if len(used) == 0 || used[len(used)-1] != e.text {
				used = append(used, e.text)
			}
		}
		if !slices.Equal(used, []string{"guid-291-1", "a", "b", "c"}) {
			t.Errorf("polled with %v", used)
		}
		if e := s.entry("291"); e.Polling || e.Epoch != 7 {
			t.Errorf("entry: %+v", e)
		}
	})
}

func TestAGUIDThatCannotBeOpenedIsNoSession(t *testing.T) {
	for name, value := range map[string]string{
		"another key": `{"guid":"foreign","updated_at":"2000-01-01T00:00:00Z"}`,
		"no entry":    `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.sessions.values[schemas.AgentKey("acme", "291")] = []byte(value)
				s.sessions.revs[schemas.AgentKey("acme", "291")] = 1
				s.sessions.revision = 1
				s.sessions.values[schemas.AgentKey("acme", "292")] = []byte(value)
				s.sessions.revs[schemas.AgentKey("acme", "292")] = 1
				p := s.start(seat291, Agent{ID: "292"})
				pass(time.Minute)
				p.end()
				if got := s.stored(); !slices.Equal(got, []string{"session.signed_in", "session.left"}) {
					t.Errorf("stored: %v", got)
				}
			})
		})
	}
}
