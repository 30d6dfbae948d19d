package calls

import (
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
	ids    []uint64               // hashes of its calls' ids, sorted; nil: not read
	gone   time.Time              // its rows have left the stream, as of this completion
}

// load reads where each home stands.
func (b *Builder) load(ctx context.Context) (err error) {
	homes := map[schemas.Window]*home{}
	b.settled.Store(0)
	if b.keeps, err = b.o.Stream.Keeps(ctx); err != nil {
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
	b.homes, b.known = homes, true
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
}

// readBack reads what the stream has of a home's calls, by the hashes of their ids.
func (b *Builder) readBack(ctx context.Context, w schemas.Window) (map[uint64]stored, error) {
	calls := map[uint64]stored{}
	if b.homes[w] == nil {
		return calls, nil
	}
	err := b.o.Stream.ReadBack(ctx, b.o.Names.Call(b.o.Tenant, w), func(h schemas.CallHeader) {
		if h.Type == schemas.TypeCall {
			calls[b.hash(h.Call)] = stored{h.Revision, h.Digest}
		}
	})
	if err != nil {
		return nil, err
	}
	b.homes[w].ids = sorted(calls)
	return calls, nil
}

func sorted[V any](set map[uint64]V) []uint64 {
	ids := make([]uint64, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// hash is that of an encoded call id.
func (b *Builder) hash(call string) uint64 { return maphash.String(b.seed, call) }

// neighbours are the homes within reach of a window, itself left out, with the ids of their
// calls. Those of homes far away are forgotten.
func (b *Builder) neighbours(ctx context.Context, w schemas.Window) (near map[schemas.Window]*home, err error) {
	near = map[schemas.Window]*home{}
	for at, h := range b.homes {
		switch {
		case at == w:
		case at.To.Before(w.From.Add(-2*b.o.Reach)) || at.From.After(w.To.Add(2*b.o.Reach)):
			h.ids = nil
		case !at.To.Before(w.From.Add(-b.o.Reach)) && !at.From.After(w.To.Add(b.o.Reach)):
			near[at] = h
			if h.ids == nil {
				if _, err := b.readBack(ctx, at); err != nil {
					return nil, fmt.Errorf("look for calls near %s: %w", w, err)
				}
			}
		}
	}
	return near, nil
}

// homeOf finds the home of a call among neighbours.
func homeOf(near map[schemas.Window]*home, call uint64) (schemas.Window, bool) {
	for w, h := range near {
		if _, found := slices.BinarySearch(h.ids, call); found {
			return w, true
		}
	}
	return schemas.Window{}, false
}
