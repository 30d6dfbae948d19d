package conform

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"aiccbridge/schemas"
	"aiccbridge/schemas/entries"
	"aiccbridge/schemas/requests"
)

// Types are all types that have a JSON Schema: those of messages, of entries of buckets, and
// of what bridges are asked and answer.
func Types() []string {
	all := schemas.MessageTypes()
	for _, t := range entries.Types() {
		all = append(all, string(t))
	}
	return append(all, requests.Types()...)
}

// JSONSchema is the JSON Schema of a type; false for an unknown one.
func JSONSchema(typ string) (doc []byte, ok bool) {
	if doc, ok = schemas.JSONSchema(typ); !ok {
		doc, ok = entries.JSONSchema(entries.Type(typ))
	}
	if !ok {
		doc, ok = requests.JSONSchema(typ)
	}
	return doc, ok
}

// idOf is the $id of a type's schema.
func idOf(typ string) string {
	return urn + strings.ReplaceAll(strings.TrimPrefix(typ, "aicc."), ".", ":")
}

const urn = "urn:aicc:schema:"

// catalog loads schemas by their $id.
type catalog struct{}

// Load implements the library's loader.
func (catalog) Load(id string) (any, error) {
	doc, ok := JSONSchema("aicc." + strings.ReplaceAll(strings.TrimPrefix(id, urn), ":", "."))
	if !ok {
		return nil, fmt.Errorf("load schema %s: %w", id, errors.ErrUnsupported)
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(doc))
}
