package fault

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Book holds the rules in force and decides what strikes. All methods are safe
// for concurrent use.
type Book struct {
	kinds []Kind
	seed  uint64
	now   func() time.Time

	mu    sync.Mutex
	rules []entry
	dice  map[string]*rand.Rand // by operation
}

// entry is a rule in force.
type entry struct {
	Rule
	kind  Kind
	until time.Time // end of Rule.For; zero: none
}

// NewBook returns a book without rules for faults of the given kinds. now is
// the clock of Rule.For.
func NewBook(kinds []Kind, seed uint64, now func() time.Time) *Book {
	return &Book{kinds: kinds, seed: seed, now: now, dice: map[string]*rand.Rand{}}
}

// Set replaces all rules, counts and times beginning anew. The error says which
// rule makes no sense; then nothing is replaced.
func (b *Book) Set(rules []Rule) error { return b.take(rules, false) }

// Add puts rules behind those in force, all or none.
func (b *Book) Add(rules []Rule) error { return b.take(rules, true) }

func (b *Book) take(rules []Rule, keep bool) error {
	entries, err := b.entries(rules)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if keep {
		entries = append(b.rules, entries...)
	}
	b.rules = entries
	return nil
}

// entries checks rules that come into force now.
func (b *Book) entries(rules []Rule) ([]entry, error) {
	entries := make([]entry, len(rules))
	for i, r := range rules {
		k, err := find(b.kinds, r.Fault)
		if err == nil {
			err = r.check(k)
		}
		if err != nil {
			return nil, fmt.Errorf("fault rule %d: %w", i+1, err)
		}
		r.Struck = 0
		entries[i] = entry{Rule: r, kind: k}
		if r.For > 0 {
			entries[i].until = b.now().Add(time.Duration(r.For))
		}
	}
	return entries, nil
}

// Rules returns the rules in force, with what is left of their counts.
func (b *Book) Rules() []Rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Rule, len(b.rules))
	for i, e := range b.rules {
		out[i] = e.Rule
	}
	return out
}

// Occasion is a moment at which faults may strike. A rule that is restricted by
// something the occasion does not have does not apply.
type Occasion struct {
	Agent, Operation, Path string
	Kinds                  []string // a file may be of more than one
	// Key, when set, decides shares with the seed alone.
	Key string
}

// First returns the first rule, in the order they were set, that strikes with
// one of the named faults, its settings complete; nil: none does.
func (b *Book) First(o Occasion, names ...string) *Rule {
	if hits := b.strike(o, names, true); len(hits) > 0 {
		return &hits[0]
	}
	return nil
}

// All decides each of the named faults, at most one rule for each.
func (b *Book) All(o Occasion, names ...string) Hits { return b.strike(o, names, false) }

func (b *Book) strike(o Occasion, names []string, one bool) (hits Hits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rules {
		e := &b.rules[i]
		if !slices.Contains(names, e.Fault) || hits.Has(e.Fault) || !e.concerns(o) || !b.decide(e, o) {
			continue
		}
		e.Struck++
		hits = append(hits, e.Rule.with(e.kind.Takes))
		if one {
			break
		}
	}
	return hits
}

func (e *entry) concerns(o Occasion) bool {
	if e.Path != "" {
		if ok, err := path.Match(e.Path, o.Path); err != nil || !ok {
			return false
		}
	}
	return (e.Agent == "" || e.Agent == o.Agent) && (e.Operation == "" || e.Operation == o.Operation) &&
		(e.Kind == "" || slices.Contains(o.Kinds, e.Kind))
}

// decide uses up a count. The caller holds mu.
func (b *Book) decide(e *entry, o Occasion) bool {
	switch {
	case e.Next > 0:
		e.Next--
		return true
	case b.now().Before(e.until):
		return true
	case e.Share <= 0:
		return false
	case o.Key != "":
		h := fnv.New64a()
		h.Write(binary.LittleEndian.AppendUint64(nil, b.seed))
		h.Write([]byte(o.Key))
		return float64(h.Sum64()%1000) < e.Share*1000
	}
	return b.roll(operation(e.Fault)) < e.Share
}

// roll draws from an operation's own generator.
func (b *Book) roll(operation string) float64 {
	r := b.dice[operation]
	if r == nil {
		h := fnv.New64a()
		h.Write([]byte(operation))
		r = rand.New(rand.NewPCG(b.seed, h.Sum64()))
		b.dice[operation] = r
	}
	return r.Float64()
}

// Hits are the rules that strike on one occasion, with complete settings.
type Hits []Rule

// Has reports whether the named fault strikes.
func (h Hits) Has(name string) bool { return h.Get(name).Fault != "" }

// Get returns the rule by which the named fault strikes, or the zero Rule.
func (h Hits) Get(name string) Rule {
	for _, r := range h {
		if r.Fault == name {
			return r
		}
	}
	return Rule{}
}

// String joins the names, as the truth log has them: "file.gbk+file.crlf".
func (h Hits) String() string {
	names := make([]string, len(h))
	for i, r := range h {
		names[i] = r.Fault
	}
	return strings.Join(names, "+")
}
