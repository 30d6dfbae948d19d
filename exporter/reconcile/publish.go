package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// stated is what was said last of a window, but for what it found.
type stated struct {
	comparison.Statement
	sum [sha256.Size]byte // of figures and findings
}

// load reads what was said before.
func (r *Reconciler) load(ctx context.Context) error {
	r.seen, r.stated, r.full = ^uint64(0), map[source]stated{}, time.Time{}
	r.days, r.touched, r.last = map[string]comparison.Day{}, map[string]bool{}, lastLook{}
	for _, k := range kinds {
		err := r.loadFrom(ctx, r.o.Names.Reconcile(r.o.Tenant, k), func(body []byte) (at time.Time) {
			var said comparison.Statement
			if json.Unmarshal(body, &said) == nil && said.Validate() == nil {
				r.note(said)
			}
			return said.At
		})
		if err != nil {
			return fmt.Errorf("read what was said of %s: %w", k, err)
		}
	}
	err := r.loadFrom(ctx, r.o.Names.ReconcileDay(r.o.Tenant), func(body []byte) (at time.Time) {
		var said comparison.Day
		if json.Unmarshal(body, &said) == nil && said.Validate() == nil {
			r.days[said.Day] = said
		}
		return said.At
	})
	if err != nil {
		return fmt.Errorf("read what was said of days: %w", err)
	}
	for s := range r.stated { // whoever compared it may not have come to the day's statement
		if time.Since(s.window.To) < 48*time.Hour {
			r.touched[r.day(s.window)] = true
		}
	}
	r.known = true
	return nil
}

// loadFrom reads a subject. read returns when a message was said.
func (r *Reconciler) loadFrom(ctx context.Context, subject string, read func(body []byte) time.Time) error {
	n, oldest := 0, time.Time{}
	err := r.o.Statements(ctx, subject, func(m schemas.Stored) error {
		at := read(m.Body)
		if n++; oldest.IsZero() {
			oldest = at
		}
		return nil
	})
	if n >= mostStatements && oldest.After(r.full) {
		r.full = oldest
	}
	return err
}

// forgotten reports whether something that was over at a time may have been spoken of in
// messages that the stream does not have any more.
func (r *Reconciler) forgotten(over time.Time) bool { return over.Before(r.full) }

// note remembers a statement, but for what it found.
func (r *Reconciler) note(said comparison.Statement) {
	now := stated{said, sumOf(said)}
	now.Findings = nil
	r.stated[source{said.Kind, said.Window}] = now
}

// sumOf is that of what a comparison came to, whatever it was made of.
func sumOf(said comparison.Statement) [sha256.Size]byte {
	said.Revision, said.Sources, said.Pending, said.At = 0, nil, nil, time.Time{}
	if len(said.Findings) == 0 {
		said.Findings = nil
	}
	text, _ := json.Marshal(said) // it can be marshalled: it is published so
	return sha256.Sum256(text)
}

// day is that of the tenant on which a window begins.
func (r *Reconciler) day(w schemas.Window) string { return w.From.In(r.o.Zone).Format(time.DateOnly) }

// publish says what the comparison came to: first the states that only a file proves, then the
// statement, unless that of before says the same.
func (c *matcher) publish(ctx context.Context) error {
	for _, x := range c.closed {
		if !isState(x.what) {
			continue
		}
		if err := c.reconstruct(ctx, x); err != nil {
			return err
		}
		c.said.Reconstructed++
	}
	slices.SortStableFunc(c.found, func(a, b comparison.Finding) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.What, b.What))
	})
	c.said.Findings = c.found[:min(len(c.found), comparison.MaxFindings)]
	c.said.LeftOut = len(c.found) - len(c.said.Findings)
	c.said.At = time.Now().UTC()
	if before, ok := c.stated[source{c.said.Kind, c.said.Window}]; ok && before.sum == sumOf(c.said) {
		before.Sources, before.Pending, before.At = c.said.Sources, c.said.Pending, c.said.At
		c.stated[source{c.said.Kind, c.said.Window}] = before
		return nil
	}
	m, err := c.said.Message(c.o.Names)
	if err != nil {
		return err
	}
	if err := c.o.Publish(ctx, m); err != nil {
		return err
	}
	c.note(c.said)
	c.touched[c.day(c.said.Window)] = true
	return nil
}

// stateDays says what days come to whose windows were compared, if that is something else
// than before. A day of which some windows are not known any more stays as it is.
func (r *Reconciler) stateDays(ctx context.Context) error {
	for _, day := range slices.Sorted(maps.Keys(r.touched)) {
		begin, err := time.ParseInLocation(time.DateOnly, day, r.o.Zone)
		if err != nil || r.forgotten(begin) {
			continue
		}
		d := r.sum(day)
		before := r.days[day]
		if slices.Equal(d.Kinds, before.Kinds) {
			continue
		}
		d.Revision, d.At = before.Revision+1, time.Now().UTC()
		m, err := d.Message(r.o.Names)
		if err != nil {
			return err
		}
		if err := r.o.Publish(ctx, m); err != nil {
			return err
		}
		r.days[day] = d
	}
	clear(r.touched)
	r.metrics.show(r.days)
	return nil
}

// sum adds up a day's windows.
func (r *Reconciler) sum(day string) comparison.Day {
	d := comparison.Day{Tenant: r.o.Tenant, Day: day}
	var all comparison.Tally
	for _, k := range kinds {
		of := comparison.DayTally{Kind: k}
		for s, said := range r.stated {
			if s.kind == k && r.day(s.window) == day {
				of.Add(said.Tally)
				of.Windows++
			}
		}
		if of.Windows > 0 {
			d.Kinds = append(d.Kinds, of)
			all.Add(of.Tally)
		}
	}
	d.Score = all.Score()
	return d
}
