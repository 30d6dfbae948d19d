package filestore

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/world"
)

// extraction is one accepted create request on its way to a file.
type extraction struct {
	responseID string
	name       string // of the ZIP
	op         *operation
	msg        message
	kinds      []world.Kind
	filters    map[string]string
	begin, end string // wall clock of the tenant, both inclusive
	callback   *url.URL
	delay      time.Duration // of the generation
	faults     drawn         // of the callback as a whole

	created time.Time
	file    *file // nil until generated
	tries   int   // callbacks tried
}

// pace counts creations of the last minute.
type pace struct {
	limit int // negative: none

	mu    sync.Mutex
	at    []time.Time
	count uint64 // of all creations
}

// allow counts a creation and returns its number, or false above the limit.
func (p *pace) allow(now time.Time) (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = slices.DeleteFunc(p.at, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	if p.limit >= 0 && len(p.at) >= p.limit {
		return 0, false
	}
	p.at = append(p.at, now)
	p.count++
	return p.count, true
}

// create answers a query… request and hands the extraction to Run.
func (s *Store) create(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	if refused := checkWindow(msg); refused != nil {
		s.refuse(w, jsonType, refused)
		return
	}
	if id := msg["accountId"].value; id != "" && s.o.AccountID != "" && id != s.o.AccountID {
		s.problem(w, r, http.StatusUnauthorized) // access beyond rights, page cec_07_0836
		return
	}
	if s.faults.hit(func(f *Faults) *Chance { return &f.Answer.Refused }) {
		code := cmp.Or(s.faults.get().Answer.Code, codeShort)
		s.refuse(w, jsonType, &refusal{code, "The request cannot be carried out."})
		return
	}
	limited := s.faults.hit(func(f *Faults) *Chance { return &f.Answer.FlowControl })
	number, ok := uint64(0), false
	if !limited {
		number, ok = s.pace.allow(s.o.Now())
	}
	if !ok {
		s.refuse(w, jsonType, refuseCreations)
		return
	}
	x, err := s.extraction(number, op, msg)
	if err != nil { // the URL was checked before
		s.refuse(w, jsonType, refuseField(codeFormat, "callBackURL"))
		return
	}
	done := x.faults.has(beforeAnswer) && s.callBackNow(r, x)
	s.answerCreate(w, x)
	if !done {
		s.waiting.add(x)
	}
}

// callBackNow generates and calls back in the handler. It returns true when
// nothing is left to do.
func (s *Store) callBackNow(r *http.Request, x *extraction) bool {
	s.generate(x)
	if !x.wantsCallback() {
		return true
	}
	x.tries++
	return s.try(r.Context(), x, x.tries)
}

func (s *Store) answerCreate(w http.ResponseWriter, x *extraction) {
	if s.faults.hit(func(f *Faults) *Chance { return &f.Answer.Lost }) {
		s.o.Logger.Debug().Str("fault", lost).Msg("answer dropped")
		closeConnection(w)
		return
	}
	s.writeResult(w, jsonType, result{
		ResultData: created{x.responseID}, ResultCode: codeOK, ResultDesc: "success",
	})
	flush(w) // the answer is on its way before the callback is
}

// closeConnection ends an HTTP/1.1 exchange without an answer. A writer that
// cannot be taken over (HTTP/2, a recorder) gets an empty 502 instead.
func closeConnection(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close() // that it is gone is the purpose
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

func (s *Store) extraction(number uint64, op *operation, msg message) (*extraction, error) {
	callback, err := url.Parse(msg["callBackURL"].value)
	if err != nil {
		return nil, fmt.Errorf("parse callback url: %w", err)
	}
	now := s.o.Now()
	// Unlike on a seed alone, ids differ after a restart with the same seed.
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", s.o.Seed, now.UnixNano(), number))
	id := hex.EncodeToString(sum[:16])
	x := &extraction{
		created:    now,
		responseID: id,
		name:       fileNameFor(now.In(s.o.Timezone), id),
		op:         op,
		msg:        msg,
		kinds:      op.kinds(msg),
		filters:    op.filters(msg),
		begin:      msg["beginTime"].value,
		end:        msg["endTime"].value,
		callback:   callback,
		faults:     s.faults.all(perExtraction),
	}
	if s.o.GenerationMax > 0 {
		x.delay = time.Duration(s.faults.intn(int(s.o.GenerationMax) + 1))
	}
	return x, nil
}
