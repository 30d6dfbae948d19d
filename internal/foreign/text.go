package foreign

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Text is a JSON value that is sent now bare, now quoted: "0" and 0, "true" and true. Any
// JSON decodes into it without an error. The zero value is one that is absent, null, or
// blank.
type Text struct {
	literal string // the text of a string, anything else as it is written; trimmed
	other   bool   // neither a string nor a number
}

// Of reads a JSON value. What is empty or not valid JSON is absent.
func Of(raw json.RawMessage) (t Text) {
	_ = json.Unmarshal(raw, &t) // fails for what is no JSON, and leaves t as it is
	return t
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Text) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	*t = Text{}
	switch {
	case len(data) == 0 || string(data) == "null":
	case data[0] == '"':
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		t.literal = strings.TrimSpace(s)
	default:
		number := data[0] == '-' || data[0] >= '0' && data[0] <= '9'
		t.literal, t.other = string(data), !number
	}
	return nil
}

// String returns a string without the blanks around it, or a number as it is written; ""
// for all else.
func (t Text) String() string {
	if t.other {
		return ""
	}
	return t.literal
}

// Literal returns the same as String, and true, false, an object or a list as it is
// written.
func (t Text) Literal() string { return t.literal }

// Int returns the value as an integer, absent if it isn't one.
func (t Text) Int(absent int) int {
	n, err := strconv.Atoi(t.literal)
	if err != nil {
		return absent
	}
	return n
}

// Bool is true for true, t and 1, bare or quoted, in capitals or not.
func (t Text) Bool() bool {
	b, err := strconv.ParseBool(strings.ToLower(t.literal))
	return err == nil && b
}
