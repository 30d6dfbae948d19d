package entries_test

import (
	"encoding/json"
	"testing"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/entries"
)

// TestTypesOfKeys: each key of the contract has its type, and others have none.
func TestTypesOfKeys(t *testing.T) {
	w := schemas.Window{From: time.Unix(0, 0), To: time.Unix(3600, 0)}
	for _, c := range []struct {
		bucket schemas.Bucket
		key    string
		want   entries.Type
	}{
		{schemas.BucketState, schemas.AgentKey("acme", "101"), entries.State},
		{schemas.BucketSessions, schemas.AgentKey("acme", "1.0"), entries.Session},
		{schemas.BucketClients, schemas.AgentKey("acme", "101"), entries.Clients},
		{schemas.BucketWindows, schemas.WindowKey("acme", schemas.KindCDR, w), entries.Window},
		{schemas.BucketWindows, schemas.UnmatchedKey("acme", "0123456789abcdef0123456789abcdef"), entries.Notice},
		{schemas.BucketWindows, schemas.BudgetKey("0123"), entries.Budget},
		{schemas.BucketLeases, schemas.LeaseKey("acme", "7"), entries.Lease},
		{schemas.BucketLeases, schemas.LeaseKey("acme", "7") + ".epoch", entries.Epoch},
		{schemas.BucketLeases, schemas.LeaseKey("acme", "bridges") + ".b1", entries.Member},
		{schemas.BucketPulse, "acme.=.20261130.900", entries.Pulse},
		{schemas.BucketState, "acme", ""},
		{schemas.BucketWindows, "acme.other.x", ""},
		{schemas.BucketWindows, "acme.cdr", ""},
		{schemas.BucketLeases, "acme.7.other", ""},
		{schemas.BucketQuarantine, "acme.7", ""},
	} {
		got, ok := entries.Of(c.bucket, c.key)
		if ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s %s: %q %t, want %q", c.bucket, c.key, got, ok, c.want)
		}
	}
}

// TestEveryTypeHasASchema: it is JSON, names itself, and says where its entries are.
func TestEveryTypeHasASchema(t *testing.T) {
	seen := map[string]bool{}
	for _, typ := range entries.Types() {
		data, ok := entries.JSONSchema(typ)
		var doc struct {
			ID          string `json:"$id"`
			Description string
		}
		if !ok || json.Unmarshal(data, &doc) != nil || doc.ID == "" || doc.Description == "" || seen[doc.ID] {
			t.Errorf("%s: %t %s", typ, ok, data)
		}
		seen[doc.ID] = true
	}
	if _, ok := entries.JSONSchema("aicc.v1.entry.other"); ok {
		t.Error("a schema of an unknown type")
	}
}
