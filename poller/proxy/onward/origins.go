package onward

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxOrigins = 256              // of which it is known what the gateway lets them do
	knownFor   = 10 * time.Minute // then the gateway is asked again
	failedFor  = 5 * time.Second  // the same when it did not answer
)

// allowing are the headers by which a server lets pages of another origin read its answers.
var allowing = []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"}

// origins is what the gateway lets pages of other origins do, which it is asked. Without its
// word browsers show a softphone none of the answers that do not come from the gateway.
type origins struct {
	asking singleflight.Group

	mu    sync.Mutex
	known map[string]permit
}

// permit is what was found out about one origin.
type permit struct {
	headers http.Header
	until   time.Time
}

// Admit prepares an answer of the bridge's own for a page of another origin: what the gateway
// lets that page read, it may read here. It does nothing for a call that names no origin.
func (p *Way) Admit(w http.ResponseWriter, r *http.Request, path string) {
	origin := r.Header.Get("Origin")
	if origin == "" || r.Method == http.MethodOptions {
		return
	}
	headers, known := p.origins.of(origin)
	if !known {
		asked, _, _ := p.origins.asking.Do(origin, func() (any, error) { return p.ask(r.Context(), origin, r.Method, path), nil })
		headers = asked.(http.Header)
	}
	for name, values := range headers {
		w.Header()[name] = values
	}
}

// ask asks the gateway as a browser does before a call, and remembers what it says.
func (p *Way) ask(ctx context.Context, origin, method, path string) http.Header {
	said, until := http.Header{}, time.Now().Add(failedFor)
	r, err := http.NewRequestWithContext(ctx, http.MethodOptions, "/", nil)
	if err == nil {
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", method)
		r.Header.Set("Access-Control-Request-Headers", "guid")
		var a Reply
		if a, err = p.Exchange(r, path, nil, nil); err == nil {
			until = time.Now().Add(knownFor)
			for _, name := range allowing {
				if values := a.Header.Values(name); len(values) > 0 {
					said[name] = values
				}
			}
		}
	}
	p.origins.keep(origin, permit{said, until})
	return said
}

func (o *origins) of(origin string) (http.Header, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, ok := o.known[origin]
	return p.headers, ok && time.Now().Before(p.until)
}

func (o *origins) keep(origin string, p permit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= maxOrigins { // more than anybody has
		o.known = map[string]permit{}
	}
	o.known[origin] = p
}

// forget takes back what Admit prepared: the answer is the gateway's own.
func forget(w http.ResponseWriter) {
	for _, name := range allowing {
		w.Header().Del(name)
	}
}
