package witness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// shape asks how a stream looks; config is nil when there is none, which others notice.
func (w *Watch) shape(ctx context.Context, stream string) (have shape, config *jetstream.StreamConfig, err error) {
	info, err := w.conn.StreamInfo(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return have, nil, nil
	}
	if err != nil {
		return have, nil, err
	}
	if n := info.State.NumDeleted; n > 0 && n <= mostHoles {
		s, err := w.conn.Stream(ctx, stream)
		if err == nil {
			info, err = s.Info(ctx, jetstream.WithDeletedDetails(true))
		}
		if err != nil {
			return have, nil, err
		}
	}
	state := info.State
	have = shape{Made: info.Created, First: state.FirstSeq, Last: state.LastSeq, Holes: spansOf(state.Deleted)}
	if state.Msgs > 0 {
		have.FirstTime = state.FirstTime
	}
	return have, &info.Config, nil
}

// rules say what is damage in a stream. Only one in which nothing goes but by age, and
// nothing is replaced, can tell by its holes.
func (w *Watch) rules(c jetstream.StreamConfig, anew bool) judgement {
	steady := c.MaxMsgsPerSubject <= 0 && c.MaxMsgs <= 0 && c.MaxBytes <= 0 && !c.AllowRollup && !c.AllowMsgTTL
	return judgement{
		holes: anew && (steady || w.kind == Spool && c.MaxMsgsPerSubject <= 0),
		head:  anew && steady && w.kind == Own,
		age:   c.MaxAge, now: time.Now(),
	}
}

// flagged are the marks whose messages are missing.
func flagged(marks map[string]mark, missing []span) map[string]mark {
	lost := map[string]mark{}
	for filter, m := range marks {
		if touches(missing, m.sequence, m.sequence) {
			lost[filter] = m
		}
	}
	return lost
}

// probe looks whether the newest messages that an external hub acknowledged are there, and
// not others in their places, as in a hub that was put back and has gone on. What is not
// there at all was deleted by somebody.
func (w *Watch) probe(ctx context.Context, stream string, marks map[string]mark, have shape) (map[string]mark, error) {
	newest := slices.SortedFunc(maps.Keys(marks), func(a, b string) int {
		return int(int64(marks[b].sequence - marks[a].sequence))
	})
	lost := map[string]mark{}
	for _, filter := range newest[:min(probes, len(newest))] {
		m := marks[filter]
		if m.sequence < have.First {
			break
		}
		there, found, err := w.conn.At(ctx, stream, m.sequence)
		if err != nil {
			return nil, err
		}
		at, ok := positionOf(there.Get("ce-id"))
		switch {
		case !found:
		case ok && schemas.AgentOf(there.Subject) == filter && !before(at, m.Position):
			return lost, nil
		default:
			lost[filter] = m
		}
	}
	return lost, nil
}

// unsent are the marks of messages that neither the hub has taken nor the spool holds.
func (w *Watch) unsent(marks map[string]mark, have shape) map[string]mark {
	lost := map[string]mark{}
	for filter, m := range marks {
		held := m.sequence >= have.First && m.sequence <= have.Last && !touches(have.Holes, m.sequence, m.sequence)
		if taken, _ := w.taken(filter); !held && before(taken.Position, m.Position) {
			lost[filter] = m
		}
	}
	return lost
}

// taken is the mark of what the hub has last taken of an agent from the spool.
func (w *Watch) taken(filter string) (mark, bool) {
	return w.book.marks.get(markKey(w.book.opts.Names.Stream(schemas.StreamEvents), filter))
}

// ends are the gaps behind what is left of the agents whose last messages are lost.
func (w *Watch) ends(ctx context.Context, stream string, f finding) (map[string]schemas.Gap, error) {
	gaps := map[string]schemas.Gap{}
	for filter, lost := range f.lost {
		last, found, err := w.conn.LastIn(ctx, stream, filter)
		if err != nil {
			return nil, err
		}
		left := mark{at: f.noted.FirstTime}
		if at, ok := positionOf(last.Get("ce-id")); found && ok {
			left = mark{Position: at, at: heardAt(last)}
		}
		if taken, ok := w.taken(filter); w.kind == Spool && ok && before(left.Position, taken.Position) {
			left = taken
		}
		if before(left.Position, lost.Position) {
			gaps[filter] = gap(stream, left, lost)
		}
	}
	return gaps, nil
}

// heardAt is when an agent had been heard of by what a message says, at the latest. A spool may
// bring it to the hub much later.
func heardAt(m schemas.Stored) time.Time {
	said, err := time.Parse(time.RFC3339, m.Get("ce-time"))
	if err != nil || said.After(m.StoredAt) {
		return m.StoredAt
	}
	return said
}

// gap says that what an agent stored behind one message, up to another, is gone.
func gap(stream string, left, last mark) schemas.Gap {
	g := schemas.Gap{
		From: left.at.UTC(), To: last.at.UTC(), Cause: schemas.GapStoreDamaged, LastEp: left.Epoch, LastSeq: left.Seq,
		Detail: fmt.Sprintf("stream %s has lost what was acknowledged up to number %d of epoch %d", stream, last.Seq, last.Epoch),
	}
	if left.Epoch == last.Epoch || left.Epoch == 0 && last.Epoch == 1 {
		g.MaxLost = int(last.Seq - left.Seq)
	}
	if left.at.IsZero() || g.From.After(g.To) {
		g.From = g.To
	}
	return g
}

// holdsAgents reports a stream with agents' messages, whose numbers have no holes.
func (w *Watch) holdsAgents(stream string) bool {
	return w.kind == Spool && stream == w.streams[0] || stream == w.book.opts.Names.Stream(schemas.StreamEvents)
}

// read looks for numbers that are missing within the streams that are due.
func (w *Watch) read(ctx context.Context) error {
	for stream, s := range w.scans {
		r := reading{watch: w, stream: stream, scan: s, seen: map[string]mark{}, gaps: map[string][]schemas.Gap{}, last: max(s.have.First, 1) - 1}
		err := w.conn.Read(ctx, wire.Range{Stream: stream, HeadersOnly: true}, func(m schemas.Stored) error { return r.message(ctx, m) })
		if err != nil {
			return fmt.Errorf("read stream %s: %w", stream, err)
		}
		r.finish()
		delete(w.scans, stream)
	}
	return nil
}

// A read pauses after so many messages: it is in no hurry.
const (
	pauseAfter = 1000
	pauseFor   = 10 * time.Millisecond
)

// reading is a scan under way.
type reading struct {
	scan
	watch      *Watch
	stream     string
	messages   int
	last       uint64                   // sequence
	unreadable []span                   // not known before
	seen       map[string]mark          // the last message of each agent, by filter
	gaps       map[string][]schemas.Gap // found
}

// message compares a message with the one before it, and with the one of the same agent.
func (r *reading) message(ctx context.Context, m schemas.Stored) error {
	if r.messages++; r.messages%pauseAfter == 0 {
		_ = retry.Wait(ctx, pauseFor) // the read sees the end
	}
	if m.Sequence > r.last+1 && m.Sequence <= r.have.Last {
		skipped := without([]span{{r.last + 1, m.Sequence - 1}}, r.have.Holes)
		r.unreadable = append(r.unreadable, without(skipped, r.have.Unreadable)...)
	}
	r.last = m.Sequence
	at, ok := positionOf(m.Get("ce-id"))
	if !ok || !schemas.Covers(r.watch.book.events, m.Subject) {
		return nil
	}
	filter := schemas.AgentOf(m.Subject)
	before, known := r.before(filter, at)
	r.seen[filter] = mark{at, m.Sequence, heardAt(m)}
	first := before.Seq + 1
	if at.Epoch != before.Epoch {
		first = 1
	}
	if !known {
		first, before.at = 0, r.noted.FirstTime
	}
	if at.Seq <= first || at.Epoch == 1 && at.Seq == 1 || !r.damaged(before.sequence, m.Sequence) {
		return nil
	}
	at.Seq--
	r.gaps[filter] = append(r.gaps[filter], gap(r.stream, before, mark{Position: at, at: m.StoredAt}))
	return nil
}

// before is the message of an agent before the one at a position, wherever it is.
func (r *reading) before(filter string, at schemas.Position) (last mark, known bool) {
	last, known = r.seen[filter]
	if !known && r.watch.kind == Spool {
		last, known = r.watch.taken(filter)
		last.sequence = 0
	}
	if !known || !before(last.Position, at) {
		return mark{}, r.watch.kind == Spool || known // what a spool has not, the hub has
	}
	return last, true
}

// damaged reports that what is missing between two sequences was lost, and not deleted.
func (r *reading) damaged(after, until uint64) bool {
	return r.all || touches(r.missing, after, until) || touches(r.unreadable, after, until)
}

// finish hands the gaps over, and notes what is known now.
func (r *reading) finish() {
	b := r.watch.book
	if n := count(r.unreadable); n > 0 {
		b.add(r.stream, n, nil)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for filter, list := range r.gaps {
		for _, g := range list {
			b.owe(map[string]schemas.Gap{filter: g})
		}
	}
	noted := r.have
	noted.Unreadable = append(noted.Unreadable, r.unreadable...)
	b.notes.Streams[r.watch.note(r.stream)] = noted
	if err := b.save(); err != nil {
		b.opts.Logger.Debug().Err(err).Msg("the stream will be read again after a restart")
	}
}
