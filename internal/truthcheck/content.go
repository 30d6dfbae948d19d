package truthcheck

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"strings"

	"aiccbridge/schemas/events"
)

// contentReader reduces an event to a hash of its type and content. Two events
// are equal when they differ only in what the gateway is known to vary on the
// way: the order of keys, blanks around the type, NULs behind strings, numbers
// printed as strings, the list jsonKey; and in credentials, which the bridge
// replaces.
type contentReader struct {
	seed maphash.Seed
	buf  []byte
}

// redacted is what the bridge puts in place of a credential.
const redacted = "***"

// read returns the event's hash. clear says that the content holds a credential
// in clear.
func (r *contentReader) read(eventType string, content json.RawMessage) (key uint64, clear bool) {
	eventType = strings.Trim(eventType, " \t\r\n\x00")
	w := contentWriter{buf: append(append(r.buf[:0], eventType...), 0)}
	if info, ok := events.Lookup(eventType); ok {
		w.secrets = info.Secrets
	}
	w.content(content)
	r.buf = w.buf
	return maphash.Bytes(r.seed, w.buf), w.clear
}

// contentWriter prints a content in its one canonical form.
type contentWriter struct {
	buf     []byte
	secrets []string
	clear   bool
}

func (w *contentWriter) content(raw json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil && len(raw) > 0 {
		w.buf = append(append(w.buf, '!'), raw...) // no JSON: equal to itself only
		return
	}
	if object, ok := v.(map[string]any); ok {
		delete(object, "jsonKey")
	}
	w.value(v)
}

func (w *contentWriter) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		w.buf = append(w.buf, '{')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			w.text(key)
			if w.secret(key) {
				w.clear = w.clear || v[key] != redacted
				continue
			}
			w.value(v[key])
		}
		w.buf = append(w.buf, '}')
	case []any:
		w.buf = append(w.buf, '[')
		for _, item := range v {
			w.value(item)
		}
		w.buf = append(w.buf, ']')
	case string:
		w.text(strings.TrimRight(v, "\x00"))
	case json.Number:
		w.text(string(v))
	case bool:
		w.buf = append(strconv.AppendBool(append(w.buf, '='), v), ';')
	case nil:
		w.buf = append(w.buf, '-')
	}
}

// text prints a string with its length, so that no two lists of strings are
// the same bytes.
func (w *contentWriter) text(s string) {
	w.buf = append(strconv.AppendInt(append(w.buf, '"'), int64(len(s)), 10), ':')
	w.buf = append(w.buf, s...)
}

func (w *contentWriter) secret(key string) bool {
	return slices.ContainsFunc(w.secrets, func(s string) bool { return strings.EqualFold(s, key) })
}
