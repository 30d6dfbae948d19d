// Package conform holds what a hub has against the published contract: every message against
// the JSON Schema of its type, every value of a bucket against that of its key, the CloudEvents
// attributes and the subject against the stream.
//
// Of ours it imports schemas and schemas/entries.
package conform

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"aiccbridge/schemas"
	"aiccbridge/schemas/entries"
)

// Checker checks messages and entries. It is not for concurrent use.
type Checker struct {
	names    schemas.Names
	compiled map[string]*jsonschema.Schema // by their types
}

// New makes a checker for the names below a prefix.
func New(n schemas.Names) *Checker {
	return &Checker{names: n, compiled: map[string]*jsonschema.Schema{}}
}

// Message reports what is wrong with a message of a stream.
func (c *Checker) Message(stream schemas.Stream, m schemas.Stored) error {
	if !c.names.InStream(stream, m.Subject) {
		return fmt.Errorf("subject %s is none of the contract's", m.Subject)
	}
	t := m.Get("ce-type")
	doc, known := schemas.JSONSchema(t)
	switch {
	case m.Get("ce-specversion") != "1.0" || m.Get("ce-id") == "" || m.Get("ce-source") == "":
		return errors.New("an attribute that CloudEvents ask for is missing: ce-specversion, ce-id or ce-source")
	case !known:
		return fmt.Errorf("ce-type %q is none of the contract's", t)
	}
	schema, err := c.compile(t, doc)
	if err != nil {
		return err
	}
	if said := m.Get("ce-dataschema"); said != "" && said != schema.ID {
		return fmt.Errorf("ce-dataschema is %s, and of its type %s", said, schema.ID)
	}
	return check(schema, m.Body)
}

// Entry reports what is wrong with a value of a bucket.
func (c *Checker) Entry(bucket schemas.Bucket, key string, value []byte) error {
	t, known := entries.Of(bucket, key)
	doc, _ := entries.JSONSchema(t)
	if !known {
		return fmt.Errorf("key %s is none of the contract's", key)
	}
	schema, err := c.compile(string(t), doc)
	if err != nil {
		return err
	}
	return check(schema, value)
}

func (c *Checker) compile(typ string, document []byte) (*jsonschema.Schema, error) {
	if s := c.compiled[typ]; s != nil {
		return s, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read a schema: %w", err)
	}
	object, _ := doc.(map[string]any)
	id, _ := object["$id"].(string)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(id, doc); err != nil {
		return nil, fmt.Errorf("read schema %s: %w", id, err)
	}
	s, err := compiler.Compile(id)
	if err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", id, err)
	}
	c.compiled[typ] = s
	return s, nil
}

// check says where a body differs from its schema, and not what it holds: bodies have phone
// numbers.
func check(schema *jsonschema.Schema, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return errors.New("the body is not JSON")
	}
	var invalid *jsonschema.ValidationError
	switch err := schema.Validate(value); {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		var found []string
		leaves(invalid, func(e *jsonschema.ValidationError) {
			where := "/" + strings.Join(e.InstanceLocation, "/")
			found = append(found, where+" is against "+strings.Join(e.ErrorKind.KeywordPath(), "/"))
		})
		slices.Sort(found)
		return errors.New(strings.Join(slices.Compact(found), "; "))
	default:
		return err
	}
}

// leaves calls f for the causes that have none themselves.
func leaves(e *jsonschema.ValidationError, f func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		f(e)
	}
	for _, c := range e.Causes {
		leaves(c, f)
	}
}
