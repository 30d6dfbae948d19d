package wire

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

// DeniedError says that the server does not let this user publish, or subscribe
// to, a subject. See the permissions of the assets.
type DeniedError struct {
	Subject   string
	Subscribe bool
}

// Error names the subject and where the rights are listed.
func (e *DeniedError) Error() string {
	verb := "publish"
	if e.Subscribe {
		verb = "subscribe"
	}
	return fmt.Sprintf("permission denied: %s (%s); see docs/nats", e.Subject, verb)
}

// maxDenials is how many refusals are remembered: more than there are requests
// on their way at once.
const maxDenials = 64

// denials remembers what the server refused. It does not answer a refused
// request; it sends an error beside it, and the request times out. The two are
// brought together here.
type denials struct {
	inbox string      // the prefix of the answers' subjects
	any   atomic.Bool // spares the lock when all is well
	mu    sync.Mutex
	list  []denial // the newest last
}

type denial struct {
	DeniedError
	at time.Time
}

var deniedText = regexp.MustCompile(`(Publish|Subscription) to "(\S+)"`)

// note remembers a refusal and reports whether it will be told with the request
// that failed from it. Those of subscriptions will not: they show no failure.
func (d *denials) note(err error) (told bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	m := deniedText.FindStringSubmatch(err.Error())
	if m == nil {
		return false
	}
	n := denial{DeniedError{Subject: m[2], Subscribe: m[1] == "Subscription"}, time.Now()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == maxDenials {
		d.list = slices.Delete(d.list, 0, 1)
	}
	d.list = append(d.list, n)
	d.any.Store(true)
	return !n.Subscribe
}

// explain adds to the error of a request, begun at start, that the server refused
// a subject meanwhile. part, if not "", must be in the subject. A refused inbox
// makes every answer fail and is refused once, at the first request.
func (d *denials) explain(start time.Time, part string, err error) error {
	if err == nil || !d.any.Load() || !unanswered(err) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range slices.Backward(d.list) {
		inbox := n.Subscribe && strings.HasPrefix(n.Subject, d.inbox+".")
		if inbox || !n.Subscribe && !n.at.Before(start) && strings.Contains(n.Subject, part) {
			return fmt.Errorf("%w: %w", &n.DeniedError, err)
		}
	}
	return err
}

// Explain adds to the error of a request, begun at start, that the server refused
// a subject meanwhile, and puts one that was not sent into plain words. part, if not "",
// must be in the subject.
func (c *Conn) Explain(start time.Time, part string, err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return &notSent{err}
	}
	return c.denials.explain(start, part, err)
}

// notSent says in plain words what the client library calls a buffer that is exceeded:
// there is none, so that nothing waits in one while nats is away.
type notSent struct{ error }

func (*notSent) Error() string { return "nats is away; nothing was sent" }

func (e *notSent) Unwrap() error { return e.error }

// unanswered reports a failure that a refusal may be behind.
func unanswered(err error) bool {
	var denied *DeniedError
	return !errors.As(err, &denied) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, nats.ErrNoResponders))
}

// Denied reports a failure that is a [*DeniedError].
func Denied(err error) bool {
	var denied *DeniedError
	return errors.As(err, &denied)
}
