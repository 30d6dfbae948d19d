package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"aiccbridge/bus"
	"aiccbridge/schemas"
)

// unclean counts ends of polling that may have cost an agent's event, such as a
// kill, and the gap records that say so.
type unclean struct{ expected, recorded int }

func (u *unclean) add(other unclean) {
	u.expected += other.expected
	u.recorded += other.recorded
}

// agentMessage is what every message of an agent tells of its place.
type agentMessage struct {
	schemas.Position
	Type  string           `json:"type"`
	Cause schemas.GapCause `json:"cause"`
	Via   schemas.Way      `json:"via"` // of an event
}

// countUnclean reads the stream of events as an auditor does: where an agent's
// messages go on in a higher epoch although the last one of the epoch before does
// not say that its polling had ended, the first one must be a gap. Not of agents whose
// events are pushed: what was not taken comes again.
func countUnclean(ctx context.Context, b *bus.Bus) (u unclean, err error) {
	of := map[string][]agentMessage{}
	err = b.Read(ctx, schemas.StreamEvents, "", 0, func(m schemas.Stored) error {
		var a agentMessage
		if err := json.Unmarshal(m.Body, &a); err != nil {
			return err
		}
		if tokens := strings.Split(m.Subject, "."); len(tokens) > 4 {
			of[tokens[4]] = append(of[tokens[4]], a) // the agent who was polled; an event may name another one
		}
		return nil
	})
	for _, all := range of {
		if slices.ContainsFunc(all, func(m agentMessage) bool { return m.Via == schemas.WayPush }) {
			continue
		}
		u.add(uncleanOf(all))
	}
	return u, err
}

// uncleanOf takes one agent's messages in the order of the stream. Of what an owner of the past
// still stores only counts that it had ended: a hub may get that late.
func uncleanOf(all []agentMessage) (u unclean) {
	ends := map[uint64]agentMessage{} // by epoch
	for _, m := range all {
		if m.Seq >= ends[m.Epoch].Seq {
			ends[m.Epoch] = m
		}
	}
	var last agentMessage
	for _, m := range all {
		if m.Epoch < last.Epoch || m.Cause == schemas.GapStoreDamaged { // of the store, not of an owner
			continue
		}
		end := ends[last.Epoch].Type
		final := end == schemas.EventLeft || end == schemas.EventSignedOut || last.Cause == schemas.GapUnclean || last.Cause == schemas.GapSession
		if m.Epoch > last.Epoch && last.Epoch > 0 && !final {
			u.expected++
			if m.Cause == schemas.GapUnclean {
				u.recorded++
			}
		}
		last = m
	}
	return u
}

// TestUncleanEndsAreCounted: the auditor misses no missing gap.
func TestUncleanEndsAreCounted(t *testing.T) {
	t.Parallel()
	at := func(epoch, seq uint64, typ string, cause schemas.GapCause) agentMessage {
		return agentMessage{Position: schemas.Position{Epoch: epoch, Seq: seq}, Type: typ, Cause: cause}
	}
	event := func(epoch, seq uint64) agentMessage { return at(epoch, seq, "AgentState_Ready", "") }
	gap := func(epoch, seq uint64) agentMessage { return at(epoch, seq, "", schemas.GapUnclean) }
	for name, c := range map[string]struct {
		all  []agentMessage
		want unclean
	}{
		"nothing":        {},
		"one owner":      {all: []agentMessage{event(1, 1), event(1, 2)}},
		"with gap":       {[]agentMessage{event(1, 1), gap(2, 1), event(2, 2)}, unclean{1, 1}},
		"without gap":    {[]agentMessage{event(1, 1), event(2, 1)}, unclean{1, 0}},
		"left":           {all: []agentMessage{at(1, 1, schemas.EventLeft, ""), event(2, 1)}},
		"left late":      {all: []agentMessage{event(1, 1), event(2, 1), at(1, 2, schemas.EventLeft, ""), event(2, 2)}},
		"never got on":   {[]agentMessage{event(1, 1), gap(2, 1), event(5, 1)}, unclean{1, 1}},
		"stored late":    {[]agentMessage{event(1, 1), gap(2, 1), event(1, 2), event(2, 2)}, unclean{1, 1}},
		"killed in gaps": {[]agentMessage{event(1, 1), gap(2, 1), gap(3, 1), event(3, 2), gap(4, 1)}, unclean{2, 2}},
	} {
		if got := uncleanOf(c.all); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
