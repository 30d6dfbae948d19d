// Package jsonwalk copies JSON and leaves out or replaces parts of it. What credentials
// and personal data are is the business of those who use it.
//
// Invariants:
//
//   - What nobody replaces stays byte for byte: blanks, escapes, the spelling of numbers,
//     keys that occur twice.
//   - Valid JSON stays valid JSON if what is put into it is.
//   - Where a part begins and ends is what encoding/json says; there is no second parser.
//
// The package imports the standard library only, and may be imported by everybody.
package jsonwalk

import (
	"bytes"
	"encoding/json"
)

// Fate is what becomes of a member of an object. With the zero value it stays, and what
// its value holds is looked at.
type Fate struct {
	// Drop removes the member, key and value, and one of the commas beside it.
	Drop bool
	// Instead, if not nil, is the JSON that takes the place of the value, whatever that is.
	Instead []byte
}

// Edit says what becomes of the parts of a JSON text. S is what is known about a value
// because of the members that it stands in.
type Edit[S any] struct {
	// Member decides about a member. around is what is known outside it, inside what is
	// known about its value.
	Member func(key string, around S) (inside S, fate Fate)
	// Value returns the JSON that takes the place of a string (a Go string, without quotes
	// and escapes) or a number (a [json.Number]); nil: it stays. null, true and false are
	// not asked about.
	Value func(value any, inside S) []byte
}

// Rewrite returns text as edit wants it; text itself if nothing changes. It never writes
// to text. around is what is known about the whole. valid is false, and nothing is
// returned, if text is no JSON.
func Rewrite[S any](text []byte, around S, edit Edit[S]) (out []byte, valid bool) {
	if !json.Valid(text) {
		return nil, false
	}
	w := walk[S]{edit: edit, in: text, dec: json.NewDecoder(bytes.NewReader(text))}
	w.dec.UseNumber()
	w.value(around)
	if w.copied == 0 {
		return text, true
	}
	return append(w.out, text[w.copied:]...), true
}

// walk is one pass over a valid text; so the decoder's errors need not be looked at.
type walk[S any] struct {
	edit   Edit[S]
	in     []byte
	dec    *json.Decoder
	out    []byte
	copied int // of in, into out
}

// replace puts text in the place of in[from:to], which lies behind all that was replaced
// before.
func (w *walk[S]) replace(from, to int, text []byte) {
	w.out = append(append(w.out, w.in[w.copied:from]...), text...)
	w.copied = to
}

// at is the end of what the decoder has read last.
func (w *walk[S]) at() int { return int(w.dec.InputOffset()) }

// begin is where the next value or key begins.
func (w *walk[S]) begin() int { return w.behind(w.at(), " \t\r\n,:") }

// behind is the first place at or after from that holds none of the signs.
func (w *walk[S]) behind(from int, signs string) int {
	return len(w.in) - len(bytes.TrimLeft(w.in[from:], signs))
}

func (w *walk[S]) value(inside S) {
	from := w.begin()
	token, _ := w.dec.Token()
	switch token {
	case json.Delim('{'):
		w.object(inside)
	case json.Delim('['):
		for w.dec.More() {
			w.value(inside)
		}
		_, _ = w.dec.Token() // the bracket
	case nil, true, false:
	default:
		if instead := w.edit.Value(token, inside); instead != nil {
			w.replace(from, w.at(), instead)
		}
	}
}

// object looks at the members one by one. A dropped one goes with the comma before it if
// a member stays before, otherwise with the comma after it.
func (w *walk[S]) object(around S) {
	for stays := false; w.dec.More(); {
		comma, from := w.at(), w.begin() // More has moved to the comma
		key, _ := w.dec.Token()
		name, _ := key.(string)
		inside, fate := w.edit.Member(name, around)
		switch {
		case fate.Drop && stays:
			_, end := w.pass()
			w.replace(comma, end, nil)
		case fate.Drop:
			_, end := w.pass()
			if end = w.behind(end, " \t\r\n"); w.in[end] == ',' {
				end++
			}
			w.replace(from, end, nil)
		case fate.Instead != nil:
			begin, end := w.pass()
			w.replace(begin, end, fate.Instead)
			stays = true
		default:
			w.value(inside)
			stays = true
		}
	}
	_, _ = w.dec.Token() // the brace
}

// pass goes over the next value and returns where it stands.
func (w *walk[S]) pass() (from, to int) {
	from = w.begin()
	var value json.RawMessage
	_ = w.dec.Decode(&value)
	return from, w.at()
}
