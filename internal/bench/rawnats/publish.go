package rawnats

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// writeBytes is how much is gathered before it is sent.
const writeBytes = 64 << 10

// Batches stores n messages in atomic batches of that size, taking them in turn from msgs:
// each batch is sent, and its commit awaited.
func Batches(ctx context.Context, to net.Conn, msgs []Message, n, size int) error {
	c, err := open(to)
	if err != nil {
		return fmt.Errorf("raw batches: %w", err)
	}
	for sent := 0; sent < n; {
		batch := min(size, n-sent)
		if err := c.batch(ctx, msgs, sent, batch); err != nil {
			return fmt.Errorf("raw batch after %d messages: %w", sent, err)
		}
		sent += batch
	}
	return nil
}

func (c *conn) batch(ctx context.Context, msgs []Message, from, n int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	id := append(strconv.AppendInt([]byte("Nats-Batch-Id: raw"), time.Now().UnixNano(), 36), "\r\nNats-Batch-Sequence: "...)
	var more []byte
	for i := 1; i <= n; i++ {
		more = append(strconv.AppendInt(append(more[:0], id...), int64(i), 10), "\r\n"...)
		reply := ""
		if i == n {
			more, reply = append(more, "Nats-Batch-Commit: 1\r\n"...), "commit"
		}
		c.append(msgs[(from+i-1)%len(msgs)], reply, more)
		if len(c.out) >= writeBytes || i == n {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	_, payload, err := c.answer()
	if err != nil {
		return err
	}
	return stored(payload)
}

// Singles stores messages one after the other, each awaited, until the time is over, and
// returns how long each took.
func Singles(ctx context.Context, to net.Conn, m Message, during time.Duration) (took []time.Duration, err error) {
	c, err := open(to)
	if err != nil {
		return nil, fmt.Errorf("raw singles: %w", err)
	}
	for start := time.Now(); time.Since(start) < during && ctx.Err() == nil; {
		before := time.Now()
		c.append(m, "one", nil)
		if err := c.flush(); err != nil {
			return nil, fmt.Errorf("raw single: %w", err)
		}
		_, payload, err := c.answer()
		if err == nil {
			err = stored(payload)
		}
		if err != nil {
			return nil, fmt.Errorf("raw single: %w", err)
		}
		took = append(took, time.Since(before))
	}
	return took, ctx.Err()
}

// Window stores n messages, taken in turn from msgs, with so many of them unanswered.
func Window(ctx context.Context, to net.Conn, msgs []Message, n, window int) error {
	c, err := open(to)
	if err != nil {
		return fmt.Errorf("raw window: %w", err)
	}
	answered := make(chan error, window)
	go func() {
		for range n {
			_, payload, err := c.answer()
			if err == nil {
				err = stored(payload)
			}
			answered <- err
			if err != nil {
				return
			}
		}
	}()
	open := 0
	for sent := 0; sent < n || open > 0; {
		for open < window && sent < n && len(c.out) < writeBytes {
			c.append(msgs[sent%len(msgs)], "w", nil)
			sent, open = sent+1, open+1
		}
		if err := c.flush(); err != nil {
			return fmt.Errorf("raw window: %w", err)
		}
		if open < window && sent < n {
			continue
		}
		took, err := take(ctx, answered)
		if err != nil {
			return fmt.Errorf("raw window: %w", err)
		}
		open -= took
	}
	return nil
}

// take waits for one answer, and takes those that are there already.
func take(ctx context.Context, answered <-chan error) (n int, err error) {
	select {
	case err = <-answered:
		n = 1
	case <-ctx.Done():
		err = ctx.Err()
	}
	for err == nil && len(answered) > 0 {
		err = <-answered
		n++
	}
	return n, err
}
