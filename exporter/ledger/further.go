package ledger

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// members are those of an object that this version of the bridge does not know, by name; nil:
// there are none. A newer one may run beside it and have written them; whoever rewrites the
// object is not to lose them.
type members map[string]json.RawMessage

// decode decodes an object into what v points to, a struct, and returns the members that it
// has no field for.
func decode(data []byte, v any) (members, error) {
	if strictly(data, v) == nil {
		return nil, nil
	}
	var all members
	if err := json.Unmarshal(data, v); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(name string, value json.RawMessage) bool {
		one, err := json.Marshal(members{name: value})
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

// encode encodes a struct, and the more members behind its own.
func encode(v any, more members) ([]byte, error) {
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
