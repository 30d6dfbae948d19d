package session

import (
	"testing"

	"github.com/rs/zerolog"
)

// An entry need not be looked for where somebody tells of it, or where nobody else writes it.
func TestWhoseEntryIsWatched(t *testing.T) {
	for _, c := range []struct {
		alone bool
		entry uint64
		want  bool
	}{{false, 0, false}, {true, 0, true}, {false, 7, true}} {
		o := Options{Alone: c.alone}.custody(Agent{ID: "291", Entry: c.entry}, struct{ Gateway }{}, zerolog.Nop())
		if o.Watched != c.want || !o.OthersSignIn {
			t.Errorf("alone %t, entry %d: %+v", c.alone, c.entry, o)
		}
	}
}
