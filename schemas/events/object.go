package events

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// maxDepth is how deep in a content keys are looked at for ones that come twice.
const maxDepth = 8

// object holds all values that an object has under a name in lower case, but null ones and
// those that come again; releases differ in the case of their names.
type object map[string][]value

type value struct {
	name string // as it was sent
	json.RawMessage
}

// members reads a valid JSON text that is an object; false for any other. encoding/json
// would keep the last of two members of one name, and drop the other without a word.
func members(text json.RawMessage) (object, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	all := object{}
	for d.More() {
		key, err := d.Token()
		v := value{}
		if err == nil {
			err = d.Decode(&v.RawMessage)
		}
		if err != nil {
			return nil, false
		}
		v.name, _ = key.(string) // keys of an object are strings
		low := strings.ToLower(v.name)
		same := func(o value) bool { return bytes.Equal(o.RawMessage, v.RawMessage) }
		if string(v.RawMessage) != "null" && !slices.ContainsFunc(all[low], same) {
			all[low] = append(all[low], v)
		}
	}
	return all, true
}

// twofold reports whether a name was sent with different values.
func (o object) twofold(name string) bool { return len(o[name]) > 1 }

// one returns the value of a name; nil if there is none, or more than one.
func (o object) one(name string) json.RawMessage {
	if len(o[name]) != 1 {
		return nil
	}
	return o[name][0].RawMessage
}

// repeated appends to found, once each, the names that an object in text has with different
// values, as they were sent first.
func repeated(text json.RawMessage, found []string, depth int) []string {
	var list []json.RawMessage
	if depth == 0 || len(text) == 0 || text[0] != '{' && json.Unmarshal(text, &list) != nil {
		return found
	}
	for _, inner := range list {
		found = repeated(inner, found, depth-1)
	}
	all, _ := members(text)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if values := all[name]; len(values) > 1 && !slices.Contains(found, values[0].name) {
			found = append(found, values[0].name)
		}
		for _, v := range all[name] {
			found = repeated(v.RawMessage, found, depth-1)
		}
	}
	return found
}
