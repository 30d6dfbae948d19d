package filestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/callback"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/pause"
	"aiccbridge/internal/platformsim/truth"
)

// extraction is one accepted create request on its way to a file.
type extraction struct {
	responseID string
	name       string // of the ZIP
	op         *operation
	accountID  string
	request    content.Request
	delay      time.Duration // of the generation
	delivery   *callback.Delivery

	file *file // nil until generated
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
	if id := msg["accountId"].value; id != "" && s.o.AccountID != "" && id != s.o.AccountID && !slices.Contains(s.o.Spaces, id) {
		s.problem(w, r, http.StatusUnauthorized) // access beyond rights, page cec_07_0836
		return
	}
	o := op.occasion(r, op.kinds(msg))
	if f := s.o.Faults.First(o, createRefused); f != nil {
		s.refuse(w, jsonType, &refusal{f.Code, "The request cannot be carried out."})
		return
	}
	limited := s.o.Faults.First(o, createFlowControl) != nil
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
	done := x.delivery.BeforeAnswer() && s.callBackNow(r, x)
	s.answerCreate(w, x, o)
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
	return x.delivery.Now(r.Context())
}

func (s *Store) answerCreate(w http.ResponseWriter, x *extraction, o fault.Occasion) {
	if s.o.Faults.First(o, createLost) != nil {
		s.o.Logger.Debug().Str("fault", createLost).Msg("answer dropped")
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
	target, err := url.Parse(msg["callBackURL"].value)
	if err != nil {
		return nil, fmt.Errorf("parse callback url: %w", err)
	}
	now := s.o.Now()
	// Unlike on a seed alone, ids differ after a restart with the same seed.
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", s.o.Seed, now.UnixNano(), number))
	id := hex.EncodeToString(sum[:16])
	x := &extraction{
		responseID: id, name: fileNameFor(now.In(s.o.Timezone), id), op: op, accountID: msg["accountId"].value,
		request: content.Request{
			Operation: op.name, Kinds: op.kinds(msg), Filters: op.filters(msg),
			Begin: msg["beginTime"].value, End: msg["endTime"].value,
		},
	}
	notice := callback.Notice{
		ResponseID: id, FileName: x.name, Field: op.fileField, URL: target,
		Occasion: fault.Occasion{Operation: op.name, Kinds: words(x.request.Kinds)},
	}
	// The CDR sample returns an empty accountId that was sent empty, the
	// agent sample leaves it out.
	if account := msg["accountId"]; account.given && (account.value != "" || op.family == bills) {
		notice.Account = &account.value
	}
	x.delivery = s.sender.Delivery(notice)
	if s.o.GenerationMax > 0 {
		x.delay = time.Duration(s.dice.Below(int(s.o.GenerationMax) + 1))
	}
	return x, nil
}

// carryOut takes an extraction to its end: file, callback, repeats.
func (s *Store) carryOut(ctx context.Context, x *extraction) {
	if x.file == nil {
		if !pause.For(ctx, x.delay) {
			return
		}
		s.generate(x)
	}
	if !x.wantsCallback() {
		s.o.Logger.Debug().Str("file", x.name).Msg("no callback")
		return
	}
	x.delivery.Run(ctx)
}

func (x *extraction) wantsCallback() bool {
	return x.file != nil && x.file.empty != content.NoCallback && !x.delivery.Dropped()
}

// generate makes the file of an extraction from what is known now, shelves it
// and records it.
func (s *Store) generate(x *extraction) {
	now := s.o.Now()
	made, err := s.maker.Make(x.request, now)
	if err != nil { // memory does not fail to be written
		s.o.Logger.Error().Err(err).Str("file", x.name).Msg("file not built")
		return
	}
	x.file = &file{family: x.op.family, kinds: words(x.request.Kinds), data: made.Data, madeAt: now, empty: made.Empty}
	s.sounds.Add(made.Rows)
	s.shelf.put(x.name, x.file, now, s.o.Expiry)
	f := truth.File{
		ResponseID: x.responseID, Name: x.name, Operation: x.op.name, AccountID: x.accountID,
		BeginText: x.request.Begin, EndText: x.request.End, MadeAt: now, Rows: made.Rows, Zone: made.Zone, Damaged: made.Faults,
	}
	f.Begin, f.End = s.maker.Span(x.request)
	s.o.Truth.File(f)
	s.o.Logger.Debug().Str("file", x.name).Int("rows", len(f.Rows)).Str("fault", made.Faults).Msg("file generated")
}
