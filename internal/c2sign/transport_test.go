package c2sign

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// verifyingServer answers 204 to what verifies, 401 with the reason to the rest.
func verifyingServer(t *testing.T, v Verifier) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req, err := FromHTTP(r, body)
		if err == nil {
			_, err = v.Verify(req, r.Header.Get("Authorization"), testAt)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	return s
}

func newClient(t *testing.T, p Profile) *http.Client {
	c := &http.Client{Transport: NewTransport(&http.Transport{}, testKey, p, func() time.Time { return testAt })}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestTransportSignsWhatIsSent(t *testing.T) {
	server := verifyingServer(t, Verifier{Keys: only(testKey), MaxSkew: time.Minute})
	hostOnly := Profile{SignedHeaders: []string{"host"}}
	tests := []struct {
		name, method, path string
		body               io.Reader
		host               string
		profile            Profile
	}{
		{"plain", "POST", "/CCFS/resource/ccfs/queryBillData", strings.NewReader(`{"a":"测试 a+b~c*d"}`), "", Profile{}},
		{"millis, empty line", "POST", "/x", strings.NewReader("{}"), "", Profile{Millis: true, EmptyQueryLine: true}},
		{"of unknown length", "POST", "/x", iotest.OneByteReader(strings.NewReader("{}")), "", Profile{}},
		{"empty body", "POST", "/x", nil, "", Profile{}},
		{"other host", "POST", "/x", strings.NewReader("{}"), "ccfs.example.com:28443", Profile{}},
		{"host up to the last sign of ASCII", "POST", "/x", strings.NewReader("{}"), "a~b.example.com", Profile{}},
		{"query", "POST", "/x?locationId=256&a=%2f&b=2+x&a=1", strings.NewReader("{}"), "", Profile{}},
		{"escaped path", "POST", "/a%2Fb%20c", strings.NewReader("{}"), "", Profile{}},
		{"no path", "POST", "", strings.NewReader("{}"), "", Profile{}},
		{"get", "GET", "/x?b=2", nil, "", hostOnly},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL+tt.path, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json;charset=UTF-8")
			req.Host = tt.host
			res, err := newClient(t, tt.profile).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusNoContent {
				answer, _ := io.ReadAll(res.Body)
				t.Errorf("status %d: %s", res.StatusCode, answer)
			}
			if req.Header.Get("Authorization") != "" {
				t.Error("the caller's request was altered")
			}
		})
	}
}

type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return nil }

func TestTransportRefusesAndClosesTheBody(t *testing.T) {
	failing := errors.New("disk gone")
	tests := map[string]struct {
		body io.Reader
		edit func(*http.Request)
	}{
		"body that cannot be read": {iotest.ErrReader(failing), func(*http.Request) {}},
		"host outside ASCII":       {strings.NewReader("{}"), func(r *http.Request) { r.Host = "bücher.example" }},
		"blank in host":            {strings.NewReader("{}"), func(r *http.Request) { r.Host = "a b.example" }},
		"zone in host":             {strings.NewReader("{}"), func(r *http.Request) { r.Host = "[fe80::1%25eth0]" }},
		"no path in URL":           {strings.NewReader("{}"), func(r *http.Request) { r.URL.Opaque = "//x/y" }},
		"header twice":             {strings.NewReader("{}"), func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }},
		"undecodable query":        {strings.NewReader("{}"), func(r *http.Request) { r.URL.RawQuery = "a=%zz" }},
		"header absent":            {strings.NewReader("{}"), func(r *http.Request) { r.Header = nil }},
	}
	for name, tt := range tests {
		body := &closeCounter{Reader: tt.body}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://ccfs.example.com/x", body)
		req.Header.Set("Content-Type", "application/json")
		tt.edit(req)
		res, err := newClient(t, Profile{}).Transport.RoundTrip(req)
		if err == nil {
			res.Body.Close()
			t.Errorf("%s: sent", name)
		}
		if body.closed != 1 {
			t.Errorf("%s: body closed %d times", name, body.closed)
		}
		if strings.Contains(err.Error(), testKey.Reveal()) {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
}

func TestFromHTTP(t *testing.T) {
	var got Request
	server := httptest.NewServer(http.StripPrefix("/cb", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var err error
		if got, err = FromHTTP(r, body); err != nil {
			t.Error(err)
		}
	})))
	defer server.Close()
	// A body of unknown length goes out chunked.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/cb/a%2Fb?x=1", io.MultiReader(bytes.NewReader([]byte("hello"))))
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.Header["X-Twice"] = "bridge.example.com", []string{"1", "2"}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got.Path != "/cb/a%2Fb" || got.Query.Get("x") != "1" || string(got.Body) != "hello" {
		t.Errorf("got %q %v %q", got.Path, got.Query, got.Body)
	}
	for name, want := range map[string]string{"host": "bridge.example.com", "content-length": "5", "x-twice": "1, 2"} {
		if got.Header[name] != want {
			t.Errorf("%s = %q, want %q", name, got.Header[name], want)
		}
	}
	bad := httptest.NewRequest(http.MethodPost, "/x?a=%zz", nil)
	if _, err := FromHTTP(bad, nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("undecodable query: %v", err)
	}
}
