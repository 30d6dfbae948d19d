package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// expected names every status that does not follow its hundred.
var expected = map[int]Class{
	401: Auth, 403: Locked, 408: Retry, 410: Gone, 418: Retry, 425: Retry, 429: Retry,
}

func TestHTTPStatusKnowsEveryStatus(t *testing.T) {
	byHundred := map[int]Class{1: Permanent, 2: OK, 3: Permanent, 4: Permanent, 5: Retry}
	for status := 100; status <= 599; status++ {
		want, special := expected[status]
		if !special {
			want = byHundred[status/100]
		}
		if got := HTTPStatus(status); got != want {
			t.Errorf("HTTPStatus(%d) = %v, want %v", status, got, want)
		}
	}
	for _, status := range []int{-1, 0, 99, 600, 999} {
		if got := HTTPStatus(status); got != Retry {
			t.Errorf("HTTPStatus(%d) = %v, want retry", status, got)
		}
	}
}

func TestClassNames(t *testing.T) {
	names := map[Class]string{
		OK: "ok", Retry: "retry", Permanent: "permanent", Auth: "auth", Locked: "locked", Gone: "gone",
		-1: "unknown", Gone + 1: "unknown", 99: "unknown",
	}
	for class, want := range names {
		if got := class.String(); got != want {
			t.Errorf("Class(%d) = %q, want %q", int(class), got, want)
		}
	}
}

func TestBackOffGrowsStaysBelowMaxAndNeverStops(t *testing.T) {
	tests := []struct{ initial, max time.Duration }{
		{100 * time.Millisecond, 3 * time.Second},
		{time.Minute, time.Second}, // an initial above the maximum is cut
		{0, 0},
	}
	for _, tt := range tests {
		b := NewBackOff(tt.initial, tt.max)
		limit := tt.max
		if limit == 0 {
			limit = 30 * time.Second
		}
		var longest time.Duration
		for range 500 {
			d := b.NextBackOff()
			if d == backoff.Stop || d <= 0 || d > limit {
				t.Fatalf("NewBackOff(%v, %v): pause %v, want within (0, %v]", tt.initial, tt.max, d, limit)
			}
			longest = max(longest, d)
		}
		if longest < limit/2 {
			t.Errorf("NewBackOff(%v, %v): longest pause %v never came near the maximum", tt.initial, tt.max, longest)
		}
	}
}

func TestBackOffStillGoesAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackOff(time.Second, time.Minute)
		time.Sleep(24 * time.Hour) // virtual: the library's own default gives up after 15 minutes
		if d := b.NextBackOff(); d == backoff.Stop {
			t.Fatal("back-off gave up")
		}
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := Wait(t.Context(), time.Hour); err != nil {
			t.Fatalf("Wait: %v", err)
		}
		if got := time.Since(start); got != time.Hour {
			t.Errorf("waited %v, want 1h", got)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		if err := Wait(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait past the deadline: %v", err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("left after %v, want 1m", got)
		}
		if err := Wait(ctx, 0); err == nil {
			t.Error("Wait(0) with an ended context: no error")
		}
		if err := Wait(t.Context(), -1); err != nil {
			t.Errorf("Wait(-1): %v", err)
		}
	})
}
