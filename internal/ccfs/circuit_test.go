package ccfs

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/c2sign"
)

// refusing answers 401 until told otherwise.
type refusing struct {
	answer atomic.Pointer[http.HandlerFunc]
}

func (r *refusing) set(h http.HandlerFunc) { r.answer.Store(&h) }

func (r *refusing) ServeHTTP(w http.ResponseWriter, req *http.Request) { (*r.answer.Load())(w, req) }

func TestTwoRefusedSignaturesStopCalls(t *testing.T) {
	unauthorized := reply(401, asJSON, sample(t, "unauthorized.json"))
	success := reply(200, asJSON, sample(t, "query_success.json"))
	var r refusing
	r.set(unauthorized)
	p := newPlatform(t, r.ServeHTTP)
	var log strings.Builder
	c := p.client(func(o *Options) { o.Logger = zerolog.New(&log) })

	call := func(what string, class Class, local bool, calls int) *Error {
		t.Helper()
		e := asError(t, query(t, c))
		if e.Class != class || e.Local != local || p.calls() != calls {
			t.Errorf("%s: %d calls, %+v", what, p.calls(), e)
		}
		return e
	}
	call("first", Auth, false, 1)
	p.clock.advance(time.Second)
	first := p.last().authorization
	call("second", Auth, false, 2)
	if p.last().authorization == first {
		t.Error("the second try was not signed anew")
	}
	if e := call("third", Auth, true, 2); e.RetryAfter != 10*time.Minute || !strings.Contains(e.Error(), "nothing was sent, next try in 10m0s") ||
		!strings.Contains(e.Error(), "after refused signatures") {
		t.Errorf("third: %v", e)
	}
	_, err := download(t, c)
	if e := asError(t, err); !e.Local || e.Operation != "downloadBillFile" {
		t.Errorf("download while open: %v", e)
	}
	p.clock.advance(10*time.Minute - 1)
	call("just before the end", Auth, true, 2)
	p.clock.advance(1)
	call("one more after the pause", Auth, false, 3)
	call("open again at once", Auth, true, 3)

	p.clock.advance(10 * time.Minute)
	r.set(success)
	if err := query(t, c); err != nil {
		t.Fatal(err)
	}
	r.set(unauthorized)
	call("closed: first", Auth, false, 5)
	r.set(reply(200, asJSON, sample(t, "failure_null_data.json")))
	call("a result code means the signature was good", Permanent, false, 6)
	r.set(unauthorized)
	call("closed: first again", Auth, false, 7)
	r.set(reply(502, "text/html", sample(t, "firewall.html")))
	call("a firewall says nothing about the signature", Firewall, false, 8)
	r.set(unauthorized)
	call("closed: second", Auth, false, 9)
	call("open", Auth, true, 9)
	p.clock.advance(10 * time.Minute)
	r.set(success)
	if err := query(t, c); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(log.String(), "calls are stopped"); got != 3 {
		t.Errorf("%d lines about stopping:\n%s", got, log.String())
	}
	if got := strings.Count(log.String(), "accepts calls again"); got != 2 {
		t.Errorf("%d lines about going on:\n%s", got, log.String())
	}
	if strings.Contains(log.String(), "testsk") || strings.Contains(log.String(), "auth-v2") {
		t.Error("the log holds credentials")
	}
}

func TestLockStopsCalls(t *testing.T) {
	var r refusing
	r.set(reply(403, asJSON, sample(t, "forbidden.json")))
	p := newPlatform(t, r.ServeHTTP)
	c := p.client()
	if e := asError(t, query(t, c)); e.Class != Locked || e.Local {
		t.Fatalf("got %+v", e)
	}
	for range 3 {
		if e := asError(t, query(t, c)); e.Class != Locked || !e.Local || e.RetryAfter != 30*time.Minute || !strings.Contains(e.Error(), "locked our address") {
			t.Errorf("got %+v", e)
		}
	}
	p.clock.advance(30 * time.Minute)
	r.set(reply(401, asJSON, sample(t, "unauthorized.json")))
	if e := asError(t, query(t, c)); e.Class != Auth || e.Local {
		t.Errorf("got %+v", e)
	}
	if e := asError(t, query(t, c)); e.Class != Auth || !e.Local {
		t.Errorf("a 401 right after a lock must stop calls at once: %+v", e)
	}
	if p.calls() != 2 {
		t.Errorf("%d calls, want 2", p.calls())
	}
}

func TestOtherRefusalsDoNotStopCalls(t *testing.T) {
	for _, tt := range []struct {
		body  string
		class Class
	}{
		{sample(t, "firewall.html"), Firewall},
		{`{"error_code":"WAF.1001","error_msg":"request denied"}`, Firewall},
		{`{"resultCode":"0101003"}`, Permanent}, // no permission for one kind of file
	} {
		c := newPlatform(t, reply(403, asJSON, tt.body)).client()
		for range 3 {
			if e := asError(t, query(t, c)); e.Class != tt.class || e.Local {
				t.Errorf("%s: got %+v", tt.body, e)
			}
		}
	}
}

// stampede lets many workers call at once with a refused key, and with so many clients, and
// returns how many requests reached the platform.
func stampede(t *testing.T, clients int) int {
	p := newPlatform(t, reply(401, asJSON, sample(t, "unauthorized.json")))
	all := make([]*Client, clients)
	for i := range all {
		all[i] = p.client()
	}
	var group errgroup.Group
	for i := range 20 {
		c := all[i%clients]
		group.Go(func() error {
			var e *Error
			if _, err := c.QueryBills(t.Context(), bills()); !errors.As(err, &e) || e.Class != Auth {
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	return p.calls()
}

// TestF49RefusedTogether: clients of tenants under one key count refusals together, and wait
// together; those of another key do not.
func TestF49RefusedTogether(t *testing.T) {
	p := newPlatform(t, reply(401, asJSON, sample(t, "unauthorized.json")))
	first := p.client()
	all := []*Client{first}
	for range 4 {
		all = append(all, p.client(func(o *Options) { o.Sibling = all[len(all)-1] }))
	}
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error { _, _ = all[i%len(all)].QueryBills(t.Context(), bills()); return nil })
	}
	if err := group.Wait(); err != nil || p.calls() != 2 {
		t.Errorf("5 tenants of a refused key made %d calls, want 2; %v", p.calls(), err)
	}
	if _, err := p.client().QueryBills(t.Context(), bills()); p.calls() != 3 {
		t.Errorf("a client of its own made no call: %v", err)
	}
	p.clock.advance(10 * time.Minute)
	for _, c := range all {
		_, _ = c.QueryBills(t.Context(), bills())
	}
	if p.calls() != 4 {
		t.Errorf("%d calls after the pause, want one more", p.calls()-3)
	}
	for name, key := range map[string]c2sign.Key{
		"another key": c2sign.NewKey("other", testKey.Reveal()), "another secret": c2sign.NewKey(testKey.AccessKey, "other"),
	} {
		if _, err := New(Options{URL: "https://" + testHost + "/CCFS/resource/ccfs", Key: key, Sibling: first}); err == nil {
			t.Errorf("%s: taken for a sibling", name)
		}
	}
	t.Attr("figure", "5 tenants of one refused key, 2 calls in all")
	t.Attr("tries", "20")
	for _, key := range []string{"lost", "duplicated", "misordered"} {
		t.Attr(key, "0")
	}
}

func TestStampedeCostsTwoCalls(t *testing.T) {
	if got := stampede(t, 1); got != 2 {
		t.Errorf("%d calls with a refused key, want 2", got)
	}
	if got := stampede(t, 20); got != 20 {
		t.Errorf("without a common circuit %d calls: the test does not measure it", got)
	}
}
