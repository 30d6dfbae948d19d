package c2sign

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// The reasons for which a request is refused. Test with errors.Is.
var (
	ErrMissing    = errors.New("no Authorization header")
	ErrMalformed  = errors.New("malformed Authorization")
	ErrUnknownKey = errors.New("unknown access key")
	ErrSignature  = errors.New("signature does not match")
	// ErrSkew is returned only when everything else is valid, so that a caller may accept
	// an old signature for a request it is waiting for.
	ErrSkew = errors.New("signature is valid, but its time is outside the window")
)

const (
	maxHeaderBytes = 4 << 10 // the platform's are below 200
	maxSignedNames = 32
	signatureChars = 64
)

// Header is a parsed Authorization header.
type Header struct {
	AccessKey     string
	Timestamp     time.Time // UTC
	SignedHeaders []string  // in the order received
	Signature     string    // 64 lower-case hex digits; worth as much as a password for its request

	prefix string // the text before the last "/", as received: it derives the key
	list   string // SignedHeaders as received
}

// ParseHeader takes an Authorization header apart. White space anywhere in it is dropped,
// because printed samples break the line before the signature; the parts are split off from
// the right, because an access key may contain "/". Upper-case hex is refused: the platform
// never produces it. The errors wrap ErrMissing or ErrMalformed and quote nothing received.
func ParseHeader(s string) (Header, error) {
	if len(s) > maxHeaderBytes {
		return Header{}, malformed("longer than %d bytes", maxHeaderBytes)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return Header{}, ErrMissing
	}
	prefix, signature, _ := cutLast(s)
	rest, list, _ := cutLast(prefix)
	rest, stamp, ok := cutLast(rest)
	ak, isV2 := strings.CutPrefix(rest, version+"/")
	if !ok || !isV2 || ak == "" {
		return Header{}, malformed("want %s/ak/time/names/signature", version)
	}
	if !isSignature(signature) {
		return Header{}, malformed("the signature is not %d lower-case hex digits", signatureChars)
	}
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil || !strings.HasSuffix(stamp, "Z") {
		return Header{}, malformed("the time is not UTC in ISO 8601")
	}
	names := strings.Split(list, ";")
	if len(names) > maxSignedNames {
		return Header{}, malformed("more than %d signed headers", maxSignedNames)
	}
	return Header{
		AccessKey: ak, Timestamp: at.UTC(), SignedHeaders: names, Signature: signature,
		prefix: prefix, list: list,
	}, nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func isSignature(s string) bool {
	return len(s) == signatureChars && !strings.ContainsFunc(s, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'f')
	})
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
