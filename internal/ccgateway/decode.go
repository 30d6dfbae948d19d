package ccgateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
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

// envelope is what all answers have in common. Some documentation calls message
// msg. EventType is there for events that come without envelope.
type envelope struct {
	RetCode   *foreign.Text   `json:"retcode"`
	Message   foreign.Text    `json:"message"`
	Msg       foreign.Text    `json:"msg"`
	Event     json.RawMessage `json:"event"`
	Result    json.RawMessage `json:"result"`
	EventType *foreign.Text   `json:"eventType"`
}

// decodeReply reads the body of an answer with status 200. An odd event costs
// neither the code nor the other events. Every error matches ErrUndecodable, and
// quotes nothing of the body.
func decodeReply(body []byte, contentType string) (reply, error) {
	body, err := clean(body, contentType)
	if err != nil {
		return reply{}, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return reply{}, fmt.Errorf("%w: it is empty", ErrUndecodable)
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return reply{}, fmt.Errorf("%w: it is no JSON object", ErrUndecodable)
	}
	raw := e.Event
	if e.RetCode == nil && e.EventType != nil {
		raw = bytes.TrimSpace(body)
	}
	r := reply{Message: e.Message.Literal(), Result: e.Result}
	if r.Message == "" {
		r.Message = e.Msg.Literal()
	}
	r.Events, r.Bad = decodeEvents(raw)
	switch {
	case e.RetCode != nil && e.RetCode.Literal() != "":
		r.Code = e.RetCode.Literal()
	case len(r.Events) > 0:
		r.Code = CodeOK
	default:
		return reply{}, fmt.Errorf("%w: it has neither retcode nor event", ErrUndecodable)
	}
	return r, nil
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

// decodeEvent reads one event: an object with an eventType.
func decodeEvent(raw json.RawMessage) (Event, bool) {
	var e struct {
		EventType    foreign.Text    `json:"eventType"`
		WorkNo       foreign.Text    `json:"workNo"`
		Content      json.RawMessage `json:"content"`
		EventGenTime foreign.Text    `json:"eventGenTime"`
	}
	if json.Unmarshal(raw, &e) != nil || e.EventType.Literal() == "" {
		return Event{}, false
	}
	if string(e.Content) == "null" {
		e.Content = nil
	}
	return Event{
		Type:        e.EventType.Literal(),
		WorkNo:      e.WorkNo.Literal(),
		Content:     e.Content,
		GeneratedAt: e.EventGenTime.Moment(),
		Raw:         raw,
	}, true
}

// blank reports whether a value holds no event: absent, null, a string of blanks,
// [], or an object of nothing but jsonKey, the key list that gateways leave in
// objects.
func blank(raw json.RawMessage) bool {
	switch {
	case len(raw) == 0 || string(raw) == "null" || string(raw) == "[]":
		return true
	case raw[0] == '"':
		return foreign.Of(raw).Literal() == ""
	case raw[0] != '{':
		return false
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil {
		return false
	}
	for key := range keys {
		if !strings.EqualFold(key, "jsonKey") {
			return false
		}
	}
	return true
}
