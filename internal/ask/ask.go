package ask

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// Hub is what questions read.
type Hub interface {
	// Read calls f for the messages of a stream that match filter, from a sequence (0: the
	// first) to the end as of the call.
	Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error
	// ReadSince is Read of what was stored at a time or after it.
	ReadSince(ctx context.Context, stream schemas.Stream, filter string, since time.Time, f func(schemas.Stored) error) error
	// ReadNewest is Read of the last message of each subject, without its body.
	ReadNewest(ctx context.Context, stream schemas.Stream, filter string, f func(schemas.Stored) error) error
	// Last is the last message of a subject; found is false when there is none.
	Last(ctx context.Context, filter string) (m schemas.Stored, found bool, err error)
	// Entries calls f for the keys of a bucket that match.
	Entries(ctx context.Context, bucket schemas.Bucket, keys string, f func(key string, e schemas.Stored) error) error
}

// Questions are asked of one hub.
type Questions struct {
	Hub   Hub
	Names schemas.Names
	// Lease names the partition under whose lease an agent is polled.
	Lease func(agent string) string
}

// Scope is whom a question is about.
type Scope struct {
	Tenant string `json:"tenant"` // "": every tenant
	Agent  string `json:"agent"`  // of the tenant; "": every agent
}

// keys match the entries of a bucket by tenant and agent.
func (s Scope) keys() string {
	switch {
	case s.Tenant == "":
		return ">"
	case s.Agent == "":
		return schemas.EncodeToken(s.Tenant) + ".>"
	}
	return schemas.AgentKey(s.Tenant, s.Agent)
}

// events match the messages of agents; "" is all.
func (s Scope) events(n schemas.Names) string {
	switch {
	case s.Tenant == "":
		return ""
	case s.Agent == "":
		return n.Agents(s.Tenant)
	}
	return n.Agent(s.Tenant, s.Agent)
}

// Tenants are those of which the hub knows agents or windows, sorted.
func (q Questions) Tenants(ctx context.Context) ([]string, error) {
	known := map[string]bool{}
	note := func(key string, _ schemas.Stored) error {
		if tenant, _, ok := strings.Cut(key, "."); ok && !strings.HasPrefix(tenant, "=") { // = begins what is no tenant's
			known[decoded(tenant)] = true
		}
		return nil
	}
	err := q.Hub.Entries(ctx, schemas.BucketState, ">", note)
	if err == nil {
		err = q.Hub.Entries(ctx, schemas.BucketWindows, ">", note)
	}
	return slices.Sorted(maps.Keys(known)), err
}

// who is an agent, as buckets and subjects name it: <tenant>.<agent>.
type who string

// about takes a subject of an agent apart: <prefix>.v1.<tenant>.agent.<agent>.<group>.<name>.
func about(subject string) (w who, event string, ok bool) {
	t := strings.Split(subject, ".")
	if len(t) != 7 || t[3] != "agent" {
		return "", "", false
	}
	return who(t[2] + "." + t[4]), t[5] + "." + t[6], true
}

// ids are the tenant and the agent as people know them.
func (w who) ids() (tenant, agent string) {
	t, a, _ := strings.Cut(string(w), ".")
	return decoded(t), decoded(a)
}

// decoded is a token's text; one that is no encoding is taken as it is.
func decoded(token string) string {
	if text, err := schemas.DecodeToken(token); err == nil {
		return text
	}
	return token
}

// read fills a document from a message.
func read[T any](m schemas.Stored) (doc T, err error) {
	if err = json.Unmarshal(m.Body, &doc); err != nil {
		err = fmt.Errorf("decode %s at %d: %w", m.Subject, m.Sequence, err)
	}
	return doc, err
}
