package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"aiccbridge/exporter/archive"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// Statements are the stream of statements about the data.
type Statements interface {
	Publisher
	// Stored reports whether a message with m's id is on its subject, among those that
	// came since a time.
	Stored(ctx context.Context, m schemas.Message, since time.Time) (bool, error)
}

const (
	// attemptsDrift: from this attempt on a file's rows do not wait for what is to be said
	// of its shape.
	attemptsDrift = 3
	// driftPatience is how long it may take to say it.
	driftPatience = 10 * time.Second
	// maxRemembered bounds what is remembered of it; beyond that the stream is asked again.
	maxRemembered = 10_000
)

// remembered are the statements that were made, or are being made, by their
// [schemas.Message.MsgID]. It is safe for concurrent use.
type remembered struct {
	mu   sync.Mutex
	said map[string]bool
}

// take reports whether a statement is the caller's to make.
func (r *remembered) take(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said[id] {
		return false
	}
	if r.said == nil || len(r.said) >= maxRemembered {
		r.said = map[string]bool{}
	}
	r.said[id] = true
	return true
}

// leave gives back a statement that could not be made.
func (r *remembered) leave(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.said, id)
}

// sayShapes says what is new about the shape of a file's members.
func (x *export) sayShapes(ctx context.Context, a *archive.Archive) error {
	for _, m := range a.Members {
		if err := x.sayAll(ctx, x.driftsOf(m)); err != nil {
			return fmt.Errorf("say what is new about the shape of %s: %w", m.Name, err)
		}
	}
	return nil
}

func (x *export) sayAll(ctx context.Context, drifts []schemas.Drift) (err error) {
	for i := 0; i < len(drifts) && err == nil; i++ {
		err = x.say(ctx, drifts[i])
	}
	return err
}

// driftsOf is what is new about a member.
func (x *export) driftsOf(m archive.Member) (all []schemas.Drift) {
	note := func(d schemas.Drift, records int) {
		d.Kind, d.Member, d.Rows = m.Kind, m.Name, records
		all = append(all, d)
	}
	for _, header := range m.Headers {
		records := 0
		for _, s := range m.Shapes {
			if slices.Equal(s.Header, header) {
				records += s.Rows
			}
		}
		for _, d := range rows.HeaderDrifts(m.Kind, header) {
			note(d, records)
		}
	}
	for _, s := range m.Shapes {
		if d, ok := rows.CellsDrift(m.Kind, s.Header, s.Cells, x.tenant.Edition); ok {
			note(d, s.Rows)
		}
	}
	return all
}

// say states what is new about the file unless that was stated before, by whichever bridge:
// what the stream has on the subject is the memory. It is not worth the file's rows: when
// it could not be stated in several attempts, they go out without it.
func (x *export) say(ctx context.Context, d schemas.Drift) error {
	d.Tenant, d.Window, d.File, d.At = x.file.Tenant, x.file.Window, x.file.FileName, time.Now().UTC()
	x.concealNames(&d)
	x.w.metrics.drifts.WithLabelValues(d.Tenant, string(d.Kind), string(d.What)).Inc()
	m, err := x.w.o.Names.DriftMessage(d)
	if err != nil {
		return err
	}
	if !x.w.said.take(m.MsgID()) {
		return nil
	}
	known, err := x.state(ctx, m)
	refused := errors.As(err, new(*schemas.Permanent)) // the statement, not the file
	switch {
	case refused, err != nil && ctx.Err() == nil && x.attempt >= attemptsDrift:
		x.unsaid = true
		x.w.said.leave(m.MsgID())
		x.log().Warn().Err(err).Str("what", string(d.What)).Msg("what is new about a file could not be said; its rows go out all the same")
		return nil
	case err != nil:
		x.w.said.leave(m.MsgID())
		return err
	case !known:
		x.log().Warn().Str("of", string(d.Kind)).Str("what", string(d.What)).Int("cells", d.Cells).Int("edition", d.Edition).
			Int("unknown", len(d.Unknown)).Int("missing", len(d.Missing)).Str("offset", d.Offset).
			Msg("a file is unlike those before; its rows are published, and a drift message has the details")
	}
	return nil
}

// state publishes a statement unless the stream has it.
func (x *export) state(ctx context.Context, m schemas.Message) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, driftPatience)
	defer cancel()
	if known, err = x.w.o.Statements.Stored(ctx, m, time.Unix(0, 0)); known || err != nil {
		return known, err
	}
	return false, x.w.o.Statements.Publish(ctx, m)
}
