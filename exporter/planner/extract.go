package planner

import (
	"fmt"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// Extract says how one kind is extracted.
type Extract struct {
	Kind schemas.Kind
	// Window is the length of a window, 1 s to 72 h.
	Window time.Duration
	// Settle is how long after a window's end it is asked for: the platform
	// copies records to the file store with a delay.
	Settle time.Duration
	// SweepAgain holds the ages (after a window's end) at which it is extracted
	// again for late rows, ascending. Empty: never, but for windows without rows:
	// those are asked for once more in any case, Settle and at least an hour after
	// their end.
	SweepAgain []time.Duration
	// Since is where extraction begins. Zero: where the ledger begins, or the
	// start of the tenant's day at the very first start.
	Since time.Time
}

func (x Extract) validate() error {
	if err := x.Kind.Validate(); err != nil {
		return err
	}
	if x.Window < time.Second || x.Window > 72*time.Hour || x.Window%time.Second != 0 || x.Settle < 0 {
		return fmt.Errorf("%s: want a window of 1s to 72h in whole seconds and a settle delay that is not negative", x.Kind)
	}
	if !slices.IsSorted(x.SweepAgain) || len(x.SweepAgain) > 0 && x.SweepAgain[0] <= 0 {
		return fmt.Errorf("%s: want ages of re-sweeps above zero, in ascending order", x.Kind)
	}
	return nil
}

// freshAt is when a window is asked for first.
func (x Extract) freshAt(w schemas.Window) time.Time { return w.To.Add(x.Settle) }

// sweepLate is how long after its time a re-sweep is still made. Older ones are
// let go, so that a new setting does not sweep the whole history.
const sweepLate = 7 * 24 * time.Hour

// dueAt is when a window that nobody works on is to be asked for; zero: never.
func (x Extract) dueAt(e schemas.WindowEntry, now time.Time) (due time.Time) {
	if !e.DueAt.IsZero() || e.State == schemas.WindowPlanned {
		return e.DueAt
	}
	ages := x.SweepAgain
	if e.State == schemas.WindowCompleted && e.Rows == 0 {
		ages = append([]time.Duration{x.confirmAt()}, ages...)
	}
	for _, age := range ages {
		at := e.Window.To.Add(age)
		if at.After(e.RequestedAt) && now.Sub(at) < sweepLate && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

// confirmAt is the age at which a window that came without rows is asked for once
// more. The platform copies its records to the file store with a delay, and says
// the same of an hour without calls as of one that is not copied yet: a file
// without rows, or 0300012. A window that was older when it was first asked for
// needs no confirmation. Meanwhile it counts as complete.
func (x Extract) confirmAt() time.Duration {
	return x.Settle + max(x.Settle, time.Hour)
}
