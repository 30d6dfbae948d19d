package request

import "strings"

// Words are those of the interfaces' paths, by their lower case. Use [NewWords].
type Words map[string]string

// NewWords returns those that values of parameters have.
func NewWords() Words { return Words{"true": "true", "false": "false"} }

// Add takes the words of a path's pattern.
func (w Words) Add(pattern string) {
	for part := range strings.SplitSeq(pattern, "/") {
		w[strings.ToLower(part)] = part
	}
}

// Spell returns a path as the patterns have it: clients differ in capital letters, and in
// slashes at the end and twice.
func (w Words) Spell(path string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(path, "/") {
		if word, ok := w[strings.ToLower(part)]; ok {
			part = word
		}
		if part != "" {
			out.WriteString("/" + part)
		}
	}
	return out.String()
}
