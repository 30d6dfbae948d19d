package filestore

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/archive"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/pause"
	"aiccbridge/internal/platformsim/truth"
)

// file is one generated ZIP. It never changes.
type file struct {
	family family
	kinds  []string // in words of rules about faults
	data   []byte
	madeAt time.Time
	empty  string // fault of an extraction without rows
}

// shelf holds the files until they expire.
type shelf struct {
	mu    sync.Mutex
	files map[string]*file
}

// put adds a file and clears away what has expired.
func (s *shelf) put(name string, f *file, now time.Time, expiry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, old := range s.files {
		if old.expired(now, expiry) {
			delete(s.files, n)
		}
	}
	s.files[name] = f
}

func (s *shelf) get(name string, of family, now time.Time, expiry time.Duration) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[name]
	if f == nil || f.family != of || f.expired(now, expiry) {
		return nil
	}
	return f
}

func (f *file) expired(now time.Time, expiry time.Duration) bool {
	return expiry > 0 && now.Sub(f.madeAt) >= expiry
}

// slots counts downloads under way.
type slots struct {
	limit int // negative: none

	mu   sync.Mutex
	used int
}

func (s *slots) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit >= 0 && s.used >= s.limit {
		return false
	}
	s.used++
	return true
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
}

// download answers a download… request and records it.
func (s *Store) download(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	name, started := msg[op.fileField].value, s.o.Now()
	result, n := s.fetch(w, r, op, name)
	s.o.Truth.Download(truth.Download{Name: name, At: started, Bytes: n, Result: result})
	s.o.Logger.Debug().Str("file", name).Str("result", result).Int64("bytes", n).Msg("download")
}

// fetch returns "ok", the code, or the fault, and the bytes of the file sent.
func (s *Store) fetch(w http.ResponseWriter, r *http.Request, op *operation, name string) (string, int64) {
	if _, err := time.Parse("20060102", name[:8]); err != nil {
		return s.turnDown(w, refuseFileDate)
	}
	if !s.slots.take() {
		return s.turnDown(w, refuseDownloads)
	}
	defer s.slots.release()
	f := s.shelf.get(name, op.family, s.o.Now(), s.o.Expiry)
	switch {
	case f == nil:
		return s.turnDown(w, refuseNoFile)
	case f.empty == content.NoData:
		return s.turnDown(w, refuseNoData)
	}
	bad := cmp.Or(s.o.Faults.First(fault.Occasion{Operation: op.name, Path: r.URL.Path, Kinds: f.kinds}, downloads...), &fault.Rule{})
	switch bad.Fault {
	case downloadFlowControl:
		return s.turnDown(w, refuseDownloads)
	case downloadNotThere:
		return s.turnDown(w, refuseNoFile)
	case downloadStatus:
		s.page(w, bad.Status)
		return bad.Fault, 0
	case downloadJSONAsOctetStream:
		s.refuse(w, octetType, &refusal{bad.Code, "The file cannot be downloaded."})
		return bad.Fault, 0
	}
	return s.sendFile(r.Context(), w, f.data, bad)
}

// turnDown refuses and returns what fetch does.
func (s *Store) turnDown(w http.ResponseWriter, why *refusal) (string, int64) {
	s.refuse(w, jsonType, why)
	return why.code, 0
}

// sendFile returns what fetch does.
func (s *Store) sendFile(ctx context.Context, w http.ResponseWriter, data []byte, bad *fault.Rule) (string, int64) {
	n, err := s.send(ctx, w, data, bad)
	if err != nil {
		return cmp.Or(bad.Fault, "broken off"), n
	}
	return cmp.Or(bad.Fault, "ok"), n
}

func (s *Store) send(ctx context.Context, w http.ResponseWriter, data []byte, bad *fault.Rule) (int64, error) {
	switch bad.Fault {
	case downloadFlipped:
		damaged, err := archive.Flip(data)
		if err != nil { // an archive without data cannot be damaged
			s.o.Logger.Warn().Err(err).Msg("file sent undamaged")
			damaged = data
		}
		data = damaged
	case downloadTruncated, audioTruncated:
		data = data[:len(data)/2]
	}
	w.Header().Set("Content-Type", octetType)
	w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	if bad.Fault != downloadNoLength && bad.Fault != audioNoLength {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	}
	w.WriteHeader(http.StatusOK)
	flush(w) // from here on the length, or its absence, is settled
	switch bad.Fault {
	case downloadCut, audioCut:
		// Fewer bytes than promised: net/http closes the connection.
		data = data[:len(data)*bad.Percent/100]
	case downloadSlowDrip, audioSlowDrip:
		return drip(ctx, w, data, max(bad.Rate, 10))
	}
	return io.Copy(w, bytes.NewReader(data))
}

// drip sends a tenth of a second's worth at a time; rate is in bytes a second.
func drip(ctx context.Context, w http.ResponseWriter, data []byte, rate int) (int64, error) {
	var sent int64
	for len(data) > 0 {
		chunk := min(rate/10, len(data))
		n, err := w.Write(data[:chunk])
		sent += int64(n)
		if err != nil {
			return sent, err
		}
		flush(w)
		data = data[chunk:]
		if !pause.For(ctx, time.Second/10) {
			return sent, ctx.Err()
		}
	}
	return sent, nil
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}
