package gateway

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Faults are the misbehaviours wished for. The zero value is polite.
type Faults struct {
	// Rules are asked in order; the first that applies wins.
	Rules []Fault `json:"rules,omitempty"`
}

// Fault is one rule: what goes wrong, where, and how often. It applies to the
// next Next requests, during ForMS after it was set, and after that to Share
// of all requests; one of the three must be given.
type Fault struct {
	// Kind is what goes wrong, see Kinds.
	Kind string `json:"kind"`
	// Agent restricts the rule to one agent; empty: all.
	Agent string `json:"agent,omitempty"`
	// On is the call concerned: "poll" (default), "signin", or "other".
	On string `json:"on,omitempty"`
	// Next counts down to 0.
	Next int `json:"next,omitempty"`
	// ForMS is a time in milliseconds.
	ForMS int64 `json:"for_ms,omitempty"`
	// Share is a probability between 0 and 1.
	Share float64 `json:"share,omitempty"`
	// Status of the kind "status", default 503.
	Status int `json:"status,omitempty"`
	// Code of the kind "code", default 000-003.
	Code string `json:"code,omitempty"`
	// DelayMS of the kind "slow", default 30 s.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// AfterPop lets a kind which strikes instead of a poll take an event
	// first, which is then lost.
	AfterPop bool `json:"after_pop,omitempty"`

	until time.Time
}

// stage says when a fault strikes.
type stage int

const (
	before stage = iota // instead of looking into the queue: nothing is lost
	after               // once an event was taken
	ahead               // adds something to the queue, then goes on
)

// kind describes a fault.
type kind struct {
	stage stage
	loses bool // the event taken reaches nobody
	what  string
}

// kinds is the list of all faults.
var kinds = map[string]kind{
	"status":        {before, true, "HTTP status with an HTML page, as from a proxy"},
	"cut":           {before, true, "connection closed without an answer"},
	"cut_reused":    {before, true, "the same, only on a connection which has served a request before"},
	"code":          {before, true, "HTTP 200 with a retcode"},
	"empty":         {before, true, "HTTP 200 without a body"},
	"cut_after_pop": {after, true, "connection closed after an event was taken: the event is lost"},
	"slow":          {after, false, "answer held back after an event was taken"},
	"truncated":     {after, true, "body ends in the middle, connection closed"},
	"bad_json":      {after, true, "body is no JSON"},
	"gbk":           {after, false, "body in GBK with a charset saying so"},
	"nul":           {after, false, "NUL characters behind the strings"},
	"wrong_types":   {after, false, "retcode, message and workNo of another JSON type"},
	"unknown_type":  {ahead, false, "an additional event of a type nobody knows"},
}

// Kinds lists the names of all faults with what they do, for a help text.
func Kinds() map[string]string {
	out := make(map[string]string, len(kinds))
	for name, k := range kinds {
		out[name] = k.what
	}
	return out
}

func (f *Fault) stage() stage {
	if f.AfterPop {
		return after
	}
	return kinds[f.Kind].stage
}

// loses reports whether an event taken under this fault is lost for certain.
func (f *Fault) loses() bool { return f.stage() == after && kinds[f.Kind].loses }

func (f *Fault) on() string {
	if f.On == "" {
		return "poll"
	}
	return f.On
}

func (f *Faults) validate() error {
	for i, r := range f.Rules {
		k, known := kinds[r.Kind]
		switch {
		case !known:
			return fmt.Errorf("gateway fault %d: kind %q is not known; the kinds are %s", i+1, r.Kind,
				strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		case r.Next < 0 || r.ForMS < 0 || r.DelayMS < 0 || r.Share < 0 || r.Share > 1:
			return fmt.Errorf("gateway fault %d: a number is out of range", i+1)
		case r.Next == 0 && r.ForMS == 0 && r.Share == 0:
			return fmt.Errorf("gateway fault %d: give next, for_ms or share", i+1)
		case !slices.Contains([]string{"poll", "signin", "other"}, r.on()):
			return fmt.Errorf("gateway fault %d: on %q is not poll, signin or other", i+1, r.On)
		case r.on() != "poll" && (k.stage != before || r.AfterPop):
			return fmt.Errorf("gateway fault %d: kind %q strikes polls only", i+1, r.Kind)
		case r.AfterPop && k.stage == ahead:
			return fmt.Errorf("gateway fault %d: kind %q takes no event", i+1, r.Kind)
		case r.Status != 0 && (r.Status < 200 || r.Status > 599):
			return fmt.Errorf("gateway fault %d: status %d is not between 200 and 599", i+1, r.Status)
		}
	}
	return nil
}

// faultBook decides which request is struck.
type faultBook struct {
	mu  sync.Mutex
	f   Faults
	rng *rand.Rand
}

func newFaultBook(f Faults, seed uint64, now time.Time) *faultBook {
	b := &faultBook{rng: rand.New(rand.NewPCG(seed, 0xfa17))}
	b.set(f, now)
	return b
}

func (b *faultBook) set(f Faults, now time.Time) {
	rules := slices.Clone(f.Rules)
	for i := range rules {
		rules[i].until = now.Add(time.Duration(rules[i].ForMS) * time.Millisecond)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.f = Faults{Rules: rules}
}

func (b *faultBook) get() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Faults{Rules: slices.Clone(b.f.Rules)}
}

// occasion is a moment at which a fault may strike.
type occasion struct {
	agent, on string
	stage     stage
	reused    bool // the connection has served a request before
	now       time.Time
}

// strike returns the fault that applies, or nil.
func (b *faultBook) strike(o occasion) *Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.f.Rules {
		r := &b.f.Rules[i]
		if r.stage() != o.stage || r.on() != o.on || (r.Agent != "" && r.Agent != o.agent) {
			continue
		}
		if r.Kind == "cut_reused" && !o.reused {
			continue
		}
		switch {
		case r.Next > 0:
			r.Next--
		case o.now.Before(r.until):
		case r.Share > 0 && b.rng.Float64() < r.Share:
		default:
			continue
		}
		f := *r
		return &f
	}
	return nil
}
