// Package heads keeps the heads of the last answers of each interface of the platform, for
// those who are to find out what it did: what was asked, HTTP status, return code, class of the
// failure, time, size.
//
// Invariants:
//
//   - Nothing of a body, an address or a header is kept, and a code only if it looks like one of
//     the platform's: no secret and no number gets in.
//   - What is kept is bounded for each interface, and there are as many of these as tenants have:
//     agents and time do not count.
//   - To note an answer waits for nothing and allocates nothing.
//
// It imports nothing of ours.
package heads

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Head is what is kept of one exchange.
type Head struct {
	At        time.Time     `json:"at"`        // when it was asked
	Operation string        `json:"operation"` // of a fixed few
	Status    int           `json:"status"`    // of HTTP; 0: no answer came
	Code      string        `json:"code,omitempty"`
	Class     string        `json:"class,omitempty"` // of the failure; "": there was none
	Took      time.Duration `json:"-"`               // a [Log] has it as Millis
	Millis    int64         `json:"took_ms"`
	Bytes     int64         `json:"bytes,omitempty"` // of the body; 0: none, or not known
}

// kept is how many answers and how many failures are kept of an interface.
const kept = 16

// ring holds the last heads.
type ring struct {
	heads [kept]Head
	n     int // that were ever noted
}

func (r *ring) add(h Head) {
	r.heads[r.n%kept] = h
	r.n++
}

// last are the heads, the newest first.
func (r *ring) last() []Head {
	all := []Head{}
	for i := r.n - 1; i >= max(0, r.n-kept); i-- {
		all = append(all, r.heads[i%kept])
	}
	return all
}

// Log keeps those of one interface. nil keeps none. It is safe for concurrent use.
type Log struct {
	mu                sync.Mutex
	answers, failures ring
}

// codes are what return codes of the platform look like: 0, 100-002, 0300011, 010106.
var codes = regexp.MustCompile(`^(0|\d{3}-\d{3}|0\d{5,6})$`)

// Note keeps a head. What is no code of the platform is kept as "odd".
func (l *Log) Note(h Head) {
	if l == nil {
		return
	}
	if h.Code != "" && !codes.MatchString(h.Code) {
		h.Code = "odd"
	}
	h.At, h.Took, h.Millis = h.At.UTC().Truncate(time.Millisecond), 0, h.Took.Milliseconds()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers.add(h)
	if h.Class != "" {
		l.failures.add(h)
	}
}

// Book has a Log for each interface. nil has none. It is safe for concurrent use.
type Book struct {
	mu   sync.Mutex
	logs map[string]*Log
}

// Of is the Log of an interface, such as "gateway of acme". Interfaces are not many.
func (b *Book) Of(name string) *Log {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.logs == nil {
		b.logs = map[string]*Log{}
	}
	if b.logs[name] == nil {
		b.logs[name] = &Log{}
	}
	return b.logs[name]
}

// Page is what is kept of an interface, the newest first.
type Page struct {
	Interface string `json:"interface"`
	Answers   []Head `json:"answers"`
	Failures  []Head `json:"failures"`
}

// Pages are those of all interfaces, by name.
func (b *Book) Pages() []Page {
	b.mu.Lock()
	defer b.mu.Unlock()
	pages := []Page{}
	for name, l := range b.logs {
		l.mu.Lock()
		pages = append(pages, Page{name, l.answers.last(), l.failures.last()})
		l.mu.Unlock()
	}
	slices.SortFunc(pages, func(a, b Page) int { return strings.Compare(a.Interface, b.Interface) })
	return pages
}

// ServeHTTP answers with all of them as JSON.
func (b *Book) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(b.Pages()) // the client may have gone
}
