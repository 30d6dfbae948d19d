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

// loadEntry reads the agent's entry, for as long as it takes. One that can't be
// read as an entry counts as empty: it is about to be replaced.
func (s *stint) loadEntry(ctx context.Context) error {
	value, err := s.persist(ctx, "read session entry", func(ctx context.Context) ([]byte, error) {
		value, revision, err := s.pool.Sessions.Get(ctx, s.key)
		if err == nil {
			s.revision = revision
		}
		return value, err
	})
	if err != nil {
		return err
	}
	s.entry = schemas.Session{}
	if len(value) > 0 {
		if err := json.Unmarshal(value, &s.entry); err != nil {
			s.log.Error().Err(err).Msg("session entry can't be read and is replaced")
			s.entry = schemas.Session{}
		}
	}
	return nil
}

// saveEntry writes the entry, for as long as it takes.
func (s *stint) saveEntry(ctx context.Context) error {
	_, err := s.persist(ctx, "write session entry", func(ctx context.Context) ([]byte, error) {
		return nil, s.swapEntry(ctx)
	})
	return err
}

// persist repeats f until it succeeds, ctx ends, or the agent has a new owner.
func (s *stint) persist(ctx context.Context, what string, f func(context.Context) ([]byte, error)) ([]byte, error) {
	pauses := retry.NewBackOff(minGap, maxStoreGap)
	for {
		value, err := f(ctx)
		switch {
		case err == nil:
			s.keeping.over(s.log, "session entry works again")
			return value, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, errFenced):
			return nil, err
		}
		s.keeping.on(s.log, what, err, "session entry is not kept; no poll until it is")
		if err := retry.Wait(ctx, pauses.NextBackOff()); err != nil {
			return nil, err
		}
	}
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
	// Our own write whose answer was lost looks like somebody else's; the sealed
	// text tells them apart, it is never the same twice.
	if other.GUID == "" || other.GUID == s.entry.GUID || other.GUID == s.replaced {
		return nil
	}
	if !s.live {
		s.entry.GUID = other.GUID // not ours to overwrite; see await
	} else {
		s.adopt(other.GUID)
	}
	return nil
}

// peekEntry reads the entry as it is now, without taking it over.
func (s *stint) peekEntry(ctx context.Context) (schemas.Session, uint64, error) {
	var e schemas.Session
	value, revision, err := s.pool.Sessions.Get(ctx, s.key)
	if err == nil && len(value) > 0 {
		err = json.Unmarshal(value, &e)
	}
	return e, revision, err
}

// adopt goes on with a GUID from the bucket.
func (s *stint) adopt(sealed string) bool {
	plain, err := s.pool.Seal.Open(sealed)
	if err != nil || len(plain) == 0 {
		s.log.Warn().Err(err).Msg("kept session can't be opened; was it sealed with another key file?")
		return false
	}
	s.seat.session.Resume(string(plain))
	s.guid, s.entry.GUID = s.seat.session.Ticket(), sealed
	return true
}

// keepGUID stores the session's GUID if it changed; the next poll must wait for it.
func (s *stint) keepGUID(ctx context.Context) error {
	guid := s.seat.session.Ticket()
	if guid == s.guid {
		return nil
	}
	if err := s.sealGUID(guid); err != nil {
		return nil // the session goes on, it just can't be resumed
	}
	return s.saveEntry(ctx)
}

func (s *stint) sealGUID(guid string) error {
	s.guid, s.replaced = guid, s.entry.GUID
	sealed, err := s.pool.Seal.Seal([]byte(guid))
	if err != nil {
		s.entry.GUID = ""
		s.log.Error().Err(err).Msg("session can't be sealed and will not survive a restart")
		return err
	}
	s.entry.GUID = sealed
	return nil
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
