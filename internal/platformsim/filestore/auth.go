package filestore

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"aiccbridge/internal/c2sign"
)

// verify checks the signature of a request exactly as received: no other
// spelling of host, path or content type is tried, and a chunked body has no
// content-length that could be signed.
func (s *Store) verify(r *http.Request, body []byte) error {
	req, err := c2sign.FromHTTP(r, body)
	if err != nil {
		return err
	}
	if r.ContentLength < 0 {
		delete(req.Header, "content-length")
	}
	v := c2sign.Verifier{
		Keys: func(accessKey string) []c2sign.Key {
			if accessKey != s.o.AccessKey {
				return nil
			}
			return []c2sign.Key{s.key()}
		},
		MaxSkew:         max(s.o.Skew, 0),
		RequiredHeaders: s.o.RequiredHeaders,
	}
	m, err := v.Verify(req, r.Header.Get("Authorization"), s.o.Now())
	if err != nil {
		return err
	}
	return s.strict(m)
}

func (s *Store) key() c2sign.Key {
	return c2sign.NewKey(s.o.AccessKey, s.o.SecretKey)
}

var errVariant = errors.New("signed in a form this platform does not take")

func (s *Store) strict(m c2sign.Match) error {
	switch {
	case m.Host != c2sign.VariantReceived, m.Path != c2sign.VariantReceived,
		m.ContentType != c2sign.VariantReceived && m.ContentType != c2sign.VariantUnsigned,
		m.QueryLine == c2sign.VariantEmpty && s.o.EmptyQueryLine == RefuseEmptyQueryLine,
		m.QueryLine == c2sign.VariantOmitted && s.o.EmptyQueryLine == RequireEmptyQueryLine:
		return errVariant
	}
	return nil
}

// lockout counts wrong signatures by source IP.
type lockout struct {
	after       int // negative: never locks
	window, ban time.Duration

	mu     sync.Mutex
	wrong  map[string][]time.Time
	banned map[string]time.Time // until
}

func newLockout(o Options) *lockout {
	return &lockout{
		after: o.LockAfter, window: o.LockWindow, ban: o.LockFor,
		wrong: map[string][]time.Time{}, banned: map[string]time.Time{},
	}
}

func (l *lockout) locked(ip string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.banned[ip]
	if ok && !now.Before(until) {
		delete(l.banned, ip)
		return false
	}
	return ok
}

// failed counts one wrong signature and tells whether it locked the address.
func (l *lockout) failed(ip string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	recent := slices.DeleteFunc(l.wrong[ip], func(at time.Time) bool { return now.Sub(at) >= l.window })
	recent = append(recent, now)
	if l.after < 0 || len(recent) < l.after {
		l.wrong[ip] = recent
		return false
	}
	delete(l.wrong, ip)
	l.banned[ip] = now.Add(l.ban)
	return true
}

// Admit reports whether a request is signed as it has to be; it answers one that is not.
func (s *Store) Admit(w http.ResponseWriter, r *http.Request, body []byte) bool {
	status := s.authenticate(r, body)
	if status != http.StatusOK {
		s.problem(w, r, status)
	}
	return status == http.StatusOK
}

// authenticate returns 200, 401 or 403.
func (s *Store) authenticate(r *http.Request, body []byte) int {
	ip, now := sourceIP(r), s.o.Now()
	if s.lockout.locked(ip, now) {
		return http.StatusForbidden
	}
	err := s.verify(r, body)
	if err == nil {
		return http.StatusOK
	}
	s.o.Logger.Debug().Err(err).Msg("request refused")
	if s.lockout.failed(ip, now) {
		s.o.Logger.Warn().Str("ip", ip).Msg("source address locked")
	}
	return http.StatusUnauthorized
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // as some tests of handlers have it
	}
	return host
}
