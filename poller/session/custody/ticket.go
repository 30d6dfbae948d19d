package custody

import (
	"context"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// mostPast is how many GUIDs of a session are known again. Each lasts for a minute or so.
const mostPast = 8

// ticket is a session written down.
type ticket struct {
	guid   string // tells sessions and their rotations apart
	plain  string // what resumes it: GUID and cookies
	sealed string // GUID as it is in the bucket; "" if it could not be sealed
	url    string // of its node; "": the gateway's
}

// handed is the session of an entry. ok is false when there is none, when
// it can't be opened, and when it is our own: the current one, or one before,
// which a write whose answer was lost, or came late, may have left there.
func (c *Custody) handed(e schemas.Session) (t ticket, ok bool) {
	if e.GUID == "" || e.GUID == c.replaced.sealed {
		return ticket{}, false
	}
	plain, err := c.open(e)
	if err != nil || plain == "" {
		c.log.Warn().Err(err).Msg("kept session can't be opened; was it sealed with another key file?")
		c.tell(schemas.SessionRefused, "guid is not sealed with the bridges' key for this agent", "")
		return ticket{}, false
	}
	guid, _, _ := strings.Cut(plain, "\n")
	if guid == c.kept.guid || guid == c.replaced.guid || slices.Contains(c.past, guid) {
		return ticket{}, false
	}
	return ticket{guid: guid, plain: plain, sealed: e.GUID, url: e.URL}, true
}

// open is the session of an entry as it is resumed.
func (c *Custody) open(e schemas.Session) (string, error) {
	plain, err := c.o.Seal.Open(e.GUID, c.key)
	if err != nil && c.o.Plain {
		return strings.Join(append([]string{e.GUID}, e.Cookies...), "\n"), nil
	}
	return string(plain), err
}

// adopt goes on with a session from the bucket, if it can be used.
func (c *Custody) adopt(t ticket) bool {
	if c.o.Move != nil {
		if err := c.o.Move(t.url); err != nil {
			c.log.Warn().Err(err).Msg("session that was handed over is not polled")
			c.tell(schemas.SessionRefused, "url names no node that the bridge may poll", "")
			if c.live { // at its own node
				c.entry.URL = c.kept.url
			}
			return false
		}
	}
	c.record.Forget()
	c.session.Resume(t.plain)
	c.kept, c.past = ticket{guid: c.session.GUID(), plain: c.session.Ticket(), sealed: t.sealed, url: t.url}, nil
	c.entry.GUID, c.entry.Cookies = t.sealed, nil
	if c.o.Plain && c.o.OthersSignIn {
		c.entry.GUID, c.entry.Cookies = c.inClear()
		c.kept.sealed = c.entry.GUID
	}
	c.tell(schemas.SessionPolling, "", "")
	return true
}

// inClear is the session as it stands in an entry in clear.
func (c *Custody) inClear() (guid string, cookies []string) {
	lines := strings.Split(c.session.Ticket(), "\n")
	return lines[0], lines[1:]
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
	t, cookies := ticket{guid: c.session.GUID(), plain: c.session.Ticket(), url: c.kept.url}, []string(nil)
	var err error
	if c.o.Plain && c.o.OthersSignIn {
		t.sealed, cookies = c.inClear()
	} else if t.sealed, err = c.o.Seal.Seal([]byte(t.plain), c.key); err != nil {
		t.sealed = ""
		c.log.Error().Err(err).Msg("session can't be sealed and will not survive a restart")
	}
	if t.guid != c.kept.guid {
		c.past = append(c.past[max(0, len(c.past)-mostPast+1):], c.replaced.guid)
		c.replaced = c.kept
	}
	c.kept, c.entry.GUID, c.entry.Cookies = t, t.sealed, cookies
	return err == nil
}
