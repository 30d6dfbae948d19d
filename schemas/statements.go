package schemas

import (
	"cmp"
	"time"
)

// DriftWhat says in what a file differs from all that is known of its kind. It is an open
// set.
type DriftWhat string

// What may be new about a file.
const (
	// DriftColumns: its header line names columns that no page has, or lacks some that its
	// edition has.
	DriftColumns DriftWhat = "columns"
	// DriftOrder: its header line has the columns in another order than the pages. Its
	// cells are told by the header line; files without one would be read wrongly.
	DriftOrder DriftWhat = "order"
	// DriftCells: its records have more or fewer cells than any edition, or than the
	// header line above them, or than the setting files.edition says.
	DriftCells DriftWhat = "cells"
	// DriftZone: its times are those of another zone than the one it was read in.
	DriftZone DriftWhat = "zone"
)

// Drift says that a file has a shape, or times of a zone, that no file of its tenant and
// kind had before. It is said once for each shape, when the first file of it comes. The
// file's rows are published all the same.
type Drift struct {
	Tenant string    `json:"tenant"`
	Kind   Kind      `json:"kind"`
	What   DriftWhat `json:"what"`
	// The first file with it: its window, the ZIP, the member ("" when it concerns all),
	// and the records of this shape, or those that the zone was told by.
	Window Window `json:"window"`
	File   string `json:"file"`
	Member string `json:"member,omitempty"`
	Rows   int    `json:"rows"`

	Columns  []string `json:"columns,omitempty"`  // the header line's, in its order; none: there is no header line
	Unknown  []string `json:"unknown,omitempty"`  // of these, the ones that no page has; their cells are under "extra"
	Missing  []string `json:"missing,omitempty"`  // columns of the edition that the header line lacks
	Expected []string `json:"expected,omitempty"` // the header line's known columns in the documented order
	Cells    int      `json:"cells,omitzero"`     // of a record
	Edition  int      `json:"edition,omitzero"`   // how many columns the edition has that the file was read as

	Zone           string `json:"zone,omitempty"`            // the setting: the zone that the times were read in
	Offset         string `json:"offset,omitempty"`          // that of the times from UTC as the file shows it, e.g. +00:00
	ExpectedOffset string `json:"expected_offset,omitempty"` // that of the zone at the time

	At time.Time `json:"at"`
}

// Validate reports a statement that must not be published.
func (d Drift) Validate() error {
	return wrapInvalid("drift", cmp.Or(
		d.Kind.Validate(), d.Window.Validate(),
		want(d.Tenant != "" && d.What != "" && d.File != "", "tenant, what and file must be set"),
		want(d.What != DriftZone || d.Zone != "" && d.Offset != "", "a zone's drift needs zone and offset"),
		want(!d.At.IsZero(), "at must be set"),
	))
}

// DriftMessage makes the message. Its id is a hash of the shape alone, so that the same
// shape of another file is the same statement: one is in the stream already.
func (n Names) DriftMessage(d Drift) (Message, error) {
	source := "/aicc/" + EncodeToken(d.Tenant) + "/drift/" + string(d.Kind)
	return newMessage(n.Drift(d.Tenant, d.Kind), TypeDrift, source, hashOf(d.shape()), d.At, d)
}

// shape is what makes a statement another one: the header line, the cells of a record, or
// the offset.
func (d Drift) shape() Drift {
	switch d.What {
	case DriftCells:
		return Drift{What: d.What, Cells: d.Cells, Edition: d.Edition, Rows: len(d.Columns)}
	case DriftZone:
		return Drift{What: d.What, Offset: d.Offset}
	}
	return Drift{What: d.What, Columns: d.Columns}
}

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
