package ccfs

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Class says what a failure asks of the caller.
type Class string

// The classes.
const (
	Again       Class = "again"        // temporary, or unknown: back off and retry; see Error.MaxAttempts
	FlowControl Class = "flow_control" // too many creations or downloads: back off from 60 s to 15 min
	NotThere    Class = "not_there"    // no such file, or no data: not generated yet, expired, or an empty window
	Permanent   Class = "permanent"    // the same request fails every time
	Auth        Class = "auth"         // 401: wrong key, clock or rights
	Locked      Class = "locked"       // 403: the platform locked our source address
	Firewall    Class = "firewall"     // a firewall or proxy answered instead of the file store
	Broken      Class = "broken"       // truncated, not a ZIP, or an answer that makes no sense
)

// Error is a failed operation. Errors of the caller's own writer are not of this type.
type Error struct {
	Operation string // the platform's name, e.g. "queryBillData"
	Code      string // resultCode as sent; "" when there was none
	Message   string // the platform's text, shortened and freed of credentials, or our own
	Status    int    // HTTP status; 0 when there was no answer
	Class     Class
	// MaxAttempts is after how many failures with this code the request should be given
	// up; 0 leaves it to the caller. Set for codes that are unknown or known to be limited.
	MaxAttempts int
	// RetryAfter is how long to wait at least; 0 leaves it to the caller's back-off.
	RetryAfter time.Duration
	// Skew is the platform's clock minus ours, as last seen; 0 when unknown.
	Skew time.Duration
	// Local is true when no request was sent: refused by the circuit or invalid.
	Local bool
	// Err is the cause when there was no usable answer, e.g. a network or context error.
	Err error
}

// Unwrap returns the cause, so that errors.Is finds context.Canceled and the like.
func (e *Error) Unwrap() error { return e.Err }

// Final tells whether the request should be given up after this many failed attempts.
func (e *Error) Final(attempts int) bool {
	return e.Class == Permanent || e.MaxAttempts > 0 && attempts >= e.MaxAttempts
}

// Error returns one line: operation, text, code, status.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	for _, part := range []string{e.Message, causeText(e.Err)} {
		if part != "" {
			b.WriteString(": " + strings.TrimSuffix(part, ".")) // the platform writes sentences
		}
	}
	if e.Code != "" {
		b.WriteString(", resultCode " + e.Code)
	}
	if e.Status != 0 && e.Status != 200 {
		fmt.Fprintf(&b, ", HTTP status %d", e.Status)
	}
	if e.Class == Auth && e.Skew.Abs() > maxSkew {
		fmt.Fprintf(&b, "; the platform's clock differs from ours by %v", e.Skew)
	}
	if e.Class == Auth {
		b.WriteString("; look at access_key and secret_key_file of the tenant, and at this machine's clock")
	}
	if e.Local && e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; nothing was sent, next try in %v", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

func causeText(err error) string {
	if err == nil {
		return ""
	}
	return clean(err.Error())
}

const maxMessageRunes = 300

var signatureText = regexp.MustCompile(`auth-v2/.*`)

// clean makes foreign text fit for a log line: one line, no control characters, bounded,
// and without an Authorization header that a firewall's page may echo.
func clean(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	s = signatureText.ReplaceAllString(s, "auth-v2/***")
	if r := []rune(s); len(r) > maxMessageRunes {
		s = string(r[:maxMessageRunes]) + "…"
	}
	return s
}
