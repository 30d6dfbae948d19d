// Package wire prints the answers of the simulated CC-Gateway byte by byte: the order of
// members, numbers as strings and back, the forms in which releases differ. It knows
// retcodes and events, and nothing of sessions.
package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
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
	"200-001": "The call cannot be made.",
	"200-002": "There is no call to answer.",
	"200-003": "There is no talk to mute.",
	"200-004": "There is no talk to hold.",
	"200-005": "There is no call to retrieve.",
	"200-006": "There are no calls to join.",
	"200-007": "The call cannot be transferred.",
	"200-017": "There is no call to release.",
	"200-018": "The consultation is not possible.",
	"400-003": "There is no call.",
	"500-001": "The playback does not allow this.",
	"700-014": "There is no such chat.",
	"110-021": "The account is locked after too many failures.",
}

// Shape is how answers are printed. The zero value is the newest documented
// form.
type Shape struct {
	// Idle is the event of an idle answer: "absent" (default), "null", "list".
	Idle string `yaml:"idle"`
	// NoGenTime leaves out eventGenTime, as older releases do.
	NoGenTime bool `yaml:"no_gen_time"`
	// Order of the keys: "documented" (default) or "reversed".
	Order string `yaml:"order"`
	// JSONKey adds jsonKey lists to event and content.
	JSONKey bool `yaml:"json_key"`
	// LeadingSpace puts a blank before eventType.
	LeadingSpace bool `yaml:"leading_space"`
	// Variants turns retcode, workNo and the numbers of contents from strings
	// to numbers and back, and message into "success".
	Variants bool `yaml:"variants"`
}

// WithDefaults fills in what is not set.
func (s Shape) WithDefaults() (Shape, error) {
	s.Idle, s.Order = cmp.Or(s.Idle, "absent"), cmp.Or(s.Order, "documented")
	if !slices.Contains([]string{"absent", "null", "list"}, s.Idle) {
		return s, fmt.Errorf("idle form %q is not known", s.Idle)
	}
	if s.Order != "documented" && s.Order != "reversed" {
		return s, fmt.Errorf("key order %q is not known", s.Order)
	}
	return s, nil
}

// Pair is one member of a JSON object, printed in the order given.
type Pair struct {
	Key   string
	Value json.RawMessage
}

// Member is a Pair.
func Member(key string, value json.RawMessage) Pair { return Pair{key, value} }

// Object prints members.
func Object(pairs ...Pair) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(p.Key))
		b.WriteByte(':')
		b.Write(p.Value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Text prints a string. Strings always marshal.
func Text(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return b
}

// Milliseconds prints a time as most members have it: since 1970, in a string.
func Milliseconds(t time.Time) json.RawMessage {
	return Text(strconv.FormatInt(t.UnixMilli(), 10))
}

var null = json.RawMessage("null")

// Envelope is the answer around result or event; zero Pair: none.
func (s Shape) Envelope(code string, inner Pair) json.RawMessage {
	message, retcode := Text(texts[code]), Text(code)
	if s.Variants && code == "0" {
		message, retcode = Text("success"), json.RawMessage("0")
	}
	pairs := []Pair{{"message", message}, {"retcode", retcode}}
	if inner.Key != "" {
		pairs = append(pairs, inner)
	}
	if s.Order == "reversed" {
		slices.Reverse(pairs)
	}
	return Object(pairs...)
}

// NoEvent is the event member of an answer without event.
func (s Shape) NoEvent() Pair {
	switch s.Idle {
	case "null":
		return Pair{"event", null}
	case "list":
		return Pair{"event", json.RawMessage("[]")}
	}
	return Pair{}
}

// Event prints one event.
func (s Shape) Event(agent string, e world.Event) json.RawMessage {
	typ, work, content := e.Type, Text(agent), e.Content
	if s.LeadingSpace {
		typ = " " + typ
	}
	if len(content) == 0 {
		content = null
	}
	if s.Variants {
		work, content = json.RawMessage(agent), vary(content)
	}
	pairs := []Pair{{"eventType", Text(typ)}}
	if !s.NoGenTime {
		pairs = append(pairs, Pair{"eventGenTime", json.RawMessage(strconv.FormatInt(e.At.UnixMilli(), 10))})
	}
	pairs = append(pairs, Pair{"workNo", work})
	if s.JSONKey {
		pairs = append(pairs, Pair{"jsonKey", json.RawMessage(`["workNo","eventType","content"]`)})
		content = withKeys(content)
	}
	pairs = append(pairs, Pair{"content", content})
	if s.Order == "reversed" {
		slices.Reverse(pairs)
	}
	return Object(pairs...)
}

// Members reads an object's members in their order; nil when v is no object.
func Members(v json.RawMessage) []Pair {
	d := json.NewDecoder(bytes.NewReader(v))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var out []Pair
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		p := Pair{}
		p.Key, _ = key.(string)
		if err := d.Decode(&p.Value); err != nil {
			return nil
		}
		out = append(out, p)
	}
	return out
}

// vary turns short numeric strings of an object into numbers and numbers into
// strings, as different releases do.
func vary(content json.RawMessage) json.RawMessage {
	pairs := Members(content)
	if pairs == nil {
		return content
	}
	for i, p := range pairs {
		var s string
		switch {
		case json.Unmarshal(p.Value, &s) == nil:
			if len(s) == 1 && unicode.IsDigit(rune(s[0])) {
				pairs[i].Value = json.RawMessage(s)
			}
		case p.Value[0] == '-' || unicode.IsDigit(rune(p.Value[0])):
			pairs[i].Value = Text(string(p.Value))
		}
	}
	return Object(pairs...)
}

// withKeys adds the key list of an internal JSON object.
func withKeys(content json.RawMessage) json.RawMessage {
	pairs := Members(content)
	if pairs == nil {
		return content
	}
	keys := make([][]byte, len(pairs))
	for i, p := range pairs {
		keys[i] = Text(p.Key)
	}
	return Object(append(pairs, Pair{"jsonKey", Array(keys)})...)
}

// Array prints a list of what is printed already.
func Array(items [][]byte) json.RawMessage {
	return append(append([]byte("["), bytes.Join(items, []byte(","))...), ']')
}
