package schemas

import (
	"cmp"
	"time"
)

// Audit says what somebody did by hand about a contact centre's data, and who.
type Audit struct {
	Tenant string    `json:"tenant"` // or [NoTenant]
	What   AuditWhat `json:"what"`
	By     string    `json:"by"`               // who, as <user>@<machine>
	Kind   Kind      `json:"kind,omitempty"`   // with Window: what it was about, if that is a window
	Window Window    `json:"window,omitzero"`  // see Kind
	Letter string    `json:"letter,omitempty"` // the ce-id of the dead letter that it was about
	Order  string    `json:"order,omitempty"`  // the backfill that it was about
	Detail string    `json:"detail,omitempty"` // in words; no phone numbers
	At     time.Time `json:"at"`
}

// AuditWhat says what was done; a subject token. It is an open set.
type AuditWhat string

// What may be done.
const (
	AuditWindowRetry   AuditWhat = "window_retry"        // a window is asked for at once
	AuditWindowEmpty   AuditWhat = "window_accept_empty" // a window is taken for complete without a file
	AuditLetterRedrive AuditWhat = "letter_redrive"      // what a dead letter holds is worked on once more
	AuditLetterDrop    AuditWhat = "letter_drop"         // a dead letter is left as it is for good
	AuditBackfill      AuditWhat = "backfill_run"        // windows are asked for in the lane of backfills
	AuditBackfillEnd   AuditWhat = "backfill_cancel"     // those of an order that wait are not asked for
)

// Validate reports a statement that must not be published.
func (a Audit) Validate() error {
	err := cmp.Or(
		want(a.Tenant != "" && a.What != "" && a.By != "", "tenant, what and by must be set"),
		want((a.Kind == "") == (a.Window == Window{}), "kind and window belong together"),
		want(!a.At.IsZero(), "at must be set"),
	)
	if err == nil && a.Kind != "" {
		err = cmp.Or(a.Kind.Validate(), a.Window.Validate())
	}
	return wrapInvalid("audit", err)
}

// Audit is the subject of what somebody did by hand.
func (n Names) Audit(tenant string, what AuditWhat) string {
	return n.subject(EncodeToken(tenant), "audit", EncodeToken(string(what)))
}

// AuditMessage makes the message. Its id is a hash of all that it says.
func (n Names) AuditMessage(a Audit) (Message, error) {
	return newMessage(n.Audit(a.Tenant, a.What), TypeAudit, "/aicc/"+EncodeToken(a.Tenant)+"/audit", hashOf(a), a.At, a)
}
