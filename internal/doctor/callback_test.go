package doctor

import (
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestReached: any bridge that answers is good, whatever it says of a look; what cannot be seen
// from here is no failure.
func TestReached(t *testing.T) {
	c := Callback{URL: &url.URL{Scheme: "https", Host: "bridge.example", Path: "/a/ready"}}
	for said, want := range map[string]Status{
		"HTTP 200 word": OK, `HTTP 405 {"resultCode":"1","resultDesc":"method_not_allowed"}`: OK, `HTTP 403 {"resultCode":"1","resultDesc":"forbidden"}`: OK,
		`HTTP 429 {"resultCode":"1","resultDesc":"too_many_requests"}`: OK, `HTTP 404 {"resultCode":"1","resultDesc":"unknown_path"}`: Failure, "HTTP 404 nginx": Warning,
	} {
		if l := worst(t, []Line{c.reached(said, "word", nil)}); l.Status != want {
			t.Errorf("%s: %+v", said, l)
		}
	}
	if l := worst(t, []Line{c.reached("", "word", io.ErrUnexpectedEOF)}); l.Status != Warning {
		t.Errorf("no way: %+v", l)
	}
}

// TestStandIn: as long as the doctor listens, the platform is told to call again.
func TestStandIn(t *testing.T) {
	c := Callback{URL: &url.URL{Scheme: "https", Host: "bridge.example", Path: "/a/ready"}}
	for request, want := range map[string]int{"GET /a/ready": 200, "GET /ready": 200, "GET /": 200, "GET /b": 404, "POST /a/ready": 503, "PUT /": 503} {
		method, path, _ := strings.Cut(request, " ")
		out := httptest.NewRecorder()
		c.standIn("word").ServeHTTP(out, httptest.NewRequest(method, path, nil))
		if out.Code != want || (out.Body.String() == "word") != (want == 200) {
			t.Errorf("%s: %d %s", request, out.Code, out.Body)
		}
	}
}
