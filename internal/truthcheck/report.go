package truthcheck

import (
	"fmt"
	"time"

	"aiccbridge/internal/truthcheck/callcheck"
)

// MaxProblems is how many problems a report spells out; its counters count all.
const MaxProblems = 20

// Report is the outcome of a comparison. Counters that are zero when all is well
// are left out of its JSON then.
type Report struct {
	Events EventReport       `json:"events"`
	Files  FileReport        `json:"files"`
	Rows   RowReport         `json:"rows"`
	Calls  *callcheck.Report `json:"calls,omitempty"` // nil: not compared
	// Recordings are nil when they are not compared.
	Recordings *RecordingReport `json:"recordings,omitempty"`
	// OK says that there is no problem. Losses that a gap record admits and
	// failed files whose window a later file completed are none.
	OK bool `json:"ok"`
	// Problems are the first [MaxProblems] problems, in sentences.
	Problems []string `json:"problems,omitempty"`
}

// EventReport is about the platform's events; the bridge's own session events
// only count as numbered messages.
type EventReport struct {
	Popped int `json:"popped"` // events that the platform handed out
	Stored int `json:"stored"` // events in the stream, repeats included
	Gaps   int `json:"gaps"`   // gap records in the stream

	Inferred  int `json:"inferred,omitempty"`  // of the gaps, those found by events that can't follow on each other
	Unfounded int `json:"unfounded,omitempty"` // of these, those that cover no loss; a problem

	Lost            []LostEvent `json:"lost,omitempty"`             // popped, not stored; by agent, then in their order
	UnexplainedLost int         `json:"unexplained_lost,omitempty"` // of these, in no gap
	Duplicated      int         `json:"duplicated,omitempty"`       // stored more often than popped
	Foreign         int         `json:"foreign,omitempty"`          // stored, but never popped with this type and content
	Misordered      int         `json:"misordered,omitempty"`       // not in the order of the pops, or of their numbers
	Late            int         `json:"late,omitempty"`             // popped by an owner after a later one began; a problem, unless it was cut off
	Holes           int         `json:"holes,omitempty"`            // numbers (seq) that no message has
	RepeatedIDs     int         `json:"repeated_ids,omitempty"`     // messages whose ce-id or number another one has
	Unredacted      int         `json:"unredacted,omitempty"`       // events with a credential in clear
}

// LostEvent is an event that was popped and is not in the stream.
type LostEvent struct {
	Agent string    `json:"agent"`
	N     uint64    `json:"n"` // as in the truth log
	Type  string    `json:"type"`
	At    time.Time `json:"at"`              // of the pop
	Fault string    `json:"fault,omitempty"` // what the simulator did to the answer
	// Explained says that a gap record of the agent covers At.
	Explained bool `json:"explained"`
}

// FileReport is about extractions. Made is the sum of Accepted, Failed,
// Superseded, Unfinished and Unsound.
type FileReport struct {
	Made     int `json:"made"`
	Accepted int `json:"accepted"` // with a marker
	Failed   int `json:"failed"`   // with a dead letter instead

	Superseded    int `json:"superseded,omitempty"`     // neither, but a later file of the window is accepted
	Unfinished    int `json:"unfinished,omitempty"`     // neither, and no later file is accepted
	FailedWindows int `json:"failed_windows,omitempty"` // of the failed, without a later accepted file
	Unsound       int `json:"unsound,omitempty"`        // with a marker although stored damaged
	Unknown       int `json:"unknown,omitempty"`        // markers of files that were never made
	WrongWindow   int `json:"wrong_window,omitempty"`   // of the accepted, marked for another window than asked for
	RepeatedMarks int `json:"repeated_marks,omitempty"` // further markers of one extract
}

// RowReport is about rows, compared by value within their window.
type RowReport struct {
	InFiles    int `json:"in_files"`   // rows that the stream must hold
	InStream   int `json:"in_stream"`  // rows that it holds
	Duplicates int `json:"duplicates"` // rows held more often than they must be

	Missing     int            `json:"missing,omitempty"`
	Foreign     int            `json:"foreign,omitempty"`      // in no file of the window that may bring rows
	AfterMarker int            `json:"after_marker,omitempty"` // rows behind the marker of their extract
	Rejected    int            `json:"rejected,omitempty"`     // rows without id and call id, each a dead letter as it must be
	ChangedBack int            `json:"changed_back,omitempty"` // rows that come again as a later revision: they are what they were before, or another one of their key has changed; InStream leaves them out
	ByKind      map[string]int `json:"-"`                      // InStream by kind
}

// problems keeps the first few and knows whether there are any.
type problems struct{ list []string }

func (p *problems) add(format string, args ...any) {
	if len(p.list) < MaxProblems {
		p.list = append(p.list, fmt.Sprintf(format, args...))
	}
}
