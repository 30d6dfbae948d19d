package trouble

import (
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

func TestChangesAndNoRepetitions(t *testing.T) {
	type step struct {
		cause   string
		level   zerolog.Level
		changed bool
	}
	for name, steps := range map[string][]step{
		"repeated":             {{"a", zerolog.WarnLevel, true}, {"a", zerolog.WarnLevel, false}, {"a", zerolog.WarnLevel, false}},
		"another, and back":    {{"a", zerolog.WarnLevel, true}, {"b", zerolog.WarnLevel, true}, {"a", zerolog.WarnLevel, true}},
		"graver":               {{"a", zerolog.DebugLevel, true}, {"a", zerolog.WarnLevel, true}, {"a", zerolog.WarnLevel, false}},
		"lighter":              {{"a", zerolog.WarnLevel, true}, {"a", zerolog.DebugLevel, false}, {"a", zerolog.WarnLevel, false}},
		"empty cause":          {{"", zerolog.InfoLevel, true}, {"", zerolog.InfoLevel, false}},
		"another, and lighter": {{"a", zerolog.WarnLevel, true}, {"b", zerolog.DebugLevel, true}, {"b", zerolog.WarnLevel, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var e Episode
			for round := range 2 { // the second episode is told like the first
				gravest := zerolog.TraceLevel
				for i, s := range steps {
					attempt, changed := e.Failed(s.cause, s.level)
					if attempt != i+1 || changed != s.changed {
						t.Errorf("round %d, step %d: attempt %d, changed %v", round, i, attempt, changed)
					}
					gravest = max(gravest, s.level)
				}
				if failures, level := e.Over(); failures != len(steps) || level != gravest {
					t.Errorf("round %d ends with %d failures at level %v", round, failures, level)
				}
			}
		})
	}
}

func TestOverWithoutTrouble(t *testing.T) {
	var e Episode
	if failures, _ := e.Over(); failures != 0 {
		t.Errorf("%d failures of something that works", failures)
	}
	e.Failed("a", zerolog.WarnLevel)
	e.Over()
	if failures, _ := e.Over(); failures != 0 {
		t.Errorf("%d failures, after it was over", failures)
	}
}

func TestSharedByMany(t *testing.T) {
	var e Episode
	var group sync.WaitGroup
	said := make(chan bool, 100)
	for range 100 {
		group.Go(func() {
			if _, changed := e.Failed("a", zerolog.WarnLevel); changed {
				said <- true
			}
		})
	}
	group.Wait()
	if len(said) != 1 {
		t.Errorf("said %d times", len(said))
	}
	if failures, _ := e.Over(); failures != 100 {
		t.Errorf("%d of 100 failures", failures)
	}
}

func TestGist(t *testing.T) {
	if a, b := Gist("read 127.0.0.1:4222: reset"), Gist("read 127.0.0.1:53011: reset"); a != b {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := Gist("no responders"), Gist("timeout"); a == b {
		t.Errorf("%q and %q", a, b)
	}
}
