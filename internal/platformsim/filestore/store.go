package filestore

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/callback"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/filestore/voice"
)

// maxBodyBytes is far above the largest documented request, maxLargeBytes above a voice
// file in Base64.
const (
	maxBodyBytes  = 64 << 10
	maxLargeBytes = 16 << 20
)

// Store is the simulated file store of one developer account. It is safe for
// concurrent use. It answers requests whether or not Run is running.
type Store struct {
	o          Options
	operations map[string]*operation
	dice       *content.Dice
	maker      *content.Maker
	sender     *callback.Sender
	lockout    *lockout
	pace       *pace
	slots      *slots
	shelf      *shelf
	waiting    *waiting
	sounds     *voice.Library
	tokens     *voice.Passes // of playVoice
	objects    *voice.Passes // of the object store
	prompts    *voice.Prompts
}

// New returns a store. It does no I/O. The error names a missing option.
func New(o Options) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("simulate file store: %w", err)
	}
	written, err := o.Form.Written(o.Timezone)
	if err != nil {
		return nil, fmt.Errorf("simulate file store: %w", err)
	}
	s := &Store{
		o:          o,
		operations: table(),
		dice:       content.NewDice(o.Seed),
		lockout:    newLockout(o),
		pace:       &pace{limit: o.CreationsPerMinute},
		slots:      &slots{limit: o.ParallelDownloads},
		shelf:      &shelf{files: map[string]*file{}},
		waiting:    &waiting{wake: make(chan struct{}, 1)},
		tokens:     voice.NewPasses(o.Seed, o.Audio.PlayToken),
		objects:    voice.NewPasses(o.Seed+1, o.Audio.ObjectURL),
		prompts:    voice.NewPrompts(),
	}
	s.sounds = voice.NewLibrary(o.Audio, written, o.Seed, s.recordingIndex, o.Truth)
	s.maker, err = content.New(content.Options{
		Source: o.Source, Timezone: o.Timezone, Developer: o.AccessKey, AccountID: o.AccountID, Spaces: o.Spaces,
		Faults: o.Faults, Dice: s.dice, Form: o.Form,
	})
	if err != nil {
		return nil, fmt.Errorf("simulate file store: %w", err)
	}
	s.sender = callback.New(callback.Options{
		Key: s.key(), Now: o.Now, Truth: o.Truth, Faults: o.Faults, Logger: o.Logger,
		Roots: o.CallbackRoots, TrustAll: o.CallbackTrustAll, Timeout: o.CallbackTimeout, Dial: o.CallbackDial,
		RepeatEvery: o.RepeatEvery, RepeatLimit: o.RepeatLimit,
	})
	return s, nil
}

// Run generates files and sends callbacks until ctx ends, and returns when
// everything it started has ended. What was under way then is given up, as by
// a platform that was restarted. The error is always nil.
func (s *Store) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer s.sender.Close()
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
// at the body. What browsers open (the object store, playVoice) is not signed.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if secret, ok := strings.CutPrefix(r.URL.Path, objectBase); ok {
		s.object(w, r, secret)
		return
	}
	name, under := strings.CutPrefix(r.URL.Path, base)
	body, err := s.receive(w, r, name)
	if err != nil {
		s.problem(w, r, http.StatusBadRequest)
		return
	}
	if s.stopped(w, r, name) {
		return
	}
	if under && name == playVoice {
		s.play(w, r)
		return
	}
	if !s.Admit(w, r, body) {
		return
	}
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

// receive counts a request and reads its body.
func (s *Store) receive(w http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	op, limit := s.operations[name], int64(maxBodyBytes)
	if op != nil || name == playVoice {
		s.o.Truth.Request(name)
	}
	if op != nil && op.large {
		limit = maxLargeBytes
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
}

// stopped lets a fault answer before the signature is looked at.
func (s *Store) stopped(w http.ResponseWriter, r *http.Request, operation string) bool {
	o := fault.Occasion{Operation: operation, Path: r.URL.Path}
	f := s.o.Faults.First(o, requestUnauthorized, requestLocked, requestFirewall)
	if f == nil {
		return false
	}
	switch f.Fault {
	case requestUnauthorized:
		s.problem(w, r, http.StatusUnauthorized)
	case requestLocked:
		s.problem(w, r, http.StatusForbidden)
	case requestFirewall:
		s.page(w, http.StatusTeapot)
	}
	return true
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request, op *operation, body []byte) {
	read := decode
	if op.flat {
		read = decodeFlat
	}
	msg, refused, err := read(body)
	if err != nil {
		s.problem(w, r, http.StatusBadRequest)
		return
	}
	if refused == nil {
		refused = op.check(parameters(r), msg)
	}
	if refused != nil {
		s.refuse(w, jsonType, refused)
		return
	}
	op.serve(s, w, r, op, msg)
}

// parameters are those of the URL.
func parameters(r *http.Request) message {
	m := message{}
	for name, values := range r.URL.Query() {
		m[name] = text{given: true, value: values[0]}
	}
	return m
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
