package calls

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// maxBatchBytes bounds what a batch takes up in memory, here and at the server.
const maxBatchBytes = 8 << 20

// publication is the publishing of one home's calls.
type publication struct {
	*build
	batch  []schemas.Message
	bytes  int // in the batch
	marker schemas.CallsComplete

	sources schemas.CallSources
}

// publish brings the calls that differ from what is stored into the stream, then other homes
// that their rows touch up to date, and at last the marker.
func (x *build) publish(ctx context.Context) error {
	p := &publication{build: x, sources: x.states()}
	p.marker = schemas.CallsComplete{
		Tenant: x.o.Tenant, Window: x.home, From: x.span.from, To: x.span.to,
		Sources: x.noted(), Pending: x.pending, NotExtracted: p.sources.NotExtracted,
	}
	for _, s := range p.marker.Sources {
		if calls := x.unclaimed[source{s.Kind, s.Window}]; len(calls) > 0 {
			p.marker.Unclaimed = append(p.marker.Unclaimed, schemas.CallUnclaimed{Kind: s.Kind, Window: s.Window, Calls: slices.Sorted(maps.Keys(calls))})
		}
	}
	for _, call := range x.inOrder() {
		if err := p.call(ctx, x.drafts[call], x.stored[call]); err != nil {
			return err
		}
		if _, there := x.stored[call]; !there {
			x.stored[call] = stored{}
		}
	}
	x.homeAt(x.home).ids, p.marker.Calls = sorted(x.stored), len(x.stored)
	x.drafts, x.stored = nil, nil
	if len(x.touched) > 0 {
		if err := p.flush(ctx); err != nil {
			return err
		}
		if err := x.elsewhere(ctx); err != nil {
			return err
		}
	}
	return p.mark(ctx)
}

// noted are the windows that were read, without those that are to be read as new ones yet.
func (x *build) noted() []schemas.CallSource {
	return slices.DeleteFunc(slices.Clone(x.read), func(s schemas.CallSource) bool { return s.CompletedAt.IsZero() })
}

// states says which kinds were complete: those of which every window that was looked for was.
func (x *build) states() schemas.CallSources {
	s := schemas.CallSources{Complete: []schemas.Kind{}} // [] rather than null
	for _, k := range kinds {
		switch {
		case slices.ContainsFunc(x.pending, func(p schemas.CallPending) bool { return p.Kind == k }):
			s.Pending = append(s.Pending, k)
		case slices.ContainsFunc(x.read, func(r schemas.CallSource) bool { return r.Kind == k }):
			s.Complete = append(s.Complete, k)
		default:
			s.NotExtracted = append(s.NotExtracted, k)
		}
	}
	return s
}

// elsewhere brings the other homes up to date whose calls the rows are of.
func (x *build) elsewhere(ctx context.Context) error {
	for _, w := range slices.SortedFunc(maps.Keys(x.touched), func(a, b schemas.Window) int { return a.From.Compare(b.From) }) {
		other := x.newBuild(x.landscape, w)
		other.only, other.also = true, x.touched[w]
		if err := other.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// mark ends the home's subject with the marker.
func (p *publication) mark(ctx context.Context) error {
	p.marker.CompletedAt = time.Now().UTC()
	m, err := p.o.Names.CallsCompleteMessage(p.marker)
	for err == nil && len(p.marker.Unclaimed) > 0 && !p.o.Stream.Fits(m) {
		p.marker.Unclaimed = half(p.marker.Unclaimed)
		m, err = p.o.Names.CallsCompleteMessage(p.marker)
	}
	if err == nil {
		err = p.put(ctx, m)
	}
	if err == nil {
		err = p.flush(ctx)
	}
	if err != nil {
		return err
	}
	h := p.homeAt(p.home)
	h.marker, h.open = &p.marker, false
	p.o.Logger.Debug().Stringer("window", p.home).Int("calls", p.marker.Calls).Int("added", p.marker.Added).
		Int("revised", p.marker.Revised).Msg("calls are as their sources say")
	return nil
}

// half leaves of each window half of the calls. Rows of others are found all the same when
// their windows are those of the call.
func half(all []schemas.CallUnclaimed) []schemas.CallUnclaimed {
	for i, u := range all {
		all[i].Calls = u.Calls[:len(u.Calls)/2]
	}
	return slices.DeleteFunc(all, func(u schemas.CallUnclaimed) bool { return len(u.Calls) == 0 })
}

// inOrder are the calls by their begin.
func (x *build) inOrder() []uint64 {
	first := make(map[uint64]time.Time, len(x.drafts))
	for call, d := range x.drafts {
		for _, l := range d.legs {
			if at := begin(l.is); first[call].IsZero() || at.Before(first[call]) {
				first[call] = at
			}
		}
	}
	return slices.SortedFunc(maps.Keys(x.drafts), func(a, b uint64) int {
		return cmp.Or(first[a].Compare(first[b]), cmp.Compare(x.drafts[a].id, x.drafts[b].id))
	})
}

// call publishes a call unless the stream has it as it is. One that is larger than the bus
// takes goes out without what it has most of.
func (p *publication) call(ctx context.Context, d *draft, have stored) error {
	c := schemas.Call{
		Tenant: p.o.Tenant, Window: p.home, CallID: d.id, Revision: have.revision + 1, Sources: p.sources, CallContent: d.content(),
	}
	for try := 0; ; try++ {
		m, differs, err := p.message(c, have)
		switch {
		case err != nil:
			return fmt.Errorf("call of %s: %w", p.home, err)
		case !differs:
			return nil
		case p.o.Stream.Fits(m):
			p.count(have)
			return p.put(ctx, m)
		case try == len(lighter):
			p.o.Logger.Error().Stringer("window", p.home).Int("legs", len(d.legs)).Msg("a call is larger than the bus takes; it is not published")
			return nil
		}
		lighter[try](&c.CallContent)
	}
}

// message makes the message of a call; differs says that it is worth it.
func (p *publication) message(c schemas.Call, have stored) (m schemas.Message, differs bool, err error) {
	digest, err := c.Digest()
	if err != nil {
		return m, false, err
	}
	if have.revision > 0 {
		if c.Changed = schemas.ChangedMembers(have.digest, digest); len(c.Changed) == 0 {
			return m, false, nil
		}
	}
	m, err = p.o.Names.CallMessage(c, digest, time.Now().UTC())
	return m, true, err
}

func (p *publication) count(have stored) {
	if have.revision > 0 {
		p.marker.Revised++
	} else {
		p.marker.Added++
	}
}

// mostLegs is how many legs a call keeps that is too large with all of them: one whose id the
// platform gave to many calls.
const mostLegs = 500

// lighter make a call smaller, one after the other.
var lighter = [...]func(*schemas.CallContent){
	func(c *schemas.CallContent) { c.Operations, c.LeftOut = nil, append(c.LeftOut, "operations") },
	func(c *schemas.CallContent) { c.Recordings, c.LeftOut = nil, append(c.LeftOut, "recordings") },
	func(c *schemas.CallContent) {
		c.Legs, c.LeftOut = c.Legs[:min(len(c.Legs), mostLegs)], append(c.LeftOut, "legs", "rows")
		c.Rows = c.Rows[:1]
		c.Rows[0].IDs = c.Rows[0].IDs[:min(len(c.Rows[0].IDs), mostLegs)]
	},
}

// put adds a message to the batch.
func (p *publication) put(ctx context.Context, m schemas.Message) error {
	p.batch = append(p.batch, m)
	p.bytes += len(m.Body)
	if len(p.batch) == schemas.MaxBatch || p.bytes >= maxBatchBytes {
		return p.flush(ctx)
	}
	return nil
}

// flush stores the batch behind the last message of the tenant's calls.
func (p *publication) flush(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	last, err := p.o.Stream.Append(ctx, p.o.Tenant, p.batch, p.last)
	if err != nil {
		return err
	}
	p.last = last
	for _, m := range p.batch {
		switch {
		case m.Type != schemas.TypeCall:
		case m.Header[schemas.HeaderCallRevision] == "1":
			p.made.WithLabelValues("new").Inc()
		default:
			p.made.WithLabelValues("revised").Inc()
		}
	}
	p.batch, p.bytes = p.batch[:0], 0
	sabotage.Point("calls.between_batches")
	return nil
}
