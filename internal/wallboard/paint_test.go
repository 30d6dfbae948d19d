package wallboard

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/privacy"
	"aiccbridge/internal/wallboard/calendar"
	"aiccbridge/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

// noon is when the golden page is painted.
var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// evil is a name as somebody would give who wants a page to run his script.
const evil = `"><script>alert('1')</script>&x;`

func newTestPainter(t testing.TB) *painter {
	t.Helper()
	mask, err := privacy.New(privacy.Options{PhoneNumbers: privacy.Mask, Phones: []string{"caller", "called"}})
	if err != nil {
		t.Fatal(err)
	}
	return newPainter(New(Options{Zone: func(string) *time.Location { return time.UTC }}).o, mask)
}

// fullFloor has something of everything, and foreign texts that mean harm.
func fullFloor() *floor {
	f := newFloor()
	f.loadedAgents, f.loadedWindows, f.coverageKnown, f.lettersKnown = true, true, true, true
	add := func(tenant, agent string, s schemas.State, since time.Time, call string) {
		f.agents[schemas.AgentKey(tenant, agent)] = schemas.AgentState{Tenant: tenant, Agent: agent, State: s, Since: since, CallID: call}
	}
	add(acme, "101", schemas.StateOnCall, noon.Add(-5*time.Minute), "7-1")
	add(acme, "102", schemas.StateOnCall, noon.Add(-4*time.Minute), "7-1")
	add(acme, "99", schemas.StateReady, noon.Add(-time.Hour), "")
	add(acme, "103", schemas.StateUnknown, time.Time{}, "")
	add(acme, "104", "asleep", noon.AddDate(0, 0, -3), "") // a newer bridge's
	add(evil, evil, schemas.StateOnCall, noon, evil)
	f.calls[callID{acme, "7-1"}] = numbers{"139******78", "400*****34"}
	f.bridgesAt = noon
	f.heard[evil] = noon
	f.bridges = []ask.Bridge{{Instance: evil, Version: evil, Mode: "external", Started: noon.Add(-time.Hour), Agents: 5, Spool: &ask.Spool{Messages: 12}, Alarms: []ask.Alarm{
		{Name: "agents", Reason: evil + " 13912345678\nand more", Since: noon.Add(-time.Minute)},
		{Name: "store", Reason: "nothing can be stored", Since: noon.Add(-2 * time.Minute), Fatal: true},
		{Name: evil, Reason: evil},
	}}}
	f.letters = []ask.LetterCount{{Tenant: acme, Reason: schemas.ReasonDamagedZip, Count: 2, LastAt: noon.Add(-time.Hour)}, {Tenant: evil, Reason: schemas.Reason(evil), Count: 1, LastAt: noon}}
	for i := range 6 {
		e := schemas.WindowEntry{Tenant: acme, Kind: schemas.KindCDR, Window: schemas.Window{From: noon.Add(time.Duration(i-6) * time.Hour), To: noon.Add(time.Duration(i-5) * time.Hour)}, State: schemas.WindowCompleted}
		switch i {
		case 2:
			continue // no window
		case 3:
			e.State, e.Reason, e.Attempts, e.DueAt = schemas.WindowFailed, schemas.Reason(evil), 3, noon.Add(time.Hour)
		case 5:
			e.State, e.RequestedAt, e.DueAt = schemas.WindowRequested, noon, noon.Add(time.Minute)
		}
		id := bookID{acme, schemas.KindCDR}
		if f.books[id] == nil {
			f.books[id] = calendar.New()
		}
		f.books[id].Take(e, noon)
	}
	f.coverage = []schemas.Coverage{{Tenant: acme, Kind: schemas.KindCDR, From: noon.Add(-6 * time.Hour), CompleteTo: noon.Add(-4 * time.Hour)}}
	for i, end := range []uint64{10, 20, 25, 25, 55} {
		f.pace.take(end, i != 3, noon.Add(time.Duration(i)*time.Second))
	}
	return f
}

// golden compares a text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; if it should, run the test with -update:\n%s", path, diff)
	}
}

// TestParts: each part as it is rendered, with names and texts that mean harm.
func TestParts(t *testing.T) {
	t.Parallel()
	s := newSheet("boot")
	s.put(newTestPainter(t).paint(fullFloor(), noon))
	page := s.now()
	var b strings.Builder
	fmt.Fprintf(&b, "== agents\n%s\n", strings.ReplaceAll(string(page.Agents), "<li", "\n<li"))
	for _, id := range slices.Sorted(maps.Keys(page.Parts)) {
		fmt.Fprintf(&b, "== %s\n%s\n", id, strings.ReplaceAll(string(page.Parts[id]), "<li", "\n<li"))
	}
	golden(t, "parts.html", b.String())
	if foreign := regexp.MustCompile(`(?i)<script|alert\('`).FindString(b.String()); foreign != "" {
		t.Errorf("a foreign text is no text: %s", foreign)
	}
	if strings.Contains(b.String(), "13912345678") {
		t.Error("an alarm shows a number")
	}
}

// TestOnlyChangesArePainted: a second paint of the same changes nothing, and one of another
// state one tile.
func TestOnlyChangesArePainted(t *testing.T) {
	t.Parallel()
	s, p, f := newSheet("boot"), newTestPainter(t), fullFloor()
	s.put(p.paint(f, noon))
	first, _ := s.since("", 0)
	s.put(p.paint(f, noon.Add(10*time.Second)))
	if again, _ := s.since("boot", first.Version); !again.empty() || again.Version != first.Version {
		t.Errorf("nothing changed: %+v", again)
	}
	a := f.agents["acme.99"]
	a.State, a.Since = schemas.StateRest, noon
	f.agents["acme.99"] = a
	s.put(p.paint(f, noon.Add(20*time.Second)))
	changed, _ := s.since("boot", first.Version)
	if len(changed.Tiles) != 1 || changed.Whole || !strings.Contains(changed.Tiles["t-acme.99"], "rest") || changed.Parts["n-rest"] != "1" || changed.Parts["p-alarms"] != "" {
		t.Errorf("one agent changed: %+v", changed)
	}
}

// TestNobodyPolls: of an agent whose lease nobody has, it is not known where it stands.
func TestNobodyPolls(t *testing.T) {
	t.Parallel()
	f := fullFloor()
	f.ownersKnown = true // and there are none
	c := newTestPainter(t).paint(f, noon)
	if tile := c.tiles["t-acme.99"]; !strings.Contains(tile, "s-unknown") || !strings.Contains(tile, "nobody polls; was ready") {
		t.Errorf("%s", tile)
	}
	if c.parts["n-on_call"] != "0" || !strings.Contains(c.parts["p-calls"], "No call") || !strings.Contains(c.parts["p-figures"], "<dd>6</dd>") {
		t.Errorf("%s on call; %s", c.parts["n-on_call"], c.parts["p-figures"])
	}
}

// TestUnreadIsUnknown: what was never read is said to be unknown, and not that there is none.
func TestUnreadIsUnknown(t *testing.T) {
	t.Parallel()
	c := newTestPainter(t).paint(newFloor(), noon)
	for _, part := range []string{"p-alarms", "p-calls", "p-coverage", "p-windows", "p-letters"} {
		if got := c.parts[part]; got != `<p class="calm">Unknown.</p>` {
			t.Errorf("%s: %s", part, got)
		}
	}
	if got := c.parts["p-figures"]; strings.Count(got, "<dd>unknown</dd>") != 6 || strings.Contains(got, "0") {
		t.Errorf("figures: %s", got)
	}
	if c.parts["n-ready"] != "?" || c.parts["p-announce"] != "Alarms are unknown." {
		t.Errorf("%s ready; %s", c.parts["n-ready"], c.parts["p-announce"])
	}
	f := fullFloor()
	f.coverageKnown, f.coverage = false, nil
	if got := newTestPainter(t).paint(f, noon).parts["p-coverage"]; !strings.Contains(got, "how far it is complete is unknown") || strings.Contains(got, "nothing complete") {
		t.Errorf("without statements: %s", got)
	}
}

// TestBridgesOutOfReach: while the hub is away the others stand as they were heard last, with
// the time of it; once it is back, or after a minute, only those that answer do.
func TestBridgesOutOfReach(t *testing.T) {
	t.Parallel()
	one := ask.Bridge{Instance: "one"}
	two := ask.Bridge{Instance: "two", Alarms: []ask.Alarm{{Name: "gateway", Reason: "gone"}}}
	p, f := newTestPainter(t), newFloor()
	f.hear([]ask.Bridge{one, two}, true, noon)
	see := func(at time.Time) (bridges, alarms string) {
		c := p.paint(f, at)
		return c.parts["p-bridges"], c.parts["p-alarms"]
	}
	if bridges, _ := see(noon); strings.Contains(bridges, "last heard") {
		t.Errorf("both answer: %s", bridges)
	}
	for _, passed := range []time.Duration{5 * time.Second, 55 * time.Second} {
		f.hear([]ask.Bridge{one}, false, noon.Add(passed))
		bridges, alarms := see(noon.Add(passed))
		if strings.Count(bridges, "last heard") != 1 || !strings.Contains(bridges, "12:00</time>") || !strings.Contains(alarms, "last heard 12:00") {
			t.Errorf("after %s: %s %s", passed, bridges, alarms)
		}
	}
	f.hear([]ask.Bridge{one}, false, noon.Add(time.Minute))
	if bridges, alarms := see(noon.Add(time.Minute)); strings.Contains(bridges, "two") || !strings.Contains(alarms, "No alarm.") {
		t.Errorf("after a minute: %s %s", bridges, alarms)
	}
	f.hear([]ask.Bridge{one, two}, true, noon.Add(2*time.Minute))
	f.hear([]ask.Bridge{one}, true, noon.Add(2*time.Minute+time.Second))
	if bridges, _ := see(noon.Add(2 * time.Minute)); strings.Contains(bridges, "two") {
		t.Errorf("the hub is back, and the other gone: %s", bridges)
	}
}

// cut is a hub that may be away.
type cut struct {
	Hub
	err error
}

func (c *cut) Connected() error { return c.err }

// TestHubAwayKeepsBridges: what cannot be asked while the hub is away is not taken for gone.
func TestHubAwayKeepsBridges(t *testing.T) {
	t.Parallel()
	hub, answers, failed := &cut{}, []ask.Bridge{{Instance: "one"}, {Instance: "two"}}, error(nil)
	w := watcher{floor: newFloor(), Board: New(Options{Hub: hub, Bridges: func(context.Context) ([]ask.Bridge, error) { return answers, failed }})}
	look := func(want int) {
		t.Helper()
		if err := w.bridges(t.Context()); !errors.Is(err, failed) || len(w.floor.bridges) != want {
			t.Errorf("%v, %v; want %d", w.floor.bridges, err, want)
		}
	}
	look(2)
	answers, hub.err = answers[:1], errors.New("away")
	look(2)
	hub.err, failed = nil, errors.New("no answer")
	look(2)
	failed = nil
	look(1)
}

// TestCures: for each alarm of the operations guide it is said what to do.
func TestCures(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(guide), "\n## Alarms\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1)
	for _, row := range rows {
		if cures[row[1]] == "" {
			t.Errorf("the wallboard does not say what to do about %s", row[1])
		}
	}
	if len(rows) < len(cures) {
		t.Errorf("of %d alarms the guide names %d", len(cures), len(rows))
	}
}

// TestPace: gaps in what is known are gaps in the line.
func TestPace(t *testing.T) {
	t.Parallel()
	var p pace
	at := noon
	for i := range 400 {
		p.take(uint64(i*10), i != 390, at)
		at = at.Add(time.Second)
	}
	l := paceOf(p)
	if len(p.counts) != paceSpan || len(l.Lines) != 2 || l.Now != "10" || l.Most != "10" || !strings.HasPrefix(l.Lines[0], "0,") {
		t.Errorf("%d counts, %d lines, %+v", len(p.counts), len(l.Lines), l)
	}
	p.take(5, true, at) // another stream
	if p.counts[paceSpan-1] >= 0 {
		t.Errorf("a stream that is another one: %v", p.counts[paceSpan-1])
	}
}

// TestBeforeSince: a backfill of a span that does not adjoin where coverage begins leaves no
// hole between, and what failed of it is none of coverage's.
func TestBeforeSince(t *testing.T) {
	t.Parallel()
	f, since := newFloor(), noon.Add(-10*time.Hour)
	id := bookID{acme, schemas.KindCDR}
	b := calendar.New()
	f.books[id] = b
	for i := range 24 {
		e := schemas.WindowEntry{Tenant: acme, Kind: schemas.KindCDR, Window: schemas.Window{From: noon.Add(time.Duration(i-24) * time.Hour), To: noon.Add(time.Duration(i-23) * time.Hour)}, State: schemas.WindowCompleted}
		switch {
		case i == 1:
			e.State = schemas.WindowFailed
		case i >= 3 && i < 14 || i == 20:
			continue
		}
		b.Take(e, noon)
	}
	p := newTestPainter(t)
	if all := p.coverage(f, noon).All; len(all[0].Strip.Holes) != 3 {
		t.Errorf("where coverage begins is not known, and %v are holes", all[0].Strip.Holes)
	}
	f.coverage = []schemas.Coverage{{Tenant: acme, Kind: schemas.KindCDR, From: since, CompleteTo: noon.Add(-4 * time.Hour)}}
	got := p.coverage(f, noon).All[0]
	if want := []schemas.Window{{From: noon.Add(-4 * time.Hour), To: noon.Add(-3 * time.Hour)}}; !slices.Equal(got.Strip.Holes, want) {
		t.Errorf("%v, want %v", got.Strip.Holes, want)
	}
	for _, r := range got.Strip.Runs {
		if r.Mark == "hole" && r.X < 20 {
			t.Errorf("a hole is drawn before since: %+v", r)
		}
	}
}
