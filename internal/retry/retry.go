// Package retry decides, once for the whole program, whether a failed HTTP exchange is
// worth another try, and supplies the pauses between tries.
//
// Invariants: no pause exceeds the maximum asked for; a back-off never gives up by itself
// (whoever owns the loop decides when to stop); every wait ends with its context.
package retry

import (
	"cmp"
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Class says what a failed (or successful) exchange asks of the caller.
type Class int

// The classes. The zero value is OK.
const (
	// OK is a 2xx: nothing to retry, look at the body.
	OK Class = iota
	// Retry is temporary: try again with back-off and jitter.
	Retry
	// Permanent fails the same way every time: wrong path, method, type or a redirect.
	Permanent
	// Auth is a 401: at most two tries with a fresh signature, then no more calls for a
	// while. The file store locks the source address after too many of them (cec_07_0836).
	Auth
	// Locked is a 403: the source address is locked, or a firewall objects. Never loop on
	// it; the body tells the two apart.
	Locked
	// Gone is a 410: what was asked for existed and does not any more.
	Gone
)

// String returns the class in lower case, for logs and metrics.
func (c Class) String() string {
	names := [...]string{"ok", "retry", "permanent", "auth", "locked", "gone"}
	if c < 0 || int(c) >= len(names) {
		return "unknown"
	}
	return names[c]
}

// HTTPStatus classifies an HTTP status. All 5xx are worth a retry, so are statuses outside
// 100 to 599, which only firewalls invent. 3xx is Permanent because no client here follows
// redirects: a signed request is valid for one address only.
func HTTPStatus(status int) Class {
	switch status {
	case 401:
		return Auth
	case 403:
		return Locked
	case 410:
		return Gone
	case 408, 418, 425, 429: // 418 is a cloud firewall's answer to requests without a host name
		return Retry
	}
	if status >= 200 && status < 300 {
		return OK
	}
	if status >= 100 && status < 500 {
		return Permanent
	}
	return Retry
}

// NewBackOff returns exponential back-off (factor 2, jitter ±50 %) that never gives up.
// initial is the mean of the first pause (default 500 ms), max the longest pause, jitter
// included (default 30 s). An instance is not safe for concurrent use: one per goroutine.
func NewBackOff(initial, max time.Duration) backoff.BackOff {
	const (
		defaultInitial = 500 * time.Millisecond
		defaultMax     = 30 * time.Second
		jitter         = 0.5
	)
	max = cmp.Or(max, defaultMax)
	// The library applies jitter after its own cap; leave room for it.
	ceiling := time.Duration(float64(max) / (1 + jitter))
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(cmp.Or(initial, defaultInitial), ceiling)),
		backoff.WithMaxInterval(ceiling),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(jitter),
		backoff.WithMaxElapsedTime(0),
	)
}

// Wait returns nil after d, or the context's error as soon as the context ends. A d of zero
// or less does not wait.
func Wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
