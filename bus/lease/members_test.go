package lease

import (
	"context"
	"slices"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
)

// member is a bridge among others, and what it was told last.
type member struct {
	t    *testing.T
	told chan []string
	stop context.CancelFunc
	done chan error
}

func join(t *testing.T, hub *wire.Conn, ttl time.Duration) *member {
	ctx, stop := context.WithCancel(t.Context())
	m := &member{t, make(chan []string, 100), stop, make(chan error, 1)}
	go func() {
		m.done <- NewMembers(hub, Options{Tenant: "acme", TTL: ttl}).Run(ctx, func(all []string) { m.told <- all })
	}()
	return m
}

// hears waits until these are told.
func (m *member) hears(want ...string) {
	m.t.Helper()
	for limit := time.After(20 * time.Second); ; {
		select {
		case got := <-m.told:
			if slices.Equal(got, want) {
				return
			}
		case <-limit:
			m.t.Fatalf("waited in vain for %v", want)
		}
	}
}

func (m *member) leaves() {
	m.t.Helper()
	m.stop()
	if err := <-m.done; err != nil {
		m.t.Error(err)
	}
}

// TestMembers: bridges hear of each other when they come, when they leave, and when they
// die.
func TestMembers(t *testing.T) {
	t.Parallel()
	const ttl = 900 * time.Millisecond
	s := bustest.Server(t)
	one, two := newLeases(t, s, "One", ttl), newLeases(t, s, "two", ttl)
	first := join(t, one.hub, ttl)
	first.hears("One")
	second := join(t, two.hub, ttl)
	first.hears("One", "two")
	second.hears("One", "two")
	second.leaves()
	first.hears("One")
	third := join(t, hubtest.Open(t, s, func(o *wire.Options) { o.Instance = "three" }), ttl)
	first.hears("One", "three")
	third.hears("One", "three")
	if _, err := one.bucket().Put(t.Context(), "acme.bridges.dead", []byte(`{}`)); err != nil { // and renews it never
		t.Fatal(err)
	}
	first.hears("One", "dead", "three")
	first.hears("One", "three")
	third.hears("One", "three")
	third.leaves()
	first.leaves()
}

// TestMembersAway: a hub that does not answer says so, and once it does, nobody is told of
// others before these had the time to come back.
func TestMembersAway(t *testing.T) {
	t.Parallel()
	const ttl = 900 * time.Millisecond
	b := newBridge(t, bustest.Server(t), "one", ttl)
	b.link.Cut()
	m := join(t, b.hub, ttl)
	m.hears()
	healed := time.Now()
	b.link.Heal()
	m.hears("one")
	if took := time.Since(healed); took < ttl {
		t.Errorf("told after %s, before others had their time", took)
	}
	m.leaves()
}

// TestRoll: who counts as there, by the renewals that are seen.
func TestRoll(t *testing.T) {
	const ttl = 30 * time.Second
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	type step struct {
		at   time.Duration
		id   string
		want string // what is told, "" for nothing
	}
	cases := map[string][]step{
		"all renew": {
			{0, "b", ""}, {0, "a", ""}, {1, "loaded", "a b"}, {10, "a", ""}, {11, "b", ""}, {20, "a", ""}, {21, "b", ""}, {40, "a", ""}, {50, "b", ""},
		},
		"one dies": {
			{0, "b", ""}, {0, "a", ""}, {0, "loaded", "a b"}, {10, "a", ""}, {20, "a", ""}, {30, "a", ""}, {40, "a", "a"},
		},
		"one leaves":   {{0, "b", ""}, {0, "a", ""}, {0, "loaded", "a b"}, {5, "-b", "a"}, {6, "-a", ""}},
		"one comes":    {{0, "a", ""}, {0, "loaded", "a"}, {5, "b", "a b"}},
		"another only": {{0, "b", ""}, {0, "loaded", ""}, {1, "a", "a b"}},
		"cut off, and all come back": {
			{0, "b", ""}, {0, "a", ""}, {0, "loaded", "a b"}, {60, "a", ""}, {70, "a", ""}, {75, "b", ""}, {80, "a", ""}, {90, "a", ""}, {95, "b", ""}, {100, "a", ""},
		},
		"cut off, and one does not come back": {
			{0, "b", ""}, {0, "a", ""}, {0, "loaded", "a b"}, {60, "a", ""}, {70, "a", ""}, {80, "a", ""}, {90, "a", ""}, {100, "a", "a"},
		},
		"cut off, and another comes": {
			{0, "a", ""}, {0, "loaded", "a"}, {60, "a", ""}, {61, "b", "a b"}, {70, "a", ""}, {80, "a", ""}, {90, "a", ""},
		},
		"cut off, and one leaves": {{0, "b", ""}, {0, "a", ""}, {0, "loaded", "a b"}, {60, "a", ""}, {61, "-b", "a"}},
	}
	for name, steps := range cases {
		told := ""
		r := newRoll("a", ttl, func(all []string) {
			for _, id := range all {
				told += id + " "
			}
		})
		for _, s := range steps {
			told = ""
			switch {
			case s.id == "loaded":
				r.complete()
			case s.id[0] == '-':
				r.left(s.id[1:])
			default:
				r.heard(s.id, begin.Add(s.at*time.Second))
			}
			if told != s.want && told != s.want+" " {
				t.Errorf("%s: after %s at %d s %q is told, want %q", name, s.id, s.at, told, s.want)
			}
		}
	}
}
