package callbacks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/schemas"
)

// shared are the tenants of the one key.
var shared = []Tenant{{"acme", "2024"}, {"globex", "2025"}, {"initech", "2026"}}

// announcing is a callback's body with an account id; "": it has none.
func announcing(account string) string {
	field := `,"accountId":` + fmt.Sprintf("%q", account)
	return strings.Replace(sample, `,"accountId":""`, field, 1)
}

// TestF49WhoseCallback: tenants of one access key are told apart by path, response id and
// account id, in this order; what fits none, or two, is nobody's.
func TestF49WhoseCallback(t *testing.T) {
	made, now := tokens(t, "a"), time.Now()
	cases := []struct {
		name, token, known, account string
		want                        string // the tenant; "": a dead letter
	}{
		{"path alone", "globex", "", "", "globex"},
		{"path, and its tenant knows the id", "globex", "globex", "", "globex"},
		{"path, and its own account", "globex", "", "2025", "globex"},
		{"path, and an account of nobody here", "globex", "", "4711", "globex"},
		{"path, but another tenant knows the id", "globex", "acme", "", ""},
		{"path, but another tenant's account", "globex", "", "2024", ""},
		{"id alone", "", "initech", "", "initech"},
		{"id, and its own account", "", "initech", "2026", "initech"},
		{"id, and an account of nobody here", "", "initech", "4711", "initech"},
		{"id, but another tenant's account", "", "initech", "2025", ""},
		{"id that two know", "", "acme,globex", "", ""},
		{"id that two know, and the account of one", "", "acme,globex", "2025", "globex"},
		{"id that two know, and the account of a third", "", "acme,globex", "2026", ""},
		{"account alone", "", "", "2024", "acme"},
		{"account with blanks", "", "", " 2025 ", "globex"},
		{"an account of nobody here", "", "", "4711", ""},
		{"nothing", "", "", "", ""},
	}
	handed, dead := 0, 0
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			store := &memory{ledger: map[string]string{id: tt.known}}
			h := newHandler(t, store, func(o *Options) { o.Tokens, o.Tenants[key.AccessKey] = made, shared })
			path := "/ccfs/callback"
			if tt.token != "" {
				path += "/" + lastSegment(t, made, tt.token, asked)
			}
			w := serve(h, signed(t, path, announcing(tt.account), now))
			n, stored := store.notices[id]
			if tt.want != "" {
				handed++
				if w.Code != http.StatusOK || n.Tenant != tt.want || len(store.dead) > 0 {
					t.Errorf("status %d, handed to %q, %d dead letters; want %s's", w.Code, n.Tenant, len(store.dead), tt.want)
				}
				return
			}
			dead++
			if w.Code != http.StatusBadRequest || stored || len(store.dead) != 1 {
				t.Fatalf("status %d, handed to %q, %d dead letters", w.Code, n.Tenant, len(store.dead))
			}
			var d schemas.DeadLetter
			if err := json.Unmarshal(store.dead[0].Body, &d); err != nil {
				t.Fatal(err)
			}
			if d.Tenant != schemas.NoTenant || d.Reason != schemas.ReasonUnknownTenant || !strings.Contains(string(d.Original), id) ||
				store.dead[0].Subject != "aicc.v1._.deadletter.unknown_tenant" {
				t.Errorf("the dead letter on %s is %+v", store.dead[0].Subject, d)
			}
		})
	}
	t.Attr("figure", fmt.Sprintf("%d/%d callbacks under one key handed to the right one of 3 tenants, %d that fit none or two are dead letters", handed, handed, dead))
	t.Attr("tries", fmt.Sprint(len(cases)))
	for _, key := range []string{"lost", "duplicated", "misordered"} {
		t.Attr(key, "0")
	}
}

// TestF49FasterThanItsAnswer: a callback whose response id may not be known yet is no dead
// letter: it waits for the answer, and if that does not come, the platform calls again.
func TestF49FasterThanItsAnswer(t *testing.T) {
	t.Attr("figure", "3 callbacks before the answer to their request, 0 handed to a wrong tenant")
	for looks, status := range map[int]int{0: http.StatusBadRequest, 5: http.StatusOK, 1 << 30: http.StatusServiceUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			store := &memory{ledger: map[string]string{}, expects: looks}
			h := newHandler(t, store, func(o *Options) { o.Tenants[key.AccessKey] = shared })
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				time.Sleep(200 * time.Millisecond)
				if status == http.StatusOK {
					store.learn(id, "globex")
				}
			}()
			w := serve(h, signed(t, "/ccfs/callback", sample, time.Now()))
			<-answered
			if w.Code != status || len(store.dead) != b2i(status == http.StatusBadRequest) || status == http.StatusOK && store.notices[id].Tenant != "globex" {
				t.Errorf("status %d, want %d; %d dead letters, handed to %q", w.Code, status, len(store.dead), store.notices[id].Tenant)
			}
		})
	}
}

func (s *memory) learn(id, tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger[id] = tenant
}

// TestF49OldAndUnverified: several tenants under a key change nothing of who is let in.
func TestF49OldAndUnverified(t *testing.T) {
	t.Attr("figure", "5 callbacks of odd standing under a shared key, 0 handed to a wrong tenant")
	late := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name, known string
		mode        Mode
		sign        bool
		status      int
		want        string
	}{
		{"old, and asked for", "globex", Enforce, true, 200, "globex"},
		{"old, and not asked for", "", Enforce, true, 401, ""},
		{"not signed, in observe mode", "globex", Observe, false, 200, "globex"},
		{"not signed, and nobody's", "", Off, false, 400, ""},
		{"not signed", "globex", Enforce, false, 401, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &memory{ledger: map[string]string{id: tt.known}}
			h := newHandler(t, store, func(o *Options) { o.Verify, o.Tenants[key.AccessKey] = tt.mode, shared })
			r := signed(t, "/ccfs/callback", sample, late)
			if !tt.sign {
				r.Header.Del("Authorization")
			}
			if w := serve(h, r); w.Code != tt.status || store.notices[id].Tenant != tt.want || len(store.dead) != b2i(tt.status == 400) {
				t.Errorf("status %d, handed to %q, %d dead letters", w.Code, store.notices[id].Tenant, len(store.dead))
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
