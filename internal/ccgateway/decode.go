package ccgateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"aiccbridge/internal/foreign"
)

// Event is one event of an agent, as the gateway gave it.
type Event struct {
	// Type is the platform's name, e.g. AgentState_Ready; never empty.
	Type string
	// WorkNo is the agent as named in the event; "" if it isn't (some events of
	// supervision): then it is the polled one.
	WorkNo string
	// Content is nil when it is null or absent. It may be an object, a string
	// (a bare call id), or anything else.
	Content json.RawMessage
	// GeneratedAt is eventGenTime in UTC; zero on gateways that don't send it.
	GeneratedAt time.Time
	// Raw is the whole event object: valid JSON in UTF-8, NULs removed.
	Raw json.RawMessage
}

// reply is a decoded answer.
type reply struct {
	Code    string
	Message string
	Events  []Event
	Bad     []json.RawMessage // items of event that are no event
	Result  json.RawMessage
}

// decodeReply reads the body of an answer with status 200. An odd event costs
// neither the code nor the other events, and nothing that may be an event is passed
// over: where names are repeated, or differ in case only, each of their values counts.
// Every error matches ErrUndecodable, and quotes nothing of the body.
func decodeReply(body []byte, contentType string) (reply, error) {
	body = bytes.TrimSpace(foreign.Clean(body, contentType))
	if len(body) == 0 {
		return reply{}, fmt.Errorf("%w: it is empty", ErrUndecodable)
	}
	answer, err := foreign.ParseObject(body)
	if err != nil {
		return reply{}, fmt.Errorf("%w: it is no JSON object", ErrUndecodable)
	}
	items := answer.All("event", "eventList")
	if bare, agreed := answer.Text("eventType"); !agreed || bare.Literal() != "" {
		items = append(items, body) // an event without envelope, or among the members of one
	}
	r := reply{Message: message(answer)}
	for _, item := range items {
		events, bad := decodeEvents(item)
		r.Events, r.Bad = append(r.Events, events...), append(r.Bad, bad...)
	}
	var agreed bool
	if r.Result, agreed = answer.One("result"); !agreed && len(r.Events) == 0 {
		return reply{}, fmt.Errorf("%w: it has two results", ErrUndecodable)
	}
	code, agreed := answer.Text("retcode")
	switch {
	case agreed && code.Literal() != "":
		r.Code = code.Literal()
	case len(r.Events) > 0:
		r.Code = CodeOK
	case !agreed:
		return reply{}, fmt.Errorf("%w: it has two retcodes", ErrUndecodable)
	default:
		return reply{}, fmt.Errorf("%w: it has neither retcode nor event", ErrUndecodable)
	}
	return r, nil
}

// maxIdleBytes limits the answer that is remembered as the one of an idle gateway.
const maxIdleBytes = 1 << 10

// idleAnswer is an answer without event, and what it was decoded to.
type idleAnswer struct {
	body        []byte
	contentType string
	reply       reply
}

// decode is decodeReply. Nearly all answers are those of an idle gateway, which are the
// same byte for byte: the last such is remembered, decoding it costs more than its way here.
func (c *Client) decode(body []byte, contentType string) (reply, error) {
	if idle := c.idle.Load(); idle != nil && idle.contentType == contentType && bytes.Equal(idle.body, body) {
		return idle.reply, nil
	}
	r, err := decodeReply(body, contentType)
	if err == nil && r.Code == CodeOK && len(r.Events)+len(r.Bad)+len(r.Result) == 0 && len(body) <= maxIdleBytes {
		c.idle.Store(&idleAnswer{bytes.Clone(body), contentType, r})
	}
	return r, err
}

// message is the gateway's text; some documentation calls it msg.
func message(answer foreign.Object) string {
	if text := answer.Maybe("message").Literal(); text != "" {
		return text
	}
	return answer.Maybe("msg").Literal()
}

// decodeEvents reads the field event: normally one object, but null, {}, [], blank
// strings and lists occur too. What is neither blank nor an event is in bad.
func decodeEvents(raw json.RawMessage) (events []Event, bad []json.RawMessage) {
	items := []json.RawMessage{raw}
	if len(raw) > 0 && raw[0] == '[' {
		items = nil
		_ = json.Unmarshal(raw, &items) // can't fail: it was part of valid JSON
	}
	for _, item := range items {
		if blank(item) {
			continue
		}
		if event, ok := decodeEvent(item); ok {
			events = append(events, event)
		} else {
			bad = append(bad, item)
		}
	}
	return events, bad
}

// decodeEvent reads one event: an object with an eventType. One that says two things
// of itself is none: it is better kept as it came than half.
func decodeEvent(raw json.RawMessage) (Event, bool) {
	e, err := foreign.ParseObject(raw)
	if err != nil {
		return Event{}, false
	}
	eventType, sure := e.Text("eventType")
	workNo, sureOfAgent := e.Text("workNo")
	content, sureOfContent := e.One("content")
	if !sure || !sureOfAgent || !sureOfContent || eventType.Literal() == "" {
		return Event{}, false
	}
	return Event{
		Type:        eventType.Literal(),
		WorkNo:      workNo.Literal(),
		Content:     content,
		GeneratedAt: e.Maybe("eventGenTime").Moment(),
		Raw:         raw,
	}, true
}

// blank reports whether a value holds no event: absent, null, a string of blanks,
// [], or an object of nothing but jsonKey, the key list that gateways leave in
// objects.
func blank(raw json.RawMessage) bool {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" {
		return true
	}
	if raw[0] == '"' {
		return foreign.Of(raw).Literal() == ""
	}
	object, err := foreign.ParseObject(raw)
	return err == nil && object.Only("jsonKey")
}
