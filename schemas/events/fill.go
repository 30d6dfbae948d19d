package events

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"aiccbridge/schemas"
)

// contentFields maps content fields, in lower case because releases differ in
// theirs, onto the fields of Event. Of several names the first with a value wins.
var contentFields = []struct {
	names []string
	field func(*schemas.Event) *string
}{
	{[]string{"callid"}, func(e *schemas.Event) *string { return &e.CallID }},
	{[]string{"caller", "addrcaller"}, func(e *schemas.Event) *string { return &e.Caller }},
	{[]string{"called", "addrcalled"}, func(e *schemas.Event) *string { return &e.Called }},
	{[]string{"otherphone", "number", "partner", "participant", "sender", "monitoredagent", "qcagentid"}, func(e *schemas.Event) *string { return &e.OtherParty }},
	{[]string{"type"}, func(e *schemas.Event) *string { return &e.CallRole }},
	{[]string{"feature"}, func(e *schemas.Event) *string { return &e.CallFeature }},
	{[]string{"mediatype"}, func(e *schemas.Event) *string { return &e.MediaType }},
	{[]string{"mediaability"}, func(e *schemas.Event) *string { return &e.MediaAbility }},
	{[]string{"skillid"}, func(e *schemas.Event) *string { return &e.SkillID }},
	{[]string{"reason", "cause", "changereason"}, func(e *schemas.Event) *string { return &e.Reason }},
	{[]string{"result"}, func(e *schemas.Event) *string { return &e.Result }},
	{[]string{"taskid"}, func(e *schemas.Event) *string { return &e.TaskID }},
	{[]string{"recordid"}, func(e *schemas.Event) *string { return &e.RecordingID }},
	{[]string{"confid", "conferenceid"}, func(e *schemas.Event) *string { return &e.ConferenceID }},
}

// callIDPattern is a call id: seconds since 1970, hyphen, handle.
var callIDPattern = regexp.MustCompile(`^\d{9,11}-\d{1,10}$`)

// Fill sets what the table and the content say of an event: group, name, state,
// the call's fields, and the content itself with the values of [SecretFields]
// redacted; blanks and NULs around its type are removed. Content that is absent
// or null is left out. It never fails: values may be strings, numbers or
// booleans, keys of any case; what has another form stays in the content only,
// and content that is not JSON is published as one JSON string.
func (i Info) Fill(e *schemas.Event, content json.RawMessage) {
	e.Type, e.Group, e.Name, e.State = trimType(e.Type), i.Group, i.Name, i.State
	content = json.RawMessage(bytes.Trim(content, " \t\r\n"))
	if len(content) == 0 || string(content) == "null" {
		return
	}
	if !utf8.Valid(content) {
		content = bytes.ToValidUTF8(content, []byte("\ufffd"))
	}
	e.Content = i.redact(content)
	if !json.Valid(content) || string(e.Content) == redacted {
		return
	}
	e.RepeatedKeys = repeated(e.Content, nil, maxDepth)
	fields, ok := members(e.Content) // of what is published: it has no credentials
	if !ok {
		if text := scalar(e.Content); i.StringCallID || callIDPattern.MatchString(text) {
			e.CallID = text
		}
		return
	}
	for _, f := range contentFields {
		for _, name := range f.names {
			if fields.twofold(name) { // another name would be a guess
				break
			}
			if *f.field(e) = scalar(fields.one(name)); *f.field(e) != "" {
				break
			}
		}
	}
	if e.CallID == "" && i.StringCallID {
		e.CallID = scalar(e.Content)
	}
}

// scalar reads a string, number or boolean as text; an object that names a call
// ({time, handle}) or a device ({address}) as that. Everything else is "".
func scalar(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || raw[0] == 'n' || raw[0] == '[':
		return ""
	case raw[0] == '"':
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return ""
		}
		return strings.Trim(text, " \t\r\n\x00")
	case raw[0] == '{':
		parts, ok := members(raw)
		if !ok {
			return ""
		}
		return joined(parts)
	case json.Valid(raw):
		return string(raw)
	}
	return ""
}

func joined(parts object) string {
	// Only flat parts: an object inside an object is nothing we know.
	flat := func(name string) string {
		if raw := parts.one(name); len(raw) > 0 && raw[0] != '{' {
			return scalar(raw)
		}
		return ""
	}
	if t, handle := flat("time"), flat("handle"); t != "" && handle != "" {
		return t + "-" + handle
	}
	return flat("address")
}
