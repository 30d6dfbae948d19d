package main

import (
	"encoding/json"
	"testing"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// TestMendedLetterIsMarked: a file that came damaged is a dead letter, and once its window
// is complete all the same, the stream says so.
func TestMendedLetterIsMarked(t *testing.T) {
	t.Parallel()
	s := newScene(t, manyWindows(6))
	r := s.run()
	r.eachFault(30, [][]fault.Rule{together("download.flipped")})
	s.until("the dead letter is there", func() bool { return len(s.letters(r.bus)) > 0 })
	var said []schemas.Resolved
	s.until("it is resolved", func() bool {
		for _, m := range s.messages(r.bus, schemas.StreamDeadLetters)[1:] {
			var resolved schemas.Resolved
			if err := json.Unmarshal(m.Body, &resolved); err != nil || m.Get("ce-type") != schemas.TypeResolved {
				t.Fatalf("%s, %v", m.Body, err)
			}
			said = append(said, resolved)
		}
		return len(said) > 0
	})
	letter := s.letters(r.bus)[0]
	e, _, err := r.ledger.Entry(t.Context(), tenantName, said[0].Kind, said[0].Window)
	if err != nil || said[0].Letter != letter.Get("ce-id") || said[0].Reason != schemas.ReasonDamagedZip || e.State != schemas.WindowCompleted {
		t.Errorf("%+v is said of %s, whose window is %s, %v", said, letter.Get("ce-id"), e.State, err)
	}
	r.finish()
}
