package main

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/conform"
	"aiccbridge/poller/handover"
	"aiccbridge/schemas"
	"aiccbridge/schemas/requests"
)

// object is what a schema says of members.
type object struct {
	Required   []string          `json:"required"`
	Properties map[string]object `json:"properties"`
	Items      *object           `json:"items"`
}

// TestAnswersMatchTheirSchemas holds the members of requests and answers against their Go types.
func TestAnswersMatchTheirSchemas(t *testing.T) {
	t.Parallel()
	types := map[string]any{
		requests.Request(requests.Status): struct{}{}, requests.Answer(requests.Status): ask.Bridge{},
		requests.Request(requests.Agents): agentsRequest{}, requests.Answer(requests.Agents): []ask.Agent{},
		requests.Request(requests.Windows): ask.WindowQuery{}, requests.Answer(requests.Windows): []ask.Window{},
		requests.Request(requests.Call): ask.CallQuery{}, requests.Answer(requests.Call): ask.Story{},
		requests.Request(requests.Calls): ask.CallsQuery{}, requests.Answer(requests.Calls): []ask.CallBrief{},
		requests.Request(requests.Handover): handover.Gift{}, requests.Answer(requests.Handover): handover.Taken{},
		requests.Request(requests.Handback): handover.Wish{}, requests.Answer(requests.Handback): handover.Returned{},
		requests.Request(requests.Schema): schemaRequest{}, requests.Answer(requests.Schema): schemaAnswer{},
	}
	if len(types) != len(requests.Types()) {
		t.Errorf("%d types, want %d", len(types), len(requests.Types()))
	}
	for name, value := range types {
		doc, ok := conform.JSONSchema(name)
		var schema object
		if !ok || json.Unmarshal(doc, &schema) != nil {
			t.Fatalf("%s has no schema", name)
		}
		schema.matches(t, name, reflect.TypeOf(value), strings.Contains(name, ".answer."))
	}
}

// matches compares members with the fields of a type; those of answers that are always there
// are required.
func (o object) matches(t *testing.T, where string, typ reflect.Type, answer bool) {
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
		if typ.Kind() == reflect.Slice && o.Items != nil {
			o = *o.Items
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		if len(o.Properties) > 0 {
			t.Errorf("%s is no object of ours", where)
		}
		return
	}
	members, required := map[string]reflect.Type{}, []string{}
	for _, f := range reflect.VisibleFields(typ) {
		name, options, tagged := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && !tagged { // its fields are there
			continue
		}
		members[name] = f.Type
		if !strings.HasPrefix(options, "omit") {
			required = append(required, name)
		}
	}
	if len(o.Properties) == 0 && typ == reflect.TypeFor[schemas.Call]() { // it has a schema of its own
		return
	}
	if got, want := slices.Sorted(maps.Keys(o.Properties)), slices.Sorted(maps.Keys(members)); !slices.Equal(got, want) {
		t.Errorf("%s has the members %v, its type %v", where, got, want)
	}
	slices.Sort(required)
	if got := slices.Sorted(slices.Values(o.Required)); answer && !slices.Equal(got, required) {
		t.Errorf("%s requires %v, its type has always %v", where, got, required)
	}
	for name, member := range o.Properties {
		if in, ok := members[name]; ok {
			member.matches(t, where+"."+name, in, answer)
		}
	}
}

// TestAnswersOfOtherVersions: what a newer bridge has added to its answer is passed over, an
// answer that cannot be read is counted.
func TestAnswersOfOtherVersions(t *testing.T) {
	t.Parallel()
	bridges, unread := readBridges([][]byte{
		[]byte(`{"instance":"a","version":"v9.0.0","agents":3,"moods":[1]}`), []byte(`{"instance":7}`), []byte(`{}`),
	})
	if len(bridges) != 1 || bridges[0].Instance != "a" || bridges[0].Agents != 3 || unread != 2 {
		t.Errorf("%+v, %d unread", bridges, unread)
	}
}
