package poller

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

func TestSignInComesBeforeSkillsBeforeThePoll(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(agent291)
		pass(time.Second)
		p.end()
		var got []string
		for _, e := range s.j.of("sign in", "session entry", "stored", "reset skills", "ask") {
			got = append(got, e.what)
		}
		want := []string{"session entry", "sign in", "session entry", "stored", "reset skills", "ask"}
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("order: %v", got)
		}
		if got := s.stored(); !slices.Equal(got, []string{"session.signed_in", "session.left"}) {
			t.Errorf("stored: %v", got)
		}
	})
}

// A few wrong passwords lock the account (110-016, 110-021).
func TestARefusedPasswordIsNeverTriedAgain(t *testing.T) {
	for _, code := range []string{"100-004", "110-016", "110-021", "110-002", "100-020", "100-017", "100-013", "000-001"} {
		t.Run(code, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.options.ForceSignIn = true
				s.agent("291").signIns = []error{refusal(code)} // the next would succeed
				p := s.start(agent291)
				pass(time.Hour)
				p.wanted <- []session.Agent{agent291} // the same again is no change
				pass(time.Hour)
				other := agent291
				other.Status = 3 // nor does it mend anything
				p.wanted <- []session.Agent{other}
				pass(22 * time.Hour)
				if n := len(s.j.of("sign in", "force", "ask")); n != 1 {
					t.Errorf("%d requests in 24 hours, want 1", n)
				}
				mended := agent291
				mended.Password = "new"
				p.wanted <- []session.Agent{mended}
				pass(time.Second)
				if n := len(s.j.of("sign in")); n != 2 {
					t.Errorf("%d sign-ins after the password changed, want 2", n)
				}
				p.end()
			})
		})
	}
}

// TestAChangedPasswordIsForTheNextSignIn: the session goes on, its poll is not cut, and nobody
// is told.
func TestAChangedPasswordIsForTheNextSignIn(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(agent291)
		pass(time.Minute + 5*time.Second) // in the midst of a poll
		for _, password := range []string{"in between", "new"} {
			changed := agent291
			changed.Password = password
			p.wanted <- []session.Agent{changed}
		}
		pass(time.Minute)
		if got := s.stored(); !slices.Equal(got, []string{"session.signed_in"}) || s.agent("291").crowd != 1 {
			t.Errorf("stored: %v; %d polls at once", got, s.agent("291").crowd)
		}
		s.agent("291").then(gotCode("100-006"))
		pass(time.Minute)
		if got := s.agent("291").passwords; !slices.Equal(got, []string{agent291.Password, "new"}) {
			t.Errorf("signed in with %v", got)
		}
		p.end()
	})
}

// Also after a session that worked: the password may have changed meanwhile.
func TestARefusedPasswordIsNotTriedAgainAfterASession(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").signIns = []error{nil, refusal("100-004")}
		s.agent("291").script = []answer{gotEmpty(), gotCode("100-006")}
		p := s.start(agent291)
		pass(24 * time.Hour)
		p.end()
		if n := len(s.j.of("sign in")); n != 2 {
			t.Errorf("%d sign-ins, want 2", n)
		}
		if got := s.stored(); got[len(got)-1] != "session.signed_out" {
			t.Errorf("stored: %v", got)
		}
	})
}

func TestForceOnlyBySettingAndAtMostOnce(t *testing.T) {
	taken := slices.Repeat([]error{refusal("100-002")}, 1000)
	for name, c := range map[string]struct {
		force  bool
		forces []error
		want   int
	}{
		"not allowed":                {false, nil, 0},
		"allowed, and refused":       {true, taken, 1},
		"allowed, and expelled then": {true, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.options.ForceSignIn = c.force
				a := s.agent("291")
				a.signIns, a.forces = slices.Clone(taken), slices.Clone(c.forces)
				a.script = []answer{gotEmpty(), gotCode("100-006")}
				p := s.start(agent291)
				pass(6 * time.Hour)
				p.end()
				if n := len(s.j.of("force")); n != c.want {
					t.Errorf("%d forced sign-ins in 6 hours, want %d", n, c.want)
				}
				if n := len(s.j.of("sign in")); n < 300 || n > 700 {
					t.Errorf("%d sign-ins in 6 hours, want about one a minute", n)
				}
			})
		})
	}
}

func TestSignInIsTriedAgainWithBackOff(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		for range 30 {
			s.agent("291").signIns = append(s.agent("291").signIns, errors.New("dial tcp: connection refused"), refusal("100-003"))
		}
		p := s.start(agent291)
		pass(2 * time.Hour)
		p.end()
		tries := s.j.of("sign in")
		if len(tries) != 61 {
			t.Fatalf("%d sign-ins, want 61", len(tries))
		}
		for i := 1; i < len(tries); i++ {
			if d := tries[i].at.Sub(tries[i-1].at); d < 1100*time.Millisecond || d > time.Minute {
				t.Errorf("try %d after %s", i, d)
			}
		}
		if s.stored()[0] != "session.signed_in" {
			t.Errorf("stored: %v", s.stored())
		}
	})
}

// A 401 or 403 may be counted against the account like a wrong password.
func TestADeniedSignInIsTriedOnceMore(t *testing.T) {
	status := func(status int) error { return gotStatus(status).poll.Err }
	for name, c := range map[string]struct {
		answers []error
		want    int
	}{
		"twice":            {[]error{status(401), status(403)}, 2},
		"around no answer": {[]error{status(403), errors.New("connection refused"), status(403)}, 3},
		"not in a row":     {[]error{status(401), status(503), status(401), refusal("100-003"), status(401)}, 6},
		"busy":             {[]error{status(503), status(503), status(503)}, 4},
		"after a session":  {[]error{status(401), nil, status(401), status(401)}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").signIns = c.answers
				s.agent("291").script = []answer{gotCode("100-006")}
				if !slices.Contains(c.answers, nil) {
					s.agent("291").script = nil
				}
				p := s.start(agent291)
				pass(24 * time.Hour)
				p.end()
				if n := len(s.j.of("sign in")); n != c.want {
					t.Errorf("%d sign-ins in a day, want %d", n, c.want)
				}
			})
		})
	}
}

// Sessions that end at once slow the next sign-in down, one that lasted does not.
func TestAStableSessionResetsTheBackOff(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		a := s.agent("291")
		a.script = slices.Repeat([]answer{gotCode("100-006")}, 12)
		lasting := gotCode("100-006")
		lasting.after = time.Minute
		a.script = append(a.script, lasting)
		p := s.start(agent291)
		pass(20 * time.Minute)
		p.end()
		entries := s.j.of("answer", "sign in")
		var pauses []time.Duration
		for i := 1; i < len(entries); i++ {
			if entries[i].what == "sign in" {
				pauses = append(pauses, entries[i].at.Sub(entries[i-1].at))
			}
		}
		if len(pauses) != 13 || pauses[11] < 15*time.Second || pauses[12] > 4*time.Second {
			t.Errorf("pauses before sign-ins: %v", pauses)
		}
	})
}

func TestSkillsAreResetLaterWhenTheyFail(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").skills = slices.Repeat([]error{refusal("100-007")}, 5)
		p := s.start(agent291)
		pass(time.Minute)
		p.end()
		if n := len(s.j.of("reset skills")); n != 6 {
			t.Errorf("%d tries, want 3 before the first poll and 3 between polls", n)
		}
		if n := len(s.j.of("ask")); n < 4 {
			t.Errorf("%d polls: failing skills must not stop polling", n)
		}
	})
}

func TestHowSessionsEnd(t *testing.T) {
	shutdown := gotEvent("AgentOther_ShutdownService", `{"loginTime":"1471585949806"}`)
	for name, c := range map[string]struct {
		script  []answer
		forever *answer
		cause   record.Cause
		code    string
		signIns int
	}{
		"not signed in":       {script: []answer{gotCode("100-006")}, cause: record.CauseNotSignedIn, code: "100-006", signIns: 2},
		"guid refused":        {script: []answer{gotCode("000-003")}, cause: record.CauseAuth, code: "000-003", signIns: 2},
		"wrong mode":          {script: []answer{gotCode("000-001")}, cause: record.CauseWrongMode, code: "000-001", signIns: 1},
		"not in the cache":    {script: []answer{gotCode("105-001")}, cause: record.CauseRecovery, code: "105-001", signIns: 2},
		"shutdown":            {script: []answer{shutdown}, cause: record.CauseShutdownService, signIns: 2},
		"shutdown, no time":   {script: []answer{gotEvent("AgentOther_ShutdownService", "")}, cause: record.CauseShutdownService, signIns: 2},
		"401 twice":           {script: []answer{gotStatus(401), gotStatus(403)}, cause: record.CauseAuth, signIns: 2},
		"more than ten fails": {script: slices.Repeat([]answer{gotStatus(500)}, 11), cause: record.CauseLost, signIns: 2},
		"switchover too long": {script: slices.Repeat([]answer{gotCode("000-004")}, 280), cause: record.CauseRecovery, code: "000-004", signIns: 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").script, s.agent("291").forever = c.script, c.forever
				p := s.start(agent291)
				pass(6 * time.Minute)
				var outs []schemas.Event
				for _, e := range bodies[schemas.Event](s, schemas.TypeEvent) {
					if e.Type == schemas.EventSignedOut {
						outs = append(outs, e)
					}
				}
				if len(outs) != 1 || outs[0].Reason != string(c.cause) || outs[0].Result != c.code || !strings.Contains(string(outs[0].Content), `"cause":"`+string(c.cause)+`"`) {
					t.Errorf("signed out: %+v", outs)
				}
				if n := len(s.j.of("sign in")); n != c.signIns {
					t.Errorf("%d sign-ins, want %d", n, c.signIns)
				}
				if e := s.entry("291"); e.Polling != (c.signIns == 2) || (e.GUID == "") == e.Polling {
					t.Errorf("entry: %+v", e)
				}
				p.end()
			})
		})
	}
}

func TestWhatDoesNotEndASession(t *testing.T) {
	for name, script := range map[string][]answer{
		"shutdown of an earlier session": {gotEvent("AgentOther_ShutdownService", `{"loginTime":"1471585900000"}`)},
		"ten bad polls":                  slices.Repeat([]answer{gotStatus(500)}, 10),
		"ten and ten":                    slices.Concat(slices.Repeat([]answer{gotStatus(500)}, 10), []answer{gotEmpty()}, slices.Repeat([]answer{gotStatus(500)}, 10)),
		"one 403 at a time":              {gotStatus(403), gotEmpty(), gotStatus(401), gotEmpty()},
		"four minutes of switchover":     slices.Concat(slices.Repeat([]answer{gotCode("000-004")}, 220), []answer{gotCode("105-002"), gotCode("105-003")}),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").script = script
				p := s.start(agent291)
				pass(15 * time.Minute)
				p.end()
				if got := s.stored(); slices.Contains(got, "session.signed_out") {
					t.Errorf("stored: %v", got)
				}
			})
		})
	}
}

func TestSilenceEndsASession(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		timeout := gotNothing(ccgateway.OutcomeUnknown) // each takes 30 s: lost after 240 s, before ten of them
		timeout.after = 30 * time.Second
		s.agent("291").script = slices.Repeat([]answer{timeout}, 10)
		p := s.start(agent291)
		pass(10 * time.Minute)
		p.end()
		if n := len(s.j.of("sign in")); n != 2 {
			t.Errorf("%d sign-ins, want 2", n)
		}
		asks := s.j.of("ask", "sign in")
		if i := slices.IndexFunc(asks[1:], func(e journalEntry) bool { return e.what == "sign in" }); i < 6 || i > 8 {
			t.Errorf("given up after %d polls of 30 s, want the first after 240 s", i)
		}
	})
}

func TestSignOutOnShutdown(t *testing.T) {
	for name, c := range map[string]struct {
		refused error
		want    string
	}{
		"signed out":      {nil, "session.signed_out"},
		"refused: a call": {refusal("100-010"), "session.left"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.options.SignOutOnShutdown = true
				s.agent("291").signOut = c.refused
				p := s.start(agent291)
				pass(time.Second)
				p.end()
				if got := s.stored(); got[len(got)-1] != c.want || len(s.j.of("sign out")) != 1 {
					t.Errorf("stored: %v", got)
				}
				if e := s.entry("291"); e.Polling || (e.GUID == "") != (c.refused == nil) {
					t.Errorf("entry: %+v", e)
				}
			})
		})
	}
}

func TestNothingSecretIsLoggedOrStored(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").signIns = []error{refusal("100-003"), nil, refusal("100-002"), refusal("100-004")}
		s.agent("291").script = []answer{gotNothing(ccgateway.OutcomeUnknown), gotCode("000-003")}
		s.sessions.fail = func(op string) error { return errors.New("no " + op) }
		p := s.start(agent291)
		pass(time.Minute)
		s.sessions.setFail(nil)
		pass(10 * time.Minute)
		p.end()
		texts := []string{s.logs.String()}
		for _, m := range s.store.messages() {
			texts = append(texts, m.Subject+string(m.Body))
		}
		for _, e := range s.j.of("session entry") {
			texts = append(texts, e.text)
		}
		for _, text := range texts {
			for _, secret := range []string{agent291.Password, agent291.Phone, "guid-291"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in %s", secret, text)
				}
			}
		}
		if !strings.Contains(s.logs.String(), `"agent":"291"`) {
			t.Error("logs do not name the agent")
		}
	})
}
