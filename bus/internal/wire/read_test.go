package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

func TestRead(t *testing.T) {
	t.Parallel()
	b := ready(t)
	ctx := t.Context()
	if got := hubtest.All(t, b.Conn, schemas.StreamEvents); len(got) != 0 {
		t.Fatalf("an empty stream has %d messages", len(got))
	}
	for i := range 10 {
		agent := []string{"291", "292"}[i%2]
		m := bustest.Message("aicc.v1.acme.agent."+agent+".call.ringing", fmt.Sprint(i), true)
		if err := b.Publish(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		filter string
		from   uint64
		want   int
	}{
		{"", 0, 10},
		{"", 4, 7},
		{"", 11, 0},
		{"aicc.v1.acme.agent.292.>", 0, 5},
		{"aicc.v1.acme.agent.291.>", 9, 1},
		{"aicc.v1.acme.agent.291.>", 10, 0}, // the last message is not its
		{"aicc.v1.acme.agent.293.>", 0, 0},
	} {
		got, last := 0, uint64(0)
		err := b.Read(ctx, schemas.StreamEvents, tc.filter, tc.from, func(m schemas.Stored) error {
			if m.Sequence <= last || m.Sequence < tc.from {
				t.Errorf("sequence %d after %d", m.Sequence, last)
			}
			last = m.Sequence
			got++
			return nil
		})
		if err != nil || got != tc.want {
			t.Errorf("%q from %d: %d messages, want %d, %v", tc.filter, tc.from, got, tc.want, err)
		}
	}
	stop := errors.New("stop")
	if err := b.Read(ctx, schemas.StreamEvents, "", 0, func(schemas.Stored) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

// What comes after the call is not waited for and not delivered.
// The server answers ">" with no message when the one at the last sequence was deleted.
func TestReadWithoutTheLast(t *testing.T) {
	t.Parallel()
	b := ready(t)
	for i := range 5 {
		if err := b.Publish(t.Context(), bustest.AgentEvent(291, i, true)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := hubtest.Superior(t, b.Conn).Stream(t.Context(), b.Names().Stream(schemas.StreamEvents))
	if err == nil {
		err = s.DeleteMsg(t.Context(), 5)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := hubtest.All(t, b.Conn, schemas.StreamEvents); len(got) != 4 {
		t.Errorf("%d messages are read, want 4", len(got))
	}
}

func TestReadEndsAsOfTheCall(t *testing.T) {
	t.Parallel()
	b := ready(t)
	for i := range 3 {
		if err := b.Publish(t.Context(), bustest.Event(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	err := b.Read(t.Context(), schemas.StreamEvents, "", 0, func(schemas.Stored) error {
		count++
		return b.Publish(t.Context(), bustest.Event(fmt.Sprint("more", count)))
	})
	if err != nil || count != 3 {
		t.Errorf("%d messages, %v", count, err)
	}
}

func TestLast(t *testing.T) {
	t.Parallel()
	b := ready(t)
	for i := range 3 {
		if err := b.Publish(t.Context(), bustest.Event(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for filter, want := range map[string]string{
		"aicc.v1.acme.agent.291.call.ringing": "2",
		"aicc.v1.acme.agent.291.>":            "2",
		"aicc.v1.acme.agent.*.call.ringing":   "2",
		"aicc.v1.acme.agent.292.>":            "",
		"aicc.v1.acme.row.cdr.w1":             "",
	} {
		got, found, err := b.Last(t.Context(), filter)
		if err != nil || found != (want != "") || got.Get("ce-id") != want {
			t.Errorf("%s: %+v %v %v", filter, got, found, err)
		}
	}
	for _, filter := range []string{"aicc.v1.acme.row.>", ">", "aicc.v1.>", "other.v1.acme.agent.x", ""} {
		if _, _, err := b.Last(t.Context(), filter); err == nil {
			t.Errorf("%q was taken", filter)
		}
	}
}

// The live view goes on over a restart of the server, without loss or repeats.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	b := open(t, s)
	hubtest.Ensure(t, b.Conn)
	if err := b.Publish(t.Context(), bustest.Event("before")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- b.Follow(ctx, schemas.StreamEvents, "aicc.v1.acme.agent.291.>", func(m schemas.Stored) error {
			seen <- m.Get("ce-id")
			return nil
		})
	}()
	hubtest.AwaitConsumer(t, b.Conn, "AICC_EVENTS")
	publish := func(id string) {
		if err := b.Publish(t.Context(), bustest.Event(id)); err != nil {
			t.Error(err)
		}
	}
	publish("1")
	publish("2")
	if got := <-seen + <-seen; got != "12" {
		t.Errorf("saw %s", got)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	publish("3")
	publish("4")
	if got := <-seen + <-seen; got != "34" {
		t.Errorf("saw %s after the restart", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop := errors.New("stop")
	go func() {
		done <- b.Follow(t.Context(), schemas.StreamEvents, "", func(schemas.Stored) error { return stop })
	}()
	hubtest.AwaitConsumer(t, b.Conn, "AICC_EVENTS")
	publish("5")
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

// A stream that was made anew counts from one again; who follows must not wait
// until it is as long as the old one.
func TestFollowOfAStreamMadeAnew(t *testing.T) {
	t.Parallel()
	b := ready(t, hubtest.Quick(200*time.Millisecond))
	for i := range 5 {
		if err := b.Publish(t.Context(), bustest.Event(fmt.Sprint("before", i))); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- b.Follow(ctx, schemas.StreamEvents, "", func(m schemas.Stored) error {
			seen <- m.Get("ce-id")
			return nil
		})
	}()
	for _, id := range []string{"a", "b"} {
		hubtest.AwaitConsumer(t, b.Conn, "AICC_EVENTS")
		if err := hubtest.Superior(t, b.Conn).JetStream().DeleteStream(t.Context(), "AICC_EVENTS"); err != nil {
			t.Fatal(err)
		}
		hubtest.Ensure(t, b.Conn)
		if err := b.Publish(t.Context(), bustest.Event(id)); err != nil {
			t.Fatal(err)
		}
		if got := bustest.Receive(t, seen); got != id {
			t.Errorf("saw %s, want %s", got, id)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A reader that the server forgets without a word, as one does that ran on another
// server of the cluster, is made anew although the connection stands.
func TestFollowOverALostReader(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	// It does not tell of a consumer's end.
	quiet := &bustest.Link{InProcessConnProvider: s, Read: func(c net.Conn, p []byte) (int, error) {
		n, err := c.Read(p)
		copy(p, bytes.ReplaceAll(p[:n], []byte("409 Consumer Deleted"), []byte("100 Idle Heartbeat  ")))
		return n, err
	}}
	b := open(t, quiet, hubtest.Quick(300*time.Millisecond))
	direct := open(t, s)
	hubtest.Ensure(t, direct.Conn)
	got := following(t, b)
	hubtest.AwaitConsumer(t, direct.Conn, "AICC_EVENTS")
	stream, err := hubtest.Superior(t, direct.Conn).JetStream().Stream(t.Context(), "AICC_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	for c := range stream.ListConsumers(t.Context()).Info() {
		if err := stream.DeleteConsumer(t.Context(), c.Name); err != nil {
			t.Fatal(err)
		}
	}
	if err := direct.Publish(t.Context(), bustest.Event("1")); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-got:
		if m.Get("ce-id") != "1" {
			t.Errorf("got %v", m)
		}
	case <-bustest.Limited(t, 20*time.Second).Done():
		t.Fatal("the reader is lost for good")
	}
}

// following reads the events until the test ends.
func following(t *testing.T, b client) <-chan schemas.Stored {
	t.Helper()
	got, done := make(chan schemas.Stored, 10), make(chan error, 1)
	ctx := t.Context()
	go func() {
		done <- b.Follow(ctx, schemas.StreamEvents, "", func(m schemas.Stored) error { got <- m; return nil })
	}()
	t.Cleanup(func() { // ctx has ended
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return got
}
