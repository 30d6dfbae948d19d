package world

import (
	"encoding/json"
	"time"

	"aiccbridge/internal/platformsim/world/ledger"
)

// Event is one agent event as the gateway queues it.
type Event struct {
	At      time.Time
	Type    string          // the platform's own name
	Content json.RawMessage // nil prints as JSON null
}

// encode prints a content; nil stays nil. The types above cannot fail.
func encode(content any) json.RawMessage {
	if content == nil {
		return nil
	}
	b, err := json.Marshal(content)
	if err != nil {
		return nil
	}
	return b
}

// The rows that the file store extracts are those of package ledger.
type (
	Kind = ledger.Kind
	Row  = ledger.Row
)

// The kinds the file store extracts, and how it prints.
const (
	Call       = ledger.Call
	Record     = ledger.Record
	Operation  = ledger.Operation
	SkillGrant = ledger.SkillGrant

	TimeLayout = ledger.TimeLayout
	UTCColumn  = ledger.UTCColumn
)

// Read only.
var (
	Words    = ledger.Words
	Columns  = ledger.Columns
	Editions = ledger.Editions
)
