package bus

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"aiccbridge/schemas"
)

// A reader that the server forgets without a word, as one does that ran on another
// server of the cluster, is made anew although the connection stands.
func TestWatchOverALostReader(t *testing.T) {
	t.Parallel()
	s := server(t)
	b := open(t, quietDeletes{s}, func(o *Options) { o.requestTimeout = 300 * time.Millisecond })
	direct := open(t, s)
	if err := ensure(t, direct); err != nil {
		t.Fatal(err)
	}
	got := watching(t, b)
	awaitConsumer(t, direct, "AICC_EVENTS")
	stream, err := superior(t, direct).js.Stream(t.Context(), "AICC_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	for c := range stream.ListConsumers(t.Context()).Info() {
		if err := stream.DeleteConsumer(t.Context(), c.Name); err != nil {
			t.Fatal(err)
		}
	}
	if err := direct.Publish(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-got:
		if m.Get("ce-id") != "1" {
			t.Errorf("got %v", m)
		}
	case <-limited(t, 20*time.Second).Done():
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

// quietDeletes is a server that does not tell of a consumer's end.
type quietDeletes struct{ nats.InProcessConnProvider }

func (s quietDeletes) InProcessConn() (net.Conn, error) {
	c, err := s.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return quietConn{c}, nil
}

type quietConn struct{ net.Conn }

func (c quietConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	copy(p, bytes.ReplaceAll(p[:n], []byte("409 Consumer Deleted"), []byte("100 Idle Heartbeat  ")))
	return n, err
}
