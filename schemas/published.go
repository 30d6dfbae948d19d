package schemas

import (
	"embed"
	"slices"
	"strings"
)

// published holds the machine-readable contract. It is written by hand and
// tested against the Go types.
//
//go:embed jsonschema/*.json asyncapi.yaml
var published embed.FS

// MessageTypes returns every ce-type, the four row types included, in a fixed
// order.
func MessageTypes() []string {
	types := []string{TypeEvent, TypeGap, TypeHeartbeat, TypeFileReady}
	for _, k := range kinds {
		types = append(types, TypeRow+string(k))
	}
	return append(types, TypeWindowComplete, TypeCoverage, TypeDeadLetter)
}

// JSONSchema returns the JSON Schema (draft 2020-12) of a message type's body;
// false for an unknown type. Its $id is the ce-dataschema of the messages.
func JSONSchema(messageType string) ([]byte, bool) {
	if !slices.Contains(MessageTypes(), messageType) {
		return nil, false
	}
	data, err := published.ReadFile("jsonschema/" + strings.TrimPrefix(messageType, "aicc.v1.") + ".json")
	return data, err == nil
}

// AsyncAPI returns the AsyncAPI 3 document (YAML) of every subject. It refers
// to the JSON Schemas as ./jsonschema/<type>.json, and spells the default prefix.
func AsyncAPI() []byte {
	data, _ := published.ReadFile("asyncapi.yaml") // embedded: always there
	return data
}
