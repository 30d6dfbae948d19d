package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// FuzzSignIn sends any body to every interface that reads one: the answer is
// HTTP 200 and JSON with a retcode, and a session begins for 0 only.
func FuzzSignIn(f *testing.F) {
	for _, seed := range []string{
		goodBody, `{}`, `null`, `[`, `{"password":"right","phonenum":70001,"status":"4","releasephone":"true"}`,
		`{"password":"right","phonenum":"1","agenttype":1e9}`, `{"password":"\u0000","phonenum":"１"}`,
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, body string, force bool) {
		r := inBubble(t, Options{NoHold: true})
		path := "/onlineagent/101"
		if force {
			path += "/forcelogin"
		}
		w := newRecorder()
		req, err := http.NewRequest("PUT", "http://sim"+base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.g.ServeHTTP(w, req)
		var a struct{ Retcode string }
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 || a.Retcode == "" {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		if began := len(r.log.Snapshot().Sessions) == 1; began != (a.Retcode == "0") {
			t.Fatalf("retcode %s, session begun: %v", a.Retcode, began)
		}
	})
}

// FuzzRequests sends any method, path and GUID.
func FuzzRequests(f *testing.F) {
	f.Add("GET", "/agentevent/101", "x")
	f.Add("POST", "/onlineagent/101/resetskill/true?skillid=1;2", "")
	f.Add("DELETE", "/onlineagent/101/forcelogoutwithreason/300", "g")
	f.Add("PUT", "/onlineagent/%2e%2e/forcelogin", "")
	f.Fuzz(func(t *testing.T, method, path, guid string) {
		req, err := http.NewRequest(method, "http://sim"+base+path, http.NoBody)
		if err != nil {
			return // no request can look like this
		}
		req.Header.Set("Guid", guid)
		r := inBubble(t, Options{NoHold: true})
		w := newRecorder()
		r.g.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
