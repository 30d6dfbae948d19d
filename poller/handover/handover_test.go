package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/schemas"
)

// Who has an entry is told once all have been read, and then within a second of each change: a
// thousand as one. What the bridge writes by itself tells nothing new.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		b.put("acme.101", `{"guid":"a"}`)
		b.put("acme.102", "bare")
		b.put("acme.bob", `{"guid":"a"}`)
		var told []map[string]uint64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Follow(ctx, Following{Tenant: "acme", Entries: b, Tell: func(e map[string]uint64) { told = append(told, e) }})
		}()
		expect := func(what string, calls int, want map[string]uint64) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			if len(told) != calls || calls > 0 && !maps.Equal(told[calls-1], want) {
				t.Fatalf("%s: told %d times, %v, want %d, %v", what, len(told), told[len(told)-1], calls, want)
			}
		}
		expect("at the start", 1, map[string]uint64{"101": 1, "102": 2})
		b.put("acme.101", `{"guid":"a","phase":"polling"}`)
		expect("taken", 2, map[string]uint64{"101": 4, "102": 2})
		b.put("acme.101", `{"guid":"a","phase":"polling","polled_at":"2026-11-20T08:00:00Z"}`)
		expect("the bridge's own", 2, map[string]uint64{"101": 4, "102": 2})
		b.put("acme.101", `{"guid":"a","phase":"polling","stop":true}`)
		expect("wanted back", 3, map[string]uint64{"101": 6, "102": 2})
		b.put("acme.101", "")
		expect("removed", 4, map[string]uint64{"102": 2})
		b.put("acme.103", `{"epoch":7,"last_seq":9,"updated_at":"2026-11-20T08:00:00Z"}`)
		time.Sleep(time.Second)
		synctest.Wait()
		if has := told[len(told)-1]; has["103"] != 0 {
			t.Errorf("what polls of the bridge's own sign-in left counts as handed over: %v", has)
		}
		for i := range 1000 {
			b.put(fmt.Sprint("acme.", 1000+i), `{"guid":"a"}`)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(told); n > 6 || len(told[n-1]) != 1001 {
			t.Errorf("a thousand: told %d times, %d at last", n-4, len(told[n-1]))
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// GUIDs that the bridge got from the gateway and gave back are nobody's news: of a thousand
// sessions whose GUIDs change three times a minute nothing is told, and of what another system
// writes in between, all.
func TestRotationsAreNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions, rounds = 1000, 3
		b := newBucket()
		var told []map[string]uint64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		for i := range sessions {
			b.put(fmt.Sprint("acme.", 1000+i), `{"guid":"a"}`)
		}
		go func() {
			done <- Follow(ctx, Following{Tenant: "acme", Entries: b, Tell: func(e map[string]uint64) { told = append(told, e) }})
		}()
		own := func(i int, members string) {
			b.put(fmt.Sprint("acme.", 1000+i), fmt.Sprintf(`{"guid":"%d"%s,"polling":true,"updated_at":%q}`, time.Now().UnixNano(), members, time.Now().Format(time.RFC3339Nano)))
		}
		time.Sleep(time.Second)
		for i := range sessions {
			own(i, `,"phase":"polling"`)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		before := len(told)
		for range rounds {
			for i := range sessions {
				own(i, `,"phase":"polling"`)
				time.Sleep(20 * time.Second / sessions)
			}
		}
		synctest.Wait()
		if n := len(told) - before; n != 0 {
			t.Errorf("told %d times of %d sessions whose GUIDs the bridge has written", n, sessions)
		}
		news := func(what string, write func()) {
			t.Helper()
			before := len(told)
			write()
			time.Sleep(time.Second)
			synctest.Wait()
			if len(told) != before+1 || told[before]["1007"] != b.revs["acme.1007"] {
				t.Errorf("%s: told %d times", what, len(told)-before)
			}
		}
		news("signed in anew", func() { b.put("acme.1007", `{"guid":"b"}`) })
		own(7, `,"phase":"polling"`)
		news("wanted back, by who has read it first", func() { own(7, `,"phase":"polling","stop":true`) })
		news("given anew by request", func() {
			b.put("acme.1007", strings.Replace(b.values["acme.1007"], `"stop":true`, `"handed_over_at":"2026-11-20T08:00:00Z"`, 1))
		})
		news("a GUID alone, by who has read it first", func() {
			b.put("acme.1007", strings.Replace(b.values["acme.1007"], `{"guid":"`, `{"guid":"c`, 1))
		})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// desk is a desk, and the bucket that it writes.
func desk(terms Terms) (*Desk, *bucket) {
	b := newBucket()
	return &Desk{Entries: b, Seal: sealer{}, Terms: func(tenant string) (Terms, bool) { return terms, tenant == "acme" }}, b
}

func entry(t *testing.T, b *bucket) (e schemas.Session) {
	t.Helper()
	value, _, _ := b.Get(t.Context(), "acme.101")
	if err := json.Unmarshal(value, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// A session that is given is sealed or in clear, takes the place of what was there, and keeps
// what bridges need of it.
func TestGive(t *testing.T) {
	for _, plain := range []bool{false, true} {
		d, b := desk(Terms{Plain: plain, Nodes: []string{"https://n1/agentgateway/resource"}})
		b.put("acme.101", `{"guid":"old","stop":true,"phase":"returned","epoch":7,"last_seq":9,"later":1}`)
		g := Gift{Tenant: "acme", Agent: "101", GUID: "new", Cookies: []string{"lb=1"}, URL: "https://n1/agentgateway/resource/", By: "desk"}
		if _, err := d.Give(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		e := entry(t, b)
		if e.Epoch != 7 || e.LastSeq != 9 || e.Stop || e.Phase != "" || e.HandedOverBy != "desk" || e.HandedOverAt.IsZero() || !strings.Contains(b.values["acme.101"], `"later":1`) {
			t.Errorf("the entry is %s", b.values["acme.101"])
		}
		sealed, _ := sealer{}.Seal([]byte("new\nlb=1"), "acme.101")
		if plain && (e.GUID != "new" || len(e.Cookies) != 1) || !plain && (e.GUID != sealed || len(e.Cookies) != 0) {
			t.Errorf("plain %t: the entry is %s", plain, b.values["acme.101"])
		}
	}
}

// What cannot be used is refused, and not repeated.
func TestGiveRefuses(t *testing.T) {
	for name, change := range map[string]func(*Gift){
		"tenant":       func(g *Gift) { g.Tenant = "other" },
		"agent":        func(g *Gift) { g.Agent = "bob" },
		"guid":         func(g *Gift) { g.GUID = "" },
		"guid: want 1": func(g *Gift) { g.GUID = "secret\r\nX: y" },
		"cookies":      func(g *Gift) { g.Cookies = []string{"secret"} },
		"by":           func(g *Gift) { g.By = "secret\n" },
		"url":          func(g *Gift) { g.URL = "https://secret/agentgateway/resource" },
	} {
		d, b := desk(Terms{Nodes: []string{"https://n1/agentgateway/resource"}})
		g := Gift{Tenant: "acme", Agent: "101", GUID: "new"}
		change(&g)
		_, err := d.Give(t.Context(), g)
		if !errors.Is(err, ErrBad) || !strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "secret") || len(b.values) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The entry of an agent who comes another way is that way's: nothing is given, or given back.
func TestOnlyThoseHandedOver(t *testing.T) {
	d, b := desk(Terms{Plain: true, Handed: func(agent string) bool { return agent == "102" }})
	const polled = `{"guid":"a","polling":true,"epoch":7}`
	b.put("acme.101", polled)
	if _, err := d.Give(t.Context(), Gift{Tenant: "acme", Agent: "101", GUID: "new"}); !errors.Is(err, ErrBad) {
		t.Errorf("given: %v", err)
	}
	if _, err := d.Return(t.Context(), Wish{"acme", "101"}); !errors.Is(err, ErrBad) {
		t.Errorf("given back: %v", err)
	}
	if b.values["acme.101"] != polled {
		t.Errorf("the entry is %s", b.values["acme.101"])
	}
	if _, err := d.Give(t.Context(), Gift{Tenant: "acme", Agent: "102", GUID: "new"}); err != nil {
		t.Error(err)
	}
}

// A session is given back once its owner says that it polls no more, and again when asked again;
// the phase of an earlier time is no answer.
func TestReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b := desk(Terms{Plain: true})
		b.put("acme.101", `{"guid":"a","cookies":["lb=1"],"phase":"returned","polling":true,"epoch":7}`)
		var got Returned
		done := make(chan error, 1)
		ask := func(ctx context.Context) {
			go func() {
				var err error
				got, err = d.Return(ctx, Wish{"acme", "101"})
				done <- err
			}()
			synctest.Wait()
		}
		ask(t.Context())
		if e := entry(t, b); !e.Stop || e.Phase != "" || e.GUID != "a" {
			t.Errorf("the entry is %s", b.values["acme.101"])
		}
		b.put("acme.101", `{"guid":"b","stop":true,"phase":"polling","polling":true}`) // a rotation meanwhile
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("given back while it is polled: %+v, %v", got, err)
		default:
		}
		b.put("acme.101", `{"guid":"b","cookies":["lb=2"],"stop":true,"phase":"returned"}`)
		if err := <-done; err != nil || got.GUID != "b" || got.Cookies[0] != "lb=2" || got.Phase != schemas.SessionReturned {
			t.Errorf("given back: %+v, %v", got, err)
		}
		if ask(t.Context()); <-done != nil || got.GUID != "b" {
			t.Errorf("given back again: %+v", got)
		}
		b.put("acme.101", `{"phase":"over","cause":"not_signed_in","code":"100-006"}`)
		if ask(t.Context()); <-done != nil || got.Phase != schemas.SessionOver || got.GUID != "" || got.Code != "100-006" {
			t.Errorf("over: %+v", got)
		}
		b.put("acme.101", "")
		if ask(t.Context()); !errors.Is(<-done, ErrNone) {
			t.Error("a session that there is not was given back")
		}
		b.put("acme.101", `{"guid":"c","phase":"polling"}`)
		short, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if ask(short); !errors.Is(<-done, ErrNotYet) {
			t.Error("a session that is polled was given back")
		}
	})
}
