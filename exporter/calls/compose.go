package calls

import (
	"cmp"
	"math"
	"slices"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// content says what the rows of a call come to.
func (d *draft) content() schemas.CallContent {
	d.legs, d.recordings, d.operations = current(d.legs), current(d.recordings), current(d.operations)
	slices.SortFunc(d.legs, byPlace)
	slices.SortFunc(d.recordings, func(a, b part[schemas.CallRecording]) int {
		return cmp.Or(a.is.Begin.Compare(b.is.Begin), cmp.Compare(a.is.Row, b.is.Row))
	})
	slices.SortFunc(d.operations, func(a, b part[schemas.CallOperation]) int {
		return cmp.Or(a.is.Begin.Compare(b.is.Begin), cmp.Compare(a.is.Row, b.is.Row))
	})
	c := schemas.CallContent{Legs: []schemas.CallLeg{}}
	for _, l := range d.legs {
		c.Legs = append(c.Legs, l.is.CallLeg)
		addLeg(&c, l.is)
	}
	for _, r := range d.recordings {
		c.Recordings = append(c.Recordings, r.is)
	}
	for _, o := range d.operations {
		c.Operations = append(c.Operations, o.is)
	}
	if c.CallType != nil {
		c.Direction = rows.Direction(int64(*c.CallType))
	}
	c.Rows = slices.Concat(
		rowsOf(schemas.KindCDR, d.legs, func(l leg) string { return l.Row }),
		rowsOf(schemas.KindRecording, d.recordings, func(r schemas.CallRecording) string { return r.Row }),
		rowsOf(schemas.KindOperation, d.operations, func(o schemas.CallOperation) string { return o.Row }),
	)
	return c
}

// byPlace orders legs as the call went: by their numbers, the one that closes it last;
// those without a number by their begin, behind the numbered.
func byPlace(a, b part[leg]) int {
	return cmp.Or(cmp.Compare(place(a.is), place(b.is)), begin(a.is).Compare(begin(b.is)), cmp.Compare(a.is.Row, b.is.Row))
}

func place(l leg) int {
	switch {
	case closes(l):
		return math.MaxInt
	case l.Number == nil:
		return math.MaxInt - 1
	}
	return *l.Number
}

// closes reports the last or only leg of a call (cec_07_0831: call_id_num is -1).
func closes(l leg) bool { return l.Number != nil && *l.Number == -1 }

// begin is the first time of a leg.
func begin(l leg) (first time.Time) {
	for _, t := range times(l.CallLeg) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// addLeg adds what a leg, the next in order, says of the whole call.
func addLeg(c *schemas.CallContent, l leg) {
	c.Caller, c.Called = cmp.Or(c.Caller, l.caller), cmp.Or(c.Called, l.called)
	if c.CallType == nil && l.callType != nil {
		c.CallType, c.Names.CallType = l.callType, l.names.CallType
	}
	if c.MediaType == nil && l.mediaType != nil {
		c.MediaType, c.Names.MediaType = l.mediaType, l.names.MediaType
	}
	if closes(l) { // on other legs it means nothing
		c.Closed, c.ReleaseCause, c.Names.ReleaseCause = true, l.releaseCause, l.names.ReleaseCause
	}
	for _, t := range times(l.CallLeg) {
		if t.IsZero() {
			continue
		}
		if c.Begin.IsZero() || t.Before(c.Begin) {
			c.Begin = t
		}
		if t.After(c.End) {
			c.End = t
		}
	}
	c.WaitS, c.RingS, c.TalkS = sum(c.WaitS, l.WaitS), sum(c.RingS, l.RingS), sum(c.TalkS, l.TalkS)
	c.Agents, c.Skills = once(c.Agents, l.Agent), once(c.Skills, l.Skill)
}

// sum adds a duration that may not be known.
func sum(total, further *int) *int {
	if total == nil || further == nil {
		return cmp.Or(total, further)
	}
	both := *total + *further
	return &both
}

// once adds a name that is not there yet.
func once(names []string, name string) []string {
	if name == "" || slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// rowsOf lists the rows of one kind by their windows, in the order of the parts.
func rowsOf[T any](k schemas.Kind, parts []part[T], id func(T) string) (all []schemas.CallRows) {
	for _, p := range parts {
		i := slices.IndexFunc(all, func(r schemas.CallRows) bool { return r.Window == *p.at })
		if i < 0 {
			i = len(all)
			all = append(all, schemas.CallRows{Kind: k, Window: *p.at})
		}
		all[i].IDs = append(all[i].IDs, id(p.is))
	}
	return all
}
