package schemas

import (
	"cmp"
	"regexp"
	"time"
)

// RecordingStatus says what became of a recording.
type RecordingStatus string

// What becomes of recordings.
const (
	RecordingStored  RecordingStatus = "stored"
	RecordingMissing RecordingStatus = "missing"
)

// RecordingReason says why a recording is missing: an open set.
type RecordingReason string

// Why recordings are missing.
const (
	RecordingAbsent  RecordingReason = "absent"   // the platform had none in time (0300011, 0300012)
	RecordingDamaged RecordingReason = "damaged"  // what it gave was never sound
	RecordingUnclear RecordingReason = "unclear"  // nothing told which of a call's recordings it was
	RecordingRefused RecordingReason = "refused"  // it refuses to give it, by a permanent result code
	RecordingTooLong RecordingReason = "too_long" // longer than this bridge takes
	RecordingUnnamed RecordingReason = "unnamed"  // the row does not say how to ask for it
)

// Recording says what became of the audio that one row of the recording index names. There
// is one of each row, whatever its revisions.
type Recording struct {
	Tenant string          `json:"tenant"`
	Agent  string          `json:"agent"` // as in the row; empty when the row has none
	Status RecordingStatus `json:"status"`
	Key    string          `json:"key"` // hash of the row's natural key, as in [RowHeader]
	Row    string          `json:"row"` // id of the revision that it was fetched for
	Window Window          `json:"window"`
	CallID string          `json:"call_id,omitempty"`

	Audio
	Source string          `json:"source,omitempty"` // the interface that gave it
	Reason RecordingReason `json:"reason,omitempty"` // why it is missing
	At     time.Time       `json:"at"`               // when it was stored, or given up
}

// Audio is stored audio; zero: none is. SHA256 and Bytes are those of the audio as the
// platform gives it, also where it is kept encrypted.
type Audio struct {
	Object       string `json:"object,omitempty"` // <place>/<name>, e.g. AICC_RECORDINGS/acme/101/20261101/….wav
	SHA256       string `json:"sha256,omitempty"`
	Bytes        int64  `json:"bytes,omitempty"`
	Format       string `json:"format,omitempty"`       // alaw, mulaw, pcm, or the number in the header
	Milliseconds int64  `json:"milliseconds,omitempty"` // of sound
	EncryptedBy  string `json:"encrypted_by,omitempty"` // id of the key; empty: not encrypted
}

var keyPattern, sha256Pattern = regexp.MustCompile(`^[0-9a-f]{32}$`), regexp.MustCompile(`^[0-9a-f]{64}$`)

// Validate reports a message that must not be published.
func (r Recording) Validate() error {
	stored := r.Status == RecordingStored
	return wrapInvalid("recording", cmp.Or(
		r.Window.Validate(),
		want(r.Tenant != "" && r.Row != "", "tenant and row must be set"),
		want(keyPattern.MatchString(r.Key), "key: want 32 lower-case hex digits"),
		want(stored || r.Status == RecordingMissing, "status: want stored or missing"),
		want(stored == (r.Object != "" && r.Bytes > 0 && sha256Pattern.MatchString(r.SHA256)), "object, bytes and sha256 belong to stored audio"),
		want(stored == (r.Reason == ""), "a reason belongs to missing audio"),
		want(!r.At.IsZero(), "at must be set"),
	))
}

// RecordingMessage makes the message. Its id is the row's key and the status: what is said
// again is one message.
func (n Names) RecordingMessage(r Recording) (Message, error) {
	source := "/aicc/" + EncodeToken(r.Tenant) + "/recording/" + EncodeToken(r.Agent)
	return newMessage(n.Recording(r.Tenant, r.Agent, r.Status), TypeRecording, source, r.Key+"."+string(r.Status), r.At, r)
}

// Object is one object of a place where files are kept.
type Object struct {
	Name     string
	Bytes    int64 // as kept
	StoredAt time.Time
	Meta     map[string]string
}
