package ledger

import (
	"time"

	"aiccbridge/schemas"
)

// enoughUncalled is how many files without a callback mean that none arrives.
const enoughUncalled = 3

// Standing is what an operator wants to know of a tenant's windows.
type Standing struct {
	// Failing is how many windows have failed in as many extracts in a row as
	// Options.MaxAttempts or more, and are not complete. Windows that ended more than a
	// week ago are left out.
	Failing int
	Reason  schemas.Reason // of the newest of them that has one
	// Called is when a callback arrived last, as far as the ledger knows; zero: never.
	Called time.Time
	// Uncalled is how many windows have waited for their callback in vain since then: their
	// files were fetched by predicted names, or not at all. Once a callback has arrived,
	// those asked for before this process began do not count: it was not there to hear.
	Uncalled int
}

// Silent reports that the platform's callbacks do not arrive.
func (s Standing) Silent() bool { return s.Uncalled >= enoughUncalled }

// Standing looks over the windows of a tenant.
func (l *Ledger) Standing(tenant string, now time.Time) (s Standing) {
	l.mu.Lock()
	s.Called = l.heard[tenant]
	l.mu.Unlock()
	l.Each(tenant, func(e schemas.WindowEntry) {
		if e.Via == schemas.ViaCallback && e.ReadyAt.After(s.Called) {
			s.Called = e.ReadyAt
		}
	})
	var newest schemas.WindowEntry
	l.Each(tenant, func(e schemas.WindowEntry) {
		if l.uncalled(e, s.Called) {
			s.Uncalled++
		}
		if failures(e) < l.o.MaxAttempts || now.Sub(e.Window.To) >= retryUntil {
			return
		}
		s.Failing++
		if later := e.Window.From.Compare(newest.Window.From); e.Reason != "" && (later > 0 || later == 0 && e.Kind < newest.Kind) {
			s.Reason, newest = e.Reason, e // of several kinds always the same, or the alarm would change with each look
		}
	})
	return s
}

// uncalled reports a window that waited for its callback in vain after one had arrived.
func (l *Ledger) uncalled(e schemas.WindowEntry, called time.Time) bool {
	if !called.IsZero() && (e.RequestedAt.Before(called) || e.RequestedAt.Before(l.begun)) {
		return false
	}
	return e.Via == schemas.ViaPredicted ||
		e.Via == "" && e.State == schemas.WindowFailed && e.Reason == schemas.ReasonOverdue
}

// failures is how many extracts in a row have failed.
func failures(e schemas.WindowEntry) int {
	switch e.State {
	case schemas.WindowCompleted:
		return 0
	case schemas.WindowRequested, schemas.WindowReady: // one is under way
		return e.Attempts - 1
	}
	return e.Attempts
}

// hear notes that a callback has arrived.
func (l *Ledger) hear(n schemas.FileNotice) {
	if n.Via != schemas.ViaCallback {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.ReceivedAt.After(l.heard[n.Tenant]) {
		l.heard[n.Tenant] = n.ReceivedAt
	}
}
