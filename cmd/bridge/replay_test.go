package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestSteps: each step takes one line of input and no more, and leaves nothing behind; the
// input's end and an interrupt end the steps.
func TestSteps(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ctx, interrupt := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	step := (&replayOptions{speed: "step"}).stepper(ctx, in)
	for range 3 {
		typed := make(chan error, 1)
		go func() {
			_, err := io.WriteString(typing, "\n")
			typed <- err
		}()
		if err := errors.Join(step(), <-typed); err != nil {
			t.Fatal(err)
		}
	}
	goleak.VerifyNone(t, before) // nobody reads what is not wanted yet
	interrupt()
	if err := step(); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interrupt: %v", err)
	}
	typing.Close()
	if err := (&replayOptions{speed: "step"}).stepper(t.Context(), strings.NewReader(""))(); err != io.EOF {
		t.Errorf("at the end of the input: %v", err)
	}
}
