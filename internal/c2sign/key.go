package c2sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

const redacted = "***"

// Key is a developer account's pair of keys, made by NewKey. It prints as *** through fmt,
// JSON, YAML and zerolog, so that it can be part of larger values without leaking. fmt does
// not call the methods of an unexported field: a Key there shows its access key and the
// address of a function, never the secret. Keys cannot be compared with ==. The zero value
// is "no key": it neither signs nor verifies.
type Key struct {
	AccessKey string // the developer account (appId); travels in clear text; may contain "/"

	secret func() string // nil: none; nothing that prints by reflection looks into a func
}

// NewKey returns the pair. An empty secret means "no key", as in the zero value.
func NewKey(accessKey, secretKey string) Key {
	return Key{AccessKey: accessKey, secret: func() string { return secretKey }}
}

// Reveal returns the secret key, "" when there is none. It must not leave the process.
func (k Key) Reveal() string {
	if k.secret == nil {
		return ""
	}
	return k.secret()
}

// Fingerprint names the pair without showing it: 16 hex digits, the same for the same pair.
func (k Key) Fingerprint() string {
	h := hmac.New(sha256.New, []byte(k.Reveal()))
	_, _ = io.WriteString(h, "fingerprint of "+k.AccessKey) // a hash does not fail
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// String returns ***.
func (k Key) String() string { return redacted }

// Format writes *** for every verb, %#v and %+v included.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText returns ***; encoding/json, YAML and zerolog all use it.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "***".
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
