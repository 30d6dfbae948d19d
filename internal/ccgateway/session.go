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
	maxGUIDBytes   = 256
	maxCookies     = 32
	maxCookieBytes = 4 << 10 // name, value and the sign between them
)

// cookie is sent back as it came, byte for byte: who set it compares it, and may not have
// kept to what RFC 6265 allows in it. net/http drops a value with a quote or a backslash,
// and puts one with a comma or a blank into quotes.
type cookie struct{ name, value string }

func (c cookie) String() string { return c.name + "=" + c.value }

// parseCookie reads name=value, up to a semicolon.
func parseCookie(text string) (c cookie, ok bool) {
	pair, _, _ := strings.Cut(text, ";")
	name, value, ok := strings.Cut(pair, "=")
	c = cookie{strings.Trim(name, " \t\r\n"), strings.Trim(value, " \t\r\n")}
	return c, ok && c.name != "" && len(c.String()) <= maxCookieBytes && !strings.ContainsFunc(c.String(), control)
}

// control reports what no header can hold.
func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// expired reads the attributes behind a cookie. One that nobody can read doesn't count,
// and Max-Age counts more than Expires.
func expired(line string, now time.Time) bool {
	var until time.Time
	_, attributes, _ := strings.Cut(line, ";")
	for attribute := range strings.SplitSeq(attributes, ";") {
		c, err := http.ParseSetCookie("x=y;" + attribute)
		switch {
		case err != nil:
		case c.MaxAge != 0:
			return c.MaxAge < 0
		case !c.Expires.IsZero():
			until = c.Expires
		}
	}
	return !until.IsZero() && until.Before(now)
}

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
	cookies []cookie
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
		lines = append(lines, c.String())
	}
	return strings.Join(lines, "\n")
}

// header is the value of the header Cookie.
func (s *session) header() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]string, len(s.cookies))
	for i, c := range s.cookies {
		all[i] = c.String()
	}
	return strings.Join(all, "; ")
}

// restore goes on with a session from its ticket. A line that is no cookie is
// passed over: without it the session may still be good.
func (s *session) restore(ticket string) {
	guid, rest, _ := strings.Cut(ticket, "\n")
	var cookies []cookie
	for line := range strings.Lines(rest) {
		if c, ok := parseCookie(line); ok && len(cookies) < maxCookies {
			cookies = append(cookies, c)
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
func (s *session) keepCookies(h http.Header, now time.Time) {
	fresh := h.Values("Set-Cookie")
	if len(fresh) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range fresh {
		f, ok := parseCookie(line)
		if !ok {
			continue
		}
		s.cookies = slices.DeleteFunc(s.cookies, func(c cookie) bool { return c.name == f.name })
		if !expired(line, now) && len(s.cookies) < maxCookies {
			s.cookies = append(s.cookies, f)
		}
	}
}

// appendTo appends the headers with GUID (unless anonymous) and cookies. Neither holds
// what would end a line: see parseGUID and parseCookie.
func (s *session) appendTo(b []byte, anonymous bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !anonymous {
		b = append(append(append(b, "Guid: "...), s.guid...), "\r\n"...)
	}
	for i, c := range s.cookies {
		before := "; "
		if i == 0 {
			before = "Cookie: "
		}
		b = append(append(append(append(b, before...), c.name...), '='), c.value...)
	}
	if len(s.cookies) > 0 {
		b = append(b, "\r\n"...)
	}
	return b
}

// secrets lists what must not appear in an error.
func (s *session) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []string{s.guid}
	for _, c := range s.cookies {
		list = append(list, c.value)
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
