package wallboard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/wallboard/calendar"
	"aiccbridge/schemas"
)

// call is one that goes on.
type call struct {
	Tenant, Token, ID string
	Agents            []string
	Since             time.Time
	Begin             clock
	Caller, Called    string // masked
}

// With is who has a part in the call.
func (c call) With() string { return strings.Join(c.Agents, ", ") }

// callsNow are the calls that agents are on, the longest first.
func (f *floor) callsNow() []call {
	byID := map[callID]*call{}
	for key, a := range f.agents {
		if a.CallID == "" || a.State == schemas.StateSignedOut || f.ownersKnown && f.owners.Of(a.Tenant, a.Agent) == "" {
			continue
		}
		id := callID{a.Tenant, a.CallID}
		c := byID[id]
		if c == nil {
			c = &call{Tenant: a.Tenant, ID: a.CallID, Since: a.Since}
			c.Token, _, _ = strings.Cut(key, ".")
			byID[id] = c
		}
		c.Agents = append(c.Agents, a.Agent)
		if a.Since.Before(c.Since) {
			c.Since = a.Since
		}
	}
	all := make([]call, 0, len(byID))
	for _, c := range byID {
		slices.Sort(c.Agents)
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b call) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (p *painter) calls(f *floor, all []call) list[call] {
	shown := shorten(all, mostCalls)
	shown.Unknown = !f.loadedAgents
	for i := range shown.All {
		c := &shown.All[i]
		n := f.calls[callID{c.Tenant, c.ID}]
		c.Caller, c.Called, c.Begin = n.caller, n.called, p.clockOf(c.Since, c.Tenant)
	}
	return shown
}

// covered is how far one kind of a tenant is complete.
type covered struct {
	Tenant, Token string
	Kind          schemas.Kind
	To            string // "": nothing is complete yet
	Unknown       bool   // to where it is complete was not read yet
	Strip         calendar.Strip
	Open          []string // spans that are holes, in words, the newest first
	More          int      // that are not named
}

// mostHoles are named of one kind.
const mostHoles = 3

// Label is the strip in words.
func (c covered) Label() string {
	text := fmt.Sprintf("%s of %s, %s to %s, %s: ", c.Kind, c.Tenant, c.Strip.Begin, c.Strip.End, c.Strip.Words)
	return text + c.Far() + ", " + count(len(c.Strip.Holes), "hole", "holes")
}

// Far is in words how far it is complete.
func (c covered) Far() string {
	switch {
	case c.Unknown:
		return "how far it is complete is unknown"
	case c.To == "":
		return "nothing complete yet"
	}
	return "complete up to " + c.To
}

// spanned is a span of time for people, with seconds where it needs them.
func spanned(w schemas.Window, zone *time.Location) string {
	from, to, clock, day := w.From.In(zone), w.To.In(zone), "15:04", "2 Jan "
	if from.Second() != 0 || to.Second() != 0 {
		clock = "15:04:05"
	}
	text := from.Format(day+clock) + " to "
	if from.Format(day) == to.Add(-time.Second).Format(day) {
		return text + to.Format(clock)
	}
	return text + to.Format(day+clock)
}

func (p *painter) coverage(f *floor, now time.Time) list[covered] {
	var all []covered
	for id, b := range f.books {
		zone := p.zone(id.tenant)
		c := covered{Tenant: id.tenant, Token: schemas.EncodeToken(id.tenant), Kind: id.kind, Unknown: !f.coverageKnown}
		for _, s := range f.coverage {
			if s.Tenant != id.tenant || s.Kind != id.kind {
				continue
			}
			b.Begin(s.From)
			if s.CompleteTo.After(s.From) {
				c.To = s.CompleteTo.In(zone).Format("2 Jan 15:04")
			}
		}
		b.Renew(now, zone)
		c.Strip = b.Strip
		for _, w := range slices.Backward(b.Strip.Holes) {
			if len(c.Open) < mostHoles {
				c.Open = append(c.Open, spanned(w, zone))
			}
		}
		c.More = len(b.Strip.Holes) - len(c.Open)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b covered) int { return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind)) })
	shown := shorten(all, mostStrips)
	shown.Unknown = !f.loadedWindows
	return shown
}

// work is the windows that are at work.
type work struct {
	Planned, Underway, Failed int
	list[window]
}

type window struct {
	Tenant, Token string
	Kind          schemas.Kind
	Span, Meaning string
	Failed        bool
}

func (p *painter) windows(f *floor, now time.Time) (out work) {
	var open []schemas.WindowEntry
	for _, b := range f.books {
		n := b.Counts
		out.Planned, out.Underway, out.Failed = out.Planned+n[calendar.Planned], out.Underway+n[calendar.Underway], out.Failed+n[calendar.Failed]
		open = append(open, b.Open[:min(len(b.Open), mostWindows)]...)
	}
	slices.SortFunc(open, calendar.Before)
	shown := shorten(open, mostWindows)
	out.More, out.Unknown = out.Underway+out.Failed-len(shown.All), !f.loadedWindows
	for _, e := range shown.All {
		zone := p.zone(e.Tenant)
		out.All = append(out.All, window{
			Tenant: e.Tenant, Token: schemas.EncodeToken(e.Tenant), Kind: e.Kind, Failed: calendar.MarkOf(e) == calendar.Failed,
			Span: spanned(e.Window, zone), Meaning: ask.Meaning(e, now.In(zone)),
		})
	}
	return out
}

// line is the pace as a drawing: points of a line 180 wide and 40 high.
type line struct {
	Lines []string
	Most  string // what the upper edge stands for
	Now   string
}

const lineHeight = 40

func paceText(perSecond float64) string {
	switch {
	case perSecond < 0:
		return "unknown"
	case perSecond < 10:
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}

func paceOf(p pace) line {
	most := 1.0
	for _, c := range p.counts {
		most = max(most, c)
	}
	out := line{Most: paceText(most), Now: paceText(p.now())}
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out.Lines = append(out.Lines, strings.TrimSpace(b.String()))
			b.Reset()
		}
	}
	for i, c := range p.counts {
		if c < 0 {
			flush()
			continue
		}
		fmt.Fprintf(&b, "%d,%.1f ", paceSpan-len(p.counts)+i, lineHeight-c/most*(lineHeight-2)-1)
	}
	flush()
	return out
}
