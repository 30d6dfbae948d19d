package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Object is a JSON object with all of its members, in the order in which they were sent.
// Names are told apart without regard to case, and one that was sent twice is there twice:
// encoding/json would keep the last of them and drop the others without a word. The zero
// value has no members.
type Object struct{ members []member }

type member struct {
	name  string
	value json.RawMessage
}

// ParseObject reads a text that is one JSON object and nothing else.
func ParseObject(text []byte) (Object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return Object{}, errors.New("want a JSON object")
	}
	var o Object
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return Object{}, fmt.Errorf("read key: %w", err)
		}
		name, _ := t.(string) // keys of an object are strings
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return Object{}, fmt.Errorf("read value: %w", err)
		}
		o.members = append(o.members, member{name, value})
	}
	if _, err := d.Token(); err != nil {
		return Object{}, errors.New("the object does not end")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Object{}, errors.New("something follows the object")
	}
	return o, nil
}

// All returns each value that was sent under one of the names, null as well.
func (o Object) All(names ...string) (values []json.RawMessage) {
	for _, m := range o.members {
		for _, name := range names {
			if strings.EqualFold(m.name, name) {
				values = append(values, m.value)
			}
		}
	}
	return values
}

// One returns the value of a name, nil if that is absent or null. agreed is false, and
// nothing is returned, if the name was sent with two values: which of them was meant
// can't be known. Null beside a value, and the same value again, are no second one.
func (o Object) One(name string) (value json.RawMessage, agreed bool) {
	for _, v := range o.All(name) {
		switch {
		case string(v) == "null":
		case value != nil && !bytes.Equal(value, v):
			return nil, false
		default:
			value = v
		}
	}
	return value, true
}

// Text is One for a value that is sent now bare, now quoted. Blank texts don't count.
func (o Object) Text(name string) (text Text, agreed bool) {
	for _, v := range o.All(name) {
		switch t := Of(v); {
		case t == Text{}:
		case text != Text{} && text.Literal() != t.Literal():
			return Text{}, false
		default:
			text = t
		}
	}
	return text, true
}

// Maybe is Text for what nobody needs: absent if it was sent with two values.
func (o Object) Maybe(name string) Text {
	text, _ := o.Text(name)
	return text
}

// Repeated reports whether two members have the same name.
func (o Object) Repeated() bool {
	seen := make(map[string]bool, len(o.members))
	for _, m := range o.members {
		name := strings.ToLower(m.name)
		if seen[name] {
			return true
		}
		seen[name] = true
	}
	return false
}

// Values returns all values in their order.
func (o Object) Values() []json.RawMessage {
	values := make([]json.RawMessage, len(o.members))
	for i, m := range o.members {
		values[i] = m.value
	}
	return values
}

// Only reports whether every member has that name; true without members.
func (o Object) Only(name string) bool { return len(o.All(name)) == len(o.members) }
