package poller

import (
	"bytes"
	"encoding/json"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"
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

// normalise is [normalise] under the policy. The fields of the event are made of
// what the policy leaves of its content, and then treated by their own names.
func (o Options) normalise(e ccgateway.Event, from origin) (event schemas.Event, ends bool) {
	if o.Privacy == nil {
		return normalise(e, from)
	}
	e.Content = o.Privacy.JSON(e.Content)
	event, ends = normalise(e, from)
	o.concealFields(&event)
	return event, ends
}

// sessionEvent is [sessionEvent] under the policy. The gateway's text in it is free:
// it may even hold credentials, which are masked under any policy.
func (o Options) sessionEvent(eventType string, content *sessionContent, from origin) (schemas.Event, error) {
	if content != nil {
		concealed := *content
		concealed.Message = o.concealText(string(mask([]byte(content.Message))))
		content = &concealed
	}
	event, err := sessionEvent(eventType, content, from)
	if o.Privacy != nil && err == nil {
		event.Content = o.Privacy.JSON(event.Content)
		o.concealFields(&event)
	}
	return event, err
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

func (o Options) concealFields(e *schemas.Event) {
	for _, f := range eventFields {
		if value := f.field(e); *value != "" {
			*value, _ = o.Privacy.Cell(f.name, *value)
		}
	}
}

// concealOriginal treats the foreign bytes of a dead letter. Only an object has
// names to go by.
func (o Options) concealOriginal(body []byte) []byte {
	switch {
	case o.Privacy == nil:
		return body
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")):
		return o.Privacy.JSON(body)
	}
	return o.Privacy.Text(body)
}

// concealText treats text that may quote the platform.
func (o Options) concealText(text string) string {
	if o.Privacy == nil {
		return text
	}
	return string(o.Privacy.Text([]byte(text)))
}
