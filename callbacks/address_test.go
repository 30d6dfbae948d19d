package callbacks

import (
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func prefixes(t *testing.T, texts ...string) (all []netip.Prefix) {
	t.Helper()
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestCaller(t *testing.T) {
	h := newHandler(t, &memory{}, func(o *Options) { o.TrustedProxies = prefixes(t, "10.0.0.0/8", "2001:db8::/32") })
	for _, tt := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:9", nil, "192.0.2.1"},
		{"192.0.2.1:9", []string{"203.0.113.5"}, "192.0.2.1"}, // a stranger's header
		{"10.0.0.1:9", []string{"203.0.113.5"}, "203.0.113.5"},
		{"10.0.0.1:9", []string{"1.2.3.4, 203.0.113.5"}, "203.0.113.5"}, // the left part was sent by the caller
		{"10.0.0.1:9", []string{"1.2.3.4", "203.0.113.5, 10.9.9.9"}, "203.0.113.5"},
		{"10.0.0.1:9", []string{"203.0.113.5:4711"}, "203.0.113.5"},
		{"10.0.0.1:9", []string{"[2001:db9::1]:4711"}, "2001:db9::1"},
		{"[2001:db8::7]:9", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		{"10.0.0.1:9", []string{"203.0.113.5, unknown"}, "10.0.0.1"},
		{"10.0.0.1:9", []string{"203.0.113.5, , 10.2.2.2"}, "10.2.2.2"},
		{"10.0.0.1:9", nil, "10.0.0.1"},
		{"10.0.0.1:9", []string{"10.0.0.2"}, "10.0.0.2"},
		{"pipe", []string{"203.0.113.5"}, "invalid IP"},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = tt.peer
		for _, line := range tt.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		if got := h.caller(r).String(); got != tt.want {
			t.Errorf("peer %s forwards %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

// untouched fails the test when it is read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body of a refused caller was read")
	return 0, nil
}

func (u untouched) Close() error { return nil }

func TestAllowList(t *testing.T) {
	store := &memory{}
	h := newHandler(t, store, func(o *Options) {
		o.Allow, o.TrustedProxies = prefixes(t, "203.0.113.0/24"), prefixes(t, "10.0.0.1/32")
	})
	for _, tt := range []struct {
		peer, forwarded string
		status          int
	}{
		{"203.0.113.9:1", "", 200},
		{"192.0.2.1:1", "", 403},
		{"192.0.2.1:1", "203.0.113.9", 403},
		{"10.0.0.1:1", "203.0.113.9", 200},
		{"10.0.0.1:1", "203.0.113.9, 192.0.2.1", 403},
		{"10.0.0.1:1", "", 403}, // the proxy itself is not listed
		{"", "", 403},
	} {
		r := signed(t, "/ccfs/callback", sample, time.Now())
		r.RemoteAddr = tt.peer
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		if tt.status == 403 {
			r.Body = untouched{t}
		}
		w := serve(h, r)
		if w.Code != tt.status {
			t.Errorf("%s for %q: %d, want %d", tt.peer, tt.forwarded, w.Code, tt.status)
		}
		if w.Code == 403 && w.Body.String() != `{"resultCode":"1","resultDesc":"forbidden"}` {
			t.Errorf("body %s", w.Body)
		}
	}
	if n := testutil.ToFloat64(h.counts.WithLabelValues("forbidden", "")); n != 5 {
		t.Errorf("%v refusals counted, want 5", n)
	}
	if len(store.stored) != 2 {
		t.Errorf("%d effects, want 2", len(store.stored))
	}
}
