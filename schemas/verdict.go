package schemas

import "errors"

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

// ErrConflict says that somebody else wrote first: the expected last sequence
// or revision did not hold. The caller reads again.
var ErrConflict = errors.New("somebody else wrote first")
