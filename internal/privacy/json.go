package privacy

import (
	"encoding/json"
	"fmt"
	"strings"

	"aiccbridge/internal/jsonwalk"
)

// JSON returns raw as the policy allows it: each field by its name at any depth,
// and in strings that hold JSON too. An object or list in a field is treated value
// by value, with the field's action where the names inside have none of their own;
// numbers become strings; null, true and false stay unless they are dropped. What
// is not JSON, as a whole or in a string that begins like an object or a list, is
// treated by [Policy.Text]. raw itself is returned if nothing changes.
func (p *Policy) JSON(raw json.RawMessage) json.RawMessage {
	if !p.Active() || len(raw) == 0 {
		return raw
	}
	out, valid := jsonwalk.Rewrite(raw, rule{}, jsonwalk.Edit[rule]{Member: p.member, Value: p.value})
	if !valid {
		return p.Text(raw)
	}
	return out
}

// member finds the rule of a field: its own, or that of the field around it.
func (p *Policy) member(key string, around rule) (rule, jsonwalk.Fate) {
	var buf [64]byte
	own, ok := p.rules[string(appendFold(buf[:0], key))]
	if !ok {
		return around, jsonwalk.Fate{}
	}
	return own, jsonwalk.Fate{Drop: own.action == Drop}
}

// value treats a string or a number as a value of its field, or, if that is kept, as
// JSON that it may hold.
func (p *Policy) value(value any, of rule) []byte {
	text, isText := value.(string)
	switch {
	case of.alters() && !isText:
		return quote(p.treat(of, fmt.Sprint(value)))
	case of.alters():
		inner := trim(text)
		if inner == "" {
			return nil
		}
		if treated := p.treat(of, inner); treated != inner {
			return quote(treated)
		}
	case isText:
		return p.inText(text)
	}
	return nil
}

// inText treats the JSON that a string holds; nil: nothing changes.
func (p *Policy) inText(text string) []byte {
	inner := trim(text)
	if inner == "" || !strings.ContainsRune("{[\"", rune(inner[0])) || inner[0] == '"' && !json.Valid([]byte(inner)) {
		return nil
	}
	treated := string(p.JSON(json.RawMessage(inner)))
	if treated == inner {
		return nil
	}
	before, after, _ := strings.Cut(text, inner)
	return quote(before + treated + after)
}

func quote(text string) []byte {
	quoted, _ := json.Marshal(text) // a string always encodes
	return quoted
}
