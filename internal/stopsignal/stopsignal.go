// Package stopsignal turns the signals that stop a program into the end of a context.
//
// Until somebody takes a signal over, its usual effect is to kill, and a Go program needs
// some tens of milliseconds for the initialisation of its packages before main begins. This
// package takes them over while it is initialised itself. It imports the standard library's
// os/signal and nothing that is not below that, so that it comes before all packages that
// take long; what is left is the start of the runtime, a few milliseconds.
//
// Invariants: the first signal ends the context, also one that came before there was a
// context; a SIGHUP does not while somebody takes it for something else ([OnHangup]). A SIGINT
// or SIGTERM after it ends the process at once, as if nobody caught it. A
// further SIGHUP does nothing: when a terminal is closed both the system and the shell send
// one. Under nohup none does anything.
package stopsignal

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// first and hangups are variables of the package, the only way to be there before main. They are
// two, so that a SIGHUP never takes the room of a signal that ends.
var first, hangups = take()

func take() (ends, hangups <-chan os.Signal) {
	c, h := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(h, syscall.SIGHUP)
	}
	return c, h
}

// taker is who takes a SIGHUP for something else than the end.
type taker struct{ take atomic.Pointer[func() bool] }

func (t *taker) takes() bool {
	take := t.take.Load()
	return take != nil && (*take)()
}

// key is that of the taker in a context.
type key struct{}

// Context ends at the first signal, or with the parent. stop gives back what it holds.
func Context(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	hangup := &taker{}
	ctx, stop = context.WithCancel(context.WithValue(parent, key{}, hangup))
	go func() {
		for {
			select {
			case <-hangups:
				if hangup.takes() {
					continue
				}
			case <-first:
			case <-ctx.Done():
				return
			}
			signal.Reset(os.Interrupt, syscall.SIGTERM)
			stop()
			return
		}
	}()
	return ctx, stop
}

// OnHangup has take called at each SIGHUP from now on, which does not end the context, one of
// [Context], when it returns true. It must not block. Several at a time may be one.
func OnHangup(ctx context.Context, take func() bool) {
	if hangup, ok := ctx.Value(key{}).(*taker); ok {
		hangup.take.Store(&take)
	}
}

// Release gives the signals their usual effect back, for a program that is none with a
// context: the tests' own.
func Release() { signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) }
