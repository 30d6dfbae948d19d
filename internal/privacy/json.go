package privacy

import (
	"bytes"
	"encoding/json"
)

// JSON returns raw as the policy allows it: each field by its name at any depth,
// and in strings that hold JSON too. An object or list in a field is treated value
// by value, with the field's action where the names inside have none of their own;
// numbers become strings; null, true and false stay unless they are dropped. What
// is not JSON, as a whole or in a string that begins like an object or a list, is
// treated by [Policy.Text]. raw itself is returned if nothing changes.
func (p *Policy) JSON(raw json.RawMessage) json.RawMessage {
	switch {
	case !p.Active() || len(raw) == 0:
		return raw
	case !json.Valid(raw):
		return p.Text(raw)
	}
	r := rewriter{p: p, in: raw}
	r.value(rule{})
	return r.result()
}

// rewriter copies a valid JSON text and leaves out or replaces parts of it.
type rewriter struct {
	p      *Policy
	in     []byte
	at     int // what comes next
	out    []byte
	copied int // of in, into out
}

func (r *rewriter) result() []byte {
	if r.copied == 0 {
		return r.in
	}
	return append(r.out, r.in[r.copied:]...)
}

// replace puts text in the place of in[from:to], which begins after all that was
// replaced before.
func (r *rewriter) replace(from, to int, text []byte) {
	r.out = append(append(r.out, r.in[r.copied:from]...), text...)
	r.copied = to
}

func (r *rewriter) space() {
	for r.at < len(r.in) && r.in[r.at] <= ' ' {
		r.at++
	}
}

// next returns the sign after the blanks.
func (r *rewriter) next() byte {
	r.space()
	return r.in[r.at]
}

// value treats the next value by the rule of the field that it is in.
func (r *rewriter) value(of rule) {
	switch c := r.next(); {
	case c == '{':
		r.object(of)
	case c == '[':
		r.list(of)
	case c == '"':
		r.text(of)
	case c == '-' || c >= '0' && c <= '9':
		from := r.at
		r.skip()
		if of.alters() {
			r.replace(from, r.at, quote(r.p.treat(of, string(r.in[from:r.at]))))
		}
	default:
		r.skip()
	}
}

func (r *rewriter) list(of rule) {
	r.at++
	for r.next() != ']' {
		if r.in[r.at] == ',' {
			r.at++
			continue
		}
		r.value(of)
	}
	r.at++
}

// object treats the members one by one. A dropped one goes with the comma before
// it if a member stays before, otherwise with the comma after it.
func (r *rewriter) object(of rule) {
	r.at++
	stays, comma := false, 0
	for r.next() != '}' {
		if r.in[r.at] == ',' {
			comma = r.at
			r.at++
			continue
		}
		from := r.at
		named := r.named(of)
		r.next() // the colon
		r.at++
		if named.action != Drop {
			r.value(named)
			stays = true
			continue
		}
		r.next()
		r.skip()
		switch {
		case stays:
			r.replace(comma, r.at, nil)
		case r.next() == ',':
			r.at++
			fallthrough
		default:
			r.replace(from, r.at, nil)
		}
	}
	r.at++
}

// named reads a key and returns the rule for its value: its own, or that of the
// field around it.
func (r *rewriter) named(around rule) rule {
	var buf [64]byte
	raw := r.quoted()
	folded := appendFold(buf[:0], raw)
	if bytes.IndexByte(raw, '\\') >= 0 {
		folded = appendFold(buf[:0], unquote(raw))
	}
	if own, ok := r.p.rules[string(folded)]; ok {
		return own
	}
	return around
}

// text treats a string: as a value of its field, or, if that is kept, as JSON
// that it may hold.
func (r *rewriter) text(of rule) {
	from := r.at
	raw := r.quoted()
	if !of.alters() && !mayHoldJSON(raw) {
		return
	}
	value := unquote(raw)
	inner := trim(value)
	treated := inner
	switch {
	case inner == "":
	case of.alters():
		treated = r.p.treat(of, inner)
	case json.Valid([]byte(inner)) || inner[0] == '{' || inner[0] == '[':
		treated = string(r.p.JSON(json.RawMessage(inner)))
	}
	if treated == inner {
		return
	}
	if !of.alters() {
		before, after, _ := bytes.Cut([]byte(value), []byte(inner))
		treated = string(before) + treated + string(after)
	}
	r.replace(from, r.at, quote(treated))
}

// mayHoldJSON says whether a string, as it is quoted, may hold an object, a list
// or a string.
func mayHoldJSON(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \ufeff")
	return len(raw) > 0 && (raw[0] == '{' || raw[0] == '[' || raw[0] == '\\')
}

// quoted reads a string and returns what is between its quotes.
func (r *rewriter) quoted() []byte {
	from := r.at + 1
	for r.at = from; r.in[r.at] != '"'; r.at++ {
		if r.in[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
	return r.in[from : r.at-1]
}

// skip passes over the value that begins here.
func (r *rewriter) skip() {
	for depth := 0; r.at < len(r.in); {
		switch c := r.in[r.at]; {
		case c == '"':
			r.quoted()
		case c == '{' || c == '[':
			depth++
			r.at++
			continue
		case c == '}' || c == ']':
			depth--
			r.at++
		case c == ',' || c == ':' || c <= ' ':
			r.at++
			continue
		default:
			r.word()
		}
		if depth == 0 {
			return
		}
	}
}

// word passes over a number, null, true or false.
func (r *rewriter) word() {
	end := bytes.IndexAny(r.in[r.at:], ",]} \t\r\n")
	if end < 0 {
		end = len(r.in) - r.at
	}
	r.at += end
}

func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var text string
	_ = json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &text) // it was part of valid JSON
	return text
}

func quote(text string) []byte {
	quoted, _ := json.Marshal(text) // a string always encodes
	return quoted
}
