package schemas

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// FileNotice is what a callback says: this file is ready. It is not yet known
// for which window.
type FileNotice struct {
	Tenant     string    `json:"tenant"`
	ResponseID string    `json:"response_id"` // 32 lower-case hex digits
	FileName   string    `json:"file_name"`   // yyyyMMdd_<response id>.zip
	AccountID  string    `json:"account_id,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
	Via        Via       `json:"via"`
	// Request is what the callback's own address named, so that it finds its
	// window although the answer of its query was lost. nil: it named nothing.
	Request *WindowRequest `json:"request,omitempty"`
}

// WindowRequest names one request for a window's extract.
type WindowRequest struct {
	Kind   Kind      `json:"kind"`
	Window Window    `json:"window"`
	At     time.Time `json:"at"` // when it was made, in whole milliseconds; tells the attempts apart
}

// Validate reports a request that names nothing.
func (r WindowRequest) Validate() error {
	return wrapInvalid("window request", cmp.Or(
		r.Kind.Validate(), r.Window.Validate(),
		want(!r.At.IsZero(), "its time must be set"),
	))
}

// Via says how the bridge learnt of a file.
type Via string

// The ways.
const (
	ViaCallback  Via = "callback"
	ViaPredicted Via = "predicted"
	ViaManual    Via = "manual"
)

var (
	responseIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
	fileNamePattern   = regexp.MustCompile(`^\d{8}_[0-9A-Za-z-]{1,40}\.zip$`)
)

// NormaliseResponseID removes dashes and lowers the case, and reports ids that
// are not 32 hex digits then. One table of the platform's pages prints it with
// dashes although file names have none (cec_07_0814).
func NormaliseResponseID(id string) (string, error) {
	s := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(id), "-", ""))
	if !responseIDPattern.MatchString(s) {
		return "", fmt.Errorf("response id: want 32 hex digits")
	}
	return s, nil
}

// ValidateFileName reports a ZIP name that is not yyyyMMdd_<id>.zip. Names with
// a directory part never pass.
func ValidateFileName(name string) error {
	if !fileNamePattern.MatchString(name) {
		return fmt.Errorf("file name: want yyyyMMdd_<response id>.zip")
	}
	if _, err := time.Parse("20060102", name[:8]); err != nil {
		return fmt.Errorf("file name: its first eight digits are no date")
	}
	return nil
}

func wantResponseID(id string) error {
	return want(responseIDPattern.MatchString(id), "response_id: want 32 lower-case hex digits")
}

// Validate reports a notice that must not be stored.
func (f FileNotice) Validate() error {
	err := cmp.Or(
		want(f.Tenant != "", "tenant is empty"),
		wantResponseID(f.ResponseID),
		want(!f.ReceivedAt.IsZero() && f.Via != "", "received_at and via must be set"),
		ValidateFileName(f.FileName),
	)
	if err == nil && f.Request != nil {
		err = f.Request.Validate()
	}
	return wrapInvalid("file notice", err)
}

// FileReady hands one generated file to the workers: a notice matched with the
// window it was requested for.
type FileReady struct {
	Tenant     string    `json:"tenant"`
	Kind       Kind      `json:"kind"`
	Window     Window    `json:"window"`
	ResponseID string    `json:"response_id"`
	FileName   string    `json:"file_name"`
	AccountID  string    `json:"account_id,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
	Via        Via       `json:"via"`
}

// Validate reports a message that must not be published.
func (f FileReady) Validate() error {
	err := f.notice().Validate()
	if err == nil {
		err = f.Kind.Validate()
	}
	if err == nil {
		err = f.Window.Validate()
	}
	return wrapInvalid("file ready", err)
}

func (f FileReady) notice() FileNotice {
	return FileNotice{
		Tenant: f.Tenant, ResponseID: f.ResponseID, FileName: f.FileName, AccountID: f.AccountID,
		ReceivedAt: f.ReceivedAt, Via: f.Via,
	}
}

// FileReadyMessage makes the message; its id is the response id, so that the
// same callback twice is one message. A file that was handed over by a guess of
// its name has another id: its callback may still come and know better.
func (n Names) FileReadyMessage(f FileReady) (Message, error) {
	id := f.ResponseID
	if f.Via != ViaCallback {
		id += "." + string(f.Via)
	}
	return newMessage(n.FileReady(f.Tenant, f.Kind), TypeFileReady, fileSource(f.Tenant, f.Kind), id, f.ReceivedAt, f)
}

func fileSource(tenant string, k Kind) string {
	return "/aicc/" + EncodeToken(tenant) + "/file/" + string(k)
}

// WindowComplete is the last message of a window's subject after each extract:
// every row of the file is in the stream.
type WindowComplete struct {
	Tenant      string         `json:"tenant"`
	Kind        Kind           `json:"kind"`
	Window      Window         `json:"window"`
	ResponseID  string         `json:"response_id"`
	Rows        int            `json:"rows"`              // rows of this kind in the file that are in the stream now
	Added       int            `json:"added"`             // of these, brought by this extract
	Revised     int            `json:"revised"`           // of the added, later revisions: rows that changed, and those beside them with one natural key
	Rejected    int            `json:"rejected,omitzero"` // rows of the file that became dead letters: Rows + Rejected is what its members hold
	Files       []CompleteFile `json:"files"`             // CSV members, in the order they were read
	SHA256      string         `json:"sha256"`            // of the ZIP
	RequestedAt time.Time      `json:"requested_at,omitzero"`
	CompletedAt time.Time      `json:"completed_at"`
}

// CompleteFile is one CSV member of the ZIP.
type CompleteFile struct {
	Name     string `json:"name"`
	Rows     int    `json:"rows"`
	Header   bool   `json:"header"`
	Encoding string `json:"encoding"` // utf-8 or gb18030
}

// Validate reports a marker that must not be published.
func (w WindowComplete) Validate() error {
	return wrapInvalid("window complete", cmp.Or(
		w.Kind.Validate(), w.Window.Validate(),
		want(w.Tenant != "", "tenant is empty"),
		wantResponseID(w.ResponseID),
		want(w.Revised <= w.Added && w.Added <= w.Rows && w.Rows >= 0, "counts: want revised <= added <= rows"),
		want(!w.CompletedAt.IsZero(), "completed_at must be set"),
	))
}

// WindowCompleteMessage makes the marker; it travels in the last batch of its
// rows, on their subject, and so carries no Nats-Msg-Id.
func (n Names) WindowCompleteMessage(w WindowComplete) (Message, error) {
	if w.Files == nil {
		w.Files = []CompleteFile{} // [] rather than null
	}
	m, err := newMessage(n.Row(w.Tenant, w.Kind, w.Window), TypeWindowComplete,
		rowSource(w.Tenant, w.Kind, w.Window), CompleteID(w.ResponseID), w.CompletedAt, w)
	m.Dedupe = false
	m.Header = map[string]string{HeaderExtract: w.ResponseID}
	return m, err
}

// CompleteID is the ce-id of the marker of one extract.
func CompleteID(responseID string) string { return "complete." + responseID }

// RowMessage returns what the messages of all rows of one kind in a file have in common;
// a file may hold several kinds. ID, row header and body are still to be set, for
// each row (schemas/rows does it).
func (n Names) RowMessage(f FileReady, k Kind) Message {
	return Message{
		Subject: n.Row(f.Tenant, k, f.Window), Type: TypeRow + string(k), Source: "/aicc/" + EncodeToken(f.Tenant) + "/row",
	}
}

func rowSource(tenant string, k Kind, w Window) string {
	return "/aicc/" + EncodeToken(tenant) + "/row/" + string(k) + "/" + w.String()
}

// Coverage says up to when a kind is complete, and where it is not.
type Coverage struct {
	Tenant     string    `json:"tenant"`
	Kind       Kind      `json:"kind"`
	From       time.Time `json:"from"`        // where extraction began
	CompleteTo time.Time `json:"complete_to"` // every window before it is complete
	Holes      []Hole    `json:"holes,omitempty"`
	At         time.Time `json:"at"`
}

// Hole is one window that is not complete although later ones are.
type Hole struct {
	Window Window `json:"window"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Validate reports a statement that must not be published.
func (c Coverage) Validate() error {
	return wrapInvalid("coverage", cmp.Or(
		c.Kind.Validate(),
		want(c.Tenant != "", "tenant is empty"),
		want(!c.From.IsZero() && !c.CompleteTo.Before(c.From) && !c.At.IsZero(), "from, complete_to and at must be set and in order"),
	))
}

// CoverageMessage makes the message. Its id is a hash of all that it says, At
// included: the same statement sent again is one message, and a later one that
// says the same is another, because in between the truth may have been different
// (a hole that opens and closes) and the last message on the subject must be the
// one that holds.
func (n Names) CoverageMessage(c Coverage) (Message, error) {
	source := "/aicc/" + EncodeToken(c.Tenant) + "/coverage/" + string(c.Kind)
	return newMessage(n.Coverage(c.Tenant, c.Kind), TypeCoverage, source, hashOf(c), c.At, c)
}
