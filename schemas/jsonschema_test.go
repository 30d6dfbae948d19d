package schemas

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileSchema compiles the published schema of a message type.
func compileSchema(t testing.TB, messageType string) *jsonschema.Schema {
	t.Helper()
	data, ok := JSONSchema(messageType)
	if !ok {
		t.Fatalf("no schema of %s", messageType)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	urn := schemaURN(messageType)
	if err := c.AddResource(urn, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(urn)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validateBody(t testing.TB, schema *jsonschema.Schema, body []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return schema.Validate(value)
}

func TestMessagesFollowTheirSchemas(t *testing.T) {
	for typ, m := range testMessages(t) {
		schema := compileSchema(t, typ)
		if schema.ID != m.Schema || schema.DraftVersion != 2020 {
			t.Errorf("%s: $id %q (draft %d), want the ce-dataschema %q", typ, schema.ID, schema.DraftVersion, m.Schema)
		}
		if err := validateBody(t, schema, m.Body); err != nil {
			t.Error(err)
		}
		var body map[string]json.RawMessage
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatal(err)
		}
		for _, name := range schema.Required { // each requirement bites
			without := without(t, body, name)
			if validateBody(t, schema, without) == nil {
				t.Errorf("%s: accepted without %s", typ, name)
			}
		}
	}
	if _, ok := JSONSchema("aicc.v1.row.other"); ok {
		t.Error("a schema of an unknown type")
	}
}

func without(t *testing.T, body map[string]json.RawMessage, name string) []byte {
	t.Helper()
	rest := map[string]json.RawMessage{}
	for k, v := range body {
		if k != name {
			rest[k] = v
		}
	}
	out, err := json.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGoldenEventsFollowTheSchema(t *testing.T) {
	schema := compileSchema(t, TypeEvent)
	data, err := os.ReadFile("testdata/events.golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		if err := validateBody(t, schema, line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// shape is what a schema says, as far as Go types say it too.
type shape struct {
	Type       any              `json:"type"`
	Format     string           `json:"format"`
	Enum       []string         `json:"enum"`
	Required   []string         `json:"required"`
	Properties map[string]shape `json:"properties"`
	Items      *shape           `json:"items"`
}

func readShape(t *testing.T, messageType string) shape {
	t.Helper()
	data, _ := JSONSchema(messageType)
	var s shape
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// shapeOf derives the shape of a struct from its fields and tags.
func shapeOf(typ reflect.Type) shape {
	s := shape{Type: "object", Properties: map[string]shape{}}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			inner := shapeOf(f.Type)
			s.Required = append(s.Required, inner.Required...)
			for name, p := range inner.Properties {
				s.Properties[name] = p
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options == "" {
			s.Required = append(s.Required, name)
		}
		s.Properties[name] = shapeOfField(f.Type)
	}
	slices.Sort(s.Required)
	return s
}

func shapeOfField(typ reflect.Type) shape {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return shape{Type: "string", Format: "date-time"}
	case typ == reflect.TypeFor[json.RawMessage]():
		return shape{}
	case typ == reflect.TypeFor[Window](), typ.Kind() == reflect.String:
		return shape{Type: "string"}
	case typ.Kind() == reflect.Bool:
		return shape{Type: "boolean"}
	case typ.Kind() == reflect.Slice:
		items := shapeOf(typ.Elem())
		return shape{Type: "array", Items: &items}
	}
	return shape{Type: "integer"}
}

func dropEnums(s shape) shape {
	s.Enum = nil
	slices.Sort(s.Required)
	for name, p := range s.Properties {
		s.Properties[name] = dropEnums(p)
	}
	if s.Items != nil {
		items := dropEnums(*s.Items)
		s.Items = &items
	}
	return s
}

// TestSchemasMatchTheTypes holds every schema against its Go struct, both ways:
// names, types, formats and what is required.
func TestSchemasMatchTheTypes(t *testing.T) {
	types := map[string]reflect.Type{
		TypeEvent: reflect.TypeFor[Event](), TypeGap: reflect.TypeFor[Gap](), TypeHeartbeat: reflect.TypeFor[Heartbeat](),
		TypeFileReady: reflect.TypeFor[FileReady](), TypeWindowComplete: reflect.TypeFor[WindowComplete](),
		TypeCoverage: reflect.TypeFor[Coverage](), TypeDeadLetter: reflect.TypeFor[DeadLetter](),
	}
	for _, messageType := range MessageTypes() {
		if kind, isRow := strings.CutPrefix(messageType, TypeRow); isRow {
			checkRowSchema(t, Kind(kind))
			continue
		}
		if diff := cmp.Diff(shapeOf(types[messageType]), dropEnums(readShape(t, messageType))); diff != "" {
			t.Errorf("%s (-struct +schema):\n%s", messageType, diff)
		}
	}
}

func checkRowSchema(t *testing.T, k Kind) {
	t.Helper()
	got := readShape(t, TypeRow+string(k))
	want := []string{"extra", "ambiguous", "row"}
	for _, c := range k.Columns() {
		want = append(want, c.Name)
		var typ any = "string"
		format := ""
		switch c.Type {
		case Integer:
			typ = []any{"integer", "string"}
		case Time, TimeUTC:
			format = "date-time"
			if c.Type == Time && !slices.Contains(got.Properties["ambiguous"].Items.Enum, c.Name) {
				t.Errorf("%s: ambiguous does not name %s", k, c.Name)
			}
		}
		if p := got.Properties[c.Name]; !cmp.Equal(p.Type, typ) || p.Format != format {
			t.Errorf("%s: column %s is %v %q, want %v %q", k, c.Name, p.Type, p.Format, typ, format)
		}
	}
	var names []string
	for name := range got.Properties {
		names = append(names, name)
	}
	slices.Sort(want)
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("%s (-columns +schema):\n%s", k, diff)
	}
}

// TestSchemaEnums holds the closed sets of the schemas against the code.
func TestSchemaEnums(t *testing.T) {
	event := readShape(t, TypeEvent)
	for _, info := range EventTable() {
		if !slices.Contains(event.Properties["group"].Enum, string(info.Group)) {
			t.Errorf("%s: group %q is not in the schema", info.Type, info.Group)
		}
		if info.State != "" && !slices.Contains(event.Properties["state"].Enum, string(info.State)) {
			t.Errorf("%s: state %q is not in the schema", info.Type, info.State)
		}
	}
	groups := []string{"state", "call", "media", "conference", "chat", "supervision", "phone", "session", "other"} // gap is of gaps
	if diff := cmp.Diff(groups, event.Properties["group"].Enum); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(groups, readAsyncAPI(t).groups()); diff != "" {
		t.Errorf("asyncapi: %s", diff)
	}
	states := []string{"ready", "not_ready", "rest", "wrapup", "on_call", "signed_out", "unknown"}
	if diff := cmp.Diff(states, readShape(t, TypeHeartbeat).Properties["state"].Enum); diff != "" {
		t.Error(diff)
	}
	var kinds []string
	for _, k := range Kinds() {
		kinds = append(kinds, string(k))
	}
	for _, typ := range []string{TypeFileReady, TypeWindowComplete, TypeCoverage} {
		if diff := cmp.Diff(kinds, readShape(t, typ).Properties["kind"].Enum); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
	}
}
