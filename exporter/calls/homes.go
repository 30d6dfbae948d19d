package calls

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// home is what the stream has of one window's calls.
type home struct {
	marker *schemas.CallsComplete // the last one; nil: there is none
	open   bool                   // calls came behind it: whoever wrote them did not come to their marker
	calls  []known                // by the hashes of their ids; nil: not read
	gone   time.Time              // its rows have left the stream, as of this completion
}

// known is a call that the stream has: the hash of its id, and where its newest revision is.
type known struct{ call, seq uint64 }

// load reads where each home stands.
func (b *Builder) load(ctx context.Context) (err error) {
	homes := map[schemas.Window]*home{}
	b.settled.Store(0)
	b.listen.Store(0)
	if b.kept, err = b.o.Stream.Kept(ctx); err != nil {
		return err
	}
	b.last, err = b.o.Stream.Newest(ctx, b.o.Tenant, func(m schemas.Stored) error {
		w, err := schemas.ParseWindow(m.Subject[strings.LastIndex(m.Subject, ".")+1:])
		if err != nil {
			return nil // it is not ours
		}
		h := &home{}
		homes[w] = h
		h.open = !h.mark(m)
		return nil
	})
	if err != nil {
		return err
	}
	for w, h := range homes {
		if !h.open {
			continue
		}
		err := b.o.Stream.Read(ctx, b.o.Names.Call(b.o.Tenant, w), func(m schemas.Stored) error {
			h.mark(m)
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for the marker of %s: %w", w, err)
		}
	}
	b.homes, b.known, b.heard, b.listened = homes, true, 0, time.Time{}
	for _, h := range homes {
		if h.marker != nil {
			b.heard = max(b.heard, h.marker.Heard)
		}
	}
	return nil
}

// mark takes a message for the home's marker if it is one.
func (h *home) mark(m schemas.Stored) bool {
	var marker schemas.CallsComplete
	if m.Get("ce-type") != schemas.TypeCallsComplete || json.Unmarshal(m.Body, &marker) != nil {
		return false
	}
	h.marker = &marker
	return true
}

// knows reports whether a window's rows are in the home's calls, as of its completion.
func (h *home) knows(s source, completed time.Time) bool {
	if h.marker == nil {
		return false
	}
	read, ok := h.marker.Source(s.kind, s.window)
	return ok && read.CompletedAt.Equal(completed)
}

// stored is the last revision of a call in the stream.
type stored struct {
	revision int
	digest   string
	seq      uint64
}

// readBack reads what the stream has of a home's calls, by the hashes of their ids.
func (b *Builder) readBack(ctx context.Context, w schemas.Window) (map[uint64]stored, error) {
	calls := map[uint64]stored{}
	if b.homes[w] == nil {
		return calls, nil
	}
	err := b.o.Stream.ReadBack(ctx, b.o.Names.Call(b.o.Tenant, w), func(h schemas.CallHeader, seq uint64) {
		if h.Type == schemas.TypeCall {
			calls[b.hash(h.Call)] = stored{h.Revision, h.Digest, seq}
		}
	})
	if err != nil {
		return nil, err
	}
	b.homes[w].calls = sorted(calls)
	return calls, nil
}

func sorted(calls map[uint64]stored) []known {
	all := make([]known, 0, len(calls))
	for call, s := range calls {
		all = append(all, known{call, s.seq})
	}
	slices.SortFunc(all, func(a, b known) int { return cmp.Compare(a.call, b.call) })
	return all
}

// newest is a call as the stream has it at a sequence; found is false when it has gone.
func (b *Builder) newest(ctx context.Context, seq uint64) (c schemas.Call, s stored, found bool, err error) {
	m, found, err := b.o.Stream.At(ctx, seq)
	if err != nil || !found {
		return c, s, false, err
	}
	h := schemas.ReadCallHeader(m.Header)
	if err := json.Unmarshal(m.Body, &c); err != nil || h.Type != schemas.TypeCall {
		return c, s, false, fmt.Errorf("message %d is no call: %w", seq, err)
	}
	return c, stored{h.Revision, h.Digest, seq}, true, nil
}

// hash is that of an encoded call id.
func (b *Builder) hash(call string) uint64 { return maphash.String(b.seed, call) }

// around are the homes within twice the reach of a window, itself included, with their calls:
// those that rows within reach may be at home in. Those of homes further away are forgotten.
func (b *Builder) around(ctx context.Context, w schemas.Window) (near map[schemas.Window]*home, err error) {
	near = map[schemas.Window]*home{}
	for at, h := range b.homes {
		switch {
		case apart(at, w) > 3*b.o.Reach:
			h.calls = nil
		case apart(at, w) <= 2*b.o.Reach:
			near[at] = h
			if h.calls == nil {
				if _, err := b.readBack(ctx, at); err != nil {
					return nil, fmt.Errorf("look for calls near %s: %w", w, err)
				}
			}
		}
	}
	return near, nil
}

// apart is how far one window is from another; 0: they touch.
func apart(a, b schemas.Window) time.Duration {
	return max(0, a.From.Sub(b.To), b.From.Sub(a.To))
}

// homesOf are those of homes that have a call, the earliest first. There are several when the
// platform gives an id again after a day.
func homesOf(near map[schemas.Window]*home, call uint64) (all []schemas.Window) {
	for w, h := range near {
		if _, found := h.find(call); found {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b schemas.Window) int { return a.From.Compare(b.From) })
	return all
}

// find returns where a call's newest revision is.
func (h *home) find(call uint64) (seq uint64, found bool) {
	i, found := slices.BinarySearchFunc(h.calls, call, func(k known, call uint64) int { return cmp.Compare(k.call, call) })
	if !found {
		return 0, false
	}
	return h.calls[i].seq, true
}

// nearest is the one of some homes, the earliest first, that a row of a window belongs to: of
// those within reach the one that begins nearest to it, and of two the earlier.
func (b *Builder) nearest(homes []schemas.Window, at schemas.Window) (nearest schemas.Window, found bool) {
	for _, w := range homes {
		if apart(w, at) <= b.o.Reach && (!found || w.From.Sub(at.From).Abs() < nearest.From.Sub(at.From).Abs()) {
			nearest, found = w, true
		}
	}
	return nearest, found
}
