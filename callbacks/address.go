package callbacks

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"aiccbridge/internal/capped"
)

// caller returns who sent a request: the peer of the connection, or, when that is
// a trusted proxy, the right-most address of X-Forwarded-For that is not one.
// What stands further left anybody can have written. An entry that is no address
// ends the search at the proxy that passed it on. The zero Addr is nobody.
func (h *Handler) caller(r *http.Request) netip.Addr {
	address := capped.Address(r.RemoteAddr)
	if !within(h.o.TrustedProxies, address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next := capped.Address(strings.TrimSpace(hop))
		if !next.IsValid() {
			break
		}
		if address = next; !within(h.o.TrustedProxies, address) {
			break
		}
	}
	return address
}

// allowed reports whether an address may call: any, unless some are listed.
func (h *Handler) allowed(a netip.Addr) bool {
	return len(h.o.Allow) == 0 || within(h.o.Allow, a)
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Limits of one caller; the platform sends a few callbacks a minute.
const (
	requestsPerSecond = 50
	requestBurst      = 1000
	maxInside         = 64   // requests at one time
	maxCallers        = 4096 // remembered: what strangers can take up of the memory
)

// admission lets each caller in so often, and so many times at once.
type admission struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	callers map[netip.Prefix]*visitor
}

type visitor struct {
	limiter *rate.Limiter
	inside  int
}

func newAdmission() *admission {
	return &admission{perSecond: requestsPerSecond, burst: requestBurst, callers: map[netip.Prefix]*visitor{}}
}

// enter reports whether a caller may come in; it must then leave.
func (a *admission) enter(caller netip.Addr) (leave func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := capped.Network(caller)
	v := a.callers[key]
	if v == nil {
		if len(a.callers) >= maxCallers {
			a.forget()
		}
		v = &visitor{limiter: rate.NewLimiter(a.perSecond, a.burst)}
		a.callers[key] = v
	}
	if v.inside >= maxInside || !v.limiter.Allow() {
		return nil, false
	}
	v.inside++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		v.inside--
	}, true
}

// forget drops all who are not inside.
func (a *admission) forget() {
	for key, v := range a.callers {
		if v.inside == 0 {
			delete(a.callers, key)
		}
	}
}
