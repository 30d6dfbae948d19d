package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode"

	"aiccbridge/internal/platformsim/world"
)

// texts are the messages of the retcodes this gateway uses (page
// cec_07_1430).
var texts = map[string]string{
	"0":       "",
	"000-001": "The method of obtaining events is wrong.",
	"000-002": "The URL or a parameter is wrong.",
	"000-003": "No permission, or the authentication has expired.",
	"000-004": "The agent is being switched over.",
	"000-006": "A message parameter is wrong.",
	"100-001": "A sign-in parameter is empty or invalid.",
	"100-002": "The agent has signed in already.",
	"100-003": "The CTI resource is not available.",
	"100-004": "The user name or password is wrong.",
	"100-005": "A sign-out parameter is wrong.",
	"100-006": "The agent has not signed in.",
	"100-007": "An exception occurred.",
	"100-009": "The agent's state or rights do not allow this.",
	"100-010": "The agent's state does not allow to sign out.",
	"100-011": "A sign-in parameter is invalid.",
	"100-012": "The agent type is wrong.",
	"100-013": "The phone number is invalid.",
	"100-016": "The IP address is invalid.",
	"100-021": "The agent is signing in.",
	"110-021": "The account is locked after too many failures.",
}

// pair is one member of a JSON object, printed in the order given.
type pair struct {
	key   string
	value json.RawMessage
}

func object(pairs ...pair) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(p.key))
		b.WriteByte(':')
		b.Write(p.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// text prints a string. Strings always marshal.
func text(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return b
}

// milliseconds prints a time as most members have it: since 1970, in a string.
func milliseconds(t time.Time) json.RawMessage {
	return text(strconv.FormatInt(t.UnixMilli(), 10))
}

var null = json.RawMessage("null")

// envelope is the answer around result or event; zero pair: none.
func (s Shape) envelope(code string, inner pair) json.RawMessage {
	message, retcode := text(texts[code]), text(code)
	if s.Variants && code == "0" {
		message, retcode = text("success"), json.RawMessage("0")
	}
	pairs := []pair{{"message", message}, {"retcode", retcode}}
	if inner.key != "" {
		pairs = append(pairs, inner)
	}
	if s.Order == "reversed" {
		slices.Reverse(pairs)
	}
	return object(pairs...)
}

// idle is the event member of an answer without event.
func (s Shape) idle() pair {
	switch s.Idle {
	case "null":
		return pair{"event", null}
	case "list":
		return pair{"event", json.RawMessage("[]")}
	}
	return pair{}
}

// event prints one event.
func (s Shape) event(agent string, e world.Event) json.RawMessage {
	typ, work, content := e.Type, text(agent), e.Content
	if s.LeadingSpace {
		typ = " " + typ
	}
	if len(content) == 0 {
		content = null
	}
	if s.Variants {
		work, content = json.RawMessage(agent), vary(content)
	}
	pairs := []pair{{"eventType", text(typ)}}
	if !s.NoGenTime {
		pairs = append(pairs, pair{"eventGenTime", json.RawMessage(strconv.FormatInt(e.At.UnixMilli(), 10))})
	}
	pairs = append(pairs, pair{"workNo", work})
	if s.JSONKey {
		pairs = append(pairs, pair{"jsonKey", json.RawMessage(`["workNo","eventType","content"]`)})
		content = withKeys(content)
	}
	pairs = append(pairs, pair{"content", content})
	if s.Order == "reversed" {
		slices.Reverse(pairs)
	}
	return object(pairs...)
}

// members reads an object's members in their order; nil when v is no object.
func members(v json.RawMessage) []pair {
	d := json.NewDecoder(bytes.NewReader(v))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var out []pair
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		p := pair{}
		p.key, _ = key.(string)
		if err := d.Decode(&p.value); err != nil {
			return nil
		}
		out = append(out, p)
	}
	return out
}

// vary turns short numeric strings of an object into numbers and numbers into
// strings, as different releases do.
func vary(content json.RawMessage) json.RawMessage {
	pairs := members(content)
	if pairs == nil {
		return content
	}
	for i, p := range pairs {
		var s string
		switch {
		case json.Unmarshal(p.value, &s) == nil:
			if len(s) == 1 && unicode.IsDigit(rune(s[0])) {
				pairs[i].value = json.RawMessage(s)
			}
		case p.value[0] == '-' || unicode.IsDigit(rune(p.value[0])):
			pairs[i].value = text(string(p.value))
		}
	}
	return object(pairs...)
}

// withKeys adds the key list of an internal JSON object.
func withKeys(content json.RawMessage) json.RawMessage {
	pairs := members(content)
	if pairs == nil {
		return content
	}
	keys := make([][]byte, len(pairs))
	for i, p := range pairs {
		keys[i] = text(p.key)
	}
	return object(append(pairs, pair{"jsonKey", array(keys)})...)
}

func array(items [][]byte) json.RawMessage {
	return append(append([]byte("["), bytes.Join(items, []byte(","))...), ']')
}

// jsonType is the content type of every answer.
const jsonType = "application/json;charset=UTF-8"

// send writes a body. The error of a client that has gone is returned.
func send(w http.ResponseWriter, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}

// answer writes an envelope. A client that has gone is told nothing.
func (g *Gateway) answer(w http.ResponseWriter, code string, inner pair) {
	_ = send(w, jsonType, g.o.Shape.envelope(code, inner))
}
