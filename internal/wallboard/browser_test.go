//go:build browser

package wallboard

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/browsertest"
	"aiccbridge/schemas"
)

// furnish fills a stage with tenants, agents and windows as a busy day has them.
func (s *stage) furnish(agents int) {
	now := time.Now()
	mix := []schemas.State{schemas.StateOnCall, schemas.StateOnCall, schemas.StateReady, schemas.StateOnCall, schemas.StateReady, schemas.StateWrapup, schemas.StateOnCall, schemas.StateRest, schemas.StateReady, schemas.StateNotReady, schemas.StateOnCall, schemas.StateSignedOut, schemas.StateReady}
	for i, tenant := range []string{acme, "globex"} {
		s.polls(tenant, "bridge-1")
		for n := range agents / 2 {
			state, call := mix[(n*7+i*3+n/5)%len(mix)], ""
			if state == schemas.StateOnCall {
				call = fmt.Sprintf("17960%d%03d-%d", i, n, 100+n)
			}
			id := fmt.Sprint(101 + n)
			s.agent(tenant, id, state, now.Add(-time.Duration((n*37)%900)*time.Second), call)
			if call != "" && n < 40 {
				s.event(tenant, id, "AgentEvent_Ringing", 1, fmt.Sprintf(`{"callid":%q,"caller":"1391234%04d","called":"4008001234"}`, call, n))
			}
		}
	}
	s.calendar(now)
}

// window stores an entry of the ledger.
func (s *stage) window(e schemas.WindowEntry) {
	s.t.Helper()
	s.put(schemas.BucketWindows, e.Key(), e)
}

// calendar fills the ledger with four weeks, in which some windows failed and one is absent.
func (s *stage) calendar(now time.Time) {
	hour := now.UTC().Truncate(time.Hour)
	for _, tenant := range []string{acme, "globex"} {
		for _, kind := range []schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation} {
			for h := 1; h <= 26*24; h++ {
				e := schemas.WindowEntry{Tenant: tenant, Kind: kind, Window: schemas.Window{From: hour.Add(-time.Duration(h) * time.Hour), To: hour.Add(-time.Duration(h-1) * time.Hour)}, State: schemas.WindowCompleted, CompletedAt: now, RequestedAt: now, Rows: 10}
				switch {
				case h == 1:
					e.State, e.Attempts, e.DueAt = schemas.WindowRequested, 1, now.Add(10*time.Minute)
				case tenant == acme && kind == schemas.KindRecording && (h == 100 || h == 101 || h == 102):
					e.State, e.Reason, e.Attempts, e.DueAt = schemas.WindowFailed, schemas.ReasonOverdue, 3, now.Add(time.Hour)
				case tenant == "globex" && kind == schemas.KindCDR && h > 300 && h < 309:
					continue
				}
				s.window(e)
			}
			m, err := s.names.CoverageMessage(schemas.Coverage{Tenant: tenant, Kind: kind, From: hour.AddDate(0, 0, -26), CompleteTo: hour.Add(-time.Hour), At: now})
			if err == nil {
				err = s.hub.Publish(s.t.Context(), m)
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// TestBrowserPictures: how it looks, light and dark, on a phone and on a wall.
func TestBrowserPictures(t *testing.T) {
	s := newStage(t, func(o *Options) { o.Zone = func(string) *time.Location { return time.FixedZone("CST", 8*3600) } })
	s.furnish(60)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.busy(ctx, 60, 4)
	}()
	defer func() {
		stop()
		<-done
	}()
	b := browsertest.Open(t)
	for _, l := range []browsertest.Look{
		{Name: "desktop", Width: 1600, Height: 1000}, {Name: "dark", Width: 1600, Height: 1000, Dark: true},
		{Name: "phone", Width: 360, Height: 780, Scale: 2}, {Name: "wall", Width: 3840, Height: 2160},
	} {
		b.As(l)
		b.Goto(s.url)
		b.Until(live)
		if wide := browsertest.Value[int64](b, `document.documentElement.scrollWidth`); wide > l.Width {
			t.Errorf("%s: the page is %d wide", l.Name, wide)
		}
		b.Shoot(l.Name)
	}
	b.As(browsertest.Look{Width: 1600, Height: 1000, Scale: 0.75}) // that of the README
	b.Until(`document.querySelector('#p-pace polyline')?.getAttribute('points').split(' ').length > 25`)
	b.Shoot("readme")
	s.says(ask.Bridge{Instance: "bridge-1", Version: "1.2.3", Mode: "embedded", Started: time.Now().Add(-time.Hour), Alarms: []ask.Alarm{
		{Name: "filestore", Reason: "tenant acme: no file is had: dial tcp 10.0.0.7:28443: connection refused", Since: time.Now().Add(-7 * time.Minute)},
		{Name: "store", Reason: "nothing is stored: no space left on device", Since: time.Now().Add(-2 * time.Minute), Fatal: true},
	}})
	b.As(browsertest.Look{Width: 1600, Height: 1000, Dark: true})
	b.Until(`document.querySelectorAll('#p-alarms li').length === 2`)
	b.Shoot("alarms")
}

// live is true when the page has news.
const live = `document.getElementById('link').textContent === 'live'`

// audit has axe-core look at the page as it is.
func audit(t *testing.T, b *browsertest.Browser, what string) {
	t.Helper()
	script, err := os.ReadFile("testdata/axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v; make browser installs it", err)
	}
	browsertest.Value[bool](b, string(script)+";true")
	type violation struct {
		ID, Help string
		Nodes    []string
	}
	found := browsertest.Value[struct {
		Violations []violation
		Passes     int
	}](b, `axe.run(document, {resultTypes: ['violations']}).then(r => ({
		Passes: r.passes.length,
		Violations: r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary)})),
	}))`)
	for _, v := range found.Violations {
		t.Errorf("%s: %s: %s\n  %s", what, v.ID, v.Help, strings.Join(v.Nodes, "\n  "))
	}
	if found.Passes < 15 {
		t.Errorf("%s: axe-core looked at %d rules only", what, found.Passes)
	}
	t.Logf("%s: axe-core passes %d rules, %d violations", what, found.Passes, len(found.Violations))
}

// TestBrowserAccessible: axe-core finds nothing, in light and dark, on a desk and a phone, with
// alarms, while there are no news, and where one signs in.
func TestBrowserAccessible(t *testing.T) {
	s := newStage(t, nil)
	s.furnish(40)
	s.agent(acme, "900", schemas.StateUnknown, time.Time{}, "")
	s.says(ask.Bridge{Instance: "bridge-1", Mode: "external", Started: time.Now(), Spool: &ask.Spool{}, Alarms: []ask.Alarm{
		{Name: "spool", Reason: "half full", Since: time.Now()}, {Name: "store", Reason: "no space", Since: time.Now(), Fatal: true},
	}})
	b := browsertest.Open(t)
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{360, 1600} {
			b.As(browsertest.Look{Width: width, Height: 900, Dark: dark})
			b.Goto(s.url)
			b.Until(live + ` && document.querySelectorAll('#p-alarms li').length === 2`)
			audit(t, b, fmt.Sprintf("dark %t, %d wide", dark, width))
		}
	}
	b.Excuse(true)
	s.stop()
	b.Until(`document.body.classList.contains('stale')`)
	for _, dark := range []bool{false, true} {
		b.As(browsertest.Look{Width: 1600, Height: 900, Dark: dark})
		audit(t, b, fmt.Sprintf("no news, dark %t", dark))
	}
	s.serve(strings.Trim(strings.TrimPrefix(s.url, "http://"), "/"), func(o *Options) { o.Token = func() string { return secret } })
	b.Until(`document.getElementById('token') !== null`) // the page asks by itself
	for _, dark := range []bool{false, true} {
		b.As(browsertest.Look{Width: 1600, Height: 900, Dark: dark})
		audit(t, b, fmt.Sprintf("sign in, dark %t", dark))
	}
	b.Until(asked)
	b.Keys("wrong\r")
	b.Until(`document.querySelector('[role=alert]') !== null && ` + asked)
	b.Keys(secret + "\r")
	b.Until(live)
	if address := browsertest.Value[string](b, `location.href + document.cookie`); address != s.url {
		t.Errorf("script or address know %s", address)
	}
}

// asked says that what is typed goes into the form.
const asked = `document.activeElement.id === 'token'`

// shown are the ids of the agents' tiles that can be seen.
const shown = `Array.from(document.querySelectorAll('.tile')).filter(t => t.checkVisibility()).map(t => t.id)`

// TestBrowserKeyboard: tenant and state are chosen without a mouse, the address keeps them, and
// where one is can be seen.
func TestBrowserKeyboard(t *testing.T) {
	s := newStage(t, nil)
	for _, tenant := range []string{acme, "Globex Ltd."} {
		s.polls(tenant, "bridge-1")
		s.agent(tenant, "101", schemas.StateReady, time.Now(), "")
		s.agent(tenant, "102", schemas.StateOnCall, time.Now(), "7-1")
	}
	b := browsertest.Open(t)
	b.As(browsertest.Look{Width: 1200, Height: 800})
	b.Goto(s.url)
	b.Until(live)
	b.Keys("\t")
	b.Until(`document.activeElement.className === 'skip' && document.activeElement.getBoundingClientRect().top >= 0`)
	b.Keys("\t")
	b.Until(`document.activeElement.name === 'tenant'`)
	b.Keys("a") // as one types in a list
	b.Until(`document.activeElement.value === 'acme'`)
	b.Until(shown + `.join() === 't-acme.101,t-acme.102'`)
	b.Keys("\t")
	b.Until(`document.activeElement.name === 'state'`)
	b.Until(`getComputedStyle(document.activeElement.nextElementSibling).outlineStyle === 'solid'`)
	b.Keys(kb.ArrowRight)
	b.Until(`document.activeElement.value === 'on_call'`)
	b.Until(shown + `.join() === 't-acme.102' && location.search === '?tenant=acme&state=on_call'`)
	s.agent(acme, "101", schemas.StateOnCall, time.Now(), "7-2") // what comes is filtered, too
	b.Until(shown + `.join() === 't-acme.101,t-acme.102'`)
	b.Goto(s.url + "?tenant=" + url.QueryEscape(schemas.EncodeToken("Globex Ltd.")) + "&state=ready")
	b.Until(live)
	if got := browsertest.Value[string](b, shown+`.join()`); got != "t-"+schemas.AgentKey("Globex Ltd.", "101") {
		t.Errorf("of an address: %s", got)
	}
	b.Script(false)
	b.Goto(s.url + "?tenant=acme&state=on_call")
	if got := browsertest.Value[string](b, shown+`.join()`); got != "t-acme.101,t-acme.102" {
		t.Errorf("without a script: %s", got)
	}
	b.Shoot("without-script")
}

// TestBrowserComesBack: when the bridge goes the page says since when there are no news; when it
// is there again, so are they, and if its page is another version the page is loaded anew.
func TestBrowserComesBack(t *testing.T) {
	s := newStage(t, nil)
	s.polls(acme, "bridge-1")
	s.agent(acme, "101", schemas.StateReady, time.Now(), "")
	b := browsertest.Open(t)
	b.As(browsertest.Look{Width: 1200, Height: 800})
	b.Goto(s.url)
	b.Until(live)
	address := strings.Trim(strings.TrimPrefix(s.url, "http://"), "/")
	for _, version := range []string{"", "another"} {
		browsertest.Value[int](b, `window.before = 1`)
		b.Excuse(true)
		s.stop()
		b.Until(`/^No news since \d\d:\d\d:\d\d\./.test(document.getElementById('link').textContent)`)
		b.Shoot("no-news")
		s.agent(acme, "102", schemas.StateRest, time.Now(), "")
		s.assets = version
		s.serve(address, nil)
		b.Until(live + ` && document.getElementById('t-acme.102') !== null`)
		b.Excuse(false)
		again := browsertest.Value[bool](b, `window.before !== 1`)
		if again != (version != "") {
			t.Errorf("version %q: the page was loaded anew: %t", version, again)
		}
		s.agent(acme, "102", schemas.StateReady, time.Now(), "")
		b.Until(`document.getElementById('t-acme.102').classList.contains('s-ready')`)
	}
}

// busy changes so many agents' states a second until ctx ends.
func (s *stage) busy(ctx context.Context, agents, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	states := []schemas.State{schemas.StateOnCall, schemas.StateWrapup, schemas.StateReady}
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		tenant, id, state, call := []string{acme, "globex"}[n%2], fmt.Sprint(101+(n*37)%(agents/2)), states[(n/7)%3], ""
		if state == schemas.StateOnCall {
			call = fmt.Sprintf("1796-%d", n)
		}
		s.agent(tenant, id, state, time.Now(), call)
		s.event(tenant, id, "AgentState_Ready", uint64(n+10), "null")
	}
}

// TestBrowserThousandAgents: what a page of a thousand agents costs a second, of which 20 change
// in a second, beside the target; and how 300 look.
func TestBrowserThousandAgents(t *testing.T) {
	for _, agents := range []int{300, 1000} {
		s := newStage(t, nil)
		s.furnish(agents)
		b := browsertest.Open(t)
		b.As(browsertest.Look{Width: 1920, Height: 1080})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.busy(ctx, agents, agents/50)
		}()
		b.Goto(s.url)
		b.Until(live + fmt.Sprintf(` && document.querySelectorAll('.tile').length === %d`, agents))
		before := b.Metrics()
		const span = 15 * time.Second
		measured, cancel := context.WithTimeout(ctx, span)
		<-measured.Done()
		cancel()
		after := b.Metrics()
		seconds := after["Timestamp"] - before["Timestamp"]
		cost := func(name string) float64 { return (after[name] - before[name]) / seconds * 1000 }
		t.Logf("%d agents, %d changes a second: script %.1f ms a second (target: 50), style %.1f, layout %.1f, all tasks %.1f",
			agents, agents/50, cost("ScriptDuration"), cost("RecalcStyleDuration"), cost("LayoutDuration"), cost("TaskDuration"))
		if cost("ScriptDuration") > 500 {
			t.Errorf("%d agents take %.0f ms of script a second", agents, cost("ScriptDuration"))
		}
		b.Shoot(fmt.Sprintf("%d-agents", agents))
		stop()
		<-done
		s.stop()
		b.Excuse(true)
	}
}
