// Package schematest has what the tests of schemas and of the packages below it share: one
// tenant's names, a file of each kind with a record, and the published JSON Schemas.
// Only tests import it. It imports schemas.
package schematest

import (
	"bytes"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"aiccbridge/schemas"
)

// Names returns the names below the default prefix.
func Names(t testing.TB) schemas.Names {
	t.Helper()
	n, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// At is a minute of the hour in which New York turns its clocks back.
func At(minute int) time.Time { return time.Date(2026, 11, 1, 1, minute, 0, 0, time.UTC) }

// ResponseID is that of [File].
const ResponseID = "0123456789abcdef0123456789abcdef"

// File is a file of one kind, with an hour before [At] 0.
func File(k schemas.Kind) schemas.FileReady {
	return schemas.FileReady{
		Tenant: "acme", Kind: k, Window: schemas.Window{From: At(0).Add(-time.Hour), To: At(0)}, ResponseID: ResponseID,
		FileName: "20261101_" + ResponseID + ".zip", AccountID: "202405019999", ReceivedAt: At(16), Via: schemas.ViaCallback,
	}
}

// Records holds one record per kind, by position.
var Records = map[schemas.Kind]string{
	schemas.KindCDR:       "testak01,202405019999,1,101,1714525260-1001,5550100,5550199,2024-05-01 09:00:30,null,,,2024/05/01 09:01:00,1970-01-01 00:00:00,2,101,007,0,-1,39,1,12,12,12,sales,15,NULL,,five,0,NULL,beyond",
	schemas.KindRecording: `testak01,202405019999,1,101,1714525260-1001,5550100,5550199,2024-05-01 09:01:00,2024-05-01T09:04:10.250,/10/1/record/39/20240501/101/32460000.wav,0,\N,X:\39\0\20240501\101\32460000.V3,39,0,5,12,12`,
	schemas.KindOperation: "9000002,testak01,202405019999,101,,12,1714525260-1001,2026-11-01 01:30:00,soon,38,-1,0,5,39,1,4,,0,0,1714525198-7,3",
	schemas.KindSkill:     "9000003,testak01,202405019999,1,39,101,1714525198000,291,1,12;13,1714525198-7,1,,0,2024-05-01 00:59:58,5",
}

// Compile compiles the published schema of a message type.
func Compile(t testing.TB, messageType string) *jsonschema.Schema {
	t.Helper()
	data, ok := schemas.JSONSchema(messageType)
	if !ok {
		t.Fatalf("no schema of %s", messageType)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	urn, _ := doc.(map[string]any)["$id"].(string)
	if err := c.AddResource(urn, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(urn)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Validate reports what a schema has against a body.
func Validate(t testing.TB, schema *jsonschema.Schema, body []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return schema.Validate(value)
}
