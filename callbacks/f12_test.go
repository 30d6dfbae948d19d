package callbacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/c2sign"
)

// attempt is one callback of TestF12: what is sent, and what must come of it.
type attempt struct {
	name   string
	raw    string
	status int
	effect bool
}

// wire spells a signed callback as it goes over the connection. edit may change
// its text after it was signed.
func wire(t *testing.T, path, body string, at time.Time, edit func(string) string) string {
	t.Helper()
	r := signed(t, path, body, at)
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nAuthorization: %s\r\nConnection: close\r\n\r\n%s",
		path, r.Host, r.Header.Get("Content-Type"), len(body), r.Header.Get("Authorization"), body)
	if edit != nil {
		changed := edit(text)
		if changed == text {
			t.Fatal("the edit changes nothing")
		}
		text = changed
	}
	return text
}

// chunked sends the body in one chunk.
func chunked(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

const publicPath = "/ccfs/callback"

// forgeries are callbacks that nobody may get through.
func forgeries(t *testing.T, now time.Time) []attempt {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	length := fmt.Sprintf("Content-Length: %d\r\n", len(sample))
	at := func(d time.Duration) string { return wire(t, publicPath, sample, now.Add(d), nil) }
	with := func(edit func(string) string) string { return wire(t, publicPath, sample, now, edit) }
	stranger := wire(t, publicPath, sample, now, replace("auth-v2/"+key.AccessKey, "auth-v2/testak99"))
	last := `"accountId":""}}`
	return []attempt{
		{"missing signature", with(replace("Authorization:", "X-Authorization:")), 401, false},
		{"empty signature", with(func(s string) string { return cutHeader(s, "Authorization", 0) }), 401, false},
		{"truncated signature", with(func(s string) string { return cutHeader(s, "Authorization", 100) }), 401, false},
		{"wrong signature", with(flip), 401, false},
		{"upper-case signature", with(func(s string) string { return upperSignature(s) }), 401, false},
		{"trailing slash", with(replace("\r\nConnection", "/\r\nConnection")), 401, false},
		{"other version", with(replace("auth-v2/", "auth-v1/")), 401, false},
		{"unknown access key", stranger, 401, false},
		{"host is not signed", with(replace(";host/", "/")), 401, false},
		{"signed headers in another order", with(replace("content-length;content-type;host", "host;content-length;content-type")), 401, false},
		{"a signed header twice", with(replace(";host/", ";host;host/")), 401, false},
		{"a signed header that is absent", with(replace(";host/", ";host;x-absent/")), 401, false},
		{"body changed", with(replace(last, `"accountId":"1"}}`)), 401, false},
		{"20 minutes old", at(-20 * time.Minute), 401, false},
		{"60 minutes old", at(-60 * time.Minute), 401, false},
		{"20 minutes ahead", at(20 * time.Minute), 401, false},
		{"another host under one signature", with(replace("Host: bridge", "Host: proxy")), 200, true}, // a proxy may do that
		{"another path under one signature", with(replace("POST "+publicPath, "POST /")), 200, true},  // an ingress may do that
		{"two hosts", with(replace("Content-Type", "Host: other.example.com\r\nContent-Type")), 400, false},
		{"two lengths", with(replace(length, length+"Content-Length: 5\r\n")), 400, false},
		{"two equal lengths", with(replace(length, length+length)), 200, true}, // RFC 9110 8.6: one value
		{"a negative length", with(replace(length, "Content-Length: -1\r\n")), 400, false},
		{"length and chunks", with(func(s string) string {
			return strings.Replace(strings.Replace(s, length, length+"Transfer-Encoding: chunked\r\n", 1), sample, chunked(sample), 1)
		}), 200, true}, // net/http goes by the chunks, which are what was signed; see TestNothingFollowsChunks
		{"length and other chunks", with(func(s string) string {
			return strings.Replace(strings.Replace(s, length, length+"Transfer-Encoding: chunked\r\n", 1), sample, chunked("{}")+sample, 1)
		}), 401, false},
		{"chunks under a signed length", with(func(s string) string {
			return strings.Replace(strings.Replace(s, length, "Transfer-Encoding: chunked\r\n", 1), sample, chunked(sample), 1)
		}), 200, true}, // a proxy may do that
		{"an unknown transfer encoding", with(replace(length, "Transfer-Encoding: xchunked\r\n")), 501, false},
		{"two authorizations, the good one first", with(replace("Connection", "Authorization: auth-v2/a\r\nConnection")), 401, false},
		{"two authorizations, the good one last", with(replace("Authorization", "Authorization: auth-v2/a\r\nAuthorization")), 401, false},
		{"two content types", with(replace("Authorization", "Content-Type: text/html\r\nAuthorization")), 401, false},
		{"a folded header", with(replace("Authorization: ", "Authorization:\r\n ")), 200, true}, // net/http joins it: the same text
		{"a blank before the colon", with(replace("Authorization:", "Authorization :")), 400, false},
		{"gzip", with(replace("Authorization", "Content-Encoding: gzip\r\nAuthorization")), 415, false},
		{"a query that was not signed", with(replace("POST "+publicPath, "POST "+publicPath+"?a=b")), 401, false},
		{"GET", with(replace("POST", "GET")), 405, false},
	}
}

func cutHeader(s, name string, keep int) string {
	start := strings.Index(s, name+": ") + len(name) + 2
	end := start + strings.Index(s[start:], "\r\n")
	return s[:start+keep] + s[end:]
}

// flip changes the last digit of the signature.
func flip(s string) string {
	end := strings.Index(s, "\r\nConnection")
	digit := "0"
	if s[end-1] == '0' {
		digit = "1"
	}
	return s[:end-1] + digit + s[end:]
}

func upperSignature(s string) string {
	end := strings.Index(s, "\r\nConnection")
	return s[:end-64] + "ABCDEF" + s[end-58:]
}

// exchange sends raw bytes to a server and returns the status of its answer.
func exchange(t *testing.T, address, raw string) int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || len(body) == 0 {
		t.Errorf("body %q, %v", body, err)
	}
	return answer.StatusCode
}

// TestF12ForgedCallbacks sends every kind of bad callback over a connection:
// each gets its answer, and nothing is stored for those that are refused.
func TestF12ForgedCallbacks(t *testing.T) {
	now := time.Now()
	attempts := append(forgeries(t, now),
		attempt{"as it should be", wire(t, publicPath, sample, now, nil), 200, true},
		attempt{"10 minutes old", wire(t, publicPath, sample, now.Add(-10*time.Minute), nil), 200, true},
		attempt{"10 minutes ahead", wire(t, publicPath, sample, now.Add(10*time.Minute), nil), 200, true},
		attempt{"replayed", wire(t, publicPath, sample, now, nil), 200, true},
		attempt{"chunks, and only the host is signed", hostOnly(t, now), 200, true},
	)
	good := 0
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			store := &memory{}
			address := serving(t, newHandler(t, store, nil))
			if status := exchange(t, address, a.raw); status != a.status || (len(store.stored) == 1) != a.effect {
				t.Fatalf("status %d and %d effects, want %d", status, len(store.stored), a.status)
			}
			if a.name == "replayed" && (exchange(t, address, a.raw) != 200 || len(store.notices) != 1) {
				t.Fatal("a replay must be answered with success and change nothing")
			}
			good++
		})
	}
	for _, age := range []time.Duration{-10, -20, -60, 20} { // minutes; its file was asked for
		store := &memory{knows: id}
		raw := wire(t, publicPath, sample, now.Add(age*time.Minute), nil)
		if status := exchange(t, serving(t, newHandler(t, store, nil)), raw); status != 200 || len(store.stored) != 1 {
			t.Errorf("asked for, signed %d minutes from now: %d", age, status)
			continue
		}
		good++
	}
	t.Attr("figure", fmt.Sprintf("%d/%d answered as written, 0 side effects of refused ones", good, len(attempts)+4))
	t.Attr("tries", fmt.Sprint(len(attempts)+4))
}

// TestNothingFollowsChunks hides a second callback behind a chunked one: where two
// programs see two ends of a body, what follows must not be read as a request.
func TestNothingFollowsChunks(t *testing.T) {
	store := &memory{}
	now := time.Now()
	plain := wire(t, publicPath, sample, now, func(s string) string { return strings.Replace(s, "Connection: close\r\n", "", 1) })
	first := strings.Replace(strings.Replace(plain, "Authorization", "Transfer-Encoding: chunked\r\nAuthorization", 1), sample, chunked(sample), 1)
	if status := exchange(t, serving(t, newHandler(t, store, nil)), first+plain); status != 200 || len(store.stored) != 1 {
		t.Errorf("status %d, %d effects", status, len(store.stored))
	}
	c, err := net.Dial("tcp", serving(t, newHandler(t, store, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, first+plain); err != nil {
		t.Fatal(err)
	}
	answers, _ := io.ReadAll(c) // the server may reset the connection for what it did not read
	if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || len(store.stored) != 2 {
		t.Errorf("%d answers, %d effects", n, len(store.stored))
	}
}

// hostOnly is a chunked callback as the platform's demo client would sign it.
func hostOnly(t *testing.T, at time.Time) string {
	r := signed(t, publicPath, sample, at)
	request, err := c2sign.FromHTTP(r, []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	authorization, err := c2sign.Sign(key, c2sign.Profile{SignedHeaders: []string{"host"}}, request, at)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nAuthorization: %s\r\nConnection: close\r\n\r\n%s",
		publicPath, r.Host, authorization, chunked(sample))
}
