package ccgateway

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of what an answer may make us keep and send for ever after.
const (
	maxGUIDBytes = 256
	maxCookies   = 32
)

// session is what an agent's requests carry: GUID and cookies.
//
// net/http/cookiejar is not used: it would keep a cookie set without a Path by
// the answer to …/onlineagent/291 away from …/agentevent/291, whereas the
// platform's own demo returns every cookie with every request of the agent
// (load balancers route by it). All requests go to one host, so there is nobody
// a cookie has to be kept from.
type session struct {
	mu      sync.Mutex
	guid    string
	cookies []*http.Cookie
}

func (s *session) currentGUID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guid
}

// setGUID stores guid and reports whether it is a new one.
func (s *session) setGUID(guid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.guid != guid
	s.guid = guid
	return changed
}

// ticket writes the session down, see Agent.Ticket.
func (s *session) ticket() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guid == "" {
		return ""
	}
	lines := []string{s.guid}
	for _, c := range s.cookies {
		lines = append(lines, (&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted}).String())
	}
	return strings.Join(lines, "\n")
}

// restore goes on with a session from its ticket. A line that is no cookie is
// passed over: without it the session may still be good.
func (s *session) restore(ticket string) {
	guid, rest, _ := strings.Cut(ticket, "\n")
	var cookies []*http.Cookie
	for line := range strings.Lines(rest) {
		if c, err := http.ParseSetCookie(strings.TrimSpace(line)); err == nil && len(cookies) < maxCookies {
			cookies = append(cookies, &http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guid, s.cookies = parseGUID(guid), cookies
}

// forget ends the session on our side.
func (s *session) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guid, s.cookies = "", nil
}

// keepCookies takes over the cookies of an answer: a name again replaces the old
// value, an expired one deletes it.
func (s *session) keepCookies(fresh []*http.Cookie, now time.Time) {
	if len(fresh) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Built anew, because a request may still be reading the old slice.
	kept := slices.Clone(s.cookies)
	for _, f := range fresh {
		kept = slices.DeleteFunc(kept, func(c *http.Cookie) bool { return c.Name == f.Name })
		expired := f.MaxAge < 0 || f.MaxAge == 0 && !f.Expires.IsZero() && f.Expires.Before(now)
		if !expired && len(kept) < maxCookies {
			kept = append(kept, &http.Cookie{Name: f.Name, Value: f.Value, Quoted: f.Quoted})
		}
	}
	s.cookies = kept
}

// dress puts GUID (unless anonymous) and cookies on a request.
func (s *session) dress(r *http.Request, anonymous bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !anonymous {
		r.Header.Set("Guid", s.guid)
	}
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
}

// secrets lists what must not appear in an error.
func (s *session) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []string{s.guid}
	for _, c := range s.cookies {
		list = append(list, c.Value)
	}
	return list
}

// guidFrom reads the GUID out of the headers of an answer; "" if there is none.
// Sign-in answers are also documented with a header Guid (cec_07_1202).
func guidFrom(h http.Header, signIn bool) string {
	for _, value := range h.Values("Set-Guid") {
		if guid := parseGUID(value); guid != "" {
			return guid
		}
	}
	if signIn {
		return parseGUID(h.Get("Guid"))
	}
	return ""
}

// parseGUID understands the forms "JSESSIONID={guid}", "{guid}", and either with
// cookie attributes after a semicolon. What can't be a header value is "", and so
// is "null", a Java program's text for none.
func parseGUID(value string) string {
	const name = "jsessionid="
	if i := strings.Index(strings.ToLower(value), name); i >= 0 && i+len(name) <= len(value) {
		value = value[i+len(name):]
	}
	value, _, _ = strings.Cut(value, ";")
	value = strings.Trim(strings.TrimSpace(value), `"`)
	foreign := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(value) > maxGUIDBytes || strings.EqualFold(value, "null") || strings.ContainsFunc(value, foreign) {
		return ""
	}
	return value
}

// maxMessageBytes limits the foreign text in our errors.
const maxMessageBytes = 256

// redact makes the gateway's text fit for errors and logs.
func redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) > 2 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	if len(text) > maxMessageBytes {
		text = strings.ToValidUTF8(text[:maxMessageBytes], "") + "…"
	}
	return strings.TrimSpace(text)
}
