package callbacks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"aiccbridge/internal/c2sign"
	"aiccbridge/schemas"
)

var key = c2sign.NewKey("testak01", "testsk-0123456789abcdef")

// memory is a store that counts effects: the first notice of a response id.
type memory struct {
	mu      sync.Mutex
	fail    error
	knows   string
	ledger  map[string]string // further response ids that are known: to whom, by commas
	expects int               // how often an answer is still expected
	calls   int
	stored  []string
	notices map[string]schemas.FileNotice
	dead    []schemas.Message
}

func (s *memory) Accept(_ context.Context, n schemas.FileNotice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.calls++
	s.stored = append(s.stored, n.ResponseID)
	if s.notices == nil {
		s.notices = map[string]schemas.FileNotice{}
	}
	s.notices[n.ResponseID] = n
	return nil
}

func (s *memory) Knows(tenant, responseID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tenant == "acme" && responseID == s.knows || slices.Contains(strings.Split(s.ledger[responseID], ","), tenant)
}

func (s *memory) Expects(string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expects--
	return s.expects >= 0
}

func (s *memory) Publish(_ context.Context, m schemas.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = append(s.dead, m)
	return nil
}

func newHandler(t *testing.T, store Store, edit func(*Options)) *Handler {
	t.Helper()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Names: names, Store: store, Tenants: map[string][]Tenant{key.AccessKey: {{Name: "acme"}}},
		Keys: func(ak string) []c2sign.Key {
			if ak == key.AccessKey {
				return []c2sign.Key{key}
			}
			return nil
		},
		PublicURL: &url.URL{Scheme: "https", Host: "bridge.example.com:8443", Path: "/ccfs/callback"},
	}
	if edit != nil {
		edit(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// signed makes a callback as the platform would send it.
func signed(t *testing.T, path, body string, at time.Time) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://bridge.example.com:8443"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json;charset=UTF-8")
	request, err := c2sign.FromHTTP(r, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	authorization, err := c2sign.Sign(key, c2sign.Profile{}, request, at)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	return r
}

const sample = `{"request":{"version":"2.0"},"msgBody":{"responseId":"` + id + `","billFileName":"` + file + `","accountId":""}}`

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	now := time.Now()
	post := func(t *testing.T) *http.Request { return signed(t, "/ccfs/callback", sample, now) }
	tests := []struct {
		name    string
		request func(t *testing.T) *http.Request
		store   *memory
		edit    func(*Options)
		status  int
		effects int
		dead    int
	}{
		{name: "signed", request: post, status: 200, effects: 1},
		{name: "signed, path stripped by an ingress", status: 200, effects: 1,
			request: func(t *testing.T) *http.Request { return signed(t, "/", sample, now) }},
		{name: "signed, prefix stripped by an ingress", status: 200, effects: 1,
			request: func(t *testing.T) *http.Request { return signed(t, "/callback", sample, now) }},
		{name: "a path that only ends alike", status: 404,
			request: func(t *testing.T) *http.Request { return signed(t, "/xcallback", sample, now) }},
		{name: "refused for good by the store", request: post, status: 400, dead: 1,
			store: &memory{fail: &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: errors.New("no")}}},
		{name: "file and response id differ", status: 400, dead: 1,
			request: func(t *testing.T) *http.Request {
				return signed(t, "/ccfs/callback", strings.Replace(sample, "9239", "0239", 1), now)
			}},
		{name: "observe takes an old signature", status: 200, effects: 1, edit: func(o *Options) { o.Verify = Observe },
			request: func(t *testing.T) *http.Request { return signed(t, "/ccfs/callback", sample, now.Add(-time.Hour)) }},
		{name: "observe does not guess among tenants", status: 401,
			edit: func(o *Options) {
				o.Verify, o.Tenants = Observe, map[string][]Tenant{"a": {{Name: "acme"}}, "b": {{Name: "other"}}}
			}, request: post},
		{name: "store fails", request: post, store: &memory{fail: errors.New("no disk")}, status: 503},
		{name: "no signature", status: 401, request: func(t *testing.T) *http.Request {
			r := post(t)
			r.Header.Del("Authorization")
			return r
		}},
		{name: "body changed", status: 401, request: func(t *testing.T) *http.Request {
			r := signed(t, "/ccfs/callback", strings.Replace(sample, "9239", "9230", 1), now)
			forged := httptest.NewRequest(http.MethodPost, "https://bridge.example.com:8443/ccfs/callback", strings.NewReader(sample))
			forged.Header = r.Header
			return forged
		}},
		{name: "too old, nobody asked", status: 401,
			request: func(t *testing.T) *http.Request { return signed(t, "/ccfs/callback", sample, now.Add(-time.Hour)) }},
		{name: "too old, but asked for", status: 200, effects: 1, store: &memory{knows: id},
			request: func(t *testing.T) *http.Request { return signed(t, "/ccfs/callback", sample, now.Add(-time.Hour)) }},
		{name: "any age by setting", status: 200, effects: 1, edit: func(o *Options) { o.MaxSkew = -1 },
			request: func(t *testing.T) *http.Request {
				return signed(t, "/ccfs/callback", sample, now.Add(-90*24*time.Hour))
			}},
		{name: "too far ahead", status: 401,
			request: func(t *testing.T) *http.Request { return signed(t, "/ccfs/callback", sample, now.Add(time.Hour)) }},
		{name: "signed nonsense", status: 400, dead: 1,
			request: func(t *testing.T) *http.Request { return signed(t, "/ccfs/callback", `{"msgBody":{}}`, now) }},
		{name: "too large", status: 413,
			request: func(t *testing.T) *http.Request {
				return signed(t, "/ccfs/callback", `"`+strings.Repeat("x", 17<<10)+`"`, now)
			}},
		{name: "too large without a length", status: 413,
			request: func(t *testing.T) *http.Request {
				r := signed(t, "/ccfs/callback", `"`+strings.Repeat("x", 17<<10)+`"`, now)
				r.ContentLength = -1
				return r
			}},
		{name: "GET", status: 405, request: func(*testing.T) *http.Request {
			return httptest.NewRequest(http.MethodGet, "https://bridge.example.com:8443/", nil)
		}},
		{name: "other path", status: 404,
			request: func(t *testing.T) *http.Request { return signed(t, "/admin", sample, now) }},
		{name: "observe takes what does not verify", status: 200, effects: 1,
			edit: func(o *Options) { o.Verify = Observe },
			request: func(t *testing.T) *http.Request {
				r := post(t)
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "auth-v2", "auth-v9", 1))
				return r
			}},
		{name: "off", status: 200, effects: 1, edit: func(o *Options) { o.Verify = Off },
			request: func(t *testing.T) *http.Request {
				r := post(t)
				r.Header.Del("Authorization")
				return r
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := cmp.Or(tt.store, &memory{})
			w := serve(newHandler(t, store, tt.edit), tt.request(t))
			if w.Code != tt.status || len(store.notices) != tt.effects || len(store.dead) != tt.dead {
				t.Errorf("status %d, effects %d, dead letters %d; want %d, %d, %d",
					w.Code, len(store.notices), len(store.dead), tt.status, tt.effects, tt.dead)
			}
			if w.Body.Len() == 0 {
				t.Error("answered without a body")
			}
			if tt.status == 200 && w.Body.String() != `{"resultCode":"0","resultDesc":"success"}` {
				t.Errorf("body %s", w.Body)
			}
		})
	}
}

func TestRepeatsSucceed(t *testing.T) {
	store := &memory{}
	h := newHandler(t, store, nil)
	var group sync.WaitGroup
	codes := make([]int, 10)
	for i := range codes {
		r := signed(t, "/ccfs/callback", sample, time.Now())
		group.Go(func() { codes[i] = serve(h, r).Code })
	}
	group.Wait()
	for _, code := range codes {
		if code != http.StatusOK {
			t.Errorf("codes %v, want ten times 200", codes)
		}
	}
	if len(store.notices) != 1 || store.calls != 10 {
		t.Errorf("%d effects of %d calls", len(store.notices), store.calls)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	h := newHandler(t, &memory{}, nil)
	h.o.Store = nil // what a mistake of ours would look like
	if w := serve(h, signed(t, "/ccfs/callback", sample, time.Now())); w.Code != http.StatusInternalServerError || w.Body.Len() == 0 {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}

func TestNewRefuses(t *testing.T) {
	names, _ := schemas.NewNames("aicc")
	good := Options{Names: names, Store: &memory{}, Tenants: map[string][]Tenant{"ak": {{Name: "acme"}}}, PublicURL: &url.URL{Path: "/"}}
	for name, edit := range map[string]func(*Options){
		"names":      func(o *Options) { o.Names = schemas.Names{} },
		"store":      func(o *Options) { o.Store = nil },
		"tenants":    func(o *Options) { o.Tenants = nil },
		"public URL": func(o *Options) { o.PublicURL = nil },
		"query":      func(o *Options) { o.PublicURL = &url.URL{RawQuery: "a=b"} },
	} {
		o := good
		edit(&o)
		if _, err := New(o); err == nil {
			t.Errorf("accepted without a proper %s", name)
		}
	}
}

// TestLogsHoldNothingForeign sends forged callbacks full of things that must not
// reach a log, many times.
func TestLogsHoldNothingForeign(t *testing.T) {
	var log bytes.Buffer
	h := newHandler(t, &memory{}, func(o *Options) { o.Logger = zerolog.New(&log) })
	for i := range 100 {
		r := signed(t, "/", sample, time.Now())
		forged := strings.Replace(r.Header.Get("Authorization"), "content-length", fmt.Sprintf("x-13800138%03d", i), 1)
		r.Header.Set("Authorization", forged)
		if w := serve(h, r); w.Code != http.StatusUnauthorized {
			t.Fatalf("status %d", w.Code)
		}
	}
	serve(h, signed(t, "/", sample, time.Now()))
	if n := strings.Count(log.String(), "\n"); n > 2 {
		t.Errorf("%d lines for one change and one success", n)
	}
	for _, canary := range []string{"13800138", key.Reveal(), "auth-v2/", id} {
		if strings.Contains(log.String(), canary) {
			t.Errorf("the log holds %q", canary)
		}
	}
}

// TestSkewIsOfTheClocks: a callback that is repeated as it was is old, and tells nothing of the
// clocks.
func TestSkewIsOfTheClocks(t *testing.T) {
	h := newHandler(t, &memory{knows: id}, nil)
	for _, at := range []time.Duration{-3 * time.Second, -time.Hour} {
		if w := serve(h, signed(t, "/ccfs/callback", sample, time.Now().Add(at))); w.Code != http.StatusOK {
			t.Fatalf("%s: %d", at, w.Code)
		}
	}
	if skew := testutil.ToFloat64(h.skew); skew < -60 || skew >= 0 {
		t.Errorf("the clocks are said to be %v s apart", skew)
	}
}
