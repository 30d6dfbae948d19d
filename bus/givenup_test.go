package bus

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

// hopeless is work that fails, each time as told.
type hopeless struct {
	b    *Bus
	fail error
	deaf int // so many times it can't be told of a file's end

	mu      sync.Mutex
	handled int
	ends    []schemas.Reason
	early   bool // it was told before the dead letter was stored
}

func (h *hopeless) Handle(context.Context, schemas.Delivery) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handled++
	return h.fail
}

func (h *hopeless) GivenUp(ctx context.Context, d schemas.Delivery, p *schemas.Permanent) error {
	_, found, err := h.b.conn.LastIn(ctx, "AICC_DEADLETTERS", h.b.names.DeadLetter("acme", p.Reason))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = append(h.ends, p.Reason)
	h.early = h.early || !found || err != nil || d.Message.Get("ce-id") != "0"
	if len(h.ends) <= h.deaf {
		return errors.New("the ledger is away")
	}
	return nil
}

// TestGivenUp: whoever works on files learns that one is over, after its dead letter is
// stored; while that does not go through, the file is not over.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	again := errors.New("platform is away")
	exhausted := schemas.ReasonAttempts
	for name, tc := range map[string]struct {
		fail              error
		deaf, attempts    int
		handled, deadEnds int
	}{
		"first attempt is the last":     {again, 0, 1, 1, 1},
		"attempts exhausted":            {again, 0, 3, 3, 1},
		"not heard at first":            {again, 1, 2, 3, 2},
		"not heard for a while":         {again, 3, 2, 5, 4},
		"failed for good by the worker": {&schemas.Permanent{Reason: schemas.ReasonDamagedZip, Err: again}, 0, 3, 1, 0},
		"given up before a crash":       {&schemas.Permanent{Reason: exhausted, Err: again}, 0, 3, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := ready(t, func(o *Options) {
				o.MaxAttempts, o.RetryDelay, o.MaxRetryDelay = tc.attempts, time.Millisecond, 2*time.Millisecond
			})
			publishFiles(t, b, 1)
			h := &hopeless{b: b, fail: tc.fail, deaf: tc.deaf}
			intake, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- b.ConsumeFiles(intake, t.Context(), 2, h) }()
			bustest.Await(t, func() bool { return b.verdicts(t, verdictTerm) == 1 })
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if h.handled != tc.handled || len(h.ends) != tc.deadEnds || h.early || slices.ContainsFunc(h.ends, func(r schemas.Reason) bool { return r != exhausted }) {
				t.Errorf("handled %d times, want %d; told of %v, want %d; too early: %t", h.handled, tc.handled, h.ends, tc.deadEnds, h.early)
			}
		})
	}
}

// TestServersEndIsTold: so it is when the server gives a file up.
func TestServersEndIsTold(t *testing.T) {
	t.Parallel()
	b := ready(t)
	publishFiles(t, b, 1)
	h := &hopeless{b: b, deaf: 1}
	advisory := []byte(`{"stream_seq":1,"deliveries":3}`)
	if err := b.exhausted(t.Context(), b.queue(schemas.FileConsumer, h), advisory); err == nil {
		t.Error("that nobody could be told is no error")
	}
	if err := b.exhausted(t.Context(), b.queue(schemas.FileConsumer, h), advisory); err != nil {
		t.Error(err)
	}
	if len(h.ends) != 2 || h.early || len(all(t, b, schemas.StreamDeadLetters)) != 1 {
		t.Errorf("told of %v, too early: %t", h.ends, h.early)
	}
}
