package callback

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/outward"
	"aiccbridge/internal/platformsim/pause"
	"aiccbridge/internal/platformsim/truth"
)

// Options are what all callbacks have in common. Key, Now, Truth, Faults and
// Timeout are required.
type Options struct {
	Key    c2sign.Key // of the developer
	Now    func() time.Time
	Truth  *truth.Log
	Faults *fault.Book
	Logger zerolog.Logger

	Roots    *x509.CertPool // nil: the system's
	TrustAll bool           // any certificate will do
	Timeout  time.Duration  // for one try
	// Dial replaces the network; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	RepeatEvery time.Duration // between tries
	RepeatLimit int           // tries after the first; negative: none
}

// Sender sends callbacks. It is safe for concurrent use.
type Sender struct {
	o      Options
	client *http.Client
}

// New returns a sender. It does no I/O.
func New(o Options) *Sender {
	return &Sender{o: o, client: outward.New(outward.Options{Roots: o.Roots, TrustAll: o.TrustAll, Timeout: o.Timeout, Dial: o.Dial})}
}

// Close gives up idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Notice is what a client is told.
type Notice struct {
	ResponseID string
	FileName   string
	Field      string  // that holds the file's name
	Account    *string // accountId; nil: left out
	URL        *url.URL
	// Occasion is what faults can be restricted by; its path is set here.
	Occasion fault.Occasion
}

// Delivery is one notice on its way. It is used by one goroutine at a time.
type Delivery struct {
	s      *Sender
	n      Notice
	faults fault.Hits // of the notice as a whole
	tries  int
}

// Delivery decides the faults of the notice as a whole and sends nothing yet.
func (s *Sender) Delivery(n Notice) *Delivery {
	n.Occasion.Path = n.URL.Path
	return &Delivery{s: s, n: n, faults: s.o.Faults.All(n.Occasion, perFile...)}
}

// BeforeAnswer reports whether the client is to hear of the file before its
// create request is answered, by Now.
func (d *Delivery) BeforeAnswer() bool { return d.faults.Has(beforeAnswer) }

// Dropped reports whether the client never hears of the file.
func (d *Delivery) Dropped() bool { return d.faults.Has(drop) }

// Now makes the first try, and reports whether it was acknowledged. Otherwise
// Run goes on.
func (d *Delivery) Now(ctx context.Context) bool {
	d.tries++
	return d.try(ctx, d.tries)
}

// Run tries and repeats until the notice is acknowledged or given up, or ctx
// ends.
func (d *Delivery) Run(ctx context.Context) {
	next := time.Duration(d.faults.Get(late).Delay)
	if d.tries > 0 {
		next += d.s.o.RepeatEvery
	}
	for d.tries <= max(d.s.o.RepeatLimit, 0) {
		if !pause.For(ctx, next) || d.round(ctx) {
			return
		}
		next = d.s.o.RepeatEvery
	}
	d.s.o.Logger.Info().Str("file", d.n.FileName).Int("attempt", d.tries).Msg("callback given up")
}

// round tells the client once, or as often as the faults want, and returns
// whether it was acknowledged.
func (d *Delivery) round(ctx context.Context) bool {
	d.tries++
	if d.tries > 1 || !d.faults.Has(atOnce) {
		acknowledged := d.try(ctx, d.tries)
		if acknowledged && d.faults.Has(twice) {
			d.try(ctx, d.tries+1)
		}
		return acknowledged
	}
	var all sync.WaitGroup
	var acknowledged atomic.Bool
	for range d.faults.Get(atOnce).Count {
		all.Go(func() {
			if d.try(ctx, 1) {
				acknowledged.Store(true)
			}
		})
	}
	all.Wait()
	return acknowledged.Load()
}

// try sends one callback. It counts as acknowledged with a status of 2xx and
// a body that is not empty; everything else is repeated.
func (d *Delivery) try(ctx context.Context, attempt int) bool {
	how := append(d.s.o.Faults.All(d.n.Occasion, perTry...), d.faults...)
	entry := truth.Callback{ResponseID: d.n.ResponseID, At: d.s.o.Now(), Attempt: attempt, Fault: how.String()}
	status, size, err := d.send(ctx, how)
	entry.Status, entry.BodyBytes = status, int(size)
	if err != nil {
		entry.Err = err.Error()
	}
	d.s.o.Truth.Callback(entry)
	ok := err == nil && status/100 == 2 && size > 0
	d.s.o.Logger.Debug().Err(err).Str("file", d.n.FileName).Int("attempt", attempt).Int("status", status).
		Bool("acknowledged", ok).Str("fault", entry.Fault).Msg("callback sent")
	return ok
}
