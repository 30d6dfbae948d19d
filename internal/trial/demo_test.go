package trial

import (
	"testing"
	"time"

	"aiccbridge/schemas"
)

// windows are of one kind the same as of every other.
type windows []schemas.WindowEntry

func (w windows) Entries(string, schemas.Kind) []schemas.WindowEntry { return w }

func TestCompleteTo(t *testing.T) {
	begin := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	window := func(n int, state schemas.WindowState) schemas.WindowEntry {
		from := begin.Add(time.Duration(n) * 10 * time.Second)
		return schemas.WindowEntry{Window: schemas.Window{From: from, To: from.Add(10 * time.Second)}, State: state}
	}
	done, asked := schemas.WindowCompleted, schemas.WindowRequested
	for name, c := range map[string]struct {
		w                     windows
		complete, outstanding bool
	}{
		"none":                 {},
		"up to it":             {w: windows{window(0, done), window(1, done)}, complete: true},
		"not so far":           {w: windows{window(0, done)}},
		"one is missing":       {w: windows{window(0, asked), window(1, done)}, outstanding: true},
		"what follows is open": {w: windows{window(0, done), window(1, done), window(2, asked)}, complete: true, outstanding: true},
		"the last is ready":    {w: windows{window(0, done), window(1, schemas.WindowReady)}, outstanding: true},
	} {
		if got := completeTo(c.w, begin.Add(15*time.Second)); got != c.complete {
			t.Errorf("%s: complete %t", name, got)
		}
		if got := outstanding(c.w); got != c.outstanding {
			t.Errorf("%s: outstanding %t", name, got)
		}
	}
}
