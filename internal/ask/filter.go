package ask

import (
	"bytes"
	"strings"

	"aiccbridge/schemas"
)

// Filter says which messages are wanted, of all streams.
type Filter struct {
	Tenant, Agent, Call string // "": any
	Kind                schemas.Kind
	NoRows              bool // of rows the markers only
	NoHeartbeats        bool
}

// Wants reports whether a message is wanted.
func (f Filter) Wants(m schemas.Stored) bool {
	t := strings.Split(m.Subject, ".") // <prefix>.v1.<tenant>.<family>.…
	if len(t) < 5 || f.Tenant != "" && t[2] != schemas.EncodeToken(f.Tenant) || !f.about(t[3], t[4]) {
		return false
	}
	typ := m.Get("ce-type")
	if f.NoHeartbeats && typ == schemas.TypeHeartbeat || f.NoRows && strings.HasPrefix(typ, schemas.TypeRow) {
		return false
	}
	return f.Call == "" || bytes.Contains(m.Body, []byte(`"`+f.Call+`"`))
}

// about reports whether a family of subjects is wanted, with what follows it: an agent, or
// a kind.
func (f Filter) about(family, of string) bool {
	agents := family == "agent" || family == "recording"
	if f.Agent != "" && (!agents || of != schemas.EncodeToken(f.Agent)) {
		return false
	}
	return f.Kind == "" || family == "deadletter" || !agents && of == string(f.Kind)
}
