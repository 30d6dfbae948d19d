package ccgateway

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"aiccbridge/internal/heads"
)

// failing is an operation with the failures that the documents give it.
type failing struct {
	codes string
	call  func(t *testing.T, a *Agent) error
}

// failures are by operation; docs/platform.md lists the same.
func failures() map[string]failing {
	const signIn = "100-001 100-002 100-003 100-004 100-011 100-012 100-013 100-014 100-015 100-016 100-017 100-018 100-020 100-021 110-016 999-001"
	in := SignIn{Password: "p", Phone: "1"}
	return map[string]failing{
		"onlineagent": {signIn, func(t *testing.T, a *Agent) error { _, err := a.SignIn(t.Context(), in); return err }},
		"forcelogin":  {signIn, func(t *testing.T, a *Agent) error { _, err := a.ForceSignIn(t.Context(), in); return err }},
		"agentevent": {"000-001 000-003 000-004 100-006 100-007 105-001 105-002 105-003 105-004 105-005 105-006 105-007", func(t *testing.T, a *Agent) error {
			p := a.Poll(t.Context())
			if p.Err == nil {
				t.Errorf("outcome %s", p.Outcome)
			}
			return p.Err
		}},
		"resetskill":  {"000-002 100-006 100-007", func(t *testing.T, a *Agent) error { return a.ResetSkills(t.Context()) }},
		"agentstatus": {"000-002 100-006", func(t *testing.T, a *Agent) error { _, err := a.Status(t.Context()); return err }},
		"handshake":   {"000-003 100-006", func(t *testing.T, a *Agent) error { return a.Handshake(t.Context(), "") }},
		"updateGuid":  {"100-006", func(t *testing.T, a *Agent) error { return a.UpdateGUID(t.Context()) }},
		"logout":      {"100-005 100-006 100-007 100-008 100-010", func(t *testing.T, a *Agent) error { return a.SignOut(t.Context()) }},
	}
}

// TestFailures answers each operation with each failure that is documented for it. That an
// agent is signed out already is what a sign-out wants.
func TestFailures(t *testing.T) {
	for operation, f := range failures() {
		for code := range strings.FieldsSeq(f.codes) {
			t.Run(operation+"/"+code, func(t *testing.T) {
				kept := &heads.Book{}
				err := f.call(t, newAgent(t, Options{Heads: kept.Of("gateway"), URL: serve(t, reply200(`{"message":"no","retcode":"`+code+`"}`))}))
				if h := kept.Pages()[0].Failures; len(h) != 1 || h[0].Status != 200 || h[0].Code != code || h[0].Class != Classify(code).String() || h[0].Bytes == 0 {
					t.Errorf("kept: %+v", h)
				}
				if operation == "logout" && Classify(code) == ClassGone {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var refused *CodeError
				if !errors.As(err, &refused) || refused.Code != code || refused.Class != Classify(code) || CodeText(code) == "" {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// TestPageSaysWhatIsTested holds docs/platform.md against the failures above.
func TestPageSaysWhatIsTested(t *testing.T) {
	page, err := os.ReadFile("../../docs/platform.md")
	if err != nil {
		t.Fatal(err)
	}
	for operation, f := range failures() {
		var said []string
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, "| `"+operation+"` |") {
				cells := strings.Split(strings.Trim(line, "|\n"), "|")
				said = strings.Fields(cells[len(cells)-2])
			}
		}
		if want := strings.Fields(f.codes); !slices.Equal(said, want) {
			t.Errorf("%s: the page says %q, want %q", operation, said, want)
		}
	}
}
