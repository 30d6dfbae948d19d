package schemas

import (
	"cmp"
	"time"
)

// WindowState is where a window stands in the ledger.
//
//	planned ──► requested ──► ready ──► complete
//	   ▲            │           │          │ re-sweep due
//	   │            ▼           ▼          │
//	   └──────── failed ◄───────┘          │
//	   └───────────────────────────────────┘
type WindowState string

// The states of a window.
const (
	WindowPlanned   WindowState = "planned"
	WindowRequested WindowState = "requested"
	WindowReady     WindowState = "ready"
	WindowCompleted WindowState = "complete"
	WindowFailed    WindowState = "failed"
)

// WindowEntry is the ledger's entry of one window: the value under
// [WindowKey] in the bucket WINDOWS, changed by compare-and-set only.
type WindowEntry struct {
	Tenant string      `json:"tenant"`
	Kind   Kind        `json:"kind"`
	Window Window      `json:"window"`
	State  WindowState `json:"state"`

	// Attempts counts the extracts asked for since the window was last complete
	// (or planned); it is written before the request is sent, because the
	// platform has no idempotency key.
	Attempts int `json:"attempts"`
	// DueAt is when a planned or failed window is to be asked for, and the
	// deadline of a requested or ready one. Zero: never; the re-sweeps of a
	// complete window follow from its end and the settings.
	DueAt  time.Time `json:"due_at,omitzero"`
	Budget string    `json:"budget,omitempty"`      // what its last request was taken from; see [Budget]
	Trace  string    `json:"traceparent,omitempty"` // of that request, as W3C Trace Context has it; absent: it was not traced

	ResponseID  string    `json:"response_id,omitempty"` // of the current extract
	FileName    string    `json:"file_name,omitempty"`
	Via         Via       `json:"via,omitempty"`   // how the bridge learnt of that file
	Passed      int       `json:"passed,omitzero"` // its deliveries to bridges without the tenant, which are no attempts
	RequestedAt time.Time `json:"requested_at,omitzero"`
	ReadyAt     time.Time `json:"ready_at,omitzero"`
	CompletedAt time.Time `json:"completed_at,omitzero"` // of the last complete extract
	Rows        int       `json:"rows"`                  // distinct rows in the stream after it
	// Extracts are those that were completed, the oldest first; more than [MaxExtracts]: the
	// last is the newest, with the rows of those left out. None: what they brought is not known.
	Extracts []Extracted `json:"extracts,omitempty"`
	Reason   Reason      `json:"reason,omitempty"` // why it failed last
	Error    string      `json:"error,omitempty"`
	Object   string      `json:"object,omitempty"` // where a damaged file is
	// Past holds the response ids of earlier extracts, newest last, at most
	// [MaxPastExtracts]: their callbacks may still be repeated.
	Past []string `json:"past,omitempty"`
	// Unplanned: the window is none of the planner's, which tile time from where extraction
	// begins; somebody imported its file, or ordered it. It is asked for only by Backfill.
	Unplanned bool `json:"unplanned,omitempty"`
	// Backfill is the order that has it asked for, or had last, in a lane behind live windows.
	Backfill string `json:"backfill,omitempty"`
	// Format is raised with a change that older bridges are not to touch; absent: 1. What
	// is only added is kept by those who do not know it.
	Format int `json:"format,omitempty"`
}

// MaxPastExtracts is how many earlier response ids an entry remembers.
const MaxPastExtracts = 20

// Extracted is what an extract brought: how many rows that are no revisions of earlier ones.
type Extracted struct {
	RequestedAt time.Time `json:"requested_at"`
	New         int       `json:"new"`
}

// MaxExtracts is how many extracts an entry remembers.
const MaxExtracts = 8

// Key is the entry's key in the bucket.
func (e WindowEntry) Key() string { return WindowKey(e.Tenant, e.Kind, e.Window) }

// Backfilling reports that the window is on a backfill's way: it waits for its turn in the
// lane of those, or an extract for it is under way.
func (e WindowEntry) Backfilling() bool {
	return e.Backfill != "" && (e.State != WindowCompleted || !e.DueAt.IsZero())
}

// Coming reports that the window has a time of its next extract, or that one is under way.
func (e WindowEntry) Coming() bool { return !e.DueAt.IsZero() || e.State == WindowPlanned }

// Validate reports an entry that must not be stored.
func (e WindowEntry) Validate() error {
	return wrapInvalid("window entry", cmp.Or(
		e.Kind.Validate(), e.Window.Validate(),
		want(e.Tenant != "", "tenant is empty"),
		want(e.State != "", "state must be set"),
		want(e.State != WindowReady || e.ResponseID != "" && e.FileName != "", "a ready window needs response_id and file_name"),
	))
}

// Session is the value of one agent in the bucket SESSIONS.
type Session struct {
	Tenant string `json:"tenant"`
	Agent  string `json:"agent"`
	// GUID is the gateway's current session id: sealed, with the session's cookies each on
	// a line of its own after the id, or of a session that was handed over in clear as it is.
	GUID string `json:"guid,omitempty"`
	// Polling is true while an owner polls the agent. An owner that finds it
	// true at its start knows that the last one did not stop cleanly.
	Polling   bool      `json:"polling"`
	Epoch     uint64    `json:"epoch"`
	LastSeq   uint64    `json:"last_seq"` // as of UpdatedAt
	UpdatedAt time.Time `json:"updated_at"`

	Handover
}

// Handover is what a session's entry has besides when another system signs the agent in.
type Handover struct {
	// What the other system writes, besides the GUID.
	Cookies      []string  `json:"cookies,omitempty"` // name=value, beside a GUID in clear
	URL          string    `json:"url,omitempty"`     // base URL of the node that has the session; "": the gateway's
	HandedOverAt time.Time `json:"handed_over_at,omitzero"`
	HandedOverBy string    `json:"handed_over_by,omitempty"`
	Stop         bool      `json:"stop,omitempty"` // the session is wanted back

	// What the bridge writes.
	Phase    SessionPhase `json:"phase,omitempty"`
	PolledAt time.Time    `json:"polled_at,omitzero"` // when the last poll was sent, as of UpdatedAt
	Cause    string       `json:"cause,omitempty"`    // why it is over, or refused
	Code     string       `json:"code,omitempty"`     // the gateway's, if that said so
}

// SessionPhase is where a session stands that another system handed over.
type SessionPhase string

// The phases. An entry without one was not looked at yet.
const (
	SessionPolling  SessionPhase = "polling"  // the bridge polls: nobody else may
	SessionLeft     SessionPhase = "left"     // the bridge stopped; the next one goes on
	SessionReturned SessionPhase = "returned" // the bridge has stopped, as it was asked; it may be polled by others
	SessionOver     SessionPhase = "over"     // the gateway has ended it; another GUID is waited for
	SessionRefused  SessionPhase = "refused"  // the bridge cannot use what is there
)

// AgentState is the value of one agent in the bucket STATE.
type AgentState struct {
	Tenant string    `json:"tenant"`
	Agent  string    `json:"agent"`
	State  State     `json:"state"`
	Since  time.Time `json:"since"`
	CallID string    `json:"call_id,omitempty"`
	Via    Way       `json:"via,omitempty"` // of the event that State is known from; empty: an older bridge wrote it
	Position
}
