package c2sign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const version = "auth-v2"

// Profile chooses among the spellings of the signature that exist in the field. The zero
// value is the form of the platform's own samples.
type Profile struct {
	// SignedHeaders are the names under the signature, in any order and case. "host" must
	// be one of them. Default: content-length, content-type, host. The platform's demo
	// client signs host only; the body is covered either way.
	SignedHeaders []string
	// EmptyQueryLine writes an empty line where the query would be when there is none.
	// The platform's own code does not; some third-party ports do.
	EmptyQueryLine bool
	// Millis writes the timestamp with milliseconds, as newer samples do. Default: whole
	// seconds, as the platform's client code does. The text is signed, so either verifies.
	Millis bool
}

// DefaultSignedHeaders returns the names signed when a Profile names none.
func DefaultSignedHeaders() []string { return []string{"content-length", "content-type", "host"} }

func (p Profile) names() []string {
	if len(p.SignedHeaders) == 0 {
		return DefaultSignedHeaders()
	}
	names := make([]string, len(p.SignedHeaders))
	for i, name := range p.SignedHeaders {
		names[i] = strings.ToLower(name)
	}
	slices.Sort(names)
	return names
}

func (p Profile) timestamp(at time.Time) string {
	if p.Millis {
		return at.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return at.UTC().Format("2006-01-02T15:04:05Z")
}

// Sign returns the value of the Authorization header for r, signed at the given time. The
// error tells which key, name or header is missing or unusable; it carries no secret.
func Sign(k Key, p Profile, r Request, at time.Time) (string, error) {
	if err := checkKey(k); err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	names := p.names()
	if name, problem := checkNames(names, r); problem != "" {
		return "", fmt.Errorf("sign: signed header %q %s", name, problem)
	}
	list := strings.Join(names, ";")
	prefix := version + "/" + k.AccessKey + "/" + p.timestamp(at) + "/" + list
	return prefix + "/" + requestOf(r, names, list, p.EmptyQueryLine).sign(hmacHex(k.Reveal(), prefix)), nil
}

func requestOf(r Request, names []string, list string, queryLine bool) canonical {
	return canonical{
		method: r.Method, path: r.Path,
		query: canonicalQuery(r.Query), queryLine: queryLine,
		signed: list, headers: canonicalHeaders(names, r.Header),
		body: encode(string(r.Body)),
	}
}

func checkKey(k Key) error {
	if k.AccessKey == "" || k.Reveal() == "" {
		return errors.New("access key and secret key are needed")
	}
	if strings.ContainsFunc(k.AccessKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the access key holds a blank or a character outside ASCII")
	}
	return nil
}

// checkNames makes sure that names is a proper list with host in it and that r has a value
// for each. It returns the first offender and what is wrong with it, apart from each other
// because a name that was received must not be quoted; "" when all is well.
func checkNames(names []string, r Request) (name, problem string) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		switch _, present := r.Header[name]; {
		case !isToken(name):
			return name, "is not a lower-case header name"
		case name == "authorization":
			return name, "cannot sign itself"
		case seen[name]:
			return name, "is listed twice"
		case !present:
			return name, "is not in the request"
		}
		seen[name] = true
	}
	if !seen["host"] || r.Header["host"] == "" {
		return "host", "is missing"
	}
	return "", ""
}

// isToken accepts lower-case HTTP header names.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	})
}
