package later

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"aiccbridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a store that may be away, and refuses some messages for good.
type shelf struct {
	mu      sync.Mutex
	away    bool
	refuses string // what a body must not hold
	kept    []schemas.Message
}

func (s *shelf) Publish(_ context.Context, m schemas.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away:
		return errors.New("away")
	case s.refuses != "" && m.Type == schemas.TypeEvent && strings.Contains(string(m.Body), s.refuses):
		return &schemas.Permanent{Reason: schemas.ReasonOversized, Err: errors.New("too large")}
	}
	s.kept = append(s.kept, m)
	return nil
}

func (s *shelf) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// said is what is kept: of each message its type and its number.
func (s *shelf) said(t *testing.T) (all []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.kept {
		var body struct{ Seq uint64 }
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(strings.TrimPrefix(m.Type, "aicc.v1."), " ", body.Seq))
	}
	return all
}

func event(t *testing.T, names schemas.Names, seq uint64, content string) schemas.Message {
	t.Helper()
	said, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	m, err := names.EventMessage(schemas.Event{
		Tenant: "acme", Agent: "101", Type: "T", Group: schemas.GroupOther, Name: "t", ReceivedAt: time.Now(),
		Via: schemas.WayProxy, Content: said, Position: schemas.Position{Epoch: 1, Seq: seq},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newNames(t *testing.T) schemas.Names {
	t.Helper()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestRefusedBehindTheBacklog: what waited is stored in its order; one that is refused for good
// is a dead letter, and its number is that of a gap, so that nobody waits for it.
func TestRefusedBehindTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under, names := &shelf{away: true, refuses: "large"}, newNames(t)
		s := New(under, names, zerolog.Nop())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(t.Context())
		}()
		for i, content := range []string{"one", "large", "three"} {
			if err := s.Publish(t.Context(), event(t, names, uint64(i+1), content)); err != nil {
				t.Fatal(err)
			}
		}
		under.set(false)
		time.Sleep(time.Minute)
		if got, want := under.said(t), []string{"event 1", "dead_letter 0", "gap 2", "event 3"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		s.Finish()
		<-done
	})
}

// TestRoom: no more waits than there is room for, whatever the size of a message.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under, names := &shelf{away: true}, newNames(t)
		s := New(under, names, zerolog.Nop())
		m := event(t, names, 1, strings.Repeat("x", 1<<20))
		fit := int(most * small / weight(m))
		for range fit {
			if err := s.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := s.Publish(brief, m); !errors.Is(err, context.DeadlineExceeded) || fit > 100 {
			t.Errorf("one more than %d: %v", fit, err)
		}
	})
}
