package monitor

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/retry"
)

// A firewall, or a platform in trouble, is asked less and less often; one that does not
// answer at all, or fails for a moment, is asked again sooner: at first within an interval, so
// that one failure makes nobody unknown.
const (
	refusedAtFirst, refusedMost = 30 * time.Second, 15 * time.Minute
	silentMost                  = time.Minute
)

// pauses say how long to wait after looks that failed.
type pauses struct{ silent, barred backoff.BackOff }

func newPauses(interval time.Duration) pauses {
	return pauses{retry.NewBackOff(interval/2, max(silentMost, interval)), retry.NewBackOff(refusedAtFirst, refusedMost)}
}

// after is the pause after one more failure, and its cause in a word or two.
func (p pauses) after(err error) (pause time.Duration, cause string) {
	pause, cause = p.silent.NextBackOff(), "no answer"
	if e := (*ccfs.Error)(nil); errors.As(err, &e) {
		cause = cmp.Or(e.Code, string(e.Class))
		switch {
		case e.Local && e.RetryAfter > 0: // calls are stopped
			pause = e.RetryAfter
		case e.Status == http.StatusOK && (e.Class == ccfs.Again || e.Class == ccfs.Broken): // a moment's trouble, as no answer is
		case e.Status != 0 && e.Code == "":
			pause = max(p.barred.NextBackOff(), e.RetryAfter)
		case e.Status != 0:
			pause = p.barred.NextBackOff()
		}
	}
	return pause, cause
}

// reset is for a look that succeeded.
func (p pauses) reset() {
	p.silent.Reset()
	p.barred.Reset()
}
