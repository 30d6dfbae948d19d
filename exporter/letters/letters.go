package letters

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// Stream is the stream of dead letters.
type Stream interface {
	// Read calls f for the messages from a sequence (0: the first) to the end as of the
	// call. An error of f ends it.
	Read(ctx context.Context, from uint64, f func(schemas.Stored) error) error
	// Publish stores a message; nil means stored.
	Publish(ctx context.Context, m schemas.Message) error
}

// Options configure a [Resolver]. Names, Ledger and Stream are required.
type Options struct {
	Names  schemas.Names
	Ledger *ledger.Ledger
	Stream Stream
	// Every is how often it looks. Default 10 s.
	Every  time.Duration
	Logger zerolog.Logger
}

// Resolver follows the dead letters and the ledger.
type Resolver struct {
	o    Options
	from uint64            // of the stream, what has not been read
	open map[string]letter // may be mended, by ce-source and ce-id
	held trouble.Episode
}

// letter is a dead letter that a complete window mends.
type letter struct {
	schemas.DeadLetter
	id string
}

// New checks the options. It does no I/O.
func New(o Options) (*Resolver, error) {
	if o.Names == (schemas.Names{}) || o.Ledger == nil || o.Stream == nil {
		return nil, errors.New("letters: names, ledger and stream are required")
	}
	if o.Every < 0 {
		return nil, errors.New("letters: the time between two looks must not be negative")
	}
	o.Every = cmp.Or(o.Every, 10*time.Second)
	return &Resolver{o: o, open: map[string]letter{}}, nil
}

// Run looks until ctx ends, over all failures, and returns nil.
func (r *Resolver) Run(ctx context.Context) error {
	if r.o.Ledger.Await(ctx) != nil {
		return nil
	}
	for ctx.Err() == nil {
		switch err := r.look(ctx); {
		case err == nil:
			r.held.Over()
		case ctx.Err() == nil:
			if _, changed := r.held.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
				r.o.Logger.Warn().Err(err).Msg("dead letters that were mended are not marked; it is tried again")
			}
		}
		_ = retry.Wait(ctx, r.o.Every) // the loop sees the end
	}
	return nil
}

// look reads what is new, then resolves what has been mended.
func (r *Resolver) look(ctx context.Context) error {
	err := r.o.Stream.Read(ctx, r.from, func(m schemas.Stored) error {
		r.note(m)
		r.from = m.Sequence + 1
		return nil
	})
	if err != nil {
		return err
	}
	for key, d := range r.open {
		e, ok := r.o.Ledger.About(d.DeadLetter)
		if !ok || e.State != schemas.WindowCompleted {
			continue
		}
		if err := r.resolve(ctx, d, e); err != nil {
			return err
		}
		delete(r.open, key)
	}
	return nil
}

// note remembers a letter that can be mended, until it is resolved.
func (r *Resolver) note(m schemas.Stored) {
	source := m.Get("ce-source") + "#"
	switch m.Get("ce-type") {
	case schemas.TypeDeadLetter:
		d := letter{id: m.Get("ce-id")}
		if json.Unmarshal(m.Body, &d.DeadLetter) == nil && d.id != "" && (d.ResponseID != "" || d.Kind != "") {
			r.open[source+d.id] = d
		}
	case schemas.TypeResolved:
		var said schemas.Resolved
		if json.Unmarshal(m.Body, &said) == nil {
			delete(r.open, source+said.Letter)
		}
	}
}

func (r *Resolver) resolve(ctx context.Context, d letter, e schemas.WindowEntry) error {
	m, err := r.o.Names.ResolvedMessage(schemas.Resolved{
		Tenant: d.Tenant, Letter: d.id, Reason: d.Reason, Kind: e.Kind, Window: e.Window, ResponseID: e.ResponseID, At: time.Now().UTC(),
	})
	if err == nil {
		err = r.o.Stream.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("mark dead letter %s resolved: %w", d.id, err)
	}
	r.o.Logger.Info().Str("tenant", e.Tenant).Str("kind", string(e.Kind)).Stringer("window", e.Window).
		Str("reason", string(d.Reason)).Str("letter", d.id).Msg("dead letter resolved: its window is complete")
	return nil
}
