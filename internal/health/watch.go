package health

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/internal/retry"
)

// How often a check is looked at.
const (
	often     = 2 * time.Second
	seldom    = time.Minute
	soonAgain = 5 * time.Second  // at most, at first and while something is wrong
	overtime  = 30 * time.Second // beyond its time, after which a look has come to a standstill
)

// Check is one thing that is looked at again and again.
type Check struct {
	// Name is that of the alarm: the label of the metric, and what its line in the
	// answer begins with.
	Name string
	// Fatal: while the alarm lasts, nothing can be stored as promised, and the answer's
	// status says so. Default: the bridge has a way to go on.
	Fatal bool
	// Costly: the check is looked at every minute, and not for the sake of an answer.
	// Default: every two seconds, and for each answer.
	Costly bool
	// Raised and Over are what is logged when the alarm begins or changes, and when it
	// is over. Empty: somebody else logs it.
	Raised, Over string
	// Find says what is wrong, nil when nothing is. It has a quarter of the check's
	// period for that; an error after the end of its context is no finding.
	Find func(context.Context) error
	// Then is called after each finding, with its result; calls may overlap. nil:
	// nothing else follows.
	Then func(wrong bool)
}

// Options are what a watch needs.
type Options struct {
	Checks     []Check // in the order of the answer's lines
	Logger     zerolog.Logger
	Registerer prometheus.Registerer // nil: the metric is not registered
}

// Watch raises an alarm when what was made sure of at the start stops being true. As
// an [http.Handler] it answers how the bridge is.
type Watch struct{ watched []*watched }

// watched is a check with its alarm.
type watched struct {
	Check
	alarm
	beat atomic.Pointer[time.Time] // when the last look ended; nil: nobody is to look
}

// NewWatch makes a watch, which looks at nothing before [Watch.Run] or a request.
func NewWatch(o Options) *Watch {
	gauge := promauto.With(o.Registerer).NewGaugeVec(prometheus.GaugeOpts{
		Name: "aicc_alarm", Help: "1 while an alarm lasts; docs/operations.md has the table.",
	}, []string{"alarm"})
	w := &Watch{}
	for _, c := range o.Checks {
		log := o.Logger
		if c.Raised == "" {
			log = zerolog.Nop()
		}
		w.watched = append(w.watched, &watched{Check: c, alarm: alarm{
			gauge: gauge.WithLabelValues(c.Name), log: log, raised: c.Raised, over: c.Over,
		}})
	}
	return w
}

// Run watches until ctx ends; it has no other error than nil.
func (w *Watch) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for _, c := range w.watched {
		group.Go(func() { c.run(ctx) })
	}
	group.Wait()
	return nil
}

func (w *watched) every() time.Duration {
	if w.Costly {
		return seldom
	}
	return often
}

func (w *watched) run(ctx context.Context) {
	wait := min(w.every(), soonAgain)
	w.ended()
	defer w.beat.Store(nil)
	for retry.Wait(ctx, wait) == nil {
		wait = w.every()
		if answered := w.look(ctx); !answered || w.current() != nil {
			wait = min(wait, soonAgain)
		}
		w.ended()
	}
}

// ended notes that a look has ended.
func (w *watched) ended() {
	now := time.Now()
	w.beat.Store(&now)
}

// Stuck names the checks that have not been looked at for far longer than they take; nil when
// there are none, or the watch does not run. A look takes the locks of what it looks at, and has
// a time limit: one that does not end means that something in the process stands still.
func (w *Watch) Stuck() error {
	var names []string
	for _, c := range w.watched {
		if last := c.beat.Load(); last != nil && time.Since(*last) > c.every()*5/4+overtime {
			names = append(names, c.Name)
		}
	}
	if names == nil {
		return nil
	}
	return fmt.Errorf("no look at %s has come to its end", strings.Join(names, ", "))
}

// look finds out once. A server that does not answer in time is the business of
// another alarm.
func (w *watched) look(ctx context.Context) (answered bool) {
	ctx, cancel := context.WithTimeout(ctx, w.every()/4)
	defer cancel()
	err := w.Find(ctx)
	if err != nil && ctx.Err() != nil {
		return false
	}
	w.set(err)
	if w.Then != nil {
		w.Then(err != nil)
	}
	return true
}

// Lasting is an alarm that lasts.
type Lasting struct {
	Name  string
	Err   error
	Since time.Time
	Fatal bool
}

// Lasting are the alarms that last, as of the last look, in the order of the checks.
func (w *Watch) Lasting() (all []Lasting) {
	for _, c := range w.watched {
		if since, err := c.lasting(); err != nil {
			all = append(all, Lasting{Name: c.Name, Err: err, Since: since, Fatal: c.Fatal})
		}
	}
	return all
}

// Ready answers 200 unless nothing can be stored as promised, as of the last look; then 503 with
// the names of the alarms, and nothing else.
func (w *Watch) Ready() http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		status, text := http.StatusOK, ""
		for _, a := range w.Lasting() {
			if a.Fatal {
				status, text = http.StatusServiceUnavailable, text+a.Name+"\n"
			}
		}
		answer(out, status, text)
	})
}

// answer answers with lines, or that there are none.
func answer(out http.ResponseWriter, status int, text string) {
	if text == "" {
		text = "ok\n"
	}
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.WriteHeader(status)
	_, _ = out.Write([]byte(text)) // the client may have gone
}

// ServeHTTP answers 200 while messages can be stored as promised, 503 otherwise,
// with one line for each alarm.
func (w *Watch) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	status, text := http.StatusOK, ""
	for _, c := range w.watched {
		if !c.Costly {
			c.look(r.Context())
		}
		if err := c.current(); err != nil {
			text += c.Name + ": " + strings.ReplaceAll(err.Error(), "\n", "; ") + "\n"
			if c.Fatal {
				status = http.StatusServiceUnavailable
			}
		}
	}
	answer(out, status, text)
}
