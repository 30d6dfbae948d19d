package c2sign

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestEncodeLeavesTheUnreservedAlone(t *testing.T) {
	const kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	for c := range 256 {
		sign := string([]byte{byte(c)})
		want := fmt.Sprintf("%%%02X", c)
		if strings.Contains(kept, sign) {
			want = sign
		}
		if got := encode(sign); got != want {
			t.Errorf("byte %#x is encoded as %s, want %s", c, got, want)
		}
	}
}

func TestSignedNamesAreLowerCaseTokens(t *testing.T) {
	const good = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	for c := range 256 {
		name := "x" + string([]byte{byte(c)})
		r := callback()
		r.Header[name] = "value"
		problem := ""
		if offender, p := checkNames([]string{"host", name}, r); p != "" {
			problem = offender + " " + p
		}
		if (problem == "") != strings.Contains(good, name[1:]) {
			t.Errorf("%q: %q", name, problem)
		}
	}
}

func TestHeaderUpToItsLimits(t *testing.T) {
	valid := mustSign(t, testKey, Profile{}, callback())
	const list = "content-length;content-type;host"
	names := func(n int) string {
		return strings.Replace(valid, list, strings.Repeat("a;", n-1)+"host", 1)
	}
	for name, tt := range map[string]struct {
		header string
		good   bool
	}{
		"as long as allowed":       {valid + strings.Repeat(" ", maxHeaderBytes-len(valid)), true},
		"longer by one byte":       {valid + strings.Repeat(" ", maxHeaderBytes-len(valid)+1), false},
		"as many names as allowed": {names(maxSignedNames), true},
		"one name more":            {names(maxSignedNames + 1), false},
	} {
		if _, err := ParseHeader(tt.header); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysUpToTheLastSignOfASCII(t *testing.T) {
	if _, err := Sign(NewKey("~a!", "s"), Profile{}, callback(), testAt); err != nil {
		t.Error(err)
	}
	for _, ak := range []string{"a\x7f", "a ", "ü"} {
		if _, err := Sign(NewKey(ak, "s"), Profile{}, callback(), testAt); err == nil {
			t.Errorf("signed with access key %q", ak)
		}
	}
}

// The header is under the signature, so it counts as it was written, even if the body was cut off.
func TestContentLengthIsTheOneReceived(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader("hello"))
	got, err := FromHTTP(r, []byte("he"))
	if err != nil || got.Header["content-length"] != "5" {
		t.Errorf("got %q, %v", got.Header["content-length"], err)
	}
	r.ContentLength = -1 // HTTP/2 without the header
	got, err = FromHTTP(r, []byte("hello, all"))
	if err != nil || got.Header["content-length"] != "10" {
		t.Errorf("of unknown length: %q, %v", got.Header["content-length"], err)
	}
}

// net/http writes "Content-Length: 0" for three methods only, and what it does not write
// cannot be signed.
func TestContentLengthIsSignedWhereItIsSent(t *testing.T) {
	server := verifyingServer(t, Verifier{Keys: only(testKey), RequiredHeaders: []string{"content-length"}})
	for _, tt := range []struct {
		method, body string
		sent         bool
	}{
		{"POST", "", true}, {"PUT", "", true}, {"PATCH", "", true}, {"GET", "", false}, {"DELETE", "", false}, {"DELETE", "{}", true},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL+"/x", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json;charset=UTF-8")
		res, err := newClient(t, Profile{}).Do(req)
		if (err == nil) != tt.sent {
			t.Errorf("%s %q: %v", tt.method, tt.body, err)
		}
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusNoContent {
				t.Errorf("%s %q: status %d", tt.method, tt.body, res.StatusCode)
			}
		}
	}
}

// counter counts what passes through it.
type counter struct{ requests int }

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests++
	return http.DefaultTransport.RoundTrip(r)
}

func TestTransportSendsThroughItsBase(t *testing.T) {
	server := verifyingServer(t, Verifier{Keys: only(testKey)})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	var own counter
	for name, base := range map[string]http.RoundTripper{"its own": &own, "the default": nil} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json;charset=UTF-8")
		res, err := NewTransport(base, testKey, Profile{}, func() time.Time { return testAt }).RoundTrip(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusNoContent {
			t.Errorf("%s: status %d", name, res.StatusCode)
		}
	}
	if own.requests != 1 {
		t.Errorf("%d requests went through the base given, want 1", own.requests)
	}
}
