package custody

import (
	"cmp"
	"context"
	"time"

	"aiccbridge/schemas"
)

// TakeOver goes on with the session of the entry just read, if there is one that may be
// alive. One that others care for is, however old the entry.
func (c *Custody) TakeOver() bool {
	was, silent := c.entry, time.Since(c.entry.UpdatedAt)
	if was.Polling { // by an owner that did not stop, and polled on after it wrote this
		silent -= maxAge
	}
	c.entry.Polling = false
	if c.o.OthersSignIn {
		c.quiet = c.quietAfter(was)
		return c.accept()
	}
	c.entry.GUID = ""
	if silent < resumeWithin {
		if t, ok := c.handed(was); ok && c.adopt(t) {
			return true
		}
	}
	c.replaced = ticket{sealed: was.GUID}
	return false
}

// quietAfter is from when no poll of the last owner is in flight any more. One that was itself
// waiting for that, and did not come to say that the session is given back, had begun to when it
// wrote the entry.
func (c *Custody) quietAfter(was schemas.Session) time.Time {
	limit := cmp.Or(c.o.PollTimeout, defaultPollTimeout)
	switch {
	case was.Polling:
		return time.Now().Add(limit)
	case was.Stop && (was.Phase == "" || was.Phase == schemas.SessionPolling):
		return was.UpdatedAt.Add(limit)
	}
	return time.Time{}
}

// Decline leaves the session of the entry just read: it is not one that can be gone on with.
func (c *Custody) Decline() {
	c.replaced = ticket{sealed: c.entry.GUID}
	c.entry.Polling, c.entry.GUID = false, ""
}

// Quiet is when a session that is wanted back can be said to be: an owner that did not stop may
// have a poll in flight until then. The past: nothing is waited for.
func (c *Custody) Quiet() time.Time {
	if !c.Withdrawn() {
		return time.Time{}
	}
	return c.quiet
}

// accept goes on with the session of the entry just read, if it is another one and may be
// polled, or notes why not.
func (c *Custody) accept() bool {
	switch t, ok := c.handed(c.entry); {
	case c.Withdrawn():
		c.forget()
		if !time.Now().Before(c.quiet) {
			c.tell(schemas.SessionReturned, "", "")
		}
		return false
	case ok && c.adopt(t):
		return true
	case c.entry.GUID != "" && c.entry.Phase == "":
		c.tell(schemas.SessionRefused, "guid is of a session that has ended", "")
	}
	c.replaced.sealed = c.entry.GUID // don't try, and don't complain, again
	return false
}

// HandedOver looks whether another system handed a GUID over, and takes it. What it says of
// one that cannot be taken, or is wanted back, is written.
func (c *Custody) HandedOver(ctx context.Context) (bool, error) {
	switch entry, err := c.Load(ctx); {
	case err != nil:
		return false, err
	case entry.Epoch > c.o.Epoch:
		return false, ErrFenced
	}
	was := c.entry.Phase
	if c.accept() {
		return true, nil
	}
	if c.entry.Phase == was {
		return false, nil
	}
	c.entry.Polling = false
	return false, c.Save(ctx)
}

// Newer reports whether another GUID than the one used is known: from the
// answer itself, or from the bucket, where another system may have put it.
func (c *Custody) Newer(ctx context.Context, used string) (bool, error) {
	if c.kept.guid != used {
		return true, nil
	}
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	e, revision, err := c.peek(side)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return false, nil
	case e.Epoch <= c.o.Epoch && revision == c.revision:
		return false, nil
	}
	if err := c.meet(e, revision); err != nil || c.kept.guid == used {
		return false, err
	}
	return true, c.Save(ctx)
}

// Adopted reports, once, that another session has been put in the place of a live one.
func (c *Custody) Adopted() bool {
	was := c.adopted
	c.adopted = false
	return was
}

// Offered reports, once, that another session was found in the entry as it was written for the
// end of the last one: it waits to be taken.
func (c *Custody) Offered() bool {
	was := c.offered
	c.offered = false
	return was
}

// Begin is for a session that is polled from now on; nothing is written yet.
func (c *Custody) Begin() {
	c.live, c.rotates, c.entry.Polling, c.past = true, false, true, nil
	c.tell(schemas.SessionPolling, "", "")
}

// tell puts into the entry how the session is, for the system that handed it over.
func (c *Custody) tell(phase schemas.SessionPhase, cause, code string) {
	if c.o.OthersSignIn {
		c.entry.Phase, c.entry.Cause, c.entry.Code = phase, cause, code
	}
}

// Over writes that the session has ended, why, and with which code of the gateway: nobody
// polls it any more, and there is none to be resumed.
func (c *Custody) Over(ctx context.Context, cause, code string) error {
	c.live, c.entry.Polling = false, false
	c.kept, c.replaced, c.entry.GUID, c.entry.Cookies = ticket{}, c.kept, "", nil
	c.tell(schemas.SessionOver, cause, code)
	return c.Save(ctx)
}

// Release writes that nobody polls the session any more, which goes on.
func (c *Custody) Release(ctx context.Context) error {
	c.live, c.entry.Polling = false, false
	if c.session.Ticket() != c.kept.plain { // cookies that were not due yet
		c.Take()
	}
	c.tell(schemas.SessionLeft, "", "")
	if c.o.OthersSignIn && c.entry.Stop {
		c.tell(schemas.SessionReturned, "", "")
	}
	err := c.Save(ctx)
	if c.Withdrawn() {
		c.forget()
	}
	return err
}

// forget lets the same session be handed over once more.
func (c *Custody) forget() { c.kept, c.replaced, c.past = ticket{}, ticket{}, nil }
