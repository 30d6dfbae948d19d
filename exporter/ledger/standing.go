package ledger

import (
	"time"

	"aiccbridge/schemas"
)

// Standing is what an operator wants to know of a tenant's windows.
type Standing struct {
	// Failing is how many windows have failed in as many extracts in a row as
	// Options.MaxAttempts or more, and are not complete. Windows that ended more than a
	// week ago are left out.
	Failing int
	Reason  schemas.Reason // of the newest of them that has one
	// Predicted is how many windows' files were fetched by their predicted names.
	Predicted int
	// Heard: a callback has arrived at least once, as far as the ledger knows.
	Heard bool
}

// Standing looks over the windows of a tenant.
func (l *Ledger) Standing(tenant string, now time.Time) (s Standing) {
	var newest time.Time
	l.Each(tenant, func(e schemas.WindowEntry) {
		switch e.Via {
		case schemas.ViaCallback:
			s.Heard = true
		case schemas.ViaPredicted:
			s.Predicted++
		}
		if e.Attempts < l.o.MaxAttempts || e.State == schemas.WindowCompleted || now.Sub(e.Window.To) >= retryUntil {
			return
		}
		s.Failing++
		if e.Reason != "" && e.Window.From.After(newest) {
			s.Reason, newest = e.Reason, e.Window.From
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Heard = s.Heard || l.heard[tenant]
	return s
}

// hear notes that a callback has arrived.
func (l *Ledger) hear(n schemas.FileNotice) {
	if n.Via == schemas.ViaCallback {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard[n.Tenant] = true
	}
}
