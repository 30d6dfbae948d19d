package wallboard

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
)

// How many of a list are shown; the rest is a number.
const (
	mostCalls   = 10
	mostWindows = 8
	mostLetters = 8
	mostAlarms  = 12
	mostBridges = 16
	mostStrips  = 32
)

//go:embed pages
var pages embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"words": words, "iso": iso, "count": count,
}).ParseFS(pages, "pages/*.html"))

// words are what people say for a name.
func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// states are all, in the order in which they are shown.
var states = []schemas.State{
	schemas.StateOnCall, schemas.StateReady, schemas.StateWrapup, schemas.StateRest, schemas.StateNotReady, schemas.StateUnknown, schemas.StateSignedOut,
}

// painter renders what is known, and remembers what it has rendered.
type painter struct {
	o     Options
	mask  *privacy.Policy
	tiles map[string]tile // by key of the agent
	given bool            // the groups have been given
	now   time.Time
}

func newPainter(o Options, mask *privacy.Policy) *painter {
	return &painter{o: o, mask: mask, tiles: map[string]tile{}}
}

// tile is what is shown of an agent. It has nothing that changes while the agent does not.
type tile struct {
	ID, Order     string
	Tenant, Token string
	Agent         string
	State         schemas.State
	Note          string // why it is not known
	Since         clock
	Call          string
}

// paint renders what is known.
func (p *painter) paint(f *floor, now time.Time) change {
	p.now = now
	c := change{parts: map[string]string{}, tiles: map[string]string{}}
	n := map[schemas.State]int{}
	grown := len(f.agents) != len(p.tiles)
	for key, a := range f.agents {
		t := p.tileOf(f, key, a)
		n[t.State]++
		old, had := p.tiles[key]
		grown = grown || !had
		if !had || old != t {
			p.tiles[key] = t
			c.tiles[t.ID] = render("tile", t)
		}
	}
	if grown || !p.given {
		p.given = true
		for key := range p.tiles {
			if _, there := f.agents[key]; !there {
				delete(p.tiles, key)
			}
		}
		c.groups = p.groups()
	}
	for _, s := range states {
		c.parts["n-"+string(s)] = figure{n[s], !f.loadedAgents}.short()
	}
	alarms := p.alarms(f)
	calls := f.callsNow()
	c.parts["p-notice"] = render("notice", p.clockOf(f.away, ""))
	shown := shorten(alarms, mostAlarms)
	shown.Unknown = f.bridgesAt.IsZero()
	c.parts["p-announce"] = announced(alarms, shown.Unknown)
	c.parts["p-alarms"] = render("alarms", shown)
	c.parts["p-figures"] = render("figures", figuresOf(f, n, len(calls), len(alarms)))
	c.parts["p-pace"] = render("pace", paceOf(f.pace))
	c.parts["p-calls"] = render("calls", p.calls(f, calls))
	c.parts["p-coverage"] = render("coverage", p.coverage(f, now))
	c.parts["p-windows"] = render("windows", p.windows(f, now))
	c.parts["p-letters"] = render("letters", p.letters(f))
	c.parts["p-bridges"] = render("bridges", p.bridges(f))
	return c
}

// render executes a template, of which the tests have seen that it can be.
func render(name string, data any) string {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return template.HTMLEscapeString("cannot be shown: " + err.Error())
	}
	return strings.TrimSpace(b.String())
}

// list is the first of many.
type list[T any] struct {
	All     []T
	More    int  // that are not shown
	Unknown bool // nothing was read yet
}

func shorten[T any](all []T, most int) list[T] {
	n := min(len(all), most)
	return list[T]{All: all[:n], More: len(all) - n}
}

// zone is that of a tenant's times.
func (p *painter) zone(tenant string) *time.Location {
	return cmp.Or(p.o.Zone(tenant), p.o.Zone(""), time.Local)
}

// clock is a time for people: of the day, and with the day if it is another one.
type clock struct {
	At   time.Time
	Text string
}

// clockOf is a time in the zone of a tenant. Zero: it is not known.
func (p *painter) clockOf(t time.Time, tenant string) clock {
	if t.IsZero() {
		return clock{}
	}
	t = t.In(p.zone(tenant))
	if t.Year() < 1 || t.Year() > 9999 {
		return clock{}
	}
	if t.Format(time.DateOnly) == p.now.In(t.Location()).Format(time.DateOnly) {
		return clock{t, t.Format("15:04")}
	}
	return clock{t, t.Format("2 Jan 15:04")}
}

func (p *painter) tileOf(f *floor, key string, a schemas.AgentState) tile {
	t := tile{
		ID: "t-" + key, Token: schemas.EncodeToken(a.Tenant), Tenant: a.Tenant, Agent: a.Agent,
		Order: fmt.Sprintf("%03d%s", len(a.Agent), schemas.EncodeToken(a.Agent)), State: a.State, Since: p.clockOf(a.Since, a.Tenant), Call: a.CallID,
	}
	if !slices.Contains(states, a.State) {
		t.State, t.Note = schemas.StateUnknown, "a newer bridge says "+words(a.State)
	}
	if f.ownersKnown && t.State != schemas.StateUnknown && t.State != schemas.StateSignedOut && f.owners.Of(a.Tenant, a.Agent) == "" {
		t.State, t.Note = schemas.StateUnknown, "nobody polls; was "+words(a.State)
	}
	return t
}

// groups are all tiles by tenant, in order.
func (p *painter) groups() (groups []group) {
	keys := make([]string, 0, len(p.tiles))
	for key := range p.tiles {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, y := p.tiles[a], p.tiles[b]
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Order, y.Order))
	})
	groups = []group{}
	for _, key := range keys {
		t := p.tiles[key]
		if len(groups) == 0 || groups[len(groups)-1].Tenant != t.Tenant {
			head := render("group", map[string]string{"Tenant": t.Tenant, "Token": t.Token, "Crowd": crowd(len(keys))})
			groups = append(groups, group{Tenant: t.Tenant, Token: t.Token, Head: head})
		}
		g := &groups[len(groups)-1]
		g.Tiles = append(g.Tiles, t.ID)
	}
	return groups
}

// crowd says how close the tiles have to stand, so that a wall has room for all.
func crowd(tiles int) string {
	switch {
	case tiles > 240:
		return "crowd"
	case tiles > 60:
		return "many"
	}
	return "few"
}

// alarm is one that lasts.
type alarm struct {
	Name, Bridge, Reason, Cure string
	Fatal                      bool
	Since, Heard               clock // Heard: when the bridge was, if it did not answer since
}

func (p *painter) alarms(f *floor) (all []alarm) {
	if !f.bridgesAt.IsZero() && len(f.bridges) == 0 {
		all = append(all, alarm{Name: "no bridge answers", Reason: "none of the hub's bridges said how it is", Cure: "see whether they run", Fatal: true})
	}
	for _, b := range f.bridges {
		for _, a := range b.Alarms {
			all = append(all, alarm{
				Name: words(a.Name), Bridge: b.Instance, Fatal: a.Fatal, Since: p.clockOf(a.Since, ""), Heard: p.clockOf(f.unheard(b.Instance), ""),
				Reason: string(p.mask.Text([]byte(strings.ReplaceAll(a.Reason, "\n", "; ")))), Cure: cures[a.Name],
			})
		}
	}
	slices.SortStableFunc(all, func(a, b alarm) int {
		fatal := func(a alarm) int {
			if a.Fatal {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(fatal(a), fatal(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Bridge, b.Bridge))
	})
	return all
}

// announced is what is read out when it changes.
func announced(alarms []alarm, unknown bool) string {
	if unknown {
		return "Alarms are unknown."
	}
	var names []string
	for _, a := range alarms {
		if !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
	}
	if len(names) == 0 {
		return "No alarm."
	}
	return template.HTMLEscapeString("Alarm: " + strings.Join(names, ", ") + ".")
}

// figures are the large numbers.
type figures struct {
	Calls, Agents, AtWork, Unknown, Letters, Alarms figure
	Pace                                            string
}

// figure is a number that may not be known.
type figure struct {
	N       int
	Unknown bool
}

func (f figure) String() string {
	if f.Unknown {
		return "unknown"
	}
	return strconv.Itoa(f.N)
}

// short is for where there is little room.
func (f figure) short() string {
	if f.Unknown {
		return "?"
	}
	return f.String()
}

func figuresOf(f *floor, n map[schemas.State]int, calls, alarms int) figures {
	agents, letters := len(f.agents), 0
	for _, l := range f.letters {
		letters += l.Count
	}
	of := func(n int) figure { return figure{n, !f.loadedAgents} } // agents
	return figures{
		Calls: of(calls), Agents: of(agents), Unknown: of(n[schemas.StateUnknown]),
		AtWork:  of(agents - n[schemas.StateUnknown] - n[schemas.StateSignedOut]),
		Letters: figure{letters, !f.lettersKnown}, Alarms: figure{alarms, f.bridgesAt.IsZero()}, Pace: paceText(f.pace.now()),
	}
}

// bridge is one of the hub's bridges.
type bridge struct {
	ask.Bridge
	Up, Heard     clock // Heard: when it was, if it did not answer since
	Events, Spool string
}

func (p *painter) bridges(f *floor) list[bridge] {
	var all []bridge
	for _, b := range f.bridges {
		one := bridge{Bridge: b, Up: p.clockOf(b.Started, ""), Heard: p.clockOf(f.unheard(b.Instance), ""), Events: fmt.Sprintf("%.1f", b.Rates.Events), Spool: "none"}
		if b.Spool != nil {
			one.Spool = count(int(b.Spool.Messages), "message", "messages")
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b bridge) int { return cmp.Compare(a.Instance, b.Instance) })
	return shorten(all, mostBridges)
}

// letter is the dead letters of a reason.
type letter struct {
	Tenant, Token, Reason string
	Count                 int
	Last                  clock
}

func (p *painter) letters(f *floor) list[letter] {
	var all []letter
	for _, l := range f.letters {
		all = append(all, letter{l.Tenant, schemas.EncodeToken(l.Tenant), ask.InWords(l.Reason), l.Count, p.clockOf(l.LastAt, l.Tenant)})
	}
	slices.SortFunc(all, func(a, b letter) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Reason, b.Reason))
	})
	shown := shorten(all, mostLetters)
	shown.Unknown = !f.lettersKnown
	return shown
}
