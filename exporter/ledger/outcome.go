package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// Requested writes an attempt down, before its request is sent, and names it. The
// request is taken from the budget that e names, and is the span that ctx is in. false
// means that somebody else worked on the window since e was read: it must not be asked
// for.
func (l *Ledger) Requested(ctx context.Context, e schemas.WindowEntry, now, deadline time.Time) (r schemas.WindowRequest, ok bool, err error) {
	picked := e
	err = l.change(ctx, e.Key(), func(e *schemas.WindowEntry) bool {
		ok = e.State == picked.State && e.RequestedAt.Equal(picked.RequestedAt) && e.DueAt.Equal(picked.DueAt) && e.Backfill == picked.Backfill
		if !ok {
			return false
		}
		if !e.Backfilling() { // a re-sweep is no part of the order that made it complete
			e.Backfill = ""
		}
		leave(e)
		e.State, e.ResponseID, e.FileName, e.Via = schemas.WindowRequested, "", "", ""
		e.Passed, e.Budget, e.Trace = 0, picked.Budget, trace.Parent(ctx)
		e.Attempts++
		e.RequestedAt, e.ReadyAt, e.DueAt = now, time.Time{}, deadline
		r = requestOf(*e)
		return true
	})
	if errors.Is(err, errNone) { // it was ordered, and withdrawn
		err = nil
	}
	if err != nil || !ok {
		return schemas.WindowRequest{}, false, err
	}
	return r, true, nil
}

// leave remembers the extract that e has as an earlier one.
func leave(e *schemas.WindowEntry) {
	if e.ResponseID != "" {
		past := append(slices.Clone(e.Past), e.ResponseID)
		e.Past = past[max(0, len(past)-schemas.MaxPastExtracts):]
	}
}

// Answered notes the response id that the platform gave, and takes up a callback
// that was faster.
func (l *Ledger) Answered(ctx context.Context, e schemas.WindowEntry, responseID string) error {
	err := l.change(ctx, e.Key(), func(e *schemas.WindowEntry) bool {
		if e.State != schemas.WindowRequested || e.ResponseID != "" {
			return false
		}
		e.ResponseID = responseID
		return true
	})
	if err != nil {
		return err
	}
	_, err = l.claim(ctx, e.Tenant, responseID)
	return err
}

// PutBack returns a window whose request was certainly not taken, to be asked
// for again at due. It does not count as an attempt.
func (l *Ledger) PutBack(ctx context.Context, e schemas.WindowEntry, due time.Time, cause error) error {
	return l.change(ctx, e.Key(), func(e *schemas.WindowEntry) bool {
		if e.State != schemas.WindowRequested || e.ResponseID != "" {
			return false
		}
		e.State, e.DueAt, e.Error = schemas.WindowPlanned, due, cause.Error()
		e.Attempts--
		return true
	})
}

// Predict hands over the file of a window whose callback did not come, by the
// name that the platform gives it (cec_07_0814): the date of the request, in the
// tenant's zone as far as the pages say, and the response id.
func (l *Ledger) Predict(ctx context.Context, e schemas.WindowEntry, zone *time.Location, now time.Time) error {
	day := e.RequestedAt
	if ahead(day, now) { // of a clock that was wrong
		day = now
	}
	return l.ready(ctx, e.Key(), schemas.FileNotice{
		Tenant: e.Tenant, ResponseID: e.ResponseID, ReceivedAt: now, Via: schemas.ViaPredicted,
		FileName: day.In(zone).Format("20060102") + "_" + e.ResponseID + ".zip",
	})
}

// Complete notes that every row of a file is in the stream; rows is how many the
// window has there. A file that is not the window's current one changes nothing.
func (l *Ledger) Complete(ctx context.Context, f schemas.FileReady, rows int, now time.Time) error {
	return l.CompleteWith(ctx, f, Rows{Held: rows, New: unknown}, now)
}

// Rows are those of an extract.
type Rows struct {
	Held int // how many the window has in the stream after it, revisions included
	New  int // of these, brought by it, without revisions; -1: not known
}

const unknown = -1

// CompleteWith is Complete with how many rows are new, by which it can be told how late the
// platform writes them.
func (l *Ledger) CompleteWith(ctx context.Context, f schemas.FileReady, rows Rows, now time.Time) error {
	return l.change(ctx, schemas.WindowKey(f.Tenant, f.Kind, f.Window), func(e *schemas.WindowEntry) bool {
		if e.ResponseID != f.ResponseID || e.State == schemas.WindowCompleted {
			return false
		}
		e.Extracts = extracted(*e, rows.New)
		e.State, e.CompletedAt, e.Rows = schemas.WindowCompleted, now, rows.Held
		e.Attempts, e.Reason, e.Error, e.Object, e.DueAt = 0, "", "", "", time.Time{}
		return true
	})
}

// extracted are the extracts of a window with one more. Of a window that was complete before,
// by an extract of which it is not known what it brought, nothing can be told any more.
func extracted(e schemas.WindowEntry, new int) []schemas.Extracted {
	first := e.CompletedAt.IsZero()
	if new < 0 || e.Via == schemas.ViaManual || !first && len(e.Extracts) == 0 {
		return nil
	}
	all := slices.Clone(e.Extracts)
	if len(all) >= schemas.MaxExtracts { // the new one takes the last one's place, and its rows
		new += all[len(all)-1].New
		all = all[:schemas.MaxExtracts-1]
	}
	return append(all, schemas.Extracted{RequestedAt: e.RequestedAt, New: new})
}

// Again has a complete window asked for once more at now, because the stream lacks rows of
// it. One that somebody has worked on since e was read is left alone.
func (l *Ledger) Again(ctx context.Context, e schemas.WindowEntry, now time.Time) error {
	read := e
	return l.change(ctx, e.Key(), func(e *schemas.WindowEntry) bool {
		if e.State != schemas.WindowCompleted || !e.CompletedAt.Equal(read.CompletedAt) || !e.DueAt.IsZero() {
			return false
		}
		e.DueAt, e.Backfill = now, ""
		e.Extracts = nil // what it brings was there before
		return true
	})
}

// Retry has a window asked for at now, because somebody wants it: a failed one with all its
// attempts before it, whatever the platform said; a complete one once more. before is the
// entry as it was. A window whose extract is under way, or that is planned and so will be asked
// for when it is due, is left alone: the error is an [*UnderWay].
func (l *Ledger) Retry(ctx context.Context, key string, now time.Time) (before schemas.WindowEntry, err error) {
	seen, busy := false, false
	err = l.change(ctx, key, func(e *schemas.WindowEntry) bool {
		seen, before = true, *e
		if busy = e.State != schemas.WindowFailed && e.State != schemas.WindowCompleted; busy {
			return false
		}
		e.DueAt = now
		e.Backfill = ""
		if e.State == schemas.WindowFailed {
			e.Attempts = 0
		}
		return true
	})
	switch {
	case err == nil && !seen:
		err = fmt.Errorf("retry window %s: a newer version of the bridge has it", key)
	case err == nil && busy:
		err = &UnderWay{before}
	}
	return before, err
}

// Fail notes why a file's rows could not be published. The window is asked for
// again later: soon while attempts are left, then every slowRetry, for a week, unless
// the platform refuses the request itself.
func (l *Ledger) Fail(ctx context.Context, f schemas.FileReady, p *schemas.Permanent, now time.Time) error {
	return l.GiveUp(ctx, schemas.WindowKey(f.Tenant, f.Kind, f.Window), f.ResponseID, p, now)
}

// Pass notes that a file was delivered to a bridge that cannot work on it, which is no
// attempt at it.
func (l *Ledger) Pass(ctx context.Context, f schemas.FileReady) error {
	return l.change(ctx, schemas.WindowKey(f.Tenant, f.Kind, f.Window), func(e *schemas.WindowEntry) bool {
		e.Passed++
		return e.ResponseID == f.ResponseID
	})
}

// How a window is asked for again once its attempts are used up. What made it
// fail may last for days (a file store that is down), but not for ever.
const (
	slowRetry  = 6 * time.Hour
	retryUntil = 7 * 24 * time.Hour // after the window's end
)

// GiveUp ends the extract of a window that was asked for, as [Ledger.Fail] does for a file
// that came. responseID is that of the extract, "" when there is none yet; a window that
// has another by now is left alone.
func (l *Ledger) GiveUp(ctx context.Context, key, responseID string, p *schemas.Permanent, now time.Time) error {
	var failed schemas.WindowEntry
	err := l.change(ctx, key, func(e *schemas.WindowEntry) bool {
		open := e.State == schemas.WindowRequested || e.State == schemas.WindowReady
		if e.ResponseID != responseID || !open {
			return false
		}
		e.State, e.Reason, e.Error, e.Object, e.DueAt = schemas.WindowFailed, p.Reason, p.Err.Error(), p.Object, time.Time{}
		switch {
		case e.Attempts < l.o.MaxAttempts:
			e.DueAt = now.Add(l.delay(e.Attempts))
		case p.Reason != schemas.ReasonRefused && now.Sub(e.Window.To) < retryUntil:
			e.DueAt = now.Add(slowRetry)
		}
		failed = *e
		return true
	})
	if err == nil && failed.State != "" {
		l.logFailed(failed)
	}
	return err
}

// logFailed says that a window failed, and when it is asked for again; one that
// is not is an error.
func (l *Ledger) logFailed(e schemas.WindowEntry) {
	line, message := l.o.Logger.Warn(), "window failed; it is asked for again"
	if e.DueAt.IsZero() {
		line, message = l.o.Logger.Error(), "window failed and is not asked for again before its next re-sweep"
	}
	line.Str("tenant", e.Tenant).Str("kind", string(e.Kind)).Stringer("window", e.Window).Str("reason", string(e.Reason)).
		Str("error", e.Error).Str("object", e.Object).Int("attempt", e.Attempts).Time("due", e.DueAt).Msg(message)
}

// delay is how long a window waits after its k-th failure in a row.
func (l *Ledger) delay(k int) time.Duration {
	return min(l.o.Retry<<min(max(k, 1)-1, 12), max(l.o.Retry, time.Hour))
}
