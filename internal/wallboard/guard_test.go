package wallboard

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const secret = "0123456789abcdef0123456789abcdef"

// paths are all that is served.
var paths = []string{"", "wallboard/events", "wallboard/probe", "wallboard/filter.css", "wallboard/wall.css", "wallboard/wall.js", "wallboard/icon.svg", "wallboard/nothing"}

// TestHeaders: each answer forbids what the page does not need.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Token = func() string { return secret } })
	for _, path := range paths {
		answer, body := s.request(http.MethodGet, path, "")
		h := answer.Header
		csp := h.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") ||
			h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("/%s: %v", path, h)
		}
		if strings.Contains(body, secret) || strings.Contains(body, "style=") || strings.Contains(body, "<script>") {
			t.Errorf("/%s: %s", path, body)
		}
	}
}

// TestToken: the page and its events are for who has the token, or a cookie of it; files that
// say nothing are for all.
func TestToken(t *testing.T) {
	t.Parallel()
	var token atomic.Value
	token.Store(secret)
	s := newStage(t, func(o *Options) { o.Token = func() string { return token.Load().(string) } })
	form := func(text string) string { return url.Values{"token": {text}}.Encode() }
	post := func(text string) *http.Response {
		answer, _ := s.request(http.MethodPost, "wallboard/signin", form(text), "Content-Type", "application/x-www-form-urlencoded")
		return answer
	}
	answer, page := s.request(http.MethodGet, "", "")
	if answer.StatusCode != http.StatusUnauthorized || !strings.Contains(page, `type="password"`) || strings.Contains(page, "p-agents") {
		t.Errorf("without it: %d %s", answer.StatusCode, page)
	}
	for _, path := range []string{"wallboard/events", "wallboard/probe"} {
		if answer, _ := s.request(http.MethodGet, path, ""); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("/%s without it: %d", path, answer.StatusCode)
		}
	}
	if answer := post(secret + "x"); len(answer.Cookies()) != 0 || answer.Header.Get("Location") != "../?wrong" {
		t.Errorf("another one: %v", answer.Header)
	}
	answer = post(secret)
	cookies := answer.Cookies()
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "../" || len(cookies) != 1 {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || strings.Contains(c.Value, secret) {
		t.Errorf("%+v", c)
	}
	cookie := c.Name + "=" + c.Value
	until, mac, _ := strings.Cut(c.Value, ".")
	ends, _ := strconv.ParseInt(until, 10, 64)
	past := strconv.FormatInt(time.Now().Add(-time.Minute).Unix(), 10)
	for name, c := range map[string]struct {
		headers []string
		want    int
	}{
		"cookie":       {[]string{"Cookie", cookie}, 200},
		"bearer":       {[]string{"Authorization", "Bearer " + secret}, 200},
		"other bearer": {[]string{"Authorization", "Bearer " + secret[1:]}, 401},
		"made up":      {[]string{"Cookie", cookieName + "=9999999999.00"}, 401},
		"longer":       {[]string{"Cookie", cookieName + "=" + strconv.FormatInt(ends+1, 10) + "." + mac}, 401},
		"over":         {[]string{"Cookie", cookieName + "=" + pass(secret, past)}, 401},
	} {
		if answer, _ := s.request(http.MethodGet, "", "", c.headers...); answer.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, answer.StatusCode, c.want)
		}
	}
	l := s.listen("", "Cookie", cookie)
	l.patch()
	token.Store("another token of 32 characters..")
	if answer, _ := s.request(http.MethodGet, "", "", "Cookie", cookie); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("of the token before: %d", answer.StatusCode)
	}
	for err := error(nil); err == nil; { // a stream of the token before ends
		_, _, err = l.next()
	}
}

// TestSignInFromElsewhere: another site's page signs nobody in.
func TestSignInFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Token = func() string { return secret } })
	answer, _ := s.request(http.MethodPost, "wallboard/signin", url.Values{"token": {secret}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	if answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) != 0 {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
}

// TestSecureCookie: behind TLS the cookie is for TLS alone.
func TestSecureCookie(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Token = func() string { return secret } })
	answer, _ := s.request(http.MethodPost, "wallboard/signin", url.Values{"token": {secret}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-Proto", "https")
	if c := answer.Cookies(); len(c) != 1 || !c[0].Secure {
		t.Errorf("%v", answer.Header)
	}
}

// TestHosts: on loopback a name from elsewhere, which may point anywhere, is not answered.
func TestHosts(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for host, want := range map[string]int{"localhost:8080": 200, "LOCALHOST": 200, "127.0.0.9": 200, "[::1]:80": 200, "wall.localhost": 200, "evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421, "192.0.2.1": 421} {
		if answer, text := s.request(http.MethodGet, "wallboard/wall.css", "", "Host", host); answer.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", host, answer.StatusCode, text, want)
		}
	}
}
