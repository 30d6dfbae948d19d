package wire

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/denied"
	"aiccbridge/schemas"
)

func answer(code, number int) error {
	return &jetstream.APIError{Code: code, ErrorCode: jetstream.ErrorCode(number), Description: "no"}
}

// A server is left when nothing of a kind has worked for a while, not earlier, and after
// moves in vain ever later; not because of answers that another one would give as well.
func TestWhenToMove(t *testing.T) {
	t.Parallel()
	var s services
	now := time.Now()
	note := func(kind service, after time.Duration, err error, server string) bool {
		now = now.Add(after)
		return s.note(kind, err, server, now)
	}
	silence, away := context.DeadlineExceeded, answer(503, 10008)
	for i, step := range []struct {
		kind   service
		after  time.Duration
		err    error
		server string
		move   bool
	}{
		{writes, 0, silence, "a", false},
		{reads, moveAfter, nil, "a", false}, // one that does not know yet that it leads no more
		{writes, 0, away, "a", true},
		{writes, time.Hour, away, "b", false}, // another server has its own time
		{writes, moveAfter, away, "b", false},
		{writes, moveAfter, nats.ErrNoResponders, "b", true},
		{writes, 0, away, "a", false},
		{writes, 2 * moveAfter, away, "a", false},
		{writes, 2 * moveAfter, jetstream.ErrNoStreamResponse, "a", true},
		{writes, 0, away, "b", false},
		{writes, 0, nil, "b", false}, // one that serves
		{writes, 0, away, "b", false},
		{writes, moveAfter, answer(400, 10071), "b", false}, // the fence of a leader
		{writes, 0, away, "b", false},
		{writes, moveAfter, answer(400, 10077), "b", false},
		{writes, 0, context.Canceled, "b", false},
		{writes, 0, silence, "", false}, // not connected, or to no cluster
		{writes, 0, silence, "b", true},
	} {
		if got := note(step.kind, step.after, step.err, step.server); got != step.move {
			t.Errorf("step %d: %t, want %t", i+1, got, step.move)
		}
	}
}

// After these a message is nowhere, and after all others it may be stored.
func TestWhatIsNotStored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{answer(400, 10071), true}, {answer(503, 10008), true}, {nats.ErrNoResponders, true}, {jetstream.ErrNoStreamResponse, true},
		{nats.ErrMaxPayload, true}, {&denied.Error{Subject: "a"}, true},
		{answer(409, 10158), false}, // an earlier try is under way
		{context.DeadlineExceeded, false}, {nats.ErrTimeout, false}, {errors.New("broken pipe"), false},
		{&schemas.Permanent{}, false},
	} {
		if got := certainlyNotStored(c.err); got != c.want {
			t.Errorf("%v: %t, want %t", c.err, got, c.want)
		}
	}
}
