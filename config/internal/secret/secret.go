// Package secret is a value that nothing shows. It imports the standard library only.
package secret

import (
	"fmt"
	"io"
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
