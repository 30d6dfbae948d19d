package kv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

// TestObjectsTakeTheirTime: an object whose reader, or whose source, needs much longer than
// one request may take is read and put whole.
func TestObjectsTakeTheirTime(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t)
	o := OpenObjects(c, schemas.BucketRecordings)
	sound := strings.Repeat("sound", 200_000)
	if _, err := o.Put(t.Context(), "acme/7/1.wav", nil, slowly(strings.NewReader(sound))); err != nil {
		t.Fatal(err)
	}
	r, found, err := o.Get(t.Context(), "acme/7/1.wav")
	if err != nil || !found {
		t.Fatal(found, err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := io.Copy(&got, slowly(r)); err != nil || got.String() != sound {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

// slowly is a reader that needs three seconds for its first few bytes: a request's two, and
// more.
func slowly(r io.Reader) io.Reader { return &slow{Reader: r, until: time.Now().Add(3 * time.Second)} }

type slow struct {
	io.Reader
	until time.Time
	first bool
}

func (s *slow) Read(p []byte) (int, error) {
	if s.first {
		<-time.After(time.Until(s.until))
	}
	s.first = !s.first
	return s.Reader.Read(p)
}

// TestObjectThatStandsStill: nothing comes for a while, and it ends by the time that it was
// given after it last moved; it does not end while it moves, or while its reader pauses.
func TestObjectThatStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const stall = 10 * time.Second
		m := move(t.Context(), stall)
		defer m.end()
		from, to := io.Pipe()
		a := arriving{ReadCloser: from, moving: m}
		for range 5 {
			go func() { time.Sleep(stall - time.Second); to.Write([]byte("x")) }()
			if _, err := a.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * stall) // the reader's pause
		}
		if deadline, ok := m.Deadline(); m.Err() != nil || !ok || time.Until(deadline) != stall {
			t.Errorf("%v, %v", m.Err(), time.Until(deadline))
		}
		start := time.Now()
		go func() { <-m.Done(); to.CloseWithError(m.Err()) }()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != stall {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
