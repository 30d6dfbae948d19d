package onward

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"aiccbridge/poller/internal/insist"
)

// forgotten is after how long without a call the last failure says nothing any more.
const forgotten = 5 * time.Minute

// Why a call has failed, as the metric names it.
const (
	Unanswered = "unanswered" // the gateway is not reached, or breaks off before it answers
	BadStatus  = "status"     // what stands before the gateway answers for it: 502, 503 or 504
)

const (
	unreachable = "calls of clients can't be passed on to the gateway"
	reachable   = "calls of clients are passed on again"
)

// reach is whether the gateway answers calls.
type reach struct {
	trouble *insist.Trouble
	failed  func(why string)

	mu          sync.Mutex
	since, last time.Time // of the failures after the last call that was answered; zero: there is none
	err         error     // of the last
}

// answered notes an answer.
func (r *reach) answered(status int) {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.lost(BadStatus, fmt.Errorf("a call is answered with HTTP status %d", status))
		return
	}
	r.trouble.Over(reachable)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.err = time.Time{}, nil
}

// lost notes a call that failed.
func (r *reach) lost(why string, err error) {
	r.failed(why)
	r.trouble.On(why, err, unreachable)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.since.IsZero() || now.Sub(r.last) > forgotten {
		r.since = now
	}
	r.last, r.err = now, err
}

// failing is why every call has failed for so long.
func (r *reach) failing(lasting time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || r.last.Sub(r.since) < lasting || time.Since(r.last) > forgotten {
		return nil
	}
	return fmt.Errorf("no call of a client gets through: %w", r.err)
}

// watched is the body of a client's call, which may be what fails: that says nothing of the gateway.
type watched struct {
	io.ReadCloser
	failed atomic.Bool
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		w.failed.Store(true)
	}
	return n, err
}
