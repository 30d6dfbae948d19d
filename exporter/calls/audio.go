package calls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// mostNews is how many messages on recordings are in memory at a time.
const mostNews = 1000

// errEnough ends a read that has got what it is for.
var errEnough = errors.New("enough has been read")

// sounds is what became of recordings, by the keys of their rows.
type sounds map[string]schemas.CallAudio

// hearNews puts what has been said of recordings since it was last looked into the calls that
// have them. What is said of a recording that no call has yet waits on its stream: whoever
// makes the call looks there.
func (b *Builder) hearNews(ctx context.Context) error {
	if !b.listened.IsZero() && time.Since(b.listened) < b.o.Listen {
		return nil
	}
	for more := true; more; {
		var news []schemas.Recording
		end := b.heard
		err := b.o.Audio(ctx, b.heard+1, time.Time{}, func(m schemas.Stored) error {
			end = m.Sequence
			if r, ok := said(m); ok {
				news = append(news, r)
			}
			if len(news) == mostNews {
				return errEnough
			}
			return nil
		})
		more = errors.Is(err, errEnough)
		if err != nil && !more {
			return err
		}
		if err := b.hear(ctx, news, end); err != nil {
			return err
		}
	}
	b.listened = time.Now()
	b.listen.Store(b.heard)
	return nil
}

// said reads what a message says of the recording of a call.
func said(m schemas.Stored) (r schemas.Recording, ok bool) {
	if m.Get("ce-type") != schemas.TypeRecording || json.Unmarshal(m.Body, &r) != nil {
		return r, false
	}
	return r, r.CallID != "" && r.Validate() == nil
}

// hear puts news up to a sequence into the calls that have a home. The marker of the last home
// says that it is done.
func (b *Builder) hear(ctx context.Context, news []schemas.Recording, end uint64) error {
	near, of := map[schemas.Window]map[schemas.Window]*home{}, map[schemas.Window]map[uint64]sounds{}
	for _, r := range news {
		if near[r.Window] == nil {
			around, err := b.around(ctx, r.Window)
			if err != nil {
				return err
			}
			near[r.Window] = around
		}
		call := b.hash(schemas.EncodeToken(r.CallID))
		w, found := b.nearest(homesOf(near[r.Window], call), r.Window)
		if !found {
			continue
		}
		if of[w] == nil {
			of[w] = map[uint64]sounds{}
		}
		if of[w][call] == nil {
			of[w][call] = sounds{}
		}
		of[w][call][r.Key] = r.ForCall() // the last that is said counts
	}
	homes := slices.SortedFunc(maps.Keys(of), func(a, b schemas.Window) int { return a.From.Compare(b.From) })
	for i, w := range homes {
		if i == len(homes)-1 {
			b.heard = end
		}
		if err := b.revise(ctx, w, of[w]); err != nil {
			return fmt.Errorf("put audio into calls of %s: %w", w, err)
		}
	}
	b.heard = end
	return nil
}

// revise publishes calls of one home again that have heard of their audio, as the stream has
// them otherwise, and its marker behind them.
func (b *Builder) revise(ctx context.Context, w schemas.Window, of map[uint64]sounds) error {
	h := b.homes[w]
	if h.marker == nil || h.open {
		return nil // all of it is made anew, and looks for its audio
	}
	p := &publication{build: b.newBuild(landscape{}, w), marker: *h.marker}
	p.stored = map[uint64]stored{}
	for _, k := range h.calls {
		p.stored[k.call] = stored{seq: k.seq}
	}
	p.marker.Added, p.marker.Revised = 0, 0
	for _, call := range slices.Sorted(maps.Keys(of)) {
		c, have, found, err := b.newest(ctx, p.stored[call].seq)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		for i, r := range c.Recordings {
			if is, ok := of[call][r.Key]; ok {
				c.Recordings[i].Audio = is
			}
		}
		if err := p.call(ctx, call, c, have); err != nil {
			return err
		}
	}
	if p.marker.Revised == 0 {
		return nil
	}
	return p.mark(ctx)
}

// hearAll finds what became of the recordings of all drafts: what the calls have of it, and
// where they have nothing, what was said since their rows came.
func (x *build) hearAll(ctx context.Context) error {
	known, wanted := sounds{}, map[string]bool{}
	for call, d := range x.drafts {
		if len(d.recordings) == 0 {
			continue
		}
		if err := x.soundsOf(ctx, call, known); err != nil {
			return err
		}
		for _, r := range d.recordings {
			if _, ok := known[r.is.Key]; !ok {
				wanted[r.is.Key] = true
			}
		}
	}
	if len(wanted) > 0 {
		if err := x.search(ctx, wanted, known); err != nil {
			return err
		}
	}
	for _, d := range x.drafts {
		for i, r := range d.recordings {
			d.recordings[i].is.Audio = known[r.is.Key]
		}
	}
	return nil
}

// soundsOf adds what the newest revision of a call has.
func (x *build) soundsOf(ctx context.Context, call uint64, known sounds) error {
	have, there := x.stored[call]
	if !there {
		return nil
	}
	c, _, _, err := x.newest(ctx, have.seq)
	if err != nil {
		return err
	}
	for _, r := range c.Recordings {
		if r.Audio != (schemas.CallAudio{}) {
			known[r.Key] = r.Audio
		}
	}
	return nil
}

// search adds what was said of recordings since the first of their rows was stored. That one
// is looked for again does no harm: what was said of it last counts.
func (x *build) search(ctx context.Context, wanted map[string]bool, known sounds) error {
	return x.o.Audio(ctx, 0, x.recorded.Add(-time.Minute), func(m schemas.Stored) error {
		if r, ok := said(m); ok && wanted[r.Key] {
			known[r.Key] = r.ForCall()
		}
		return nil
	})
}
