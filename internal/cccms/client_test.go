package cccms_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/cccms"
	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/monitor"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a simulated monitor over HTTP, with a client of it.
type site struct {
	*world.World
	client *cccms.Client
	truth  *truth.Log
	faults *fault.Book
}

func newSite(t *testing.T, agents int, change func(*monitor.Options, *cccms.Options)) *site {
	t.Helper()
	floor, err := world.New(world.Options{Agents: agents})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{World: floor, truth: truth.New(), faults: fault.NewBook(monitor.FaultKinds(), 1, time.Now)}
	m := monitor.Options{Floor: floor, Truth: s.truth, Faults: s.faults}
	o := cccms.Options{VDN: 39, Service: ccfs.Options{Key: c2sign.NewKey("testak01", "testsk-0123456789abcdef"), AllowHTTP: true}}
	if change != nil {
		change(&m, &o)
	}
	sim, err := monitor.New(m)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	if o.Service.URL == "" {
		o.Service.URL = server.URL + strings.TrimSuffix(monitor.Base, "/")
	}
	if s.client, err = cccms.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// signIn signs an agent in as a softphone would.
func (s *site) signIn(t *testing.T, id string, status int) {
	t.Helper()
	if _, err := s.World.SignIn(id, world.SignIn{Status: status, RestCause: 3, Deliver: func(world.Event) {}}); err != nil {
		t.Fatal(err)
	}
}

func states(l cccms.List) string {
	all := make([]string, len(l.Agents))
	for i, a := range l.Agents {
		all[i] = fmt.Sprintf("%s:%d", a.ID, a.State)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestLooks: every way to look tells the same, whatever form the platform has.
func TestLooks(t *testing.T) {
	const all, pages, spells = "vdn/totalagentstate", "vdn/totalagentdynamicinfo", "vdn/totalagentabstractex3"
	for name, change := range map[string]func(*monitor.Options, *cccms.Options){
		"as the pages have it": nil,
		"without copy":         func(m *monitor.Options, _ *cccms.Options) { m.NoCopy = true },
		"quoted numbers":       func(m *monitor.Options, _ *cccms.Options) { m.QuotedNumbers = true },
		"ctiStatus":            func(m *monitor.Options, _ *cccms.Options) { m.CtiStatus = true },
		"nothing for absent":   func(m *monitor.Options, _ *cccms.Options) { m.PlainAbsent = true },
		"no list":              func(m *monitor.Options, _ *cccms.Options) { m.Lacks = []string{all} },
		"spells only":          func(m *monitor.Options, _ *cccms.Options) { m.Lacks = []string{all, pages, "agent/agentbyworkno"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 4, change)
			s.signIn(t, "101", world.Idle)
			s.signIn(t, "102", world.Resting)
			s.signIn(t, "103", world.Busy)
			for range 2 {
				list, err := s.client.Agents(t.Context())
				if got := states(list); err != nil || !list.Whole || got != "101:1 102:8 103:7 104:0" {
					t.Fatalf("%s, whole %v: %v", got, list.Whole, err)
				}
			}
			if list, err := s.client.AgentsFor(t.Context()); err != nil || states(list) != "101:1 102:8 103:7 104:0" || list.Agents[0].For < -1 {
				t.Errorf("%+v, %v", list, err)
			}
			some, err := s.client.Details(t.Context(), []string{"102", "104", "x", "999"})
			if err != nil || len(some) != 2 {
				t.Fatalf("%+v, %v", some, err)
			}
			for _, a := range some {
				in := a.ID == "102"
				if in != !a.SignedInAt.IsZero() || in != (a.Reason == 3) || in != (a.For >= 0) {
					t.Errorf("%+v", a)
				}
			}
			if a, err := s.client.Agent(t.Context(), 103); err != nil || a.State != cccms.Busy || a.Gateway != 3 || a.SignedInAt.IsZero() {
				t.Errorf("%+v, %v", a, err)
			}
			if err := s.client.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			requests := s.truth.Snapshot().Requests
			if name == "spells only" && (requests[all] != 1 || requests[pages] != 1 || requests[spells] != 3) {
				t.Errorf("calls that this edition lacks were made again: %v", requests)
			}
		})
	}
}

// TestPages: a VDN of more agents than a page has, and one whose pages do not add up.
func TestPages(t *testing.T) {
	s := newSite(t, 2500, func(m *monitor.Options, _ *cccms.Options) { m.Lacks = []string{"vdn/totalagentstate"} })
	list, err := s.client.Agents(t.Context())
	if err != nil || !list.Whole || len(list.Agents) != 2500 {
		t.Fatalf("%d agents, whole %v: %v", len(list.Agents), list.Whole, err)
	}
	if n := s.truth.Snapshot().Requests["vdn/totalagentdynamicinfo"]; n != 3 {
		t.Errorf("%d pages", n)
	}
	var ids []string
	for id := range 6001 {
		ids = append(ids, strconv.Itoa(101+id))
	}
	some, err := s.client.Details(t.Context(), ids)
	if err != nil || len(some) != 2500 || s.truth.Snapshot().Requests["agentgroup/agentstatusinfobyagentids"] != 2 {
		t.Errorf("%d agents: %v", len(some), err)
	}
	shifted := newSite(t, 1500, func(m *monitor.Options, _ *cccms.Options) { m.Lacks = []string{"vdn/totalagentstate"} })
	if err := shifted.faults.Set([]fault.Rule{{Fault: "look.absent", Next: 600}}); err != nil { // of the first page alone
		t.Fatal(err)
	}
	if list, err := shifted.client.Agents(t.Context()); err != nil || list.Whole || len(list.Agents) >= 1500 {
		t.Errorf("%d agents, whole %v: %v", len(list.Agents), list.Whole, err)
	}
}

// TestRefusals: what a failure is to the caller.
func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		fault fault.Rule
		class ccfs.Class
		says  string
	}{
		"text where data are": {fault.Rule{Fault: "look.refused", Next: 1}, ccfs.Again, "0100001"},
		"no permission":       {fault.Rule{Fault: "look.refused", Code: "0101003", Next: 1}, ccfs.Permanent, "0101003"},
		"firewall":            {fault.Rule{Fault: "look.status", Next: 1}, ccfs.Firewall, "403"},
		"too many":            {fault.Rule{Fault: "look.status", Status: 429, Next: 1}, ccfs.Firewall, "429"},
		"proxy":               {fault.Rule{Fault: "look.status", Status: 502, Next: 1}, ccfs.Firewall, "502"},
		"cut":                 {fault.Rule{Fault: "look.cut", Next: 1}, ccfs.Again, "totalagentstate"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 2, nil)
			if err := s.faults.Set([]fault.Rule{tt.fault}); err != nil {
				t.Fatal(err)
			}
			_, err := s.client.Agents(t.Context())
			var e *ccfs.Error
			if !errors.As(err, &e) || e.Class != tt.class || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "testsk") {
				t.Fatalf("%+v", err)
			}
			if list, err := s.client.Agents(t.Context()); err != nil || len(list.Agents) != 2 {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	s := newSite(t, 1, func(m *monitor.Options, _ *cccms.Options) {
		m.Lacks = []string{"vdn/totalagentstate", "vdn/totalagentdynamicinfo", "vdn/totalagentabstractex3"}
	})
	for range 2 {
		var e *ccfs.Error
		if _, err := s.client.Agents(t.Context()); !errors.As(err, &e) || e.Code != "0100003" || e.Class != ccfs.Permanent {
			t.Errorf("%v", err)
		}
	}
}

// TestSignedRefusal: a signature that is not taken stops the calls, as at the file store.
func TestSignedRefusal(t *testing.T) {
	seen := 0
	s := newSite(t, 1, func(m *monitor.Options, _ *cccms.Options) {
		m.Admit = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			seen++
			if !strings.HasPrefix(r.Header.Get("Authorization"), "auth-v2/testak01/") {
				t.Error("the request is not signed")
			}
			http.Error(w, `{"timestamp":1,"status":401,"error":"Unauthorized","message":"no","path":"/x"}`, http.StatusUnauthorized)
			return false
		}
	})
	for range 5 {
		var e *ccfs.Error
		if _, err := s.client.Agents(t.Context()); !errors.As(err, &e) || e.Class != ccfs.Auth {
			t.Errorf("%v", err)
		}
	}
	if seen != 2 {
		t.Errorf("%d requests under a key that is refused", seen)
	}
}

// TestBudget: no request goes out that the budget does not allow.
func TestBudget(t *testing.T) {
	budget := rate.NewLimiter(rate.Every(time.Hour), 2)
	s := newSite(t, 1, func(_ *monitor.Options, o *cccms.Options) { o.Budget = budget })
	ctx := t.Context()
	for range 2 {
		if err := s.client.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if budget.Tokens() >= 1 {
		t.Error("the budget was not asked")
	}
}

func TestOptions(t *testing.T) {
	key := c2sign.NewKey("a", "b")
	for name, o := range map[string]cccms.Options{
		"no VDN":       {Service: ccfs.Options{URL: "https://x/y", Key: key}},
		"large centre": {Service: ccfs.Options{URL: "https://x/y", Key: key}, VDN: 1, CC: 65536},
		"no key":       {Service: ccfs.Options{URL: "https://x/y"}, VDN: 1},
		"no https":     {Service: ccfs.Options{URL: "http://x/y", Key: key}, VDN: 1},
	} {
		if _, err := cccms.New(o); err == nil || name == "no https" && !strings.Contains(err.Error(), "cmsapp") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
