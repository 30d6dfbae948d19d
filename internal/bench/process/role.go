package process

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
)

// Serve is the other side of Ask: it answers each line that is read from in with one to
// out, until in ends, ctx ends or f fails. ready is written first.
func Serve[Q any](ctx context.Context, in io.Reader, out io.Writer, ready any, f func(ctx context.Context, q Q) (any, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := json.NewEncoder(out)
	if err := answers.Encode(ready); err != nil {
		return err
	}
	questions, broken := make(chan Q), make(chan error, 1)
	go func() { // it ends with the process: a read of standard input cannot be broken off
		lines := json.NewDecoder(bufio.NewReader(in))
		for {
			var q Q
			if err := lines.Decode(&q); err != nil {
				broken <- err
				return
			}
			select {
			case questions <- q:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case q := <-questions:
			a, err := f(ctx, q)
			if err != nil {
				return err
			}
			if err := answers.Encode(a); err != nil {
				return err
			}
		case <-broken: // nobody asks any more
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
