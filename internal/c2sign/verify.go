package c2sign

import (
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// DefaultMaxSkew is the recommended Verifier.MaxSkew. The platform documents no lifetime.
const DefaultMaxSkew = 15 * time.Minute

// Verifier checks signatures of received requests. It is a value without state, safe for
// concurrent use when Keys is.
type Verifier struct {
	// Keys returns the keys of an access key: none when it is unknown, several while keys
	// are being rotated. Keys with an empty secret are ignored. Nil knows no key.
	Keys func(accessKey string) []Key
	// MaxSkew is how far the signature's time may lie before or after now. 0 = any time.
	MaxSkew time.Duration
	// PublicURL is the address the signer was given. Its host, with and without port, and
	// its path are tried besides those received, since an ingress may rewrite both. Nil =
	// only what was received.
	PublicURL *url.URL
	// RequiredHeaders must all be signed (lower-case names), host anyway. Default: host
	// only, which is what the platform's own demo client signs.
	RequiredHeaders []string
}

// Match tells how a request verified. Log it once per change: it shows which spelling a
// platform uses, so that the profile can be pinned.
type Match struct {
	AccessKey string
	Timestamp time.Time     // when it was signed, UTC
	Skew      time.Duration // Timestamp minus now: negative is in the past
	// The spelling that matched, by the names of the Variant constants.
	Host, Path, QueryLine, ContentType string
}

// Names of the spellings in a Match.
const (
	VariantReceived       = "as_received"      // host, path, content type: as it arrived
	VariantPublicHostPort = "public_host_port" // host: host:port of the public URL
	VariantPublicHost     = "public_host"      // host: that host without port
	VariantPublicPath     = "public_path"      // path: that of the public URL ("/" if it has none)
	VariantOmitted        = "omitted"          // query line: no query, no line (the official form)
	VariantEmpty          = "empty"            // query line: no query, but an empty line
	VariantPresent        = "present"          // query line: there was a query
	VariantWithoutBlank   = "without_blank"    // content type: "a/b;c=d"
	VariantWithBlank      = "with_blank"       // content type: "a/b; c=d"
	VariantUnsigned       = "unsigned"         // content type: not among the signed headers
)

// String renders the variants for a log line; it carries no key.
func (m Match) String() string {
	return fmt.Sprintf("host=%s path=%s query_line=%s content_type=%s", m.Host, m.Path, m.QueryLine, m.ContentType)
}

// Verify checks authorization against r at time now. It tries each spelling that may have
// been signed (at most 3 hosts × 2 paths × 2 query lines × 3 content types) and reports the
// one that matched. Errors wrap ErrMissing, ErrMalformed, ErrUnknownKey, ErrSignature or
// ErrSkew and quote nothing received; with ErrSkew the Match is filled in. An unknown access key costs the same
// computation as a known one, and comparisons take constant time.
func (v Verifier) Verify(r Request, authorization string, now time.Time) (Match, error) {
	h, err := ParseHeader(authorization)
	if err != nil {
		return Match{}, fmt.Errorf("verify: %w", err)
	}
	if err := v.checkSigned(h, r); err != nil {
		return Match{}, fmt.Errorf("verify: %w", err)
	}
	keys := v.keys(h.AccessKey)
	known := len(keys) > 0
	if !known {
		keys = []Key{NewKey("", "stands in for an unknown key")}
	}
	m, matched := v.match(h, r, keys)
	switch {
	case !known:
		return Match{}, fmt.Errorf("verify: %w", ErrUnknownKey)
	case !matched:
		return Match{}, fmt.Errorf("verify: %w", ErrSignature)
	}
	m.AccessKey, m.Timestamp, m.Skew = h.AccessKey, h.Timestamp, h.Timestamp.Sub(now)
	if v.MaxSkew > 0 && m.Skew.Abs() > v.MaxSkew {
		return m, fmt.Errorf("verify: %w (%v)", ErrSkew, m.Skew.Round(time.Second))
	}
	return m, nil
}

func (v Verifier) checkSigned(h Header, r Request) error {
	if name, problem := checkNames(h.SignedHeaders, r); name == "host" {
		return malformed("signed header host %s", problem)
	} else if problem != "" {
		return malformed("a signed header %s", problem)
	}
	for _, name := range v.RequiredHeaders {
		if !slices.Contains(h.SignedHeaders, name) {
			return malformed("header %q must be signed", name)
		}
	}
	return nil
}

func (v Verifier) keys(accessKey string) []Key {
	if v.Keys == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.Keys(accessKey)), func(k Key) bool {
		// Anybody can sign with an empty secret.
		return k.Reveal() == ""
	})
}

// match tries all spellings under all keys.
func (v Verifier) match(h Header, r Request, keys []Key) (Match, bool) {
	signingKeys := make([]string, len(keys))
	for i, k := range keys {
		signingKeys[i] = hmacHex(k.Reveal(), h.prefix)
	}
	c := requestOf(r, h.SignedHeaders, h.list, false)
	for candidate, m := range v.candidates(c, h.SignedHeaders, r) {
		for _, key := range signingKeys {
			if subtle.ConstantTimeCompare([]byte(candidate.sign(key)), []byte(h.Signature)) == 1 {
				return m, true
			}
		}
	}
	return Match{}, false
}
