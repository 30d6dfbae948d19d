package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
	"aiccbridge/schemas/internal/schematest"
)

func FuzzFill(f *testing.F) {
	for _, s := range []string{
		`{"callid":"1456401416-3","type":true}`, `"1456401416-3"`, `{"callId":{"time":1,"handle":"x"}}`, `null`, `{a:1}`,
		`{"signature":{"a":["s"]},"b":"\ud800"}`, `{"d":" {\"token\":1}\u0000"}`, `{"d":["{\"a\":\"\\ud800\",\"pwd\":[]}"]}`, `"\"token=x\""`, `55E55555050`, `"{\"signature\":1}"`, `[[[{"signature":1}]]]`, "\"\xff\"",
	} {
		f.Add("AgentEvent_RequestConnect", s)
		f.Add("AgentEvent_Hold", s)
		f.Add("Odd\x00Type", s)
	}
	n := schematest.Names(f)
	schema := schematest.Compile(f, schemas.TypeEvent)
	f.Fuzz(func(t *testing.T, eventType, content string) {
		info, _ := events.Lookup(eventType)
		e := schemas.Event{Via: schemas.WayPoll, Tenant: "acme", Agent: "1", Type: "x", ReceivedAt: schematest.At(0), Position: schemas.Position{Epoch: 1, Seq: 1}}
		info.Fill(&e, json.RawMessage(content))
		m, err := n.EventMessage(e)
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(m.Body) {
			t.Fatalf("body %q is not UTF-8", m.Body)
		}
		if err := schematest.Validate(t, schema, m.Body); err != nil {
			t.Fatal(err)
		}
		trimmed := strings.Trim(content, " \t\r\n")
		if json.Valid([]byte(content)) && utf8.ValidString(content) && trimmed != "null" && !mayHoldSecret(info, content) && string(e.Content) != trimmed {
			t.Fatalf("content %q became %q", content, e.Content)
		}
		checkRedacted(t, e.Content)
	})
}

// mayHoldSecret reports content in which a secret is named, or that may hold one
// and cannot be searched, escaped names included.
func mayHoldSecret(info events.Info, content string) bool {
	low := strings.ToLower(content)
	return strings.Contains(low, `\u`) || slices.ContainsFunc(events.SecretFields(), func(s string) bool { return strings.Contains(low, strings.ToLower(s)) }) ||
		info.Name == "request_connect" && strings.HasPrefix(strings.Trim(content, " \t\r\n"), `"`)
}

// decodeJSON decodes a whole JSON text; numbers may be of any size.
func decodeJSON(text []byte) (value any, err error) {
	if !json.Valid(text) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

// checkRedacted fails when a secret field of an object has a value, in JSON
// within strings too.
func checkRedacted(t *testing.T, content []byte) {
	t.Helper()
	if len(content) == 0 {
		return
	}
	value, err := decodeJSON(content)
	if err != nil {
		t.Fatal(err)
	}
	secret := func(key string) bool {
		return slices.ContainsFunc(events.SecretFields(), func(s string) bool { return strings.EqualFold(s, key) })
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, member := range v {
				if secret(key) && member != "***" {
					t.Fatalf("%s: %s is not redacted", content, key)
				}
				walk(member)
			}
		case []any:
			for _, element := range v {
				walk(element)
			}
		case string:
			if inner, err := decodeJSON([]byte(strings.Trim(v, " \t\r\n\x00"))); err == nil {
				walk(inner)
			}
		}
	}
	walk(value)
}
