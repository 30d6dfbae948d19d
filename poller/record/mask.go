package record

import (
	"bytes"
	"regexp"
	"strings"

	"aiccbridge/schemas/events"
)

// credential finds the name of a field that must not be published, and all up to
// its value, in bytes that can't be decoded: in JSON, in JSON within JSON strings
// (where each quote has backslashes before it), without quotes, and in a form or a
// header (name=value).
var credential = regexp.MustCompile(`(?i)\b(?:` + strings.Join(secretNames(), "|") + `)\b\\*["']?\s*[:=]\s*`)

func secretNames() []string {
	names := []string{"jsessionid"}
	for _, name := range events.SecretFields() {
		names = append(names, regexp.QuoteMeta(name))
	}
	for _, info := range events.Table() {
		for _, name := range info.Secrets {
			names = append(names, regexp.QuoteMeta(name))
		}
	}
	return names
}

// mask replaces the values of credentials. In doubt it takes away too much.
func mask(text []byte) []byte {
	var masked []byte
	for {
		at := credential.FindIndex(text)
		if at == nil {
			return append(masked, text...)
		}
		open, size := valueOf(text[at[1]:])
		masked = append(append(masked, text[:at[1]+open]...), "***"...)
		text = text[at[1]+open+size:]
	}
}

// valueOf returns how many bytes open the value that text begins with (its quote
// and the backslashes before that), and the length of the value itself.
func valueOf(text []byte) (open, size int) {
	escapes := len(text) - len(bytes.TrimLeft(text, `\`))
	switch rest := text[escapes:]; {
	case len(rest) == 0:
		return 0, len(text)
	case rest[0] == '"' || rest[0] == '\'':
		open = escapes + 1
		return open, quotedSize(text[open:], rest[0], escapes)
	case rest[0] == '{' || rest[0] == '[':
		return 0, len(text) // who knows where it ends
	}
	if end := bytes.IndexAny(text, " \t\r\n,;&}]<>\"'"); end >= 0 {
		return 0, end
	}
	return 0, len(text)
}

// quotedSize returns the length of a quoted value whose opening quote has so many
// backslashes before it. So has the closing one, besides those of escaped
// backslashes, which take 2(escapes+1) each; a quote within has 2·escapes+1.
func quotedSize(text []byte, quote byte, escapes int) int {
	run := 0
	for i, b := range text {
		switch {
		case b == quote && run%(2*escapes+2) == escapes:
			return i - escapes
		case b == '\\':
			run++
		default:
			run = 0
		}
	}
	return len(text)
}
