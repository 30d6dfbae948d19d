package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aiccbridge/internal/members"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/schemas"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
)

const (
	resumeWithin = 110 * time.Second // a session not polled for longer was signed out by the gateway (120 s)
	refreshAfter = 60 * time.Second  // + one hold of 10 s: the entry is never older than maxAge
	maxAge       = 70 * time.Second
	lookAfter    = 20 * time.Second // the same where another system may put a new GUID at any time
	cookiesAfter = 5 * time.Second  // new cookies alone are not written more often
)

// errFenced says that the agent has an owner with a higher epoch.
var errFenced = errors.New("somebody else polls the agent")

// holder is the part of the gateway's session that is in custody.
type holder interface {
	Resume(ticket string)
	Ticket() string // GUID and cookies
	GUID() string
	UpdateGUID(ctx context.Context) error
}

// numbered is what custody needs of the record of the agent.
type numbered interface {
	Seq() uint64
	Forget()
}

// custody keeps an agent's session (its GUID and cookies, sealed) in the bucket
// SESSIONS, so that it survives us, takes over what another system puts there, and
// notices an owner with a higher epoch.
type custody struct {
	o      Options
	agent  string
	key    string
	holder holder
	record numbered
	log    zerolog.Logger

	entry        schemas.Session // as it is in the bucket, or will be
	further      members.Further // what a newer bridge has in the entry read last
	revision     uint64
	savedAt      time.Time
	refreshAfter time.Duration // since savedAt
	kept         ticket        // of the session, as in entry
	replaced     ticket        // the one before the last new GUID

	live        bool   // the agent is signed in, as far as we know
	rotates     bool   // the GUID changed during the session (AUTHMODE 2)
	doubt       bool   // a new GUID may have been missed
	doubtedGUID string // the GUID at the time of the poll of unknown outcome

	keeping, reading *insist.Trouble
}

func newCustody(o Options, a Agent, h holder, r numbered, log zerolog.Logger) *custody {
	due := refreshAfter
	if a.Password == "" {
		due = lookAfter
	}
	return &custody{
		o: o, agent: a.ID, refreshAfter: due, key: schemas.AgentKey(o.Tenant, a.ID), holder: h, record: r, log: log,
		keeping: insist.New(log), reading: insist.New(log),
	}
}

// guid is that of the session as it was kept last.
func (c *custody) guid() string { return c.kept.guid }

// load reads the agent's entry, for as long as it takes.
func (c *custody) load(ctx context.Context) (schemas.Session, error) {
	err := c.keeping.Insist(ctx, "read session entry", func(ctx context.Context) (err error) {
		c.entry, c.revision, err = c.peek(ctx)
		return err
	})
	return c.entry, err
}

// save writes the entry, for as long as it takes. One that can't be written
// for good costs the resumption, not the polling.
func (c *custody) save(ctx context.Context) error {
	err := aside(func() error {
		return c.keeping.Insist(ctx, "write session entry", func(ctx context.Context) error {
			err := c.swap(ctx)
			if errors.Is(err, errFenced) {
				return backoff.Permanent(err)
			}
			return err
		})
	})
	if errors.Is(err, errFenced) {
		return err
	}
	return insist.Forgive(ctx, c.log, err, "session entry can't be written; the session will not survive a restart")
}

// swap tries once to write the entry. A conflict means that somebody else
// wrote: an owner with a higher epoch, or a system that hands a GUID over.
func (c *custody) swap(ctx context.Context) error {
	c.entry.Tenant, c.entry.Agent = c.o.Tenant, c.agent
	c.entry.Epoch, c.entry.LastSeq = c.o.Epoch, c.record.Seq()
	for {
		c.entry.UpdatedAt = time.Now().UTC()
		value, err := members.Encode(c.entry, c.further)
		if err != nil {
			return fmt.Errorf("encode session entry: %w", err)
		}
		revision, ok, err := c.o.Sessions.Swap(ctx, c.key, value, c.revision)
		if err != nil {
			return err
		}
		if ok {
			c.revision, c.savedAt = revision, time.Now()
			return nil
		}
		if err := c.yield(ctx); err != nil {
			return err
		}
	}
}

// yield looks who was faster, and takes over a GUID that was handed to us.
func (c *custody) yield(ctx context.Context) error {
	other, revision, err := c.peek(ctx)
	if err != nil {
		return err
	}
	if other.Epoch > c.o.Epoch {
		return errFenced
	}
	c.revision = revision
	switch t, ok := c.handed(other.GUID); {
	case !ok:
	case c.live:
		c.adopt(t)
	default:
		c.entry.GUID = t.sealed // not ours to overwrite; see handedOver
	}
	return nil
}

// peek reads the entry as it is now, without taking it over; what a newer bridge has added
// to it stays there when we write. One that can't be read as an entry counts as empty:
// somebody put a bare GUID there, say, and our next write replaces it.
func (c *custody) peek(ctx context.Context) (schemas.Session, uint64, error) {
	value, revision, err := c.o.Sessions.Get(ctx, c.key)
	if err == nil {
		c.further = nil
	}
	if err != nil || len(value) == 0 {
		return schemas.Session{}, revision, err
	}
	var e schemas.Session
	if c.further, err = members.Decode(value, &e); err != nil {
		// The error would quote a byte of what may be a GUID.
		c.reading.On("undecodable", nil, "session entry is not the JSON it should be and counts as empty")
		return schemas.Session{}, revision, nil
	}
	c.reading.Over("session entry can be read again")
	return e, revision, nil
}

// refresh renews the entry's time, so that the bounds of a gap and the age of the
// session stay honest. It does not keep the poll waiting when the bucket fails.
func (c *custody) refresh(ctx context.Context) error {
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	err := c.swap(side)
	switch {
	case err == nil || errors.Is(err, errFenced):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	c.savedAt = time.Now() // try again when it is due again
	c.keeping.On("refresh session entry", err, "session entry is not refreshed")
	return nil
}

// refreshDue reports that the entry is getting old, or was not looked at for a while by
// whoever does not sign the agent in.
func (c *custody) refreshDue() bool { return time.Since(c.savedAt) >= c.refreshAfter }

// takeOver goes on with the session of the entry just read, if there is one that may be
// alive. One that others care for is, however old the entry.
func (c *custody) takeOver(othersCare bool) bool {
	sealed, silent := c.entry.GUID, time.Since(c.entry.UpdatedAt)
	if c.entry.Polling { // by an owner that did not stop, and polled on after it wrote this
		silent -= maxAge
	}
	c.entry.Polling, c.entry.GUID = false, ""
	if silent < resumeWithin || othersCare {
		if t, ok := c.handed(sealed); ok {
			c.adopt(t)
			return true
		}
	}
	c.replaced = ticket{sealed: sealed}
	return false
}

// handedOver looks whether another system handed a GUID over, and takes it.
func (c *custody) handedOver(ctx context.Context) (bool, error) {
	switch entry, err := c.load(ctx); {
	case err != nil:
		return false, err
	case entry.Epoch > c.o.Epoch:
		return false, errFenced
	}
	t, ok := c.handed(c.entry.GUID)
	if !ok {
		c.replaced.sealed = c.entry.GUID // don't try, and don't complain, again
		return false, nil
	}
	c.adopt(t)
	return true, nil
}

// newer reports whether another GUID than the one used is known: from the
// answer itself, or from the bucket, where another system may have put it.
func (c *custody) newer(ctx context.Context, used string) (bool, error) {
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
	case e.Epoch > c.o.Epoch:
		return false, errFenced
	}
	t, ok := c.handed(e.GUID)
	if !ok {
		return false, nil
	}
	c.adopt(t)
	c.revision = revision
	return c.kept.guid != used, c.save(ctx)
}

// begin is for a session that is polled from now on; nothing is written yet.
func (c *custody) begin() {
	c.live, c.rotates, c.entry.Polling = true, false, true
}

// release writes that nobody polls the session any more. over: there is none to be
// resumed either.
func (c *custody) release(ctx context.Context, over bool) error {
	c.live, c.entry.Polling = false, false
	switch {
	case over:
		c.kept, c.replaced, c.entry.GUID = ticket{}, c.kept, ""
	case c.holder.Ticket() != c.kept.plain: // cookies that were not due yet
		c.sealTicket()
	}
	return c.save(ctx)
}

// rotatedSince notes that the GUID is not the one used, because an answer told another.
func (c *custody) rotatedSince(used string) { c.rotates = c.rotates || c.kept.guid != used }

// mayHaveMissed notes a poll of unknown outcome: its answer may have told a new GUID.
func (c *custody) mayHaveMissed() { c.doubt, c.doubtedGUID = true, c.kept.guid }

// renew follows a poll of unknown outcome, as soon as the gateway answers
// again. The lost answer may have told a new GUID, without which the old one dies
// within 120 s. In a session whose GUID rotates and was not replaced since, ask for
// another.
func (c *custody) renew(ctx context.Context) error {
	if !c.doubt {
		return nil
	}
	c.doubt = false
	if !c.rotates || c.kept.guid != c.doubtedGUID {
		return nil
	}
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	if err := c.holder.UpdateGUID(side); err != nil {
		c.log.Warn().Err(err).Msg("guid is not renewed; the session may end within two minutes")
	}
	return c.keepTicket(ctx)
}
