package reconcile

import (
	"cmp"
	"context"
	"slices"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// recordings compares the recording index with the recordings that were seen to begin.
func (c *matcher) recordings(ctx context.Context) error {
	audio, err := c.audio(ctx)
	if err != nil {
		return err
	}
	rows := slices.Clone(c.rows)
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(a.CallBegin.Compare(b.CallBegin), cmp.Compare(a.id, b.id)) })
	for _, x := range rows {
		f := comparison.Finding{What: comparison.RecordingUnseen, Agent: x.Agent, CallID: x.Call, At: x.CallBegin, Row: x.id}
		switch {
		case x.Agent == "" || x.CallBegin.IsZero():
		case c.live.seats[x.Agent].recorded(x.Call):
			c.both()
		case x.vague():
			c.said.NotObserved++
		default:
			c.unseen(f, span{x.CallBegin, x.CallBegin.Add(c.o.Tolerance)}, false, false)
		}
		if why, missing := audio[x.key]; missing {
			c.said.NoAudio++
			f.What, f.Name = comparison.NoAudio, why
			c.found = append(c.found, f)
		}
	}
	return c.rowlessRecordings(ctx)
}

// recorded takes the first recording of a call that is not taken; false: there is none.
func (s *seat) recorded(call string) bool {
	if s == nil {
		return false
	}
	for i := range s.recordings {
		if r := &s.recordings[i]; r.call == call && !r.used {
			r.used = true
			return true
		}
	}
	return false
}

// rowlessRecordings are those that were seen to begin in the window and are not in the index.
func (c *matcher) rowlessRecordings(ctx context.Context) error {
	type lone struct {
		agent string
		*liveRecording
	}
	var all []lone
	var where span
	for agent, s := range c.live.seats {
		for i := range s.recordings {
			if r := &s.recordings[i]; c.holds(r.at) && !r.used {
				all, where = append(all, lone{agent, r}), where.with(span{r.at, r.at})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	others, waits, err := c.elsewhere(ctx, where.wider(c.o.Tolerance+hearing))
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b lone) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.agent, b.agent)) })
	taken := map[place]int{} // rows of the windows around
	for _, x := range all {
		where, rows := place{x.agent, x.call}, 0
		for _, o := range others {
			rows += o.calls[where]
		}
		if rows > taken[where] {
			taken[where]++
			continue
		}
		over := x.over
		if of := c.live.calls[where]; over.IsZero() && of != nil {
			over = c.live.whole(of).to
		}
		at := span{x.at, x.at}.wider(c.o.Tolerance + hearing)
		c.rowless(comparison.Finding{What: comparison.RecordingNoRow, Agent: x.agent, CallID: x.call, At: x.at}, over,
			waits && slices.ContainsFunc(c.said.Pending, func(w schemas.Window) bool { return at.overlaps(span{w.From, w.To}) }))
	}
	return nil
}

// audio says why audio is missing, by the keys of rows.
func (c *matcher) audio(ctx context.Context) (map[string]string, error) {
	missing := map[string]string{}
	if c.o.Audio == nil || len(c.rows) == 0 {
		return missing, nil
	}
	err := c.o.Audio(ctx, c.said.Window.From, func(r schemas.Recording) {
		delete(missing, r.Key) // the last that was said counts
		if r.Status == schemas.RecordingMissing {
			missing[r.Key] = string(r.Reason)
		}
	})
	return missing, err
}
