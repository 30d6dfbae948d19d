package doctor

import (
	"bytes"
	"regexp"
	"slices"
)

// masked stands where something was taken out.
const masked = "***"

// leastSecret is how long a secret has to be to be looked for: shorter ones are parts of
// everything.
const leastSecret = 4

// credentials are what credentials look like in what other programs print.
var credentials = regexp.MustCompile(`(?i)((?:authorization|set-guid|guid|cookie|set-cookie|password|secret|token)\\?["']?\s*[:=][\s\["'\\]*)[^"'\\\s\[][^"'\\\n]*`)

// phones are the numbers of the configuration's agents.
var phones = regexp.MustCompile(`(?m)^(\s*-?\s*phone: ).*$`)

// Redact takes the secrets out of a text, and what looks like credentials or like an agent's
// number in a configuration.
func Redact(text []byte, secrets []string) []byte {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be a part of another
	for _, s := range secrets {
		if len(s) >= leastSecret {
			text = bytes.ReplaceAll(text, []byte(s), []byte(masked))
		}
	}
	text = credentials.ReplaceAll(text, []byte("${1}"+masked))
	return phones.ReplaceAll(text, []byte("${1}"+masked))
}
