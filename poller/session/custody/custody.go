// Package custody keeps an agent's session with the gateway (its GUID and cookies) in the
// bucket SESSIONS, so that it outlives its owner, takes over what another system puts
// there, and notices an owner with a higher epoch.
//
// It knows nothing of polls: whoever asks the gateway, in whatever way, tells it when the
// session begins ([Custody.Begin]), what came with an answer ([Custody.Keep]) and when it
// ends ([Custody.Release]).
//
// Invariants:
//
//   - An entry with a higher epoch is never overwritten: [ErrFenced].
//   - Every write is a compare-and-set, and a GUID that somebody else put there meanwhile is
//     taken over, never overwritten.
//   - What was the session's own GUID before is not taken for one handed over.
//   - An entry of a session that another system handed over is that system's to make and to
//     remove: one that has gone is not made again, and one that says stop is not resumed.
//   - No GUID and no cookie in a log or an error.
package custody

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aiccbridge/internal/members"
	"aiccbridge/poller/internal/aside"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/schemas"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
)

const (
	defaultPollTimeout = 30 * time.Second

	sideLimit    = 5 * time.Second   // of what must not keep a poll waiting
	resumeWithin = 110 * time.Second // a session not polled for longer was signed out by the gateway (120 s)
	refreshAfter = 60 * time.Second  // + one hold of 10 s: the entry is never older than maxAge
	maxAge       = 70 * time.Second
	lookAfter    = 20 * time.Second // the same where another system may put a new GUID at any time
	cookiesAfter = 5 * time.Second  // new cookies alone are not written more often
)

// ErrFenced says that the agent has an owner with a higher epoch.
var ErrFenced = errors.New("somebody else polls the agent")

// Bucket is a key-value bucket with compare-and-set.
type Bucket interface {
	// Get returns revision 0 and no error for a key that does not exist.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Swap writes if the key is still at revision (0: does not exist). ok is false
	// if somebody was faster.
	Swap(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, ok bool, err error)
}

// Sealer keeps GUIDs from being read in the bucket. What was sealed opens with the
// same context only: the key of the entry, so that nobody can give one agent the
// session of another.
type Sealer interface {
	Seal(plain []byte, context string) (string, error)
	Open(sealed, context string) ([]byte, error)
}

// Session is an agent's session with the gateway, as far as it is in custody.
type Session interface {
	Resume(ticket string)
	Ticket() string // GUID and cookies
	GUID() string
	UpdateGUID(ctx context.Context) error
}

// Record is what custody needs of the record of the agent.
type Record interface {
	Seq() uint64 // of the last message stored
	Forget()     // what follows need not follow on what was
}

// Options are those of one agent. All are required but what says otherwise.
type Options struct {
	Tenant, Agent string
	// Epoch numbers this ownership; an entry with a higher one belongs to somebody else.
	Epoch   uint64
	Entries Bucket // AICC_SESSIONS: schemas.Session by schemas.AgentKey
	Seal    Sealer
	// OthersSignIn: another system makes the entry, may put a new GUID there at any time, and
	// is told there how its session is. Default: nobody but the owner signs the agent in.
	OthersSignIn bool
	// Watched: somebody tells when the entry changes, so that it need not be looked for.
	Watched bool
	// Plain: its sessions stand in the entry in clear. Default: sealed, whatever is not is refused.
	Plain bool
	// PollTimeout is how long a poll of an owner that did not stop may go on. Default: 30 s, the
	// gateway client's own.
	PollTimeout time.Duration
	// Move goes to the node of the gateway that an entry names, "" for the gateway's own
	// address. nil: there are no nodes.
	Move   func(url string) error
	Logger zerolog.Logger // the zero value discards
}

// Custody keeps an agent's session. It is for one goroutine at a time, and for one stay of
// the agent. Use [New].
type Custody struct {
	o       Options
	key     string
	session Session
	record  Record
	log     zerolog.Logger

	entry        schemas.Session // as it is in the bucket, or will be
	further      members.Further // what a newer bridge has in the entry read last
	revision     uint64
	savedAt      time.Time
	refreshAfter time.Duration // since savedAt
	kept         ticket        // of the session, as in entry
	replaced     ticket        // the one before the last new GUID
	past         []string      // GUIDs that the session had before that
	adopted      bool          // while it was live; see Adopted
	offered      bool          // while it was not; see Offered

	quiet       time.Time // from when no poll of the last owner is in flight any more
	live        bool      // the agent is signed in, as far as we know
	rotates     bool      // the GUID changed during the session (AUTHMODE 2)
	doubt       bool      // a new GUID may have been missed
	doubtedGUID string    // the GUID at the time of the poll of unknown outcome

	keeping, reading *insist.Trouble
}

// New has custody of no session yet, and does no I/O.
func New(o Options, s Session, r Record) *Custody {
	due := refreshAfter
	if o.OthersSignIn && !o.Watched {
		due = lookAfter
	}
	return &Custody{
		o: o, refreshAfter: due, key: schemas.AgentKey(o.Tenant, o.Agent), session: s, record: r, log: o.Logger,
		keeping: insist.New(o.Logger), reading: insist.New(o.Logger),
	}
}

// Live reports that the agent is signed in, as far as is known.
func (c *Custody) Live() bool { return c.live }

// Withdrawn reports that the session is not to be polled: who handed it over wants it back,
// or has removed the entry.
func (c *Custody) Withdrawn() bool { return c.gone() || c.o.OthersSignIn && c.entry.Stop }

// gone reports that there is no entry, and that it is not ours to make one.
func (c *Custody) gone() bool { return c.o.OthersSignIn && c.revision == 0 }

// Known reports that nobody has written the entry since the revision.
func (c *Custody) Known(revision uint64) bool { return revision <= c.revision }

// Polled notes when the session was polled.
func (c *Custody) Polled(at time.Time) {
	if c.o.OthersSignIn {
		c.entry.PolledAt = at.UTC()
	}
}

// GUID is that of the session as it was kept last.
func (c *Custody) GUID() string { return c.kept.guid }

// Load reads the agent's entry, for as long as it takes.
func (c *Custody) Load(ctx context.Context) (schemas.Session, error) {
	err := c.keeping.Insist(ctx, "read session entry", func(ctx context.Context) (err error) {
		c.entry, c.revision, err = c.peek(ctx)
		return err
	})
	return c.entry, err
}

// Save writes the entry, for as long as it takes. One that can't be written
// for good costs the resumption, not the polling.
func (c *Custody) Save(ctx context.Context) error {
	err := aside.Run(func() error {
		return c.keeping.Insist(ctx, "write session entry", func(ctx context.Context) error {
			err := c.swap(ctx)
			if errors.Is(err, ErrFenced) {
				return backoff.Permanent(err)
			}
			return err
		})
	})
	if errors.Is(err, ErrFenced) {
		return err
	}
	return insist.Forgive(ctx, c.log, err, "session entry can't be written; the session will not survive a restart")
}

// swap tries once to write the entry. A conflict means that somebody else
// wrote: an owner with a higher epoch, or a system that hands a GUID over.
func (c *Custody) swap(ctx context.Context) error {
	c.entry.Tenant, c.entry.Agent = c.o.Tenant, c.o.Agent
	c.entry.Epoch, c.entry.LastSeq = c.o.Epoch, c.record.Seq()
	for {
		if c.gone() {
			c.savedAt = time.Now()
			return nil
		}
		c.entry.UpdatedAt = time.Now().UTC()
		value, err := members.Encode(c.entry, c.further)
		if err != nil {
			return fmt.Errorf("encode session entry: %w", err)
		}
		revision, ok, err := c.o.Entries.Swap(ctx, c.key, value, c.revision)
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
func (c *Custody) yield(ctx context.Context) error {
	other, revision, err := c.peek(ctx)
	if err != nil {
		return err
	}
	return c.meet(other, revision)
}

// meet takes what somebody else has written: what is his to say, and his session, if it is
// another one. Nothing is written yet.
func (c *Custody) meet(other schemas.Session, revision uint64) error {
	if other.Epoch > c.o.Epoch {
		return ErrFenced
	}
	c.revision = revision
	c.heed(other)
	switch t, ok := c.handed(other); {
	case !ok:
	case c.live:
		c.adopted = c.adopt(t)
	default: // not ours to overwrite; see HandedOver
		c.offered = true
		c.entry.GUID, c.entry.Cookies = other.GUID, other.Cookies
		c.tell("", "", "")
	}
	return nil
}

// heed takes over what the other system says of its session.
func (c *Custody) heed(other schemas.Session) {
	if !c.o.OthersSignIn || c.gone() {
		return
	}
	c.entry.Stop, c.entry.URL = other.Stop, other.URL
	c.entry.HandedOverAt, c.entry.HandedOverBy = other.HandedOverAt, other.HandedOverBy
}

// Look takes what somebody else has written by now, and writes that it is taken. It does not
// keep the poll waiting when the bucket fails.
func (c *Custody) Look(ctx context.Context) error {
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	e, revision, err := c.peek(side)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil || revision == c.revision:
		return nil // the next write sees it
	}
	if err := c.meet(e, revision); err != nil || c.Withdrawn() {
		return err
	}
	return c.Save(ctx)
}

// peek reads the entry as it is now, without taking it over; what a newer bridge has added
// to it stays there when we write. One that can't be read as an entry counts as empty:
// somebody put a bare GUID there, say, and our next write replaces it.
func (c *Custody) peek(ctx context.Context) (schemas.Session, uint64, error) {
	value, revision, err := c.o.Entries.Get(ctx, c.key)
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

// Refresh renews the entry's time, so that the bounds of a gap and the age of the
// session stay honest. It does not keep the poll waiting when the bucket fails.
func (c *Custody) Refresh(ctx context.Context) error {
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	err := c.swap(side)
	switch {
	case err == nil || errors.Is(err, ErrFenced):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	c.savedAt = time.Now() // try again when it is due again
	c.keeping.On("refresh session entry", err, "session entry is not refreshed")
	return nil
}

// RefreshDue reports that the entry is getting old, or was not looked at for a while by
// whoever does not sign the agent in.
func (c *Custody) RefreshDue() bool { return time.Since(c.savedAt) >= c.refreshAfter }
