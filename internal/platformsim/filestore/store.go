package filestore

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBodyBytes is far above the largest documented request.
const maxBodyBytes = 64 << 10

// Store is the simulated file store of one developer account. It is safe for
// concurrent use. It answers requests whether or not Run is running.
type Store struct {
	o          Options
	operations map[string]*operation
	faults     *switchboard
	lockout    *lockout
	pace       *pace
	slots      *slots
	shelf      *shelf
	ledger     *ledger
	waiting    *waiting
	client     *http.Client
}

// New returns a store. It does no I/O. The error names a missing option.
func New(o Options) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("simulate file store: %w", err)
	}
	s := &Store{
		o:          o,
		operations: table(),
		faults:     &switchboard{rng: rand.New(rand.NewPCG(o.Seed, 0xccf5))},
		lockout:    newLockout(o),
		pace:       &pace{limit: o.CreationsPerMinute},
		slots:      &slots{limit: o.ParallelDownloads},
		shelf:      &shelf{files: map[string]*file{}},
		ledger:     newLedger(),
		waiting:    &waiting{wake: make(chan struct{}, 1)},
	}
	s.client = s.newClient()
	s.faults.set(o.Faults)
	return s, nil
}

// SetFaults replaces all faults, counters included.
func (s *Store) SetFaults(f Faults) { s.faults.set(f) }

// Faults returns the faults in force; the counters show what is left.
func (s *Store) Faults() Faults { return s.faults.get() }

// Run generates files and sends callbacks until ctx ends, and returns when
// everything it started has ended. What was under way then is given up, as by
// a platform that was restarted. The error is always nil.
func (s *Store) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer s.client.CloseIdleConnections()
	defer all.Wait()
	for {
		for _, x := range s.waiting.take() {
			all.Go(func() { s.carryOut(ctx, x) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.waiting.wake:
		}
	}
}

// waiting are the extractions that Run has not taken up. It never refuses: the
// creation limit bounds it.
type waiting struct {
	mu   sync.Mutex
	list []*extraction
	wake chan struct{} // holds one signal
}

func (w *waiting) add(x *extraction) {
	w.mu.Lock()
	w.list = append(w.list, x)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default: // a signal is there already
	}
}

func (w *waiting) take() []*extraction {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.list = nil
	return list
}

// ServeHTTP authenticates, then looks at path, method and content type, then
// at the body.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		s.problem(w, r, http.StatusBadRequest)
		return
	}
	switch s.faults.first(beforeSignature) {
	case unauthorized:
		s.problem(w, r, http.StatusUnauthorized)
		return
	case locked:
		s.problem(w, r, http.StatusForbidden)
		return
	case firewall:
		s.page(w, http.StatusTeapot)
		return
	}
	if status := s.authenticate(r, body); status != http.StatusOK {
		s.problem(w, r, status)
		return
	}
	name, under := strings.CutPrefix(r.URL.Path, base)
	op := s.operations[name]
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // "" on error
	switch {
	case !under || op == nil:
		s.problem(w, r, http.StatusNotFound)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		s.problem(w, r, http.StatusMethodNotAllowed)
	case mediaType != "application/json":
		s.problem(w, r, http.StatusUnsupportedMediaType)
	default:
		s.serve(w, r, op, body)
	}
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request, op *operation, body []byte) {
	msg, refused, err := decode(body)
	if err != nil {
		s.problem(w, r, http.StatusBadRequest)
		return
	}
	if refused == nil {
		refused = op.check(msg)
	}
	switch {
	case refused != nil:
		s.refuse(w, jsonType, refused)
	case op.create:
		s.create(w, r, op, msg)
	default:
		s.download(w, r, op, msg)
	}
}

// page answers in HTML, as a firewall or load balancer in front of CC-FS does.
func (s *Store) page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(status)
	text := cmp.Or(http.StatusText(status), "Error")
	if _, err := fmt.Fprintf(w, "<html><head><title>%d %s</title></head><body>%s</body></html>\n", status, text, text); err != nil {
		s.o.Logger.Debug().Err(err).Msg("answer not delivered")
	}
}

func (s *Store) newClient() *http.Client {
	t := &http.Transport{
		DialContext:       s.o.CallbackDial,
		DisableKeepAlives: true, // each try stands alone
		TLSClientConfig: &tls.Config{
			RootCAs:            s.o.CallbackRoots,
			InsecureSkipVerify: s.o.CallbackTrustAll, // the platform's own switch
			MinVersion:         tls.VersionTLS12,
		},
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 only
	}
	return &http.Client{
		Transport:     t,
		Timeout:       s.o.CallbackTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// wait returns false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
