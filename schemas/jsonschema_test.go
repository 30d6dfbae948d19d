package schemas_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
	"aiccbridge/schemas/events"
	"aiccbridge/schemas/internal/schematest"
	"aiccbridge/schemas/rows"
)

func TestMessagesFollowTheirSchemas(t *testing.T) {
	for typ, m := range testMessages(t) {
		schema := schematest.Compile(t, typ)
		want := "urn:aicc:schema:" + strings.ReplaceAll(strings.TrimPrefix(typ, "aicc."), ".", ":")
		said := m.Schema
		if m.Row != "" { // their type says it
			said = want
		}
		if schema.ID != want || said != want || schema.DraftVersion != 2020 {
			t.Errorf("%s: $id %q (draft %d), ce-dataschema %q, want %q", typ, schema.ID, schema.DraftVersion, m.Schema, want)
		}
		if err := schematest.Validate(t, schema, m.Body); err != nil {
			t.Error(err)
		}
		var body map[string]json.RawMessage
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatal(err)
		}
		for _, name := range schema.Required { // each requirement bites
			without := without(t, body, name)
			if schematest.Validate(t, schema, without) == nil {
				t.Errorf("%s: accepted without %s", typ, name)
			}
		}
	}
	if _, ok := schemas.JSONSchema("aicc.v1.row.other"); ok {
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
	schema := schematest.Compile(t, schemas.TypeEvent)
	data, err := os.ReadFile("testdata/events.golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		if err := schematest.Validate(t, schema, line); err != nil {
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
	data, _ := schemas.JSONSchema(messageType)
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
	case typ == reflect.TypeFor[schemas.Window](), typ.Kind() == reflect.String:
		return shape{Type: "string"}
	case typ.Kind() == reflect.Bool:
		return shape{Type: "boolean"}
	case typ.Kind() == reflect.Float64:
		return shape{Type: "number"}
	case typ.Kind() == reflect.Struct:
		return shapeOf(typ)
	case typ.Kind() == reflect.Pointer:
		return shapeOfField(typ.Elem())
	case typ.Kind() == reflect.Slice:
		items := shapeOfField(typ.Elem())
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
		schemas.TypeEvent: reflect.TypeFor[schemas.Event](), schemas.TypeGap: reflect.TypeFor[schemas.Gap](), schemas.TypeHeartbeat: reflect.TypeFor[schemas.Heartbeat](),
		schemas.TypeFileReady: reflect.TypeFor[schemas.FileReady](), schemas.TypeWindowComplete: reflect.TypeFor[schemas.WindowComplete](),
		schemas.TypeCall: reflect.TypeFor[schemas.Call](), schemas.TypeCallsComplete: reflect.TypeFor[schemas.CallsComplete](),
		schemas.TypeRecording: reflect.TypeFor[schemas.Recording](),
		schemas.TypeCoverage:  reflect.TypeFor[schemas.Coverage](), schemas.TypeDrift: reflect.TypeFor[schemas.Drift](), schemas.TypeReconcile: reflect.TypeFor[comparison.Statement](), schemas.TypeReconcileDay: reflect.TypeFor[comparison.Day](),
		schemas.TypeReconstructed: reflect.TypeFor[comparison.Reconstructed](),
		schemas.TypeAudit:         reflect.TypeFor[schemas.Audit](), schemas.TypeDeadLetter: reflect.TypeFor[schemas.DeadLetter](), schemas.TypeResolved: reflect.TypeFor[schemas.Resolved](),
	}
	for _, messageType := range schemas.MessageTypes() {
		if kind, isRow := strings.CutPrefix(messageType, schemas.TypeRow); isRow {
			checkRowSchema(t, schemas.Kind(kind))
			continue
		}
		if diff := cmp.Diff(shapeOf(types[messageType]), dropEnums(readShape(t, messageType))); diff != "" {
			t.Errorf("%s (-struct +schema):\n%s", messageType, diff)
		}
	}
}

func checkRowSchema(t *testing.T, k schemas.Kind) {
	t.Helper()
	got := readShape(t, schemas.TypeRow+string(k))
	want := []string{"tenant", "kind", "window", "unparsed", "extra", "ambiguous", "row"}
	var named, typed []string
	for _, c := range rows.Columns(k) {
		want = append(want, c.Name)
		if c.Named() {
			named = append(named, c.Name)
		}
		if c.Type != rows.Text {
			typed = append(typed, c.Name)
		}
		var typ any = "string"
		format := ""
		switch c.Type {
		case rows.Integer:
			typ = "integer"
			checkCodes(t, k, c.Name)
		case rows.Time, rows.TimeUTC:
			format = "date-time"
			if c.Type == rows.Time && !slices.Contains(got.Properties["ambiguous"].Items.Enum, c.Name) {
				t.Errorf("%s: ambiguous does not name %s", k, c.Name)
			}
		}
		if p := got.Properties[c.Name]; !cmp.Equal(p.Type, typ) || p.Format != format {
			t.Errorf("%s: column %s is %v %q, want %v %q", k, c.Name, p.Type, p.Format, typ, format)
		}
	}
	for _, s := range rows.Spans(k) {
		want = append(want, s.Name)
		if p := got.Properties[s.Name]; p.Type != "integer" {
			t.Errorf("%s: duration %s is %v", k, s.Name, p.Type)
		}
	}
	if len(named) > 0 {
		want = append(want, "names")
	}
	checkMembers(t, k, want, got)
	checkMembers(t, k, named, got.Properties["names"])
	checkMembers(t, k, typed, got.Properties["unparsed"])
}

// checkMembers holds the names of a schema's properties against the code.
func checkMembers(t *testing.T, k schemas.Kind, want []string, got shape) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got.Properties))); diff != "" {
		t.Errorf("%s (-columns +schema):\n%s", k, diff)
	}
}

// checkCodes holds the titles of a column's codes against what rows are given as names.
func checkCodes(t *testing.T, k schemas.Kind, column string) {
	t.Helper()
	var schema struct {
		Properties map[string]struct {
			OneOf []struct {
				Const *int64
				Title string
			}
		}
	}
	data, _ := schemas.JSONSchema(schemas.TypeRow + string(k))
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	var got map[int64]string
	for _, code := range schema.Properties[column].OneOf {
		if code.Const == nil {
			continue // any other
		}
		if got == nil {
			got = map[int64]string{}
		}
		got[*code.Const] = code.Title
	}
	if diff := cmp.Diff(rows.Codes(k, column), got); diff != "" {
		t.Errorf("%s, %s (-code +schema):\n%s", k, column, diff)
	}
}

// TestSchemaEnums holds the closed sets of the schemas against the code.
func TestSchemaEnums(t *testing.T) {
	event := readShape(t, schemas.TypeEvent)
	for _, info := range events.Table() {
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
	var ways []string
	for _, w := range schemas.Ways() {
		ways = append(ways, string(w))
	}
	if diff := cmp.Diff(ways, event.Properties["via"].Enum); diff != "" {
		t.Error(diff)
	}
	states := []string{"ready", "not_ready", "rest", "wrapup", "on_call", "signed_out", "unknown"}
	if diff := cmp.Diff(states, readShape(t, schemas.TypeHeartbeat).Properties["state"].Enum); diff != "" {
		t.Error(diff)
	}
	var kinds []string
	for _, k := range schemas.Kinds() {
		kinds = append(kinds, string(k))
	}
	for _, typ := range []string{schemas.TypeFileReady, schemas.TypeWindowComplete, schemas.TypeCoverage, schemas.TypeDrift, schemas.TypeAudit, schemas.TypeDeadLetter, schemas.TypeResolved} {
		if diff := cmp.Diff(kinds, readShape(t, typ).Properties["kind"].Enum); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
	}
}
