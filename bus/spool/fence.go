package spool

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/group"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// headerSpool says from where a message came to the hub: <line>/<sequence>, see
// [lineage]. Within a lane the sequences of one spool only grow.
const headerSpool = "aicc-spool"

// laneEnd is what is known of the hub's end of one lane. One goroutine at a
// time uses it.
type laneEnd struct {
	end   uint64      // sequence of the last message; the next one is fenced by it
	known bool        // end is right, unless somebody else wrote since
	last  fingerprint // the last message's
	// sent is the last of the messages left over by an earlier process that is
	// at the hub.
	sent uint64
}

// ends are the lanes seen so far: one of each agent.
type ends struct {
	mu sync.Mutex
	by map[string]*laneEnd
}

func (e *ends) of(key string) *laneEnd {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.by[key]
	if !ok {
		if e.by == nil {
			e.by = make(map[string]*laneEnd)
		}
		p = new(laneEnd)
		e.by[key] = p
	}
	return p
}

// attempt is one message on its way to the hub.
type attempt struct {
	schemas.Stored
	key       string
	leftOver  bool // by an earlier process, which may have sent it
	tried     bool // by this one; it may have landed behind the lane's end
	withoutID bool // the hub knows the id, but has lost the message
	replaced  bool // the message is in quarantine: this is the gap record in its place
}

// store brings a message to the hub's stream, or into quarantine.
func (f *forwarder) store(ctx context.Context, key string, m schemas.Stored) error {
	p := f.ends.of(key)
	a := attempt{Stored: m, key: key, leftOver: m.Sequence <= f.leftover}
	return f.spool.hubBack.Retry(ctx, func() error {
		err := f.try(ctx, p, &a)
		if refusal := (*schemas.Permanent)(nil); errors.As(err, &refusal) {
			err = f.replace(ctx, p, &a, refusal)
		}
		switch {
		case err == nil:
			f.spool.opts.Witness.Stored(f.hubStream, f.message(&a), p.end)
			f.spool.outage.success()
		case !wire.Conflict(err): // else somebody else wrote: nothing is wrong
			f.spool.outage.failed(err)
		}
		return err
	})
}

// try sends a message once, if the hub does not have it.
func (f *forwarder) try(ctx context.Context, p *laneEnd, a *attempt) error {
	there := false
	if !p.known {
		var err error
		if there, err = f.look(ctx, p, a); err != nil {
			return err
		}
	}
	switch {
	case there:
	case a.leftOver && a.Sequence <= p.sent:
	case a.Get(schemas.HeaderMsgID) != "" && fingerprintOf(a.Stored) == p.last: // it is in the spool twice
	default:
		err := f.send(ctx, p, a)
		if err == nil {
			p.last = fingerprintOf(a.Stored)
		}
		return err
	}
	f.spool.metrics.found.WithLabelValues(f.stream).Inc()
	return nil
}

// look asks the hub how the lane ends, and whether the message is there. A
// try of this process can only have landed behind the end that fenced it. What an
// earlier process sent may be anywhere; so the first look at a lane with
// messages left over finds the last of them that arrived.
func (f *forwarder) look(ctx context.Context, p *laneEnd, a *attempt) (there bool, err error) {
	last, found, err := f.lastAtHub(ctx, a.key)
	if err != nil {
		return false, err
	}
	if (a.tried || a.leftOver) && found && last.Sequence > p.end {
		arrived, err := f.arrived(ctx, p.end, a, last)
		if err != nil {
			return false, err
		}
		there = arrived >= a.Sequence
		if a.leftOver {
			p.sent = max(p.sent, arrived)
		}
	}
	p.end, p.known, p.last = last.Sequence, true, fingerprintOf(last)
	return there, nil
}

// arrived is the last place of this spool that the hub has behind a sequence of the
// lane; below the attempt's place it need not be exact. The number alone proves
// nothing: the message there must be the one that the spool has.
func (f *forwarder) arrived(ctx context.Context, after uint64, a *attempt, last schemas.Stored) (uint64, error) {
	place := f.lineage.sequence(last)
	if place > 0 && place < a.Sequence {
		return place, nil
	}
	if place > 0 {
		if same, err := f.isOurs(ctx, a, place, last); same || err != nil {
			return place, err
		}
	}
	return f.search(ctx, after, a) // somebody else's; ours may be before it
}

// isOurs reports whether a message of the hub is what this spool sends from a place.
func (f *forwarder) isOurs(ctx context.Context, a *attempt, place uint64, m schemas.Stored) (bool, error) {
	if place == a.Sequence && fingerprintOf(a.Stored) == fingerprintOf(m) { // perhaps not what the spool has there
		return true, nil
	}
	return f.isAt(ctx, place, m)
}

// isAt reports whether the spool has a message of the hub at a place.
func (f *forwarder) isAt(ctx context.Context, place uint64, m schemas.Stored) (bool, error) {
	ours, found, err := f.spool.local.At(ctx, f.stream, place)
	if err != nil || !found {
		return false, err
	}
	return fingerprintOf(ours) == fingerprintOf(m), nil
}

// fingerprint tells a message from all others: an id alone may have been used twice.
type fingerprint [sha256.Size]byte

func fingerprintOf(m schemas.Stored) (f fingerprint) {
	h := sha256.New()
	for _, part := range []string{m.Subject, m.Get("ce-source"), m.Get("ce-id")} {
		h.Write([]byte(part + "\n"))
	}
	h.Write(m.Body)
	h.Sum(f[:0])
	return f
}

func (f *forwarder) lastAtHub(ctx context.Context, key string) (schemas.Stored, bool, error) {
	ctx, cancel := f.spool.hub.Try(ctx)
	defer cancel()
	return f.spool.hub.LastIn(ctx, f.hubStream, key)
}

// search finds the last message of this spool behind a sequence of the hub.
func (f *forwarder) search(ctx context.Context, after uint64, a *attempt) (arrived uint64, err error) {
	behind := wire.Range{Stream: f.hubStream, Filter: a.key, From: after + 1, HeadersOnly: true}
	found := map[uint64]uint64{} // the hub's sequences of places that decide
	err = f.spool.hub.Read(ctx, behind, func(m schemas.Stored) error {
		switch place := f.lineage.sequence(m); {
		case place >= a.Sequence:
			found[place] = m.Sequence
		case place > 0:
			arrived = max(arrived, place)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, place := range slices.Backward(slices.Sorted(maps.Keys(found))) {
		m, has, err := f.spool.hub.At(ctx, f.hubStream, found[place])
		if err != nil {
			return 0, err
		}
		if has {
			if same, err := f.isOurs(ctx, a, place, m); same || err != nil {
				return place, err
			}
		}
	}
	return arrived, nil
}

// send publishes once, behind the end that is known, and makes sure of an
// acknowledgement that says "duplicate". The messages of several lanes may go in one batch:
// each keeps its own fence, and all are stored or none.
func (f *forwarder) send(ctx context.Context, p *laneEnd, a *attempt) error {
	m := f.message(a)
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(p.end, 10))
	m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, a.key)
	a.tried, p.known = true, false // until the acknowledgement says so
	ack, err := f.shared.Send(ctx, m)
	if err != nil {
		return err
	}
	sabotage.Point("spool.hub_stored")
	if ack.Duplicate {
		return f.verify(ctx, a, ack.Sequence)
	}
	p.end, p.known = ack.Sequence, true
	return nil
}

// verify makes sure of a message that the hub calls a duplicate. Its sequence
// says where the message was, not where the lane ends.
func (f *forwarder) verify(ctx context.Context, a *attempt, seq uint64) error {
	m, has, err := f.spool.hub.At(ctx, f.hubStream, seq)
	if err == nil && !(has && f.spool.hub.Same(m, f.message(a))) {
		a.withoutID = true
		return errNotThere
	}
	return err
}

// errNotThere makes a message go out again whose id the hub remembers, although it has
// been purged, or another message has the id.
var errNotThere = errors.New("message is not at the hub, which knows its id")

// message is what the hub gets: subject, body and headers as they are, and where
// it came from.
func (f *forwarder) message(a *attempt) *nats.Msg {
	h := nats.Header(maps.Clone(a.Header))
	h.Set(headerSpool, f.lineage.name(a.Sequence))
	if a.withoutID {
		h.Del(schemas.HeaderMsgID)
	}
	return group.Without(&nats.Msg{Subject: a.Subject, Header: h, Data: a.Body}) // the spool may have got it in one
}
