package filestore

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
)

var unknownFile = []byte(`{"request":{"version":"2.0"},"msgBody":{"billFileName":"20240502_0123456789abcdef0123456789abcdef.zip"}}`)

func status(s *Store, req *http.Request) int {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w.Code
}

func TestAuthentication(t *testing.T) {
	signedWith := func(p c2sign.Profile) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return signed(t, "downloadBillFile", unknownFile, p) }
	}
	spoilt := func(change func(*http.Request)) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			r := signedWith(c2sign.Profile{})(t)
			change(r)
			return r
		}
	}
	at := func(shift time.Duration) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			r := signedWith(c2sign.Profile{})(t)
			s, err := c2sign.FromHTTP(r, unknownFile)
			if err != nil {
				t.Fatal(err)
			}
			a, err := c2sign.Sign(testKey, c2sign.Profile{}, s, time.Now().Add(shift))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", a)
			return r
		}
	}
	hostOnly := c2sign.Profile{SignedHeaders: []string{"host"}}
	emptyLine := c2sign.Profile{EmptyQueryLine: true}
	query := func(q EmptyQueryLine) func(*Options) { return func(o *Options) { o.EmptyQueryLine = q } }
	for name, c := range map[string]struct {
		options func(*Options)
		request func(*testing.T) *http.Request
		want    int
	}{
		"three headers":          {nil, signedWith(c2sign.Profile{}), 200},
		"host only":              {nil, signedWith(hostOnly), 200},
		"milliseconds":           {nil, signedWith(c2sign.Profile{Millis: true}), 200},
		"host only, more wanted": {func(o *Options) { o.RequiredHeaders = []string{"content-type"} }, signedWith(hostOnly), 401},
		"empty line accepted":    {nil, signedWith(emptyLine), 200},
		"empty line refused":     {query(RefuseEmptyQueryLine), signedWith(emptyLine), 401},
		"no line, refusing":      {query(RefuseEmptyQueryLine), signedWith(c2sign.Profile{}), 200},
		"empty line required":    {query(RequireEmptyQueryLine), signedWith(emptyLine), 200},
		"no line, requiring":     {query(RequireEmptyQueryLine), signedWith(c2sign.Profile{}), 401},
		"14 minutes old":         {nil, at(-14 * time.Minute), 200},
		"16 minutes old":         {nil, at(-16 * time.Minute), 401},
		"16 minutes ahead":       {nil, at(16 * time.Minute), 401},
		"old, skew off":          {func(o *Options) { o.Skew = -1 }, at(-24 * time.Hour), 200},
		"no authorization":       {nil, spoilt(func(r *http.Request) { r.Header.Del("Authorization") }), 401},
		"another host":           {nil, spoilt(func(r *http.Request) { r.Host = "ccfs.example.com" }), 401},
		"another path":           {nil, spoilt(func(r *http.Request) { r.URL.Path, r.RequestURI = base+"queryBillData", "" }), 401},
		"blank in content type":  {nil, spoilt(func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=UTF-8") }), 401},
		"chunked, length signed": {nil, spoilt(func(r *http.Request) { r.ContentLength = -1 }), 401},
		"another secret":         {func(o *Options) { o.SecretKey = "another" }, signedWith(c2sign.Profile{}), 401},
		"another key":            {func(o *Options) { o.AccessKey = "another" }, signedWith(c2sign.Profile{}), 401},
		"fault: unauthorized":    {with(t, fault.Rule{Fault: requestUnauthorized, Next: 1}), signedWith(c2sign.Profile{}), 401},
		"fault: locked":          {with(t, fault.Rule{Fault: requestLocked, Next: 1}), signedWith(c2sign.Profile{}), 403},
		"fault: firewall":        {with(t, fault.Rule{Fault: requestFirewall, Share: 1}), signedWith(c2sign.Profile{}), 418},
		"another body":           {nil, spoilt(func(r *http.Request) { r.Body = http.NoBody }), 401},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.options)
			if got := status(r.store, c.request(t)); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
		})
	}
}

func TestProblemBody(t *testing.T) {
	at := time.UnixMilli(1532142010247)
	r := newRig(t, func(o *Options) { o.Now = func() time.Time { return at } })
	req := httptest.NewRequest(http.MethodPost, base+"queryBillData", strings.NewReader("{}"))
	w := httptest.NewRecorder()
	r.store.ServeHTTP(w, req)
	want := `{"timestamp":1532142010247,"status":401,"error":"Unauthorized","message":"No message available","path":"/CCFS/resource/ccfs/queryBillData"}`
	if diff := cmp.Diff(want, w.Body.String()); w.Code != 401 || diff != "" {
		t.Errorf("%d: %s", w.Code, diff)
	}
}

func TestLock(t *testing.T) {
	now := time.Now()
	r := newRig(t, func(o *Options) { o.Now = func() time.Time { return now }; o.Skew = -1 })
	try := func(ip string, right bool) int {
		req := signed(t, "downloadBillFile", unknownFile, c2sign.Profile{})
		req.RemoteAddr = ip + ":4711"
		if !right {
			req.Host = "elsewhere"
		}
		return status(r.store, req)
	}
	const ip, other = "192.0.2.7", "192.0.2.8"
	for n := range 9 {
		if got := try(ip, false); got != 401 {
			t.Fatalf("try %d: %d", n, got)
		}
	}
	now = now.Add(5 * time.Minute) // the nine are forgotten
	for n := range 10 {
		if got := try(ip, false); got != 401 {
			t.Fatalf("second try %d: %d", n, got)
		}
	}
	if got := try(ip, true); got != 403 {
		t.Errorf("after ten: %d", got)
	}
	if got := try(other, true); got != 200 {
		t.Errorf("another address: %d", got)
	}
	now = now.Add(10*time.Minute - time.Second)
	if got := try(ip, true); got != 403 {
		t.Errorf("within the lock: %d", got)
	}
	now = now.Add(time.Second)
	if got := try(ip, true); got != 200 {
		t.Errorf("after the lock: %d", got)
	}
}

func TestStatuses(t *testing.T) {
	r := newRig(t, nil)
	resign := func(change func(*http.Request), path string, body []byte) *http.Request {
		req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		req.Header.Set("Content-Type", jsonType)
		change(req)
		s, err := c2sign.FromHTTP(req, body)
		if err != nil {
			t.Fatal(err)
		}
		a, err := c2sign.Sign(testKey, c2sign.Profile{}, s, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", a)
		return req
	}
	same := func(*http.Request) {}
	for name, c := range map[string]struct {
		req  *http.Request
		want int
	}{
		"unknown operation": {resign(same, base+"queryNothing", unknownFile), 404},
		"outside":           {resign(same, "/queryBillData", unknownFile), 404},
		"get":               {resign(func(r *http.Request) { r.Method = "GET" }, base+"queryBillData", unknownFile), 405},
		"form":              {resign(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, base+"queryBillData", unknownFile), 415},
		"no json":           {resign(same, base+"queryBillData", []byte("request=1")), 400},
		"too large":         {resign(same, base+"queryBillData", bytes.Repeat([]byte(" "), maxBodyBytes+1)), 400},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r.store.ServeHTTP(w, c.req)
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.want || p.Status != c.want {
				t.Errorf("status %d, want %d (%v)", w.Code, c.want, err)
			}
		})
	}
}
