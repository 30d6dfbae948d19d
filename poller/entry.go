package poller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// errFenced says that the agent has an owner with a higher epoch.
var errFenced = errors.New("somebody else polls the agent")

// insist repeats f until it succeeds, ctx ends, or trying again is no use: the
// agent has a new owner, or the error is permanent. Store and buckets repeat by
// themselves; the pause only keeps one that does not from being asked without end.
func (s *stint) insist(ctx context.Context, t *trouble, what string, f func(context.Context) error) error {
	for {
		err := f(ctx)
		permanent := (*schemas.Permanent)(nil)
		switch {
		case err == nil:
			t.over(s.log, "storing works again")
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errFenced) || errors.As(err, &permanent):
			return err
		}
		t.on(s.log, what, err, "not stored; no poll until it is")
		if err := retry.Wait(ctx, storeGap); err != nil {
			return err
		}
	}
}

// loadEntry reads the agent's entry, for as long as it takes.
func (s *stint) loadEntry(ctx context.Context) error {
	return s.insist(ctx, &s.keeping, "read session entry", func(ctx context.Context) (err error) {
		s.entry, s.revision, err = s.peekEntry(ctx)
		return err
	})
}

// saveEntry writes the entry, for as long as it takes. One that can't be written
// for good costs the resumption, not the polling.
func (s *stint) saveEntry(ctx context.Context) error {
	err := s.insist(ctx, &s.keeping, "write session entry", s.swapEntry)
	if errors.Is(err, errFenced) {
		return err
	}
	return s.forgive(ctx, err, "session entry can't be written; the session will not survive a restart")
}

// swapEntry tries once to write the entry. A conflict means that somebody else
// wrote: an owner with a higher epoch, or a system that hands a GUID over.
func (s *stint) swapEntry(ctx context.Context) error {
	s.entry.Tenant, s.entry.Agent = s.pool.Tenant, s.agent.ID
	s.entry.Epoch, s.entry.LastSeq = s.pool.Epoch, s.seat.seq
	for {
		s.entry.UpdatedAt = time.Now().UTC()
		value, err := json.Marshal(s.entry)
		if err != nil {
			return fmt.Errorf("encode session entry: %w", err)
		}
		revision, ok, err := s.pool.Sessions.Swap(ctx, s.key, value, s.revision)
		if err != nil {
			return err
		}
		if ok {
			s.revision, s.savedAt = revision, time.Now()
			return nil
		}
		if err := s.yield(ctx); err != nil {
			return err
		}
	}
}

// yield looks who was faster, and takes over a GUID that was handed to us.
func (s *stint) yield(ctx context.Context) error {
	other, revision, err := s.peekEntry(ctx)
	if err != nil {
		return err
	}
	if other.Epoch > s.pool.Epoch {
		return errFenced
	}
	s.revision = revision
	switch t, ok := s.handed(other.GUID); {
	case !ok:
	case s.live:
		s.adopt(t)
	default:
		s.entry.GUID = t.sealed // not ours to overwrite; see await
	}
	return nil
}

// peekEntry reads the entry as it is now, without taking it over. One that can't
// be read as an entry counts as empty: somebody put a bare GUID there, say, and
// our next write replaces it.
func (s *stint) peekEntry(ctx context.Context) (schemas.Session, uint64, error) {
	value, revision, err := s.pool.Sessions.Get(ctx, s.key)
	if err != nil || len(value) == 0 {
		return schemas.Session{}, revision, err
	}
	var e schemas.Session
	if err := json.Unmarshal(value, &e); err != nil {
		// The error would quote a byte of what may be a GUID.
		s.reading.on(s.log, "undecodable", nil, "session entry is not the JSON it should be and counts as empty")
		return schemas.Session{}, revision, nil
	}
	s.reading.over(s.log, "session entry can be read again")
	return e, revision, nil
}

// refresh renews the entry's time, so that the bounds of a gap and the age of the
// session stay honest. It does not keep the poll waiting when the bucket fails.
func (s *stint) refresh(ctx context.Context) error {
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	err := s.swapEntry(side)
	switch {
	case err == nil || errors.Is(err, errFenced):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	s.savedAt = time.Now() // try again when it is due again
	s.keeping.on(s.log, "refresh session entry", err, "session entry is not refreshed")
	return nil
}
