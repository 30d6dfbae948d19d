package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestRehearsal: several consumers rehearse an incident from one replay at ten times its pace.
// Each gets every message once, in the order of their times, which is the same for all.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	took := rehearse(t, 20*time.Second)
	t.Logf("20 s at ten times the pace took %s", took)
}

// rehearse plays an incident so long into a hub, and replays it to three consumers. It returns
// how long the replay took.
func rehearse(t *testing.T, long time.Duration) (took time.Duration) {
	t.Helper()
	hub := newHub(t, t.TempDir(), false)
	url := "nats://" + hub.address
	begin := time.Now().UTC().Truncate(time.Second).Add(-long)
	file := filepath.Join(t.TempDir(), "incident.yaml")
	if err := os.WriteFile(file, []byte(incident(begin, long)), 0o600); err != nil {
		t.Fatal(err)
	}
	var messages int
	if _, err := fmt.Sscanf(commanded(t, "simulate", "bus", "--scenario", file, "--nats", url, "--speed", "max"), "%d messages", &messages); err != nil || messages == 0 {
		t.Fatalf("%d messages: %v", messages, err)
	}
	var audience []rehearser
	for range 3 {
		audience = append(audience, subscribe(t, url))
	}
	started := time.Now()
	commanded(t, "replay", "--nats", url, "--from", begin.Format(time.RFC3339), "--to", begin.Add(long).Format(time.RFC3339), "--speed", "10", "--to-subject", "rehearsal")
	took = time.Since(started)
	var first []string
	for n, l := range audience {
		got := rehearsed(t, l)
		if n == 0 {
			first = got
		}
		if len(got) != messages || !slices.Equal(got, first) {
			t.Errorf("consumer %d got %d messages, want %d; in the order of the first one: %t", n+1, len(got), messages, slices.Equal(got, first))
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(first)))) != len(first) {
		t.Error("messages came twice")
	}
	return took
}

// incident is what happens: five agents take calls, one after the other.
func incident(begin time.Time, long time.Duration) string {
	var s strings.Builder
	fmt.Fprintf(&s, "tenant: acme\nbegin: %s\nsteps:\n", begin.Format(time.RFC3339))
	for agent := range 5 {
		for at := time.Duration(agent) * 200 * time.Millisecond; at < long-5*time.Second; at += 5 * time.Second {
			fmt.Fprintf(&s, "  - { at: %s, agent: \"10%d\", call: %d-%d, ring: 1s, talk: 2s, wrapup: 1s }\n", at, agent, begin.Add(at).Unix(), agent)
		}
	}
	return s.String()
}

// commanded is what a command prints.
func commanded(t *testing.T, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if code := execute(args, &out, &errOut); code != exitOK {
		t.Fatalf("bridge %s: exit code %d\n%s", strings.Join(args, " "), code, errOut.String())
	}
	return out.String()
}

// rehearsed are the messages that a consumer got, by subject and place in the stream; their
// times do not go back.
func rehearsed(t *testing.T, l rehearser) (all []string) {
	t.Helper()
	if err := l.conn.Flush(); err != nil { // all that the server has for it is there
		t.Fatal(err)
	}
	var last time.Time
	for {
		m, err := l.sub.NextMsg(time.Millisecond)
		if err != nil {
			return all
		}
		at, err := time.Parse(time.RFC3339, m.Header.Get("ce-time"))
		if err != nil || at.Before(last) {
			t.Errorf("%s of %s comes after one of %s (%v)", m.Subject, at, last, err)
		}
		last = at
		all = append(all, m.Subject+" "+m.Header.Get("aicc-replay-of"))
	}
}

// rehearser is a consumer of a rehearsal.
type rehearser struct {
	conn *nats.Conn
	sub  *nats.Subscription
}

func subscribe(t *testing.T, url string) rehearser {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	sub, err := conn.SubscribeSync("rehearsal.>")
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return rehearser{conn, sub}
}
