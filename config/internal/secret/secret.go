// Package secret is a value that nothing shows. It imports the standard library only.
package secret

import (
	"fmt"
	"io"
	"strings"
)

const mask = "***"

// Secret is a value that no printer, logger or encoder shows: they get ***.
// It always comes from a file. The zero value is an empty secret.
type Secret struct {
	file string
	// A pointer, so that fmt shows an address even where it cannot call
	// Format: inside unexported fields of other structs.
	value *string
}

// New is a secret and the path of the file that it was read from.
func New(file, value string) Secret { return Secret{file: file, value: &value} }

// mark is what some editors write before a text in UTF-8.
const mark = "\ufeff"

// Read is the secret that a file holds: one line, without its end and without a byte order
// mark before it. A file that holds none has a problem, and its remedy.
func Read(file string, data []byte) (s Secret, problem, remedy string) {
	text := strings.TrimRight(strings.TrimPrefix(string(data), mark), "\r\n")
	switch {
	case strings.TrimSpace(text) == "":
		return s, "is empty", "write the secret into it"
	case strings.ContainsAny(text, "\r\n"):
		return s, "has several lines", "leave only the line that is the secret"
	}
	return New(file, text), "", ""
}

// Padded reports blanks at an end, which belong to the secret and are seldom meant.
func (s Secret) Padded() bool { return strings.TrimSpace(s.Reveal()) != s.Reveal() }

// Reveal returns the value itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// File is the path the value was read from, so that it can be read again after a change.
func (s Secret) File() string { return s.file }

// String returns ***.
func (s Secret) String() string { return mask }

// GoString returns ***.
func (s Secret) GoString() string { return mask }

// Format writes *** for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// MarshalText returns ***.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalJSON returns "***"; zerolog's Interface and Any use it too.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalYAML returns ***.
func (s Secret) MarshalYAML() ([]byte, error) { return []byte(`"` + mask + `"`), nil }
