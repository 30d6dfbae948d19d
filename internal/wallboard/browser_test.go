//go:build browser

package wallboard

import (
	"fmt"
	"testing"
	"time"

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
	b := browsertest.Open(t)
	for _, l := range []browsertest.Look{
		{Name: "desktop", Width: 1600, Height: 1000}, {Name: "readme", Width: 1280, Height: 720}, {Name: "dark", Width: 1600, Height: 1000, Dark: true},
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
