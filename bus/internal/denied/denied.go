// Package denied remembers what a NATS server refused this user, and tells it with the request
// that failed from it. The server does not answer a refused request: it sends an error beside
// it, and the request times out. It imports nothing of ours.
package denied

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Error says that the server does not let this user publish, or subscribe
// to, a subject. See the permissions of the assets.
type Error struct {
	Subject   string
	Subscribe bool
}

// Error names the subject and where the rights are listed.
func (e *Error) Error() string {
	verb := "publish"
	if e.Subscribe {
		verb = "subscribe"
	}
	return fmt.Sprintf("permission denied: %s (%s); see docs/nats", e.Subject, verb)
}

// maxDenials is how many refusals are remembered: more than there are requests
// on their way at once.
const maxDenials = 64

// List is what was refused lately. Its zero value has nothing. It is safe for concurrent use.
type List struct {
	Inbox string      // the prefix of the answers' subjects; set it before the first use
	any   atomic.Bool // spares the lock when all is well
	mu    sync.Mutex
	list  []denial // the newest last

	waiting []*waiter
}

// waiter wants to know when a subject that has part in it is refused.
type waiter struct {
	part string
	end  context.CancelFunc
}

type denial struct {
	Error
	at time.Time
}

var deniedText = regexp.MustCompile(`(Publish|Subscription) to "(\S+)"`)

// Note remembers a refusal and reports whether it will be told with the request
// that failed from it. Those of subscriptions will not: they show no failure.
func (d *List) Note(err error) (told bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	m := deniedText.FindStringSubmatch(err.Error())
	if m == nil {
		return false
	}
	n := denial{Error{Subject: m[2], Subscribe: m[1] == "Subscription"}, time.Now()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == maxDenials {
		d.list = slices.Delete(d.list, 0, 1)
	}
	d.list = append(d.list, n)
	d.any.Store(true)
	for _, w := range d.waiting {
		if !n.Subscribe && strings.Contains(n.Subject, w.part) {
			w.end()
		}
	}
	return !n.Subscribe
}

// Until returns a context that ends when the server refuses a request on a subject that has part
// in it: nothing has to wait then until the request times out. Call stop at the end.
func (d *List) Until(ctx context.Context, part string) (until context.Context, stop context.CancelFunc) {
	until, end := context.WithCancel(ctx)
	w := &waiter{part, end}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, w)
	return until, func() {
		end()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.waiting = slices.DeleteFunc(d.waiting, func(other *waiter) bool { return other == w })
	}
}

// Explain adds to the error of a request, begun at start, that the server refused
// a subject meanwhile. part, if not "", must be in the subject. A refused inbox
// makes every answer fail and is refused once, at the first request.
func (d *List) Explain(start time.Time, part string, err error) error {
	if err == nil || !d.any.Load() || !unanswered(err) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range slices.Backward(d.list) {
		inbox := n.Subscribe && strings.HasPrefix(n.Subject, d.Inbox+".")
		if inbox || !n.Subscribe && !n.at.Before(start) && strings.Contains(n.Subject, part) {
			return fmt.Errorf("%w: %w", &n.Error, err)
		}
	}
	return err
}

// unanswered reports a failure that a refusal may be behind.
func unanswered(err error) bool {
	var denied *Error
	return !errors.As(err, &denied) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, nats.ErrNoResponders))
}
