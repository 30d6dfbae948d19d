package ccfs

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// odd is one way in which a platform, or what stands before it, fails.
type odd struct {
	name   string
	handle http.HandlerFunc
	class  Class
	lasts  time.Duration // how long the platform stays so
	most   int           // requests in that time
}

// retryAfter answers with that header.
func retryAfter(status int, after, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", after)
		reply(status, contentType, body)(w, r)
	}
}

func oddities(t *testing.T) []odd {
	page := sample(t, "firewall.html")
	const perSecond = 60 // a minute of one request a second
	return []odd{
		{"401", reply(401, asJSON, sample(t, "unauthorized.json")), Auth, time.Hour, 2 + 5},
		{"401 without body", reply(401, asJSON, ""), Auth, time.Hour, 2 + 5},
		{"403, locked", reply(403, asJSON, sample(t, "forbidden.json")), Locked, 2 * time.Hour, 4},
		{"403 of a firewall", reply(403, "text/html", page), Firewall, time.Hour, 120},
		{"429", reply(429, asJSON, own(429)), Again, time.Minute, perSecond},
		{"429 with Retry-After in seconds", retryAfter(429, "90", asJSON, own(429)), Again, time.Hour, 40},
		{"429 with a Retry-After far off", retryAfter(429, strconv.Itoa(1<<30), asJSON, own(429)), Again, 3 * time.Hour, 3},
		{"500", reply(500, asJSON, ""), Again, time.Minute, perSecond},
		{"502 page", reply(502, "text/html", page), Firewall, time.Hour, 120},
		{"502 of the platform", reply(502, asJSON, own(502)), Again, time.Minute, perSecond},
		{"503 with Retry-After", retryAfter(503, "120", asJSON, own(503)), Again, time.Hour, 30},
		{"a page with 200", reply(200, "text/html", page), Firewall, time.Hour, 120},
		{"200, empty", reply(200, asJSON, ""), Again, time.Minute, perSecond},
		{"slow body", drip([]byte(`{"resultCode":"0"`), 1, time.Hour), Again, time.Hour, 30},
		{"malformed JSON", reply(200, asJSON, `{"resultCode":"0"`), Broken, time.Minute, perSecond},
		{"unknown result code", reply(200, asJSON, `{"resultCode":"4711"}`), Again, time.Hour, 4},
		{"flow control", reply(200, asJSON, `{"resultCode":"0300009"}`), FlowControl, time.Hour, 60},
		{"redirect", retryAfter(307, "1", asJSON, ""), Firewall, time.Hour, 120},
		{"login page", reply(302, "text/html", page), Firewall, time.Hour, 120},
		{"a proxy's 404", reply(404, "text/html", page), Firewall, time.Hour, 120},
		{"a proxy's 405", reply(405, "text/html", page), Firewall, time.Hour, 120},
		{"404 of the platform", reply(404, asJSON, own(404)), Permanent, time.Minute, perSecond},
	}
}

// seenAt keeps when each request came, in virtual time.
type seenAt struct {
	mu    sync.Mutex
	times []time.Time
}

func (s *seenAt) wrap(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.times = append(s.times, time.Now())
		s.mu.Unlock()
		h(w, r)
	}
}

// shortest is the shortest time between two requests.
func (s *seenAt) shortest() time.Duration {
	least := time.Duration(1<<63 - 1)
	for i := 1; i < len(s.times); i++ {
		least = min(least, s.times[i].Sub(s.times[i-1]))
	}
	return least
}

// TestF17PlatformFails: every failure has its class, and a caller that tries for
// ever, once a second where the error names no pause, sends no more than the
// failure allows. For 401 and 403 the client sees to it against any caller; see
// TestPausesAreMeasuredInTime.
func TestF17PlatformFails(t *testing.T) {
	all, classified, least := oddities(t), 0, time.Hour
	requests := map[string]int{}
	for _, o := range all {
		t.Run(o.name, func(t *testing.T) {
			var seen seenAt
			good := true
			inVirtualTime(t, seen.wrap(o.handle), func(t *testing.T, c *Client) {
				for end := time.Now().Add(o.lasts); time.Now().Before(end); {
					e := asError(t, query(t, c))
					good = good && e.Class == o.class
					time.Sleep(max(time.Second, e.RetryAfter)) // virtual
				}
			})
			if !good {
				t.Errorf("not always classified as %s", o.class)
			} else {
				classified++
			}
			if n := len(seen.times); n == 0 || n > o.most {
				t.Errorf("%d requests in %v, want at most %d", n, o.lasts, o.most)
			}
			if s := seen.shortest(); s < time.Second {
				t.Errorf("two requests within %v", s)
			}
			least = min(least, seen.shortest())
			requests[o.name] = len(seen.times)
		})
	}
	t.Attr("tries", strconv.Itoa(len(all)))
	t.Attr("figure", fmt.Sprintf("%d/%d classified, at most %.1f requests/s; %d in an hour of 401, %d in two hours of a lock",
		classified, len(all), 1/least.Seconds(), requests["401"], requests["403, locked"]))
	if classified != len(all) {
		t.Errorf("%d of %d classified", classified, len(all))
	}
}

// TestF17HasteIsNoticed: without the circuit the same caller is refused each second.
func TestF17HasteIsNoticed(t *testing.T) {
	var seen seenAt
	inVirtualTime(t, seen.wrap(reply(401, asJSON, "")), func(t *testing.T, c *Client) {
		for range 60 {
			c.circuit.refusals, c.circuit.until = 0, time.Time{}
			e := asError(t, query(t, c))
			time.Sleep(max(time.Second, e.RetryAfter)) // virtual
		}
	})
	if len(seen.times) != 60 || !strings.Contains(fmt.Sprint(seen.shortest()), "1s") {
		t.Errorf("%d requests, %v apart", len(seen.times), seen.shortest())
	}
	t.Attr("tries", fmt.Sprint(len(seen.times)))
	t.Attr("figure", fmt.Sprintf("a client that ignores its circuit breaker: %d requests, %v apart, seen", len(seen.times), seen.shortest()))
}
