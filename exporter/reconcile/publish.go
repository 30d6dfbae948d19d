package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// load reads what was said before.
func (r *Reconciler) load(ctx context.Context) error {
	r.seen, r.stated, r.full = ^uint64(0), map[source]comparison.Statement{}, map[schemas.Kind]time.Time{}
	r.days, r.touched, r.last = map[string]comparison.Day{}, map[string]bool{}, lastLook{}
	for _, k := range kinds {
		n, first := 0, time.Time{}
		err := r.o.Statements(ctx, r.o.Names.Reconcile(r.o.Tenant, k), func(m schemas.Stored) error {
			var said comparison.Statement
			if n++; json.Unmarshal(m.Body, &said) == nil && said.Validate() == nil {
				if first.IsZero() {
					first = said.Window.From
				}
				r.note(said)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read what was said of %s: %w", k, err)
		}
		if n >= mostStatements {
			r.full[k] = first
		}
	}
	err := r.o.Statements(ctx, r.o.Names.ReconcileDay(r.o.Tenant), func(m schemas.Stored) error {
		var said comparison.Day
		if json.Unmarshal(m.Body, &said) == nil && said.Validate() == nil {
			r.days[said.Day] = said
		}
		return nil
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

// note remembers a statement, but for what it found.
func (r *Reconciler) note(said comparison.Statement) {
	said.Findings = nil
	r.stated[source{said.Kind, said.Window}] = said
}

// day is that of the tenant on which a window begins.
func (r *Reconciler) day(w schemas.Window) string { return w.From.In(r.o.Zone).Format(time.DateOnly) }

// publish says what the comparison came to: first the states that only a file proves, then the
// statement.
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
// than before.
func (r *Reconciler) stateDays(ctx context.Context) error {
	for _, day := range slices.Sorted(maps.Keys(r.touched)) {
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
