package spool

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// headerSpool says from where a message came to the hub: <spool>/<sequence>.
// Within a partition the sequences of one spool only grow.
const headerSpool = "aicc-spool"

// partition is what is known of the hub's end of one partition. One lane at a
// time uses it.
type partition struct {
	end   uint64 // sequence of the last message; the next one is fenced by it
	known bool   // end is right, unless somebody else wrote since
	id    string // the last message's Nats-Msg-Id
	// sent is the last of the messages left over by an earlier process that is
	// at the hub.
	sent uint64
}

// ends are the partitions seen so far: one of each agent.
type ends struct {
	mu sync.Mutex
	by map[string]*partition
}

func (e *ends) of(key string) *partition {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.by[key]
	if !ok {
		if e.by == nil {
			e.by = make(map[string]*partition)
		}
		p = new(partition)
		e.by[key] = p
	}
	return p
}

// attempt is one message on its way to the hub.
type attempt struct {
	schemas.Stored
	key       string
	leftOver  bool // by an earlier process, which may have sent it
	tried     bool // by this one; it may have landed behind the partition's end
	withoutID bool // the hub knows the id, but has lost the message
}

// store brings a message to the hub's stream, or into quarantine.
func (f *forwarder) store(ctx context.Context, key string, m schemas.Stored) error {
	p := f.ends.of(key)
	a := attempt{Stored: m, key: key, leftOver: m.Sequence <= f.leftover}
	return f.spool.hubBack.retry(ctx, func() error {
		err := f.try(ctx, p, &a)
		if refusal := (*schemas.Permanent)(nil); errors.As(err, &refusal) {
			err = f.quarantine(ctx, m, refusal)
		}
		switch {
		case err == nil:
			f.spool.outage.success()
		case !wire.Conflict(err): // else somebody else wrote: nothing is wrong
			f.spool.outage.failed(err)
		}
		return err
	})
}

// try sends a message once, if the hub does not have it.
func (f *forwarder) try(ctx context.Context, p *partition, a *attempt) error {
	there := false
	if !p.known {
		var err error
		if there, err = f.look(ctx, p, a); err != nil {
			return err
		}
	}
	id := a.Get(schemas.HeaderMsgID)
	switch {
	case there:
	case a.leftOver && a.Sequence <= p.sent:
	case id != "" && id == p.id: // it is in the spool twice
	default:
		err := f.send(ctx, p, a)
		if err == nil {
			p.id = id
		}
		return err
	}
	f.spool.metrics.found.WithLabelValues(f.stream).Inc()
	return nil
}

// look asks the hub how the partition ends, and whether the message is there. A
// try of this process can only have landed behind the end that fenced it. What an
// earlier process sent may be anywhere; so the first look at a partition with
// messages left over finds the last of them that arrived.
func (f *forwarder) look(ctx context.Context, p *partition, a *attempt) (there bool, err error) {
	last, found, err := f.lastAtHub(ctx, a.key)
	if err != nil {
		return false, err
	}
	if (a.tried || a.leftOver) && found && last.Sequence > p.end {
		ours := f.sequence(last)
		if ours == 0 { // somebody else's; ours may be before it
			if ours, err = f.search(ctx, p.end, a.key); err != nil {
				return false, err
			}
		}
		there = ours >= a.Sequence
		if a.leftOver {
			p.sent = max(p.sent, ours)
		}
	}
	p.end, p.known, p.id = last.Sequence, true, last.Get(schemas.HeaderMsgID)
	return there, nil
}

func (f *forwarder) lastAtHub(ctx context.Context, key string) (schemas.Stored, bool, error) {
	ctx, cancel := f.spool.hub.Try(ctx)
	defer cancel()
	return f.spool.hub.LastIn(ctx, f.hubStream, key)
}

// search finds the last message of this spool behind a sequence of the hub.
func (f *forwarder) search(ctx context.Context, after uint64, key string) (ours uint64, err error) {
	behind := wire.Range{Stream: f.hubStream, Filter: key, From: after + 1, HeadersOnly: true}
	err = f.spool.hub.Read(ctx, behind, func(m schemas.Stored) error {
		ours = max(ours, f.sequence(m))
		return nil
	})
	return ours, err
}

// sequence is the place in this spool that a message of the hub came from; 0
// when it came from elsewhere.
func (f *forwarder) sequence(m schemas.Stored) uint64 {
	id, text, _ := strings.Cut(m.Get(headerSpool), "/")
	if id != f.id {
		return 0
	}
	seq, _ := strconv.ParseUint(text, 10, 64)
	return seq
}

// send publishes once, behind the end that is known, and makes sure of an
// acknowledgement that says "duplicate".
func (f *forwarder) send(ctx context.Context, p *partition, a *attempt) error {
	ctx, cancel := f.spool.hub.Try(ctx)
	defer cancel()
	fence := jetstream.WithExpectLastSequenceForSubject(p.end, a.key)
	a.tried, p.known = true, false // until the acknowledgement says so
	ack, err := f.spool.hub.Send(ctx, f.hubStream, f.message(a), fence)
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
// says where the message was, not where the partition ends.
func (f *forwarder) verify(ctx context.Context, a *attempt, seq uint64) error {
	_, has, err := f.spool.hub.At(ctx, f.hubStream, seq)
	if err == nil && !has {
		a.withoutID = true
		return errPurged
	}
	return err
}

// errPurged makes a message go out again whose id the hub remembers, although
// the message has been purged.
var errPurged = errors.New("message was purged from the hub")

// message is what the hub gets: subject, body and headers as they are, and where
// it came from.
func (f *forwarder) message(a *attempt) *nats.Msg {
	h := nats.Header(maps.Clone(a.Header))
	h.Set(headerSpool, f.id+"/"+strconv.FormatUint(a.Sequence, 10))
	if a.withoutID {
		h.Del(schemas.HeaderMsgID)
	}
	return &nats.Msg{Subject: a.Subject, Header: h, Data: a.Body}
}
