package c2sign

import (
	"fmt"
	"io"
)

const redacted = "***"

// Key is a developer account's pair of keys. It prints as *** through fmt, JSON, YAML and
// zerolog, so that it can be part of larger values without leaking.
type Key struct {
	AccessKey string // the developer account (appId); travels in clear text; may contain "/"
	SecretKey string // never leaves the process; empty means "no key" and never verifies
}

// String returns ***.
func (k Key) String() string { return redacted }

// Format writes *** for every verb, %#v and %+v included.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText returns ***; encoding/json, YAML and zerolog all use it.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "***".
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
