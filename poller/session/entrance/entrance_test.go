package entrance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"

	"github.com/rs/zerolog"
)

func refusal(code string) error {
	return &ccgateway.CodeError{Operation: "sign in", Agent: "291", Code: code, Class: ccgateway.Classify(code)}
}

func denial(class ccgateway.Class) error {
	return &ccgateway.StatusError{Operation: "sign in", Agent: "291", Status: 403, Class: class}
}

func newDoor(t *testing.T, force bool) (*Entrance, *gateway, *strings.Builder) {
	var logs strings.Builder
	g, o := &gateway{}, Options{Force: force, ErrorGap: errorGap, Logger: zerolog.New(&logs).Level(zerolog.InfoLevel)}
	return New(o, g, func() ccgateway.SignIn { return ccgateway.SignIn{Password: "correct-horse"} }), g, &logs
}

// way tries until the agent is in or halted, and returns the pauses between.
func way(t *testing.T, e *Entrance) (pauses []time.Duration, in bool) {
	t.Helper()
	for last := time.Now(); ; last = time.Now() {
		if err := e.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		pauses = append(pauses, time.Since(last))
		answer, forced, err := e.Try(t.Context())
		if err == nil {
			e.Succeeded(answer, forced)
			return pauses, true
		}
		if e.Failed(err) {
			return pauses, false
		}
	}
}

func TestWhatARefusalMeans(t *testing.T) {
	down := errors.New("connection refused")
	for name, c := range map[string]struct {
		refusals []error
		force    bool
		tries    int
		in       bool
		forced   int
	}{
		"none":                        {nil, false, 1, true, 0},
		"no answer, for a while":      {[]error{down, down, down}, false, 4, true, 0},
		"wrong password":              {[]error{refusal("100-004")}, false, 1, false, 0},
		"wrong mode":                  {[]error{refusal(codeWrongMode)}, false, 1, false, 0},
		"no rights, yet":              {[]error{refusal(codeNoPermission), refusal(codeNoPermission)}, false, 3, true, 0},
		"denied once":                 {[]error{denial(ccgateway.ClassAuth)}, false, 2, true, 0},
		"denied twice":                {[]error{denial(ccgateway.ClassAuth), denial(ccgateway.ClassAuth)}, false, 2, false, 0},
		"denied, but not in a row":    {[]error{denial(ccgateway.ClassAuth), denial(ccgateway.ClassAgain), denial(ccgateway.ClassAuth)}, false, 4, true, 0},
		"signed in elsewhere":         {[]error{refusal(codeAlreadySignedIn), refusal(codeAlreadySignedIn)}, false, 3, true, 0},
		"elsewhere, and thrown out":   {[]error{refusal(codeAlreadySignedIn)}, true, 2, true, 1},
		"elsewhere again, after that": {[]error{refusal(codeAlreadySignedIn), refusal(codeAlreadySignedIn), refusal(codeAlreadySignedIn)}, true, 4, true, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			e, g, logs := newDoor(t, c.force)
			g.refusals = c.refusals
			pauses, in := way(t, e)
			if len(pauses) != c.tries || in != c.in || g.forced != c.forced || e.skillsDue != c.in {
				t.Errorf("%s: in: %t after %d tries, %d of them by force", name, in, len(pauses), g.forced)
			}
			for _, p := range pauses[1:] {
				if p < errorGap || p > maxSignInGap {
					t.Errorf("%s: a pause of %s", name, p)
				}
			}
			if strings.Contains(logs.String(), "correct-horse") {
				t.Errorf("%s: logged: %s", name, logs)
			}
		})
	}
}

// Sessions that end soon make the pauses grow; one that lasted starts them anew.
func TestPausesGoOnOverSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, _ := newDoor(t, false)
		var pauses []time.Duration
		for range 12 {
			e.Ended(time.Second)
			pauses = append(pauses, time.Until(e.notBefore))
		}
		if longest := slices.Max(pauses); longest < maxSignInGap/3 || longest > maxSignInGap || pauses[0] > 4*errorGap {
			t.Errorf("pauses: %v", pauses)
		}
		if e.Ended(stableAfter); time.Until(e.notBefore) > 4*errorGap {
			t.Errorf("after a session that lasted: %s", time.Until(e.notBefore))
		}
	})
}

func TestSkillsAreResetInAFewAttempts(t *testing.T) {
	busy := errors.New("busy")
	for name, c := range map[string]struct {
		fails  int
		ends   time.Duration // of intake
		due    bool
		warned int
	}{
		"at once":         {0, time.Hour, false, 0},
		"at last":         {2, time.Hour, false, 1},
		"not yet":         {3, time.Hour, true, 1},
		"no time for it":  {1, time.Millisecond, true, 1},
		"again, between":  {skillAttempts, time.Hour, true, 1},
		"nothing to stop": {0, time.Millisecond, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			e, g, logs := newDoor(t, false)
			g.skills = slices.Repeat([]error{busy}, c.fails)
			e.Succeeded(ccgateway.SignedIn{}, false)
			intake, cancel := context.WithTimeout(t.Context(), c.ends)
			defer cancel()
			e.Ready(t.Context(), intake)
			if e.skillsDue != c.due || strings.Count(logs.String(), "its skills are not reset") != c.warned {
				t.Errorf("%s: due: %t, logged: %s", name, e.skillsDue, logs)
			}
			if e.ResetSkills(t.Context()); c.due && e.skillsDue {
				t.Errorf("%s: still due between polls", name)
			}
		})
	}
}

// TestAdvice: who else is signed in can be thrown out by a key, which the line names.
func TestAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		code  string
		force bool
		tries int // that are refused
		says  string
	}{
		"signed in":              {codeAlreadySignedIn, false, 1, "or set force_sign_in: true to take it over"},
		"and forced":             {codeAlreadySignedIn, true, 1, ""},
		"and forced once":        {codeAlreadySignedIn, true, 2, "throws out once only"},
		"not to be displaced":    {codeElsewhere, false, 1, "whom force_sign_in cannot throw out either"},
		"not even by force":      {codeElsewhere, true, 1, "whom force_sign_in cannot throw out either"},
		"something else":         {"100-003", false, 1, "agent is not signed in; trying again"},
		"something else, forced": {"100-003", true, 1, "agent is not signed in; trying again"},
	} {
		e, _, logs := newDoor(t, c.force)
		for range c.tries {
			if e.Failed(refusal(c.code)) {
				t.Fatalf("%s: halted", name)
			}
		}
		if c.says == "" && logs.Len() > 0 || !strings.Contains(logs.String(), c.says) {
			t.Errorf("%s: it says %q, want %q", name, logs, c.says)
		}
	}
}
