// Package comparison is what is said of live events against the files: of each window, of each
// day, and of each state that only a file proves.
package comparison

import (
	"cmp"
	"strconv"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/envelope"
)

// Statement holds what was seen live of one window against what its files say: calls
// for a window of call detail records, recordings for one of the recording index, states for
// one of agent operations. Each statement stands for all before it of that window.
type Statement struct {
	Tenant   string         `json:"tenant"`
	Kind     schemas.Kind   `json:"kind"` // cdr, recording or operation
	Window   schemas.Window `json:"window"`
	Revision int            `json:"revision"` // from 1
	Tally
	// Closed is how many gaps of the window the files tell something of, Gaps how many there
	// are. Of agent operations only.
	Gaps   int `json:"gaps,omitzero"`
	Closed int `json:"gaps_closed,omitzero"`

	Findings []Finding `json:"findings"`          // the first [MaxFindings], by their time
	LeftOut  int       `json:"left_out,omitzero"` // how many more there are
	// Sources are the windows that were read, and as of which completion; Pending those that
	// are to be complete before all is known.
	Sources []schemas.CallSource `json:"sources"`
	Pending []schemas.Window     `json:"pending,omitempty"`
	At      time.Time            `json:"at"`
}

// MaxFindings is how many findings a statement names.
const MaxFindings = 100

// Tally counts the calls (each once for each agent in it), recordings or states of one window
// or day. Live = Both + OnlyLive + Waiting, Recorded = Both + OnlyRecorded.
type Tally struct {
	Agents       int `json:"agents"`        // that were observed live then; of a day: the most of a window
	Live         int `json:"live"`          // seen live
	Recorded     int `json:"recorded"`      // that the files have of agents who were observed then
	Both         int `json:"both"`          // seen live and in the files
	OnlyLive     int `json:"only_live"`     // seen live, and there is no row
	OnlyRecorded int `json:"only_recorded"` // a row, and nothing was seen live
	Differ       int `json:"differ"`        // of Both: the two do not say the same
	Explained    int `json:"explained"`     // of OnlyRecorded and Differ: those that a gap explains
	Unexplained  int `json:"unexplained"`   // of OnlyLive, OnlyRecorded and Differ: those that nothing explains
	Waiting      int `json:"waiting"`       // seen live; the row may yet come
	NotObserved  int `json:"not_observed"`  // rows of agents that nobody observed then: not compared
	Unheard      int `json:"unheard"`       // rows of which an event may yet come: none of the agent's later ones has
	NoAudio      int `json:"no_audio"`      // rows of the recording index whose audio is missing
	// Reconstructed states were not seen live, and are told by [schemas.Names.Reconstructed].
	Reconstructed int `json:"reconstructed"`
}

// Add adds the figures of another window.
func (t *Tally) Add(o Tally) {
	t.Agents = max(t.Agents, o.Agents)
	for _, f := range [...]struct {
		to *int
		n  int
	}{
		{&t.Live, o.Live}, {&t.Recorded, o.Recorded}, {&t.Both, o.Both}, {&t.OnlyLive, o.OnlyLive}, {&t.OnlyRecorded, o.OnlyRecorded},
		{&t.Differ, o.Differ}, {&t.Explained, o.Explained}, {&t.Unexplained, o.Unexplained}, {&t.Waiting, o.Waiting},
		{&t.NotObserved, o.NotObserved}, {&t.Unheard, o.Unheard}, {&t.NoAudio, o.NoAudio}, {&t.Reconstructed, o.Reconstructed},
	} {
		*f.to += f.n
	}
}

// Score is the share of what was compared on which live events and files agree, in percent
// with one digit behind the point; 100 when nothing was compared.
func (t Tally) Score() float64 {
	all := t.Both + t.OnlyLive + t.OnlyRecorded
	if all == 0 {
		return 100
	}
	return float64((t.Both-t.Differ)*1000/all) / 10
}

// What says how live events and files differ. It is an open set.
type What string

// What may be found.
const (
	CallNoRow       What = "call_without_row"      // a call was seen live, and has no call detail record
	CallNotSeen     What = "call_not_seen"         // a call detail record, and no event of the call
	CallPartly      What = "call_partly_seen"      // some of a call's events did not come: Missing names them
	TalkDiffers     What = "talk_differs"          // the talk was longer or shorter live than in the record
	RecordingNoRow  What = "recording_without_row" // a recording began, and the index does not have it
	RecordingUnseen What = "recording_not_seen"    // the index has it, and no event told of it
	NoAudio         What = "audio_missing"         // the index has it, and its audio could not be had
	StateNoRow      What = "state_without_row"     // a state was seen live, and no operation says so
	StateNotSeen    What = "state_not_seen"        // an operation, and no event told of it
	Gap             What = "gap"                   // events may be lost here; Missing names what the files tell of
)

// Explanation says why something was not seen live.
type Explanation string

// What explains that something was not seen live.
const (
	ExplainedByGap Explanation = "gap" // of the agent's events, then: Gap says which
	// ExplainedBySignOut: the agent was observed for a part of it only.
	ExplainedBySignOut Explanation = "not_observed"
)

// Finding is one difference.
type Finding struct {
	What    What             `json:"what"`
	Agent   string           `json:"agent"`
	CallID  string           `json:"call_id,omitempty"`
	At      time.Time        `json:"at"`                // when it began; of a gap: its end
	Row     string           `json:"row,omitempty"`     // id of the row, if there is one
	Name    string           `json:"name,omitempty"`    // of a state: what it is, e.g. rest; of a gap: its cause; of audio: why it is missing
	Live    float64          `json:"live_s,omitzero"`   // talk differs: seconds live
	Rows    float64          `json:"row_s,omitzero"`    // and as the record has it
	Missing []string         `json:"missing,omitempty"` // names of events
	By      Explanation      `json:"explained_by,omitempty"`
	Gap     schemas.Position `json:"gap,omitzero"` // number of the gap record that explains it, or that it is about
	// Reconstructed: the state is told by [schemas.Names.Reconstructed].
	Reconstructed bool `json:"reconstructed,omitzero"`
}

// Validate reports a statement that must not be published.
func (r Statement) Validate() error {
	return envelope.Invalid("comparison", cmp.Or(
		r.Kind.Validate(), r.Window.Validate(),
		envelope.Want(r.Tenant != "" && r.Kind != schemas.KindSkill, "want a tenant, and one of cdr, recording and operation"),
		envelope.Want(r.Revision > 0, "revision counts from 1"),
		envelope.Want(r.Live == r.Both+r.OnlyLive+r.Waiting && r.Recorded == r.Both+r.OnlyRecorded, "the counts do not add up"),
		envelope.Want(len(r.Findings) <= MaxFindings, "there are too many findings"),
		envelope.Want(!r.At.IsZero(), "at must be set"),
	))
}

// Reconstructed is a state of an agent that was not seen live, because it fell into a gap,
// and that an operation of the files proves. It is no event: it has no number, and tells what
// was known afterwards.
type Reconstructed struct {
	Tenant string              `json:"tenant"`
	Agent  string              `json:"agent"`
	State  schemas.State       `json:"state"`
	From   time.Time           `json:"from"`        // when it began, by the operation: whole seconds
	To     time.Time           `json:"to,omitzero"` // and ended
	Source schemas.ProofSource `json:"source"`      // what proves it: operation
	Row    string              `json:"row"`         // id of the operation's row
	Window schemas.Window      `json:"window"`      // of that row
	Gap    schemas.Position    `json:"gap"`         // number of the agent's gap record in which the event was lost
	At     time.Time           `json:"at"`          // when this was said
}

// Validate reports a state that must not be published.
func (r Reconstructed) Validate() error {
	return envelope.Invalid("reconstructed state", cmp.Or(
		r.Window.Validate(),
		envelope.Want(r.Tenant != "" && r.Agent != "", "tenant and agent must be set"),
		envelope.Want(r.Gap.Epoch > 0 && r.Gap.Seq > 0, "the gap's epoch and seq count from 1"),
		envelope.Want(r.State != "" && r.Source != "" && r.Row != "", "state, source and row must be set"),
		envelope.Want(!r.From.IsZero() && !r.At.IsZero(), "from and at must be set"),
	))
}

// Day says how well live events and files of one day agree, as of the windows that
// were compared so far.
type Day struct {
	Tenant   string     `json:"tenant"`
	Day      string     `json:"day"`      // of the tenant, e.g. 2026-12-01: that on which windows begin
	Revision int        `json:"revision"` // from 1
	Score    float64    `json:"score"`    // [Tally.Score] of all kinds together
	Kinds    []DayTally `json:"kinds"`    // those that were compared
	At       time.Time  `json:"at"`
}

// DayTally adds up the windows of one kind and day.
type DayTally struct {
	Kind    schemas.Kind `json:"kind"`
	Windows int          `json:"windows"` // how many were compared
	Tally
}

// Validate reports a statement that must not be published.
func (d Day) Validate() error {
	_, err := time.Parse(time.DateOnly, d.Day)
	return envelope.Invalid("day", cmp.Or(
		err,
		envelope.Want(d.Tenant != "" && d.Revision > 0, "want a tenant, and a revision from 1"),
		envelope.Want(len(d.Kinds) > 0, "want a kind"),
		envelope.Want(!d.At.IsZero(), "at must be set"),
	))
}

// Message makes the message. Its id is window and revision.
func (r Statement) Message(n schemas.Names) (schemas.Message, error) {
	if r.Findings == nil {
		r.Findings = []Finding{} // [] rather than null
	}
	if r.Sources == nil {
		r.Sources = []schemas.CallSource{}
	}
	id := r.Window.String() + "." + strconv.Itoa(r.Revision)
	return envelope.New(n.Reconcile(r.Tenant, r.Kind), schemas.TypeReconcile, source(r.Tenant, string(r.Kind)), id, r.At, r)
}

// Message makes the message. Its id is day and revision.
func (d Day) Message(n schemas.Names) (schemas.Message, error) {
	return envelope.New(n.ReconcileDay(d.Tenant), schemas.TypeReconcileDay, source(d.Tenant, "day"), d.Day+"."+strconv.Itoa(d.Revision), d.At, d)
}

// Message makes the message. Its id is base, that of the row's first revision: one row proves
// one state.
func (r Reconstructed) Message(n schemas.Names, base string) (schemas.Message, error) {
	return envelope.New(n.Reconstructed(r.Tenant, r.Agent), schemas.TypeReconstructed, source(r.Tenant, "state"), base, r.At, r)
}

func source(tenant, what string) string {
	return "/aicc/" + schemas.EncodeToken(tenant) + "/reconcile/" + what
}
