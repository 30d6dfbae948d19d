package poller

import (
	"context"
	"strings"
	"time"
)

// ticket is a session written down.
type ticket struct {
	guid   string // tells sessions and their rotations apart
	plain  string // what resumes it: GUID and cookies
	sealed string // plain as it is in the bucket; "" if it could not be sealed
}

// handed opens a sealed ticket of the entry. ok is false when there is none, when
// it can't be opened, and when it is our own: the current one, or the one before,
// which a write whose answer was lost, or came late, may have left there.
func (s *stint) handed(sealed string) (t ticket, ok bool) {
	if sealed == "" || sealed == s.replaced.sealed {
		return ticket{}, false
	}
	plain, err := s.pool.Seal.Open(sealed, s.key)
	if err != nil || len(plain) == 0 {
		s.log.Warn().Err(err).Msg("kept session can't be opened; was it sealed with another key file?")
		return ticket{}, false
	}
	guid, _, _ := strings.Cut(string(plain), "\n")
	if guid == s.kept.guid || guid == s.replaced.guid {
		return ticket{}, false
	}
	return ticket{guid: guid, plain: string(plain), sealed: sealed}, true
}

// adopt goes on with a session from the bucket.
func (s *stint) adopt(t ticket) {
	s.sequence.Forget()
	s.seat.session.Resume(t.plain)
	s.kept = ticket{guid: s.seat.session.GUID(), plain: s.seat.session.Ticket(), sealed: t.sealed}
	s.entry.GUID = t.sealed
}

// keepTicket stores the session if it changed. The next poll must wait for a new
// GUID, without which there is nothing to resume. Cookies are written now and then
// only: a load balancer may change them with every answer.
func (s *stint) keepTicket(ctx context.Context) error {
	switch guid, plain := s.seat.session.GUID(), s.seat.session.Ticket(); {
	case plain == s.kept.plain:
		return nil
	case guid == s.kept.guid && time.Since(s.savedAt) < cookiesAfter:
		return nil
	case guid == s.kept.guid:
		s.sealTicket()
		return s.refresh(ctx)
	}
	if !s.sealTicket() {
		return nil // the session goes on, it just can't be resumed
	}
	return s.saveEntry(ctx)
}

// sealTicket puts the session as it is now into the entry. Unsealed is not
// unusable: such a session just can't be resumed.
func (s *stint) sealTicket() bool {
	t := ticket{guid: s.seat.session.GUID(), plain: s.seat.session.Ticket()}
	sealed, err := s.pool.Seal.Seal([]byte(t.plain), s.key)
	if err != nil {
		s.log.Error().Err(err).Msg("session can't be sealed and will not survive a restart")
	} else {
		t.sealed = sealed
	}
	if t.guid != s.kept.guid {
		s.replaced = s.kept
	}
	s.kept, s.entry.GUID = t, t.sealed
	return err == nil
}
