// Package stopsignal turns the signals that stop a program into the end of a context.
//
// Until somebody takes a signal over, its usual effect is to kill, and a Go program needs
// some tens of milliseconds for the initialisation of its packages before main begins. This
// package takes them over while it is initialised itself. It imports the standard library's
// os/signal and nothing that is not below that, so that it comes before all packages that
// take long; what is left is the start of the runtime, a few milliseconds.
//
// Invariants: the first signal ends the context, also one that came before there was a
// context. A SIGINT or SIGTERM after it ends the process at once, as if nobody caught it. A
// further SIGHUP does nothing: when a terminal is closed both the system and the shell send
// one. Under nohup none does anything.
package stopsignal

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// first is a variable of the package, the only way to be there before main.
var first = take()

func take() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(c, syscall.SIGHUP)
	}
	return c
}

// Context ends at the first signal, or with the parent. stop gives back what it holds.
func Context(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = context.WithCancel(parent)
	go func() {
		select {
		case <-first:
			signal.Reset(os.Interrupt, syscall.SIGTERM)
			stop()
		case <-ctx.Done():
		}
	}()
	return ctx, stop
}

// Release gives the signals their usual effect back, for a program that is none with a
// context: the tests' own.
func Release() { signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) }
