package bus

import (
	"bytes"
	"net"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

// A reader that the server forgets without a word, as one does that ran on another
// server of the cluster, is made anew although the connection stands.
func TestWatchOverALostReader(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	// It does not tell of a consumer's end.
	quiet := &bustest.Link{InProcessConnProvider: s, Read: func(c net.Conn, p []byte) (int, error) {
		n, err := c.Read(p)
		copy(p, bytes.ReplaceAll(p[:n], []byte("409 Consumer Deleted"), []byte("100 Idle Heartbeat  ")))
		return n, err
	}}
	b := open(t, quiet, func(o *Options) { o.RequestTimeout = 300 * time.Millisecond })
	direct := open(t, s)
	hubtest.Ensure(t, direct.conn)
	got := watching(t, b)
	hubtest.AwaitConsumer(t, direct.conn, "AICC_EVENTS")
	stream, err := boss(t, direct).Stream(t.Context(), "AICC_EVENTS")
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

// watching watches the events until the test ends.
func watching(t *testing.T, b *Bus) <-chan schemas.Stored {
	t.Helper()
	got, done := make(chan schemas.Stored, 10), make(chan error, 1)
	ctx := t.Context()
	go func() {
		done <- b.Watch(ctx, schemas.StreamEvents, "", func(m schemas.Stored) error { got <- m; return nil })
	}()
	t.Cleanup(func() { // ctx has ended
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return got
}
