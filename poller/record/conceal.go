package record

import (
	"bytes"
	"encoding/json"

	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// Privacy says what stays of personal data. It is asked before a message is made,
// so no store ever holds more.
type Privacy interface {
	// JSON treats the fields of a JSON text by their names, at any depth; what is
	// not JSON it treats as Text does.
	JSON(raw json.RawMessage) json.RawMessage
	// Cell treats one value by its field's name; false: nothing stays.
	Cell(name, value string) (string, bool)
	// Text treats what cannot be decoded.
	Text(text []byte) []byte
}

// concealer puts a policy to work; with none everything stays.
type concealer struct {
	policy Privacy // nil: none
}

// event is what may be published of an event of the platform. A policy goes by the
// platform's names, so it is asked about the content as it came, and the fields are
// read from what it leaves of that; then they are treated by their own names.
func (c concealer) event(plain schemas.Event, content json.RawMessage) schemas.Event {
	if c.policy == nil {
		return plain
	}
	hidden := schemas.Event{
		Tenant: plain.Tenant, Agent: plain.Agent, Type: plain.Type, NamedAgent: plain.NamedAgent,
		OccurredAt: plain.OccurredAt, ReceivedAt: plain.ReceivedAt, Position: plain.Position, Repeated: plain.Repeated,
		OccurredAfter: plain.OccurredAfter, OccurredBefore: plain.OccurredBefore, Via: plain.Via, Reconstructed: plain.Reconstructed,
	}
	info, _ := events.Lookup(plain.Type)
	info.Fill(&hidden, c.policy.JSON(content))
	hidden.State = plain.State
	c.fields(&hidden)
	return hidden
}

// sessionContent is what may be published of a session event's content: the gateway's
// text in it is free, it may even hold credentials, which are masked under any policy.
func (c concealer) sessionContent(content *SessionContent) *SessionContent {
	if content == nil {
		return nil
	}
	hidden := *content
	hidden.Message = c.text(string(mask([]byte(content.Message))))
	return &hidden
}

// sessionEvent is what may be published of one of the bridge's own events.
func (c concealer) sessionEvent(e schemas.Event) schemas.Event {
	if c.policy != nil {
		e.Content = c.policy.JSON(e.Content)
		c.fields(&e)
	}
	return e
}

// eventFields are the fields of an event that come from its content, by the names
// of their keys.
var eventFields = []struct {
	name  string
	field func(*schemas.Event) *string
}{
	{"call_id", func(e *schemas.Event) *string { return &e.CallID }},
	{"caller", func(e *schemas.Event) *string { return &e.Caller }},
	{"called", func(e *schemas.Event) *string { return &e.Called }},
	{"other_party", func(e *schemas.Event) *string { return &e.OtherParty }},
	{"call_role", func(e *schemas.Event) *string { return &e.CallRole }},
	{"call_feature", func(e *schemas.Event) *string { return &e.CallFeature }},
	{"media_type", func(e *schemas.Event) *string { return &e.MediaType }},
	{"media_ability", func(e *schemas.Event) *string { return &e.MediaAbility }},
	{"skill_id", func(e *schemas.Event) *string { return &e.SkillID }},
	{"reason", func(e *schemas.Event) *string { return &e.Reason }},
	{"result", func(e *schemas.Event) *string { return &e.Result }},
	{"task_id", func(e *schemas.Event) *string { return &e.TaskID }},
	{"recording_id", func(e *schemas.Event) *string { return &e.RecordingID }},
	{"conference_id", func(e *schemas.Event) *string { return &e.ConferenceID }},
	{"named_agent", func(e *schemas.Event) *string { return &e.NamedAgent }},
}

func (c concealer) fields(e *schemas.Event) {
	for _, f := range eventFields {
		if value := f.field(e); *value != "" {
			*value, _ = c.policy.Cell(f.name, *value)
		}
	}
}

// original treats the foreign bytes of a dead letter. Only an object has
// names to go by.
func (c concealer) original(body []byte) []byte {
	switch {
	case c.policy == nil:
		return body
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")):
		return c.policy.JSON(body)
	}
	return c.policy.Text(body)
}

// text treats text that may quote the platform.
func (c concealer) text(text string) string {
	if c.policy == nil {
		return text
	}
	return string(c.policy.Text([]byte(text)))
}
