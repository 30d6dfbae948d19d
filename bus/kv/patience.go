package kv

import (
	"context"
	"io"
	"time"
)

// patience is how long an object may stand still while it is put or read. It may take as
// long as it likes while it moves: a file of a gigabyte over a slow line is no error.
const patience = 30 * time.Second

// moving is a context that ends, with [context.DeadlineExceeded], once nothing has moved
// for a while. Its deadline moves along: the client's library takes a context without one
// to mean that the whole object must come within the time of one request.
type moving struct {
	context.Context
	stall  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// move returns a context of an object that is about to move; the caller ends it.
func move(ctx context.Context, stall time.Duration) *moving {
	inner, cancel := context.WithCancelCause(ctx)
	return &moving{
		Context: inner, stall: stall, cancel: cancel,
		timer: time.AfterFunc(stall, func() { cancel(context.DeadlineExceeded) }),
	}
}

func (m *moving) Deadline() (time.Time, bool) { return time.Now().Add(m.stall), true }

func (m *moving) Err() error {
	if m.Context.Err() == nil {
		return nil
	}
	return context.Cause(m.Context)
}

func (m *moving) end() {
	m.timer.Stop()
	m.cancel(context.Canceled)
}

// arriving is an object that is read. Whoever reads it may pause.
type arriving struct {
	io.ReadCloser
	*moving
}

func (a arriving) Read(p []byte) (int, error) {
	a.timer.Reset(a.stall)
	defer a.timer.Stop()
	return a.ReadCloser.Read(p)
}

func (a arriving) Close() error {
	defer a.end()
	return a.ReadCloser.Close()
}

// leaving is an object that is put. Where it comes from may pause.
type leaving struct {
	io.Reader
	*moving
}

func (l leaving) Read(p []byte) (int, error) {
	l.timer.Stop()
	defer l.timer.Reset(l.stall)
	return l.Reader.Read(p)
}
