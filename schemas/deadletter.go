package schemas

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"
)

// NoTenant stands for the tenant of what could not be told to be any tenant's. No tenant
// is named so.
const NoTenant = "_"

// DeadLetter is what could not be processed: why, how often it was tried, and
// where the bytes are.
type DeadLetter struct {
	Tenant   string          `json:"tenant"` // or [NoTenant]
	Reason   Reason          `json:"reason"`
	Error    string          `json:"error"`
	Attempts int             `json:"attempts"`
	FirstAt  time.Time       `json:"first_at"`
	LastAt   time.Time       `json:"last_at"`
	Object   string          `json:"object,omitempty"`   // <object store>/<name>, or <stream>/<sequence>
	Original json.RawMessage `json:"original,omitempty"` // the message or record itself; text that is not JSON is a JSON string

	// What it is about, if that is a file as a whole or its callback, as far as it is
	// known: what becomes of that window can mend it, see [Resolved].
	Kind       Kind   `json:"kind,omitempty"`
	Window     Window `json:"window,omitzero"`
	ResponseID string `json:"response_id,omitempty"`
}

// Validate reports a dead letter that must not be published.
func (d DeadLetter) Validate() error {
	return wrapInvalid("dead letter", cmp.Or(
		want(d.Tenant != "", "tenant is empty"),
		want(d.Reason != "", "reason must be set"),
		want(d.Attempts >= 1, "attempts count from 1"),
		want(!d.FirstAt.IsZero() && !d.LastAt.Before(d.FirstAt), "first_at must be set and not after last_at"),
	))
}

// DeadLetterMessage makes the message. id must be computed from what failed
// (e.g. stream and sequence), so that a repeat is the same dead letter.
func (n Names) DeadLetterMessage(d DeadLetter, id string) (Message, error) {
	return newMessage(n.DeadLetter(d.Tenant, d.Reason), TypeDeadLetter, letterSource(d.Tenant), id, d.LastAt, d)
}

// Resolved says that nobody need look at a dead letter any more: the window that it was
// about is complete since, or somebody has dropped it. It follows on the same stream, on
// …deadletter.resolved, and names the letter by its ce-id; the ce-sources are equal, too. The
// letter itself stays.
type Resolved struct {
	Tenant     string    `json:"tenant"`                // of the letter
	Letter     string    `json:"letter"`                // its ce-id
	Reason     Reason    `json:"reason"`                // why it was one
	Dropped    bool      `json:"dropped,omitempty"`     // somebody left it as it is; then what follows may be absent
	Kind       Kind      `json:"kind,omitempty"`        // with Window: what is complete
	Window     Window    `json:"window,omitzero"`       // see Kind
	ResponseID string    `json:"response_id,omitempty"` // of the extract that completed it
	At         time.Time `json:"at"`
}

// Validate reports a message that must not be published.
func (r Resolved) Validate() error {
	err := cmp.Or(
		want(r.Tenant != "" && r.Letter != "" && r.Reason != "", "tenant, letter and reason must be set"),
		want(!r.At.IsZero(), "at must be set"),
	)
	if err == nil && !r.Dropped {
		err = cmp.Or(r.Kind.Validate(), r.Window.Validate(), wantResponseID(r.ResponseID))
	}
	return wrapInvalid("resolved", err)
}

// ResolvedMessage makes the message. A letter is resolved once: its id is the letter's.
func (n Names) ResolvedMessage(r Resolved) (Message, error) {
	return newMessage(n.DeadLetter(r.Tenant, subjectResolved), TypeResolved, letterSource(r.Tenant), r.Letter+".resolved", r.At, r)
}

// subjectResolved stands where the reason does in a dead letter's subject.
const subjectResolved Reason = "resolved"

func letterSource(tenant string) string { return "/aicc/" + EncodeToken(tenant) + "/deadletter" }

// MaxOriginalBytes is how much of what failed a dead letter holds: it stays below a
// server's usual message limit of 1 MiB even when every byte is escaped.
const MaxOriginalBytes = 64 << 10

// NewDeadLetter is a dead letter for what failed at its first try, at that time. cause is
// for people: no credentials, no phone numbers.
func NewDeadLetter(tenant string, reason Reason, cause string, at time.Time) DeadLetter {
	return DeadLetter{Tenant: tenant, Reason: reason, Error: cause, Attempts: 1, FirstAt: at, LastAt: at}
}

// Keep puts what failed into the letter, as it is or quoted, and reports whether it
// fits: what is larger than [MaxOriginalBytes] is left out and belongs elsewhere, with
// Object naming the place.
func (d *DeadLetter) Keep(original []byte) bool {
	if len(original) > MaxOriginalBytes {
		return false
	}
	d.Original = Quote(original)
	return true
}

// Quote returns b itself when it is JSON in UTF-8, and b as a JSON string
// otherwise (foreign bytes as U+FFFD), for [DeadLetter.Original].
func Quote(b []byte) json.RawMessage {
	if json.Valid(b) && utf8.Valid(b) {
		return append(json.RawMessage(nil), b...)
	}
	quoted, _ := json.Marshal(string(b)) // a string always encodes
	return quoted
}

// Reason says in one snake-case word why something became a dead letter. It is
// a subject token and a metric label: an open set of constants, never foreign text.
type Reason string

// The reasons.
const (
	ReasonUndecodable     Reason = "undecodable"          // a body of the platform that is not what its page says
	ReasonDamagedZip      Reason = "damaged_zip"          // truncated, wrong checksum, sizes that lie
	ReasonUnsafeZip       Reason = "unsafe_zip"           // beyond a limit, encrypted, nested
	ReasonDamagedCSV      Reason = "damaged_csv"          // not parsable, or over a limit
	ReasonMissingColumns  Reason = "missing_columns"      // a required column is absent
	ReasonNotAZip         Reason = "not_a_zip"            // something else came instead
	ReasonFileMissing     Reason = "file_missing"         // the platform does not know the file any more
	ReasonRowIdentity     Reason = "row_without_identity" // a row with neither id nor call id
	ReasonOversized       Reason = "oversized"            // larger than the bus takes
	ReasonAttempts        Reason = "attempts_exhausted"   // retried until the limit
	ReasonUnknownResponse Reason = "unknown_response"     // a callback for an extract nobody asked for
	ReasonUnknownTenant   Reason = "unknown_tenant"       // a callback that fits none, or more than one, of the tenants of its access key
	ReasonRefused         Reason = "refused_by_platform"  // a permanent result code
	ReasonOverdue         Reason = "overdue"              // no callback, or no complete file, in time
	ReasonUnreachable     Reason = "unreachable"          // the platform gave no usable answer
	ReasonInvalid         Reason = "invalid_message"      // a message on the bus that its schema refuses
)

// Permanent is an error that no retry mends. The bus writes a dead letter with
// its reason and ends the message; everything else is retried.
type Permanent struct {
	Reason Reason
	Object string // where the bytes are, e.g. AICC_QUARANTINE/<name>; "" when nowhere
	Err    error
}

// Error returns the cause's text.
func (p *Permanent) Error() string { return string(p.Reason) + ": " + p.Err.Error() }

// Unwrap returns the cause.
func (p *Permanent) Unwrap() error { return p.Err }

// Pass is an error of a bridge that cannot do a work which another one can, because it
// lacks the tenant: the message goes on, and no attempt is counted.
type Pass struct{ Err error }

// Error returns the cause's text.
func (p *Pass) Error() string { return p.Err.Error() }

// Unwrap returns the cause.
func (p *Pass) Unwrap() error { return p.Err }

// Later is an error of a work that is to be tried again in a while, however often that has
// been done: no attempt is counted.
type Later struct {
	After time.Duration
	Err   error
}

// Error returns the cause's text.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap returns the cause.
func (l *Later) Unwrap() error { return l.Err }

// Try is the error of one attempt at a message, and which one it was: fewer than the
// message's deliveries, when some of them were a [Pass].
type Try struct {
	Attempt int // from 1
	Err     error
}

// Error returns the cause's text.
func (t *Try) Error() string { return t.Err.Error() }

// Unwrap returns the cause.
func (t *Try) Unwrap() error { return t.Err }

// ErrConflict says that somebody else wrote first: the expected last sequence
// or revision did not hold. The caller reads again.
var ErrConflict = errors.New("somebody else wrote first")
