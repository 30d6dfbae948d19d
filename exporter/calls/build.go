package calls

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// build is the making of one home's calls.
type build struct {
	*Builder
	landscape
	home   schemas.Window
	before *schemas.CallsComplete // the marker so far; nil: there is none
	stored map[uint64]stored      // what the stream has of its calls
	also   []source               // windows elsewhere whose rows touch it
	only   bool                   // of new windows it is about these: what others touch elsewhere is not looked for

	near      map[schemas.Window]*home    // other homes within reach of rows
	own       int                         // rows of its own window
	drafts    map[uint64]*draft           // by the hash of the call's id
	span      span                        // of the window and its calls
	read      []schemas.CallSource        // in the order in which they were
	pending   []schemas.CallPending       // windows in the span that were not complete
	touched   map[schemas.Window][]source // other homes whose calls new rows are of
	unclaimed map[source]map[string]bool  // calls of which no leg is known
	corrected map[uint64]correction       // operations, by the hash of their natural key
	recorded  time.Time                   // when the first row of a recording was stored
	gave      map[source]bool             // windows whose rows are in the drafts
}

// rebuild brings a home up to date that is due, and other homes that its new rows touch.
func (b *Builder) rebuild(ctx context.Context, l landscape, w schemas.Window) error {
	return b.newBuild(l, w).run(ctx)
}

func (b *Builder) newBuild(l landscape, w schemas.Window) *build {
	x := &build{
		Builder: b, landscape: l, home: w, span: span{w.From, w.To},
		drafts: map[uint64]*draft{}, touched: map[schemas.Window][]source{}, unclaimed: map[source]map[string]bool{},
		corrected: map[uint64]correction{}, gave: map[source]bool{},
	}
	if h := b.homes[w]; h != nil {
		x.before = h.marker
	}
	return x
}

func (x *build) run(ctx context.Context) (err error) {
	if x.stored, err = x.readBack(ctx, x.home); err != nil {
		return err
	}
	if x.near, err = x.around(ctx, x.home); err != nil {
		return err
	}
	delete(x.near, x.home)
	if err := x.gather(ctx); err != nil {
		return fmt.Errorf("put calls of %s together: %w", x.home, err)
	}
	if own := x.find(schemas.KindCDR, x.home); x.own == 0 && own.rows > 0 { // they have expired
		x.homeAt(x.home).gone = own.completed
		return nil
	}
	if err := x.hearAll(ctx); err != nil {
		return fmt.Errorf("look for the audio of calls of %s: %w", x.home, err)
	}
	return x.publish(ctx)
}

// homeAt is what is known of a home, from now on.
func (b *Builder) homeAt(w schemas.Window) *home {
	h := b.homes[w]
	if h == nil {
		h = &home{}
		b.homes[w] = h
	}
	return h
}

// gather reads every window that the home's calls touch: its own first, then others of call
// detail records for as long as their legs lead on, then the other kinds.
func (x *build) gather(ctx context.Context) error {
	if err := x.take(ctx, source{schemas.KindCDR, x.home}); err != nil {
		return err
	}
	x.leadOn()
	for _, k := range kinds {
		x.claim(k)
		for grown := true; grown; {
			grown = false
			for _, w := range x.sources(k) {
				if s := (source{k, w}); !x.has(s) {
					if err := x.take(ctx, s); err != nil {
						return err
					}
					grown = k == schemas.KindCDR
				}
			}
			if grown {
				x.leadOn()
			}
		}
	}
	for _, d := range x.drafts {
		d.operations = slices.DeleteFunc(d.operations, x.outdated)
	}
	return nil
}

// correction is the last revision of an operation, of whatever call: it may be another one
// than before.
type correction struct{ seq, extract uint64 }

func (x *build) correct(r row) {
	key := x.hash(r.Key)
	if r.kind == schemas.KindOperation && r.Revision > 1 && r.seq > x.corrected[key].seq {
		x.corrected[key] = correction{r.seq, x.hash(r.Extract)}
	}
}

// outdated reports whether an operation has a later revision.
func (x *build) outdated(o part[schemas.CallOperation]) bool {
	c, ok := x.corrected[o.key]
	return ok && o.seq < c.seq && o.extract != c.extract
}

// leadOn widens the span to the windows behind the last legs of calls that are not closed:
// the next leg may be there.
func (x *build) leadOn() {
	for _, d := range x.drafts {
		if slices.ContainsFunc(d.legs, func(l part[leg]) bool { return closes(l.is) }) {
			continue
		}
		for _, l := range d.legs {
			if next := l.at.To.Add(time.Second); next.After(x.span.to) && next.Before(x.home.To.Add(x.o.Reach)) {
				x.span.to = next
			}
		}
	}
}

// sources are the windows of a kind that are to be read, as far as is known by now.
func (x *build) sources(k schemas.Kind) (all []schemas.Window) {
	for _, w := range x.touching(k, x.span) {
		all = append(all, w.Window)
	}
	if x.before != nil {
		for _, s := range x.before.Sources {
			if s.Kind == k {
				all = append(all, s.Window)
			}
		}
	}
	for _, s := range x.also {
		if s.kind == k {
			all = append(all, s.window)
		}
	}
	return all
}

// claim finds the windows whose rows waited for a leg of one of the calls.
func (x *build) claim(k schemas.Kind) {
	for w, h := range x.near {
		if h.marker == nil || apart(w, x.home) > x.o.Reach {
			continue
		}
		for _, u := range h.marker.Unclaimed {
			if u.Kind == k && slices.ContainsFunc(u.Calls, func(id string) bool { return x.drafts[x.hash(schemas.EncodeToken(id))] != nil }) {
				x.also = append(x.also, source{u.Kind, u.Window})
			}
		}
	}
}

// completed is when a window was complete last, as far as anybody knows.
func (x *build) completed(s source) time.Time {
	if now := x.find(s.kind, s.window).completed; !now.IsZero() {
		return now
	}
	return x.lastRead(s) // the ledger was lost
}

// has reports whether a window has been read, or found incomplete.
func (x *build) has(s source) bool {
	return slices.ContainsFunc(x.read, func(r schemas.CallSource) bool { return r.Kind == s.kind && r.Window == s.window }) ||
		slices.ContainsFunc(x.pending, func(p schemas.CallPending) bool { return p.Kind == s.kind && p.Window == s.window })
}

// take reads the rows of a window.
func (x *build) take(ctx context.Context, s source) error {
	completed := x.completed(s)
	if completed.IsZero() {
		x.pending = append(x.pending, schemas.CallPending{Kind: s.kind, Window: s.window})
		return nil
	}
	noted := schemas.CallSource{Kind: s.kind, Window: s.window, CompletedAt: completed}
	if x.only && !slices.Contains(x.also, s) { // the home stays due if this is new
		noted.CompletedAt = x.lastRead(s)
	}
	err := x.o.Rows(ctx, x.o.Names.Row(x.o.Tenant, s.kind, s.window), func(m schemas.Stored) error {
		h := schemas.ReadRowHeader(m.Header)
		if h.Type == schemas.TypeWindowComplete {
			noted.Extract = h.Extract
			x.keep(s, schemas.ExtractSum(h.Extract), m.Body)
			return nil
		}
		x.row(row{s, h, &s.window, m.Sequence, m.StoredAt, m.Body})
		return nil
	})
	x.read = append(x.read, noted)
	return err
}

// lastRead is the completion that the marker so far has of a window; zero: it has none.
func (x *build) lastRead(s source) time.Time {
	if x.before == nil {
		return time.Time{}
	}
	last, _ := x.before.Source(s.kind, s.window)
	return last.CompletedAt
}

// row puts a row into its call if that is at home here. One of a call at home elsewhere
// touches that home, unless it has been read there.
func (x *build) row(r row) {
	if r.source == (source{schemas.KindCDR, x.home}) {
		x.own++
	}
	x.correct(r)
	var of callID
	if json.Unmarshal(r.body, &of) != nil || of.CallID == "" {
		return // no call's
	}
	call := x.hash(schemas.EncodeToken(of.CallID))
	d := x.draft(r, call, of.CallID)
	if d == nil {
		return
	}
	x.drafts[call] = d
	if err := x.Builder.take(d, r); err != nil { // nobody but a bridge writes rows, and it writes what can be read
		x.o.Logger.Error().Err(err).Str("kind", string(r.kind)).Stringer("window", r.window).Str("row", r.ID).Msg("row is not readable; its call lacks it")
		if len(d.legs) == 0 {
			delete(x.drafts, call)
		}
		return
	}
	x.gave[r.source] = true
	switch r.kind {
	case schemas.KindCDR:
		x.widen(d.legs[len(d.legs)-1].is.CallLeg)
	case schemas.KindRecording:
		if x.recorded.IsZero() || r.storedAt.Before(x.recorded) {
			x.recorded = r.storedAt
		}
	}
}

// draft is that of the call that a row is of, if it is at home here and one of its rows is a
// leg; nil: it is not.
func (x *build) draft(r row, call uint64, id string) *draft {
	d := x.drafts[call]
	_, here := x.stored[call]
	if d != nil {
		here = true
	} else {
		d = &draft{id: id, rivals: homesOf(x.near, call)}
	}
	isLeg := r.kind == schemas.KindCDR
	if other, found := x.nearest(d.rivals, r.window); found && !(here && x.isNearer(other, r.window)) {
		x.touch(other, r.source, id)
		return nil
	}
	switch {
	case here:
		if isLeg || len(d.legs) > 0 {
			return d
		} // else its legs have expired
	case isLeg && r.window == x.home:
		return d
	case !isLeg:
		x.leave(r.source, id)
	}
	return nil
}

// isNearer reports whether a row of a window is of the call of this home rather than of
// another home's.
func (x *build) isNearer(other, at schemas.Window) bool {
	homes := []schemas.Window{x.home, other}
	if other.From.Before(x.home.From) {
		homes = []schemas.Window{other, x.home}
	}
	nearest, _ := x.nearest(homes, at)
	return nearest == x.home
}

// touch notes that a row is of a call at home elsewhere, unless that home has read it.
func (x *build) touch(other schemas.Window, s source, id string) {
	switch {
	case x.homes[other].knows(s, x.completed(s)):
	case x.only:
		x.leave(s, id)
	case !slices.Contains(x.touched[other], s):
		x.touched[other] = append(x.touched[other], s)
	}
}

// mostUnclaimed bounds the marker of a window of which little else is known.
const mostUnclaimed = 5000

// leave notes a call whose home has not taken up the rows of a window, or is not known.
func (x *build) leave(s source, id string) {
	if x.unclaimed[s] == nil {
		x.unclaimed[s] = map[string]bool{}
	}
	if len(x.unclaimed[s]) < mostUnclaimed {
		x.unclaimed[s][id] = true
	}
}

// widen makes the span hold a leg, within reach.
func (x *build) widen(l schemas.CallLeg) {
	for _, t := range times(l) {
		if t.IsZero() || t.Before(x.home.From.Add(-x.o.Reach)) || t.After(x.home.To.Add(x.o.Reach)) {
			continue
		}
		if t.Before(x.span.from) {
			x.span.from = t.Truncate(time.Second)
		}
		if !t.Before(x.span.to) {
			x.span.to = t.Truncate(time.Second).Add(time.Second)
		}
	}
}

// times are those of a leg.
func times(l schemas.CallLeg) [6]time.Time {
	return [...]time.Time{l.WaitBegin, l.WaitEnd, l.AckBegin, l.AckEnd, l.CallBegin, l.CallEnd}
}
