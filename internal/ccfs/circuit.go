package ccfs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// circuit keeps refused calls from reaching the platform, which locks the source address
// after too many wrong signatures (cec_07_0836).
//
//	               401               401
//	┌────────┐ ──────────► ┌─────────┐ ──────────► ┌────────────────┐
//	│ closed │             │ suspect │             │ open, AuthPause│
//	└────────┘ ◄────────── └─────────┘ ◄────────── └────────────────┘
//	     │      answered 200    │ ▲      pause over
//	     │                      │ │ pause over
//	     │    403, lock JSON    ▼ │
//	     └───────────────► ┌────────────────┐
//	                       │ open, LockPause│
//	                       └────────────────┘
//
// Open means: refuse without I/O. After a pause the first 401 opens it again. One call at a
// time is between enter and leave, so no second call can be on its way when one is refused.
type circuit struct {
	now                  func() time.Time
	authPause, lockPause time.Duration
	logger               zerolog.Logger
	slot                 chan struct{} // capacity 1

	mu       sync.Mutex
	refusals int // 401 in a row
	until    time.Time
	class    Class // why it is open
}

const maxRefusals = 2

// enter waits for the slot. The error is an *Error without Operation, or the context's.
func (c *circuit) enter(ctx context.Context) (leave func(), err error) {
	select {
	case c.slot <- struct{}{}:
	case <-ctx.Done():
		return nil, &Error{Class: Again, Local: true, Err: context.Cause(ctx)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := c.until.Sub(c.now()); wait > 0 {
		<-c.slot
		message := "calls are stopped after refused signatures"
		if c.class == Locked {
			message = "calls are stopped because the platform locked our address"
		}
		return nil, &Error{Class: c.class, Local: true, RetryAfter: wait, Message: message}
	}
	return func() { <-c.slot }, nil
}

// report moves the circuit according to how a call ended. It is called before leave.
func (c *circuit) report(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.close()
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	switch e.Class {
	case Auth:
		c.refusals++
		if c.refusals >= maxRefusals {
			c.open(Auth, c.authPause)
		}
	case Locked:
		c.refusals = maxRefusals
		c.open(Locked, c.lockPause)
	default:
		if e.Status == 200 && e.Code != "" {
			c.close() // a result code of any kind means the signature was accepted
		}
	}
}

// renewed forgets what was refused of another key. A lock is of our address, and stays.
func (c *circuit) renewed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.class != Locked || !c.until.After(c.now()) {
		c.refusals, c.until = 0, time.Time{}
	}
}

func (c *circuit) open(class Class, pause time.Duration) {
	c.class, c.until = class, c.now().Add(pause)
	c.logger.Error().Str("reason", string(class)).Time("until", c.until).Msg("platform refuses us, calls are stopped")
}

func (c *circuit) close() {
	if c.refusals >= maxRefusals {
		c.logger.Info().Msg("platform accepts calls again")
	}
	c.refusals, c.until = 0, time.Time{}
}
