package custody

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
func (c *Custody) handed(sealed string) (t ticket, ok bool) {
	if sealed == "" || sealed == c.replaced.sealed {
		return ticket{}, false
	}
	plain, err := c.o.Seal.Open(sealed, c.key)
	if err != nil || len(plain) == 0 {
		c.log.Warn().Err(err).Msg("kept session can't be opened; was it sealed with another key file?")
		return ticket{}, false
	}
	guid, _, _ := strings.Cut(string(plain), "\n")
	if guid == c.kept.guid || guid == c.replaced.guid {
		return ticket{}, false
	}
	return ticket{guid: guid, plain: string(plain), sealed: sealed}, true
}

// adopt goes on with a session from the bucket.
func (c *Custody) adopt(t ticket) {
	c.record.Forget()
	c.session.Resume(t.plain)
	c.kept = ticket{guid: c.session.GUID(), plain: c.session.Ticket(), sealed: t.sealed}
	c.entry.GUID = t.sealed
}

// Keep stores the session if it changed. The next poll must wait for a new
// GUID, without which there is nothing to resume. Cookies are written now and then
// only: a load balancer may change them with every answer.
func (c *Custody) Keep(ctx context.Context) error {
	switch guid, plain := c.session.GUID(), c.session.Ticket(); {
	case plain == c.kept.plain:
		return nil
	case guid == c.kept.guid && time.Since(c.savedAt) < cookiesAfter:
		return nil
	case guid == c.kept.guid:
		c.Take()
		return c.Refresh(ctx)
	}
	if !c.Take() {
		return nil // the session goes on, it just can't be resumed
	}
	return c.Save(ctx)
}

// Take puts the session as it is now into the entry. Unsealed is not
// unusable: such a session just can't be resumed.
func (c *Custody) Take() bool {
	t := ticket{guid: c.session.GUID(), plain: c.session.Ticket()}
	sealed, err := c.o.Seal.Seal([]byte(t.plain), c.key)
	if err != nil {
		c.log.Error().Err(err).Msg("session can't be sealed and will not survive a restart")
	} else {
		t.sealed = sealed
	}
	if t.guid != c.kept.guid {
		c.replaced = c.kept
	}
	c.kept, c.entry.GUID = t, t.sealed
	return err == nil
}
