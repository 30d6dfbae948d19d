package events

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"aiccbridge/internal/jsonwalk"
	"aiccbridge/schemas"
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
func (i Info) redact(content json.RawMessage) json.RawMessage {
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
	return schemas.Quote(content)
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

// replaceValues returns a valid JSON text with redacted in place of each value whose
// key is secret.
func replaceValues(content []byte) []byte {
	out, _ := jsonwalk.Rewrite(content, struct{}{}, jsonwalk.Edit[struct{}]{Member: redactMember, Value: redactValue})
	return out
}

func redactMember(key string, _ struct{}) (inside struct{}, fate jsonwalk.Fate) {
	if isSecret(key) {
		fate.Instead = []byte(redacted)
	}
	return inside, fate
}

func redactValue(value any, _ struct{}) []byte {
	text, _ := value.(string)
	clean, changed := redactText(text)
	if !changed {
		return nil
	}
	return schemas.AppendString(nil, clean)
}
