package planner

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestF11MissingCallbacks: no callback comes, for fifty windows. Half of the files
// are there under their predicted name; the platform has lost the other half, once
// or twice, and makes them anew when asked. All windows end complete.
func TestF11MissingCallbacks(t *testing.T) {
	t.Parallel()
	const windows = 50
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		missing := &schemas.Permanent{Reason: schemas.ReasonFileMissing, Err: errors.New("no such file")}
		s.pub.After = func(m schemas.Message) error {
			if m.Type != schemas.TypeFileReady {
				return nil
			}
			var f schemas.FileReady
			exportertest.Unmarshal(t, m.Body, &f)
			if f.Via != schemas.ViaPredicted {
				t.Errorf("handed over via %s", f.Via)
			}
			lost := int(f.Window.From.Sub(bubble)/time.Hour) % 4 / 2 * 2 // of four: two at once, two after two more extracts
			if len(s.platform.of(f.Window)) <= lost {
				time.AfterFunc(time.Second, func() { // after the ledger has it as ready
					exportertest.Check(t, s.ledger.Fail(context.Background(), f, missing, time.Now()))
				})
				return nil
			}
			return s.ledger.Complete(context.Background(), f, 1, time.Now())
		}
		pass(windows*time.Hour + time.Hour)
		s.open(Options{Tick: 10 * time.Second}, since(bubble, hourly))
		pass(36 * time.Hour)
		complete := 0
		for _, e := range s.entries(schemas.KindCDR)[:windows] {
			if e.State == schemas.WindowCompleted {
				complete++
			} else {
				t.Errorf("window %s is %s after %d attempts: %s", e.Window, e.State, e.Attempts, e.Reason)
			}
		}
		t.Attr("figure", fmt.Sprintf("%d/%d windows complete without a callback", complete, windows))
		t.Attr("tries", fmt.Sprint(windows))
		s.close()
		pass(time.Hour) // the last timers
	})
}
