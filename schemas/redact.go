package schemas

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// redacted stands where a credential stood.
const redacted = `"***"`

// secretFields are the names under which gateways and their clients send
// credentials: signature is the one of the event pages (AgentEvent_RequestConnect),
// guid, serviceToken and password are those of the sessions; the rest is what
// releases and attached call data add. Names that also carry harmless values
// (key, sign, sessionId) are not among them. Do not alter it.
var secretFields = []string{
	"signature", "guid", "set-guid", "jsessionid", "cookie", "authorization",
	"password", "passwd", "pwd",
	"token", "accessToken", "access_token", "refreshToken", "refresh_token", "serviceToken", "service_token", "authToken", "auth_token",
	"secret", "secretKey", "secret_key", "appSecret", "app_secret", "clientSecret", "client_secret",
}

// secretNamed finds a secret field with a value in text that is not JSON.
var secretNamed = regexp.MustCompile(`(?i)(?:^|[^0-9a-z])(?:` + strings.Join(secretFields, "|") + `)["'\\]*\s*[:=]`)

// SecretFields returns the names of the content fields whose values are never
// published, at any depth and of any event; their case does not count.
func SecretFields() []string { return slices.Clone(secretFields) }

func isSecret(key string) bool {
	return slices.ContainsFunc(secretFields, func(s string) bool { return strings.EqualFold(s, key) })
}

// redact returns content that may be published: with the values of secret fields
// replaced, at any depth and in JSON within strings too, everything else byte for
// byte. Content that cannot be searched is replaced as a whole when a secret is
// named in it or the event's pages say that it holds one.
func (i EventInfo) redact(content json.RawMessage) json.RawMessage {
	text := []byte(content)
	for json.Valid(text) && text[0] == '"' { // some releases send JSON in strings
		var inner string
		if json.Unmarshal(text, &inner) != nil {
			break
		}
		text = []byte(strings.Trim(inner, padding))
	}
	switch {
	case json.Valid(text):
		return replaceValues(content)
	case len(i.Secrets) > 0, secretNamed.Match(text):
		return json.RawMessage(redacted)
	}
	return Quote(content)
}

// padding is what stands around a text that is sent as a string; one release
// pads with NULs.
const padding = " \t\r\n\x00"

// redactText redacts the JSON that a string holds; changed says that there was
// something to replace.
func redactText(text string) (out string, changed bool) {
	inner := strings.Trim(text, padding)
	if inner == "" || !strings.ContainsRune("{[\"", rune(inner[0])) || !json.Valid([]byte(inner)) {
		return text, false
	}
	clean := string(replaceValues([]byte(inner)))
	if clean == inner {
		return text, false
	}
	before, after, _ := strings.Cut(text, inner)
	return before + clean + after, true
}

// replaceValues copies a valid JSON text and puts redacted in place of each value
// whose key is secret.
func replaceValues(content []byte) []byte {
	var out []byte
	copied := int64(0)
	replace := func(start, end int64, with []byte) {
		out = append(append(out, content[copied:start]...), with...)
		copied = end
	}
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	inObject, isKey := []bool{}, false // the open containers; whether the next string in an object is a key
	for {
		before := dec.InputOffset()
		token, err := dec.Token()
		if err != nil { // the end: the content is valid
			return append(out, content[copied:]...)
		}
		text, isText := token.(string)
		switch delim, isDelim := token.(json.Delim); {
		case delim == '{' || delim == '[':
			inObject, isKey = append(inObject, delim == '{'), true
		case isDelim:
			inObject, isKey = inObject[:len(inObject)-1], true
		case isKey && inObject[len(inObject)-1]:
			isKey = false
			if !isSecret(text) {
				continue
			}
			var value json.RawMessage
			if dec.Decode(&value) != nil {
				return []byte(redacted)
			}
			end := dec.InputOffset()
			replace(end-int64(len(value)), end, []byte(redacted))
			isKey = true
		default:
			isKey = len(inObject) > 0
			if clean, changed := redactText(text); isText && changed {
				start := before + int64(bytes.IndexByte(content[before:], '"'))
				replace(start, dec.InputOffset(), AppendString(nil, clean))
			}
		}
	}
}
