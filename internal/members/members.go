// Package members lets an older bridge rewrite a JSON object of a newer one without losing what
// that has added to it.
//
// Invariant: what is read, changed in the fields of a struct and written again has the members
// that the struct has no field for, byte for byte, and each member once. Of a member that it has
// a field for, the field's value is all that there is: what a newer bridge has added inside is lost.
//
// It imports the standard library only, and may be imported by everybody.
package members

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// Further are those members of an object that this version of the bridge does not know, by
// name; nil: there are none. A newer one may run beside it, or have run before it, and have
// written them; whoever rewrites the object is not to lose them.
type Further map[string]json.RawMessage

// Decode decodes an object into what v points to, a struct, and returns the members that it
// has no field for.
func Decode(data []byte, v any) (Further, error) {
	if strictly(data, v) == nil {
		return nil, nil
	}
	var all Further
	if err := json.Unmarshal(data, v); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool {
		one, err := json.Marshal(Further{name: json.RawMessage("null")}) // its value may have unknown members
		return err == nil && strictly(one, reflect.New(reflect.TypeOf(v).Elem()).Interface()) == nil
	})
	return all, nil
}

// strictly decodes what has nothing but known members.
func strictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Encode encodes a struct, and the further members behind its own.
func Encode(v any, more Further) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil || len(more) == 0 {
		return data, err
	}
	data = bytes.TrimSuffix(data, []byte("}"))
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if len(data) > 1 {
			data = append(data, ',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		data = append(append(append(data, key...), ':'), more[name]...)
	}
	return append(data, '}'), nil
}
