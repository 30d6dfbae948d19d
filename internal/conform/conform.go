// Package conform holds what a hub has against the published contract: every message against
// the JSON Schema of its type, every value of a bucket against that of its key, the CloudEvents
// attributes and the subject against the stream. It has the schemas of all types.
//
// Of ours it imports schemas, schemas/entries and schemas/requests.
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
	_, known := schemas.JSONSchema(t)
	switch {
	case m.Get("ce-specversion") != "1.0" || m.Get("ce-id") == "" || m.Get("ce-source") == "":
		return errors.New("an attribute that CloudEvents ask for is missing: ce-specversion, ce-id or ce-source")
	case !known:
		return fmt.Errorf("ce-type %q is none of the contract's", t)
	}
	if said := m.Get("ce-dataschema"); said != "" && said != idOf(t) {
		return fmt.Errorf("ce-dataschema is %s, and of its type %s", said, idOf(t))
	}
	return c.Body(t, m.Body)
}

// Entry reports what is wrong with a value of a bucket.
func (c *Checker) Entry(bucket schemas.Bucket, key string, value []byte) error {
	t, known := entries.Of(bucket, key)
	if !known {
		return fmt.Errorf("key %s is none of the contract's", key)
	}
	return c.Body(string(t), value)
}

// Body reports what is wrong with a body of a type, which may be one of [Types].
func (c *Checker) Body(typ string, body []byte) error {
	schema, err := c.compile(typ)
	if err != nil {
		return err
	}
	return check(schema, body)
}

func (c *Checker) compile(typ string) (*jsonschema.Schema, error) {
	if s := c.compiled[typ]; s != nil {
		return s, nil
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(catalog{})
	s, err := compiler.Compile(idOf(typ))
	if err != nil {
		return nil, fmt.Errorf("compile the schema of %s: %w", typ, err)
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
