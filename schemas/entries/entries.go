// Package entries is the contract of what the buckets hold: a JSON Schema for each kind of
// entry, and which key holds which. Entries of STATE, WINDOWS and PULSE may be read by everybody;
// those of SESSIONS, CLIENTS and LEASES are the bridges' own. As messages, they only grow.
//
// It imports schemas, and does no I/O.
package entries

import (
	"embed"
	"slices"
	"strings"

	"aiccbridge/schemas"
)

// Type is a kind of entry.
type Type string

// The types.
const (
	State   Type = "aicc.v1.entry.state"   // STATE <tenant>.<agent>
	Session Type = "aicc.v1.entry.session" // SESSIONS <tenant>.<agent>
	Clients Type = "aicc.v1.entry.clients" // CLIENTS <tenant>.<agent>
	Window  Type = "aicc.v1.entry.window"  // WINDOWS <tenant>.<kind>.<window>
	Notice  Type = "aicc.v1.entry.notice"  // WINDOWS <tenant>.unmatched.<response id>
	Budget  Type = "aicc.v1.entry.budget"  // WINDOWS =.budget.<name>
	Lease   Type = "aicc.v1.entry.lease"   // LEASES <tenant>.<partition>
	Epoch   Type = "aicc.v1.entry.epoch"   // LEASES <tenant>.<partition>.epoch
	Member  Type = "aicc.v1.entry.member"  // LEASES <tenant>.bridges.<instance>
	Pulse   Type = "aicc.v1.entry.pulse"   // PULSE <tenant>.<team>.<day>.<slot>
)

// Types are all of them.
func Types() []Type {
	return []Type{State, Session, Clients, Window, Notice, Budget, Lease, Epoch, Member, Pulse}
}

// Buckets are the buckets whose entries have a type.
func Buckets() []schemas.Bucket {
	return []schemas.Bucket{schemas.BucketState, schemas.BucketSessions, schemas.BucketClients, schemas.BucketWindows, schemas.BucketLeases, schemas.BucketPulse}
}

// keys are the patterns of keys; the first that covers a key says its type.
var keys = []struct {
	bucket  schemas.Bucket
	pattern string
	typ     Type
}{
	{schemas.BucketState, "*.*", State},
	{schemas.BucketSessions, "*.*", Session},
	{schemas.BucketClients, "*.*", Clients},
	{schemas.BucketLeases, "*.*", Lease},
	{schemas.BucketLeases, "*.*.epoch", Epoch},
	{schemas.BucketLeases, "*.bridges.*", Member},
	{schemas.BucketPulse, "*.*.*.*", Pulse},
	{schemas.BucketWindows, "=.budget.*", Budget},
	{schemas.BucketWindows, "*.unmatched.*", Notice},
	{schemas.BucketWindows, "*.cdr.*", Window},
	{schemas.BucketWindows, "*.recording.*", Window},
	{schemas.BucketWindows, "*.operation.*", Window},
	{schemas.BucketWindows, "*.skill.*", Window},
}

// Of is the type of a key's value; false for a key that is none of the contract's.
func Of(bucket schemas.Bucket, key string) (Type, bool) {
	for _, k := range keys {
		if k.bucket == bucket && schemas.Covers(k.pattern, key) {
			return k.typ, true
		}
	}
	return "", false
}

//go:embed *.json
var published embed.FS

// JSONSchema is the JSON Schema (draft 2020-12) of a type; false for an unknown one.
func JSONSchema(t Type) ([]byte, bool) {
	if !slices.Contains(Types(), t) {
		return nil, false
	}
	data, err := published.ReadFile(strings.TrimPrefix(string(t), "aicc.v1.entry.") + ".json")
	return data, err == nil
}
