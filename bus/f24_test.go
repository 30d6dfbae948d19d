package bus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

// TestF24PoisonFiles: a hundred files that fail whatever is tried, and one good one
// behind them.
func TestF24PoisonFiles(t *testing.T) {
	t.Parallel()
	const poison, attempts = 100, 3
	b := ready(t, func(o *Options) {
		o.MaxAttempts, o.RetryDelay, o.MaxRetryDelay = attempts, time.Millisecond, time.Millisecond
	})
	publishFiles(t, b, poison+1)
	c := consume(t, b, 4)
	good := 0
	for range poison*attempts + 1 {
		d := <-c.deliveries
		if d.Message.Get("ce-id") == fmt.Sprint(poison) {
			good++
			c.results <- nil
			continue
		}
		c.results <- errors.New("poison")
	}
	bustest.Await(t, func() bool { return b.verdicts(t, verdictTerm) == poison })
	bustest.Await(t, func() bool { waiting, delivered := pending(t, b); return waiting+delivered == 0 })
	c.stop(t)
	letters := len(all(t, b, schemas.StreamDeadLetters))
	if letters != poison || good != 1 {
		t.Errorf("%d dead letters, the good file came %d times", letters, good)
	}
	t.Attr("figure", fmt.Sprintf("%d/%d dead letters after %d attempts each, the queue moved on", letters, poison, attempts))
	t.Attr("tries", fmt.Sprint(poison))
}
