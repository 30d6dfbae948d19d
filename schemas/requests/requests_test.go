package requests_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas/entries"
	"aiccbridge/schemas/requests"
)

// TestEveryTypeHasASchema: it is JSON, is named by its type, and says what it is.
func TestEveryTypeHasASchema(t *testing.T) {
	for _, typ := range requests.Types() {
		data, ok := requests.JSONSchema(typ)
		var doc struct {
			ID          string `json:"$id"`
			Description string
		}
		if !ok || json.Unmarshal(data, &doc) != nil || doc.Description == "" || doc.ID != "urn:aicc:schema:"+strings.ReplaceAll(strings.TrimPrefix(typ, "aicc."), ".", ":") {
			t.Errorf("%s: %t %s", typ, ok, data)
		}
	}
	if all := requests.Types(); len(all) != 2*len(requests.Endpoints()) || !slices.Contains(all, "aicc.v1.request.calls") || !slices.Contains(all, "aicc.v1.answer.status") {
		t.Errorf("the types are %v", all)
	}
	if _, ok := requests.JSONSchema("aicc.v1.answer.other"); ok {
		t.Error("a schema of an unknown type")
	}
}

// TestWindowsAreThoseOfTheBucket: an answer's window is an entry of the ledger, with its meaning.
func TestWindowsAreThoseOfTheBucket(t *testing.T) {
	type object struct {
		Required   []string
		Properties map[string]any
	}
	var answer struct{ Items object }
	var entry object
	entryDoc, _ := entries.JSONSchema(entries.Window)
	answerDoc, _ := requests.JSONSchema(requests.Answer(requests.Windows))
	if err := errors.Join(json.Unmarshal(entryDoc, &entry), json.Unmarshal(answerDoc, &answer)); err != nil {
		t.Fatal(err)
	}
	entry.Required = append(entry.Required, "meaning")
	entry.Properties["meaning"] = answer.Items.Properties["meaning"]
	if diff := cmp.Diff(entry, answer.Items); diff != "" {
		t.Errorf("(-entry +answer):\n%s", diff)
	}
}
