package calls

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	calls  []uint64 // of the batch's messages that are calls, by the hashes of their ids
	bytes  int      // in the batch
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
		d := x.drafts[call]
		c := schemas.Call{Tenant: p.o.Tenant, Window: p.home, CallID: d.id, Sources: p.sources, CallContent: d.content()}
		if err := p.call(ctx, call, c, x.stored[call]); err != nil {
			return err
		}
	}
	x.drafts, p.marker.Calls = nil, len(x.stored)
	if len(x.touched) > 0 {
		if err := p.flush(ctx); err != nil {
			return err
		}
		x.homeAt(x.home).calls = sorted(x.stored)
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
	s := schemas.CallSources{Complete: []schemas.Kind{}, Audio: x.audioMode()} // [] rather than null
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

// audioMode says whether audio is fetched.
func (b *Builder) audioMode() schemas.AudioMode {
	if b.o.Fetched {
		return schemas.AudioFetch
	}
	return schemas.AudioOff
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

// mostMarkerBytes is how large a marker may be: windows of a minute are many, and a call may
// last a day.
const mostMarkerBytes = 256 << 10

// mark ends the home's subject with the marker.
func (p *publication) mark(ctx context.Context) error {
	p.marker.CompletedAt, p.marker.Heard, p.marker.Audio = time.Now().UTC(), p.heard, p.audioMode()
	m, err := p.o.Names.CallsCompleteMessage(p.marker)
	for _, smaller := range [...]func() bool{p.half, p.narrow} {
		for err == nil && (len(m.Body) > mostMarkerBytes || !p.o.Stream.Fits(m)) && smaller() {
			m, err = p.o.Names.CallsCompleteMessage(p.marker)
		}
	}
	h := p.homeAt(p.home)
	switch {
	case err != nil:
		return err
	case !p.o.Stream.Fits(m): // to be looked at again when the window is extracted again
		h.gone = p.completed(source{schemas.KindCDR, p.home})
		p.o.Logger.Error().Stringer("window", p.home).Int("bytes", len(m.Body)).Msg("a marker is larger than its stream takes; the window's calls end without one")
	default:
		err = p.put(ctx, m)
	}
	if err == nil {
		err = p.flush(ctx)
	}
	if err != nil {
		return err
	}
	h.marker, h.open, h.calls = &p.marker, false, sorted(p.stored)
	p.o.Logger.Debug().Stringer("window", p.home).Int("calls", p.marker.Calls).Int("added", p.marker.Added).
		Int("revised", p.marker.Revised).Msg("calls are as their sources say")
	return nil
}

// half leaves of each window half of the calls that wait; false: none do. Rows of others are
// found all the same when their windows are those of the call.
func (p *publication) half() bool {
	all := p.marker.Unclaimed
	for i, u := range all {
		all[i].Calls = u.Calls[:len(u.Calls)/2]
	}
	p.marker.Unclaimed = slices.DeleteFunc(all, func(u schemas.CallUnclaimed) bool { return len(u.Calls) == 0 })
	return len(all) > 0
}

// narrow leaves of the windows those at the same time as this one, and those whose rows are in
// its calls; false: it has. Rows of others come in when the calls next to them are made.
func (p *publication) narrow() bool {
	m := &p.marker
	if m.From.Equal(p.home.From) && m.To.Equal(p.home.To) {
		return false
	}
	m.From, m.To = p.home.From, p.home.To
	aside := func(w schemas.Window) bool { return !w.From.Before(m.To) || !w.To.After(m.From) }
	m.Sources = slices.DeleteFunc(m.Sources, func(s schemas.CallSource) bool { return aside(s.Window) && !p.gave[source{s.Kind, s.Window}] })
	m.Pending = slices.DeleteFunc(slices.Clone(m.Pending), func(s schemas.CallPending) bool { return aside(s.Window) })
	return true
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

// call publishes a call unless the stream has it as it is. One that is larger than the stream
// takes goes out without what it has most of; of one that is too large even so there is a
// dead letter.
func (p *publication) call(ctx context.Context, call uint64, c schemas.Call, have stored) error {
	c.Revision = have.revision + 1
	for try := 0; ; try++ {
		m, differs, err := p.message(&c, have)
		switch {
		case err != nil:
			return fmt.Errorf("call of %s: %w", p.home, err)
		case !differs:
			return nil
		case p.o.Stream.Fits(m):
			p.count(have)
			p.stored[call] = have // until its batch is there
			return p.put(ctx, m, call)
		case try == len(lighter):
			return p.refuse(ctx, call, c, m)
		}
		lighter[try](&c.CallContent)
	}
}

// refuse makes a dead letter of a call that the stream does not take, once for what it says.
func (p *publication) refuse(ctx context.Context, call uint64, c schemas.Call, m schemas.Message) error {
	digest := m.Header[schemas.HeaderCallDigest]
	if p.letters[call] == digest {
		return nil
	}
	cause := fmt.Sprintf("call %s of %s is larger than its stream takes, with %d of its legs and nothing else: %d bytes", c.CallID, p.home, len(c.Legs), len(m.Body))
	letter := schemas.NewDeadLetter(p.o.Tenant, schemas.ReasonOversized, cause, time.Now().UTC())
	letter.Keep(m.Body)
	sum := sha256.Sum256([]byte(digest))
	said, err := p.o.Names.DeadLetterMessage(letter, "call."+p.home.String()+"."+schemas.EncodeToken(c.CallID)+"."+hex.EncodeToString(sum[:8]))
	if err == nil {
		err = p.o.Letter(ctx, said)
	}
	if err != nil {
		return fmt.Errorf("make a dead letter of a call of %s: %w", p.home, err)
	}
	p.letters[call] = digest
	p.o.Logger.Error().Stringer("window", p.home).Int("legs", len(c.Legs)).Int("bytes", len(m.Body)).Msg("a call is larger than its stream takes; it is a dead letter")
	return nil
}

// message makes the message of a call; differs says that it is worth it.
func (p *publication) message(c *schemas.Call, have stored) (m schemas.Message, differs bool, err error) {
	digest, err := c.Digest()
	if err != nil {
		return m, false, err
	}
	if have.revision > 0 {
		if c.Changed = schemas.ChangedMembers(have.digest, digest); len(c.Changed) == 0 {
			return m, false, nil
		}
	}
	m, err = p.o.Names.CallMessage(*c, digest, time.Now().UTC())
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
	func(c *schemas.CallContent) { c.Operations, c.LeftOut = nil, once(c.LeftOut, "operations") },
	func(c *schemas.CallContent) { c.Recordings, c.LeftOut = nil, once(c.LeftOut, "recordings") },
	func(c *schemas.CallContent) {
		c.Legs, c.LeftOut = c.Legs[:min(len(c.Legs), mostLegs)], once(once(c.LeftOut, "legs"), "rows")
		c.Rows = c.Rows[:1]
		c.Rows[0].IDs = c.Rows[0].IDs[:min(len(c.Rows[0].IDs), mostLegs)]
	},
}

// put adds a message to the batch, and which call it is, if it is one.
func (p *publication) put(ctx context.Context, m schemas.Message, call ...uint64) error {
	p.batch, p.calls = append(p.batch, m), append(p.calls, call...)
	p.bytes += len(m.Body)
	if len(p.batch) == p.most || p.bytes >= maxBatchBytes {
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
	for i, call := range p.calls { // the messages of a batch stand together, a marker last
		s := p.stored[call]
		s.seq = last - uint64(len(p.batch)-1-i)
		p.stored[call] = s
	}
	for _, m := range p.batch {
		switch {
		case m.Type != schemas.TypeCall:
		case m.Header[schemas.HeaderCallRevision] == "1":
			p.made.WithLabelValues("new").Inc()
		default:
			p.made.WithLabelValues("revised").Inc()
		}
	}
	p.batch, p.calls, p.bytes = p.batch[:0], p.calls[:0], 0
	sabotage.Point("calls.between_batches")
	return nil
}
