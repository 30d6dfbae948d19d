package post

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzCheck reads any address for pushes: one that counts is at a host that is listed, over https
// unless that is this machine, and no log shows it.
func FuzzCheck(f *testing.F) {
	f.Add("https://phones.example.com/x?token=a", "t0ken", false)
	f.Add("http://127.0.0.1:7/", "", true)
	f.Add("https://user@phones.example.com/", "t", true)
	f.Add("https://phones.example.com@evil.example/", "t", true)
	f.Add("HTTP://[::1]:7/", "t", true)
	p := New(Options{Hosts: []string{"phones.example.com", "127.0.0.1"}})
	f.Fuzz(func(t *testing.T, uri, secret string, old bool) {
		w := Way{Old: old, URI: uri, Token: secret}
		if p.Check(w) != nil {
			return
		}
		r, err := http.NewRequest(http.MethodPost, uri, nil)
		if err != nil {
			t.Fatalf("%q can't be called: %v", uri, err)
		}
		host := strings.ToLower(r.URL.Hostname())
		if host != "phones.example.com" && host != "127.0.0.1" || r.URL.Scheme != "https" && host != "127.0.0.1" || r.URL.User != nil {
			t.Errorf("%q is called at %s", uri, r.URL.Redacted())
		}
		if !old && (secret == "" || url.QueryEscape(secret) != secret) {
			t.Errorf("token %q", secret)
		}
	})
}

// FuzzTaken reads any answer to a push: only what says so has taken it.
func FuzzTaken(f *testing.F) {
	f.Add(200, []byte(`{"message":"success","retcode":"0"}`), "application/json", false)
	f.Add(200, []byte(" "), "", true)
	f.Add(200, []byte(`{"retcode":0}`), "text/html;charset=GBK", true)
	f.Add(503, []byte(`{"retcode":"0"}`), "", false)
	f.Fuzz(func(t *testing.T, status int, body []byte, contentType string, old bool) {
		a := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(bytes.NewReader(body))}
		err := taken(a, old)
		if err == nil && (status != http.StatusOK || !old && len(body) < len(`{"retcode":0}`)) {
			t.Errorf("%d %q is taken", status, body)
		}
	})
}
