package main

import (
	"bytes"
	"testing"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/conform"
	"aiccbridge/internal/hubtest"
	"aiccbridge/schemas"
)

// TestSchemasAreKept: the bucket gets what it lacks and what has changed, and nothing is written
// again that is there.
func TestSchemasAreKept(t *testing.T) {
	t.Parallel()
	hub, _ := hubtest.Start(t)
	b := kv.Open(hub.Conn(), schemas.BucketSchemas)
	keep := func() (end uint64) {
		t.Helper()
		err := keepSchemas(t.Context(), b)
		if err == nil {
			end, err = b.End(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	keep()
	keys := 0
	if err := b.Each(t.Context(), ">", func(string, schemas.Stored) error { keys++; return nil }); err != nil || keys != len(conform.Types())+1 {
		t.Errorf("%d entries, want one for each type and the AsyncAPI document; %v", keys, err)
	}
	before, err := b.Put(t.Context(), schemas.TypeEvent, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if n := keep(); n <= before || n > before+5 { // one, and perhaps again where an answer was lost
		t.Errorf("%d entries are written for one that differs", n-before)
	}
	want, _ := schemas.JSONSchema(schemas.TypeEvent)
	if got, _, err := b.Get(t.Context(), schemas.TypeEvent); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%.100s %v", got, err)
	}
	if got, _, err := b.Get(t.Context(), asyncAPIKey); err != nil || !bytes.Equal(got, schemas.AsyncAPI()) {
		t.Errorf("%.100s %v", got, err)
	}
}
