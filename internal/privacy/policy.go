package privacy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Action is what becomes of a field.
type Action string

// The actions. The empty Action is Keep.
const (
	Keep Action = "keep"
	Mask Action = "mask"
	HMAC Action = "hmac"
	Drop Action = "drop"
)

// MinKeyBytes is how long the key of an hmac must be at least.
const MinKeyBytes = 16

// Options make a [Policy]. The zero value keeps everything.
type Options struct {
	// PhoneNumbers is the action for the fields of Phones; "" is Keep.
	PhoneNumbers Action
	// Fields are the actions of single fields. They go before PhoneNumbers.
	Fields map[string]Action
	// Key is needed for HMAC: [MinKeyBytes] bytes or more, random. It is copied.
	Key []byte
	// Phones are the names of the fields known to hold phone numbers; needed
	// unless PhoneNumbers is Keep.
	Phones []string
	// Lists are those fields that may hold several values, separated by commas
	// (also full-width ones), semicolons or blanks. Each value is treated alone.
	Lists []string
}

// Policy is safe for concurrent use. A nil *Policy keeps everything.
type Policy struct {
	rules  map[string]rule // by folded name
	key    []byte
	active bool
}

// rule is what becomes of one field. The zero rule keeps it.
type rule struct {
	action Action
	list   bool
}

func (r rule) alters() bool { return r.action == Mask || r.action == HMAC }

// New checks the options. Errors name the setting and say what to do; none shows
// the key.
func New(o Options) (*Policy, error) {
	p := &Policy{rules: map[string]rule{}, key: slices.Clone(o.Key)}
	if err := p.check("phone numbers", o.PhoneNumbers); err != nil {
		return nil, err
	}
	if o.PhoneNumbers != "" && o.PhoneNumbers != Keep {
		if len(o.Phones) == 0 {
			return nil, errors.New("privacy policy: phone numbers: no field is named that holds them")
		}
		for _, name := range o.Phones {
			p.rules[fold(name)] = rule{action: o.PhoneNumbers}
		}
	}
	if err := p.addFields(o.Fields); err != nil {
		return nil, err
	}
	for _, name := range o.Lists {
		if r, ok := p.rules[fold(name)]; ok {
			r.list = true
			p.rules[fold(name)] = r
		}
	}
	for _, r := range p.rules {
		p.active = p.active || r.action == Drop || r.alters()
	}
	return p, nil
}

func (p *Policy) addFields(fields map[string]Action) error {
	names := map[string]string{} // by folded name
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		folded := fold(name)
		if folded == "" {
			return fmt.Errorf("privacy policy: field %q: write the name of a JSON key or a column", name)
		}
		if before, twice := names[folded]; twice {
			return fmt.Errorf("privacy policy: fields %s and %s are one field: remove one of them", before, name)
		}
		if err := p.check("field "+name, fields[name]); err != nil {
			return err
		}
		names[folded], p.rules[folded] = name, rule{action: fields[name]}
	}
	return nil
}

func (p *Policy) check(what string, a Action) error {
	if !slices.Contains([]Action{"", Keep, Mask, HMAC, Drop}, a) {
		return fmt.Errorf("privacy policy: %s: %q is no action; write keep, mask, hmac or drop", what, a)
	}
	if a == HMAC && len(p.key) < MinKeyBytes {
		return fmt.Errorf("privacy policy: %s: hmac needs a key of at least %d random bytes", what, MinKeyBytes)
	}
	return nil
}

// Mark is 32 hex digits that another policy does not have, be it only for its key. They do
// not give the key away.
func (p *Policy) Mark() string {
	if p == nil {
		return (&Policy{}).Mark()
	}
	mac := hmac.New(sha256.New, p.key)
	for _, name := range slices.Sorted(maps.Keys(p.rules)) {
		fmt.Fprintf(mac, "%q %+v\n", name, p.rules[name])
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Active reports whether the policy alters anything.
func (p *Policy) Active() bool { return p != nil && p.active }

// Cell returns what stays of a value by the name of its column or key, without
// the blanks around it if it is altered; false: nothing, leave the cell out. Empty
// values stay empty.
func (p *Policy) Cell(column, value string) (string, bool) {
	if !p.Active() {
		return value, true
	}
	r, text := p.rules[fold(column)], trim(value)
	if r.action == Drop {
		return "", false
	}
	if !r.alters() || text == "" {
		return value, true
	}
	return p.treat(r, text), true
}

// treat alters a trimmed value.
func (p *Policy) treat(r rule, value string) string {
	if !r.list {
		return p.alter(r.action, value)
	}
	var out strings.Builder
	for value != "" {
		end := strings.IndexFunc(value, separates)
		if end < 0 {
			end = len(value)
		}
		if end > 0 {
			out.WriteString(p.alter(r.action, value[:end]))
		}
		_, size := utf8.DecodeRuneInString(value[end:])
		out.WriteString(value[end : end+size])
		value = value[end+size:]
	}
	return out.String()
}

func separates(r rune) bool { return strings.ContainsRune(",;，；、 \t", r) }

func (p *Policy) alter(a Action, value string) string {
	if a == HMAC {
		return p.hash(value)
	}
	return masked(value)
}

// What masked leaves.
const (
	keptBefore = 3
	keptAfter  = 2
)

// masked replaces all but the first and the last signs by as many "*".
func masked(value string) string {
	signs := []rune(value)
	from, to := keptBefore, len(signs)-keptAfter
	if from >= to {
		from, to = 0, len(signs)
	}
	for i := from; i < to; i++ {
		signs[i] = '*'
	}
	return string(signs)
}

// An hmac is written as prefix and the first half of the sum, in hex.
const (
	hashPrefix = "hmac:"
	hashDigits = 32
)

func (p *Policy) hash(value string) string {
	if isHash(value) {
		return value
	}
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(value)) // never fails
	return hashPrefix + hex.EncodeToString(h.Sum(nil)[:hashDigits/2])
}

func isHash(value string) bool {
	digits, ok := strings.CutPrefix(value, hashPrefix)
	return ok && len(digits) == hashDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// trim removes padding: blanks and control characters, NUL among them, which one
// release of the platform pads with.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || r == '\ufeff' })
}

// fold is the form in which names are compared.
func fold(name string) string { return string(appendFold(nil, name)) }

func appendFold[T string | []byte](dst []byte, name T) []byte {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c == '_' || c == '-' {
			continue
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
