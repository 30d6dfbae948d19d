package schemas

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"aiccbridge/schemas/internal/digest"
)

// Call is everything that complete windows know of one call. It is made of rows, and of what
// was said of their audio, so that what the privacy policy took from those is not in it. Codes are the
// platform's; columns of rows keep their names, except where several columns are one thing.
//
// A call belongs to one window for good, its home: that of the call detail records in which
// its first leg was published. When rows of another window say more of it, or change it, it
// comes again on the same subject, as the next revision.
type Call struct {
	Tenant   string      `json:"tenant"`
	Window   Window      `json:"window"` // its home
	CallID   string      `json:"call_id"`
	Revision int         `json:"revision"`          // from 1
	Changed  []string    `json:"changed,omitempty"` // members that differ from the revision before
	Sources  CallSources `json:"sources"`
	CallContent
}

// CallSources say what was known when a call was made, by kinds of rows. The window's last
// marker says what is known by now: a call that stays the same is not published again.
type CallSources struct {
	Complete     []Kind `json:"complete"`                // every window that the window's calls touch was complete
	Pending      []Kind `json:"pending,omitempty"`       // some was not
	NotExtracted []Kind `json:"not_extracted,omitempty"` // nobody asks for them: what they would say is missing
	// Audio says whether that of recordings is fetched. Off: what was fetched before is there,
	// and of other recordings nobody will say where their audio is.
	Audio AudioMode `json:"audio"`
}

// AudioMode says whether the audio of recordings is fetched.
type AudioMode string

// Whether audio is fetched, in the words of the configuration.
const (
	AudioOff   AudioMode = "off"
	AudioFetch AudioMode = "fetch"
)

// CallContent is what revisions of a call may differ in. Zero and absent: the rows say
// nothing of it.
type CallContent struct {
	Direction    string          `json:"direction,omitempty"` // inbound, outbound or internal, by the call type
	CallType     *int            `json:"call_type,omitempty"`
	MediaType    *int            `json:"media_type,omitempty"`
	ReleaseCause *int            `json:"release_cause,omitempty"` // of the leg that closes the call
	Names        CallNames       `json:"names,omitzero"`
	Caller       string          `json:"caller,omitempty"`
	Called       string          `json:"called,omitempty"`
	Begin        time.Time       `json:"begin,omitzero"` // the first time in any leg
	End          time.Time       `json:"end,omitzero"`   // the last one
	WaitS        *int            `json:"wait_s,omitempty"`
	RingS        *int            `json:"ring_s,omitempty"`
	TalkS        *int            `json:"talk_s,omitempty"` // with all devices, as the sums before
	Closed       bool            `json:"closed"`           // its last leg is there: the row whose call_id_num is -1
	Agents       []string        `json:"agents,omitempty"` // each once, in the order of the legs
	Skills       []string        `json:"skills,omitempty"`
	Legs         []CallLeg       `json:"legs"` // in the order in which it went
	Recordings   []CallRecording `json:"recordings,omitempty"`
	Operations   []CallOperation `json:"operations,omitempty"` // of agents, on this call
	Rows         []CallRows      `json:"rows"`                 // that it was made from
	LeftOut      []string        `json:"left_out,omitempty"`   // members that would have made it larger than the bus takes
}

// CallNames say what the codes of a call mean, as the names of rows do.
type CallNames struct {
	CallType     string `json:"call_type,omitempty"`
	MediaType    string `json:"media_type,omitempty"`
	ReleaseCause string `json:"release_cause,omitempty"`
}

// CallLeg is the way of a call through one device: one row of call detail records.
type CallLeg struct {
	Number     *int   `json:"number,omitempty"` // call_id_num: 1, 2, 3 …; -1 closes the call
	DeviceType *int   `json:"device_type,omitempty"`
	DeviceNo   string `json:"device_no,omitempty"`
	// Where it came from: the device before, of a transfer say. Nothing else links legs, and
	// nothing links calls: no column of any kind names another one.
	PreDeviceType *int      `json:"pre_device_type,omitempty"`
	PreDeviceNo   string    `json:"pre_device_no,omitempty"`
	Agent         string    `json:"agent,omitempty"`
	Skill         string    `json:"skill,omitempty"` // the queue that handled it, else the one it belongs to
	WaitBegin     time.Time `json:"wait_begin,omitzero"`
	WaitEnd       time.Time `json:"wait_end,omitzero"`
	AckBegin      time.Time `json:"ack_begin,omitzero"`
	AckEnd        time.Time `json:"ack_end,omitzero"`
	CallBegin     time.Time `json:"call_begin,omitzero"`
	CallEnd       time.Time `json:"call_end,omitzero"`
	WaitS         *int      `json:"wait_s,omitempty"`
	RingS         *int      `json:"ring_s,omitempty"`
	TalkS         *int      `json:"talk_s,omitempty"`
	LeaveReason   *int      `json:"leave_reason,omitempty"`
	Names         LegNames  `json:"names,omitzero"`
	Ambiguous     []string  `json:"ambiguous,omitempty"` // times that occur twice or never at a clock change
	Row           string    `json:"row"`                 // its id
}

// LegNames say what the codes of a leg mean.
type LegNames struct {
	DeviceType    string `json:"device_type,omitempty"`
	PreDeviceType string `json:"pre_device_type,omitempty"`
	LeaveReason   string `json:"leave_reason,omitempty"`
}

// CallRecording is one recording of a call: one row of the recording index.
type CallRecording struct {
	Agent            string    `json:"agent,omitempty"`
	FileName         string    `json:"file_name,omitempty"`
	OriginalFileName string    `json:"original_file_name,omitempty"`
	Begin            time.Time `json:"begin,omitzero"`
	End              time.Time `json:"end,omitzero"`
	TalkS            *int      `json:"talk_s,omitempty"`
	// Key is that of the message [Recording] that says what became of the audio.
	Key string `json:"key,omitempty"`
	// Audio is what was said of it last. Zero: nothing yet, or it is not fetched.
	Audio CallAudio `json:"audio,omitzero"`
	Row   string    `json:"row"`
}

// CallAudio is what became of a recording's audio, as in [Recording].
type CallAudio struct {
	Status RecordingStatus `json:"status"`
	Audio
	Reason RecordingReason `json:"reason,omitempty"` // why it is missing
	At     time.Time       `json:"at"`               // when it was stored, or given up
}

// ForCall is what a call says of the recording.
func (r Recording) ForCall() CallAudio { return CallAudio{r.Status, r.Audio, r.Reason, r.At} }

// CallOperation is what an agent did on a call: one row of agent operations that names it.
type CallOperation struct {
	Agent     string         `json:"agent,omitempty"`
	OpType    *int           `json:"op_type,omitempty"`
	OpObject  string         `json:"op_object,omitempty"`
	OpCause   *int           `json:"op_cause,omitempty"`
	Names     OperationNames `json:"names,omitzero"`
	Begin     time.Time      `json:"begin,omitzero"`
	End       time.Time      `json:"end,omitzero"`
	DurationS *int           `json:"duration_s,omitempty"`
	Row       string         `json:"row"`
}

// OperationNames say what the codes of an operation mean.
type OperationNames struct {
	OpType  string `json:"op_type,omitempty"`
	OpCause string `json:"op_cause,omitempty"`
}

// CallRows are the rows of one window that a call was made from.
type CallRows struct {
	Kind   Kind     `json:"kind"`
	Window Window   `json:"window"`
	IDs    []string `json:"ids"` // ce-ids on the window's subject
}

// Validate reports a call that must not be published.
func (c Call) Validate() error {
	return wrapInvalid("call", cmp.Or(
		c.Window.Validate(),
		want(c.Tenant != "" && c.CallID != "", "tenant and call_id must be set"),
		want(c.Revision >= 1, "revision: want 1 or more"),
		want(len(c.Legs) > 0 && len(c.Rows) > 0, "a call has legs and rows"),
		want(c.Sources.Complete != nil, "sources must say what was complete"),
		want(c.Sources.Audio == AudioOff || c.Sources.Audio == AudioFetch, "audio: want off or fetch"),
	))
}

// CallMessage makes the message of a call with this [CallContent.Digest], as it was made at a
// time. It travels in atomic batches, and so carries no Nats-Msg-Id.
func (n Names) CallMessage(c Call, digest string, at time.Time) (Message, error) {
	call := EncodeToken(c.CallID)
	m, err := newMessage(n.Call(c.Tenant, c.Window), TypeCall, callSource(c.Tenant, c.Window), call+"."+strconv.Itoa(c.Revision), at, c)
	m.Dedupe = false
	m.Header = map[string]string{HeaderCall: call, HeaderCallRevision: strconv.Itoa(c.Revision), HeaderCallDigest: digest}
	return m, err
}

func callSource(tenant string, w Window) string {
	return "/aicc/" + EncodeToken(tenant) + "/call/" + w.String()
}

// callMembers are the members of [CallContent], in the order of their hashes in a digest.
// New ones are added at the end.
var callMembers = []string{
	"direction", "call_type", "media_type", "release_cause", "names", "caller", "called", "begin", "end",
	"wait_s", "ring_s", "talk_s", "closed", "agents", "skills", "legs", "recordings", "operations", "rows", "left_out",
}

// Digest sums up what a call says: for each member 8 hex digits of a hash, or "-" where it
// is absent. Equal digests are equal contents; [ChangedMembers] tells what differs. A change of
// the rows that a call is made from shows in several members, the rows' ids among them.
func (c CallContent) Digest() (string, error) { return digest.Of(c, callMembers) }

// ChangedMembers names the members in which two contents differ, by their digests.
func ChangedMembers(before, after string) []string { return digest.Changed(before, after, callMembers) }

// CallHeader is what the headers of a message on a subject of calls say.
type CallHeader struct {
	Type     string // [TypeCall], or [TypeCallsComplete] for a marker
	Call     string // the call's id, encoded; "" for markers
	Revision int    // from 1; 0 for markers
	Digest   string // [CallContent.Digest]
}

// ReadCallHeader reads the headers of a call or a marker without touching its body.
func ReadCallHeader(h map[string][]string) CallHeader {
	s := Stored{Header: h}
	revision, _ := strconv.Atoi(s.Get(HeaderCallRevision)) // markers have none
	return CallHeader{Type: s.Get("ce-type"), Call: s.Get(HeaderCall), Revision: revision, Digest: s.Get(HeaderCallDigest)}
}

// CallsComplete is the last message of a subject of calls, each time that its calls have
// been looked over: they are what the sources say.
type CallsComplete struct {
	Tenant  string `json:"tenant"`
	Window  Window `json:"window"`
	Calls   int    `json:"calls"`   // whose home the window is
	Added   int    `json:"added"`   // of these, new this time
	Revised int    `json:"revised"` // of these, published again this time
	// From and To are the span of the window and of all its calls: every window of a source
	// that overlaps it was looked for.
	From         time.Time     `json:"from"`
	To           time.Time     `json:"to"`
	Sources      []CallSource  `json:"sources"`           // complete windows, as they were then
	Pending      []CallPending `json:"pending,omitempty"` // windows that were not complete
	NotExtracted []Kind        `json:"not_extracted,omitempty"`
	Audio        AudioMode     `json:"audio"`
	// Heard is up to which sequence of AICC_FILES it is in the calls of all windows what became
	// of their recordings.
	Heard uint64 `json:"heard,omitempty"`
	// Unclaimed are the calls that rows of these windows name and whose home has not taken
	// them up: no leg is known yet, say. It takes them from there.
	Unclaimed   []CallUnclaimed `json:"unclaimed,omitempty"`
	CompletedAt time.Time       `json:"completed_at"`
}

// CallSource is a complete window that calls were made from.
type CallSource struct {
	Kind        Kind      `json:"kind"`
	Window      Window    `json:"window"`
	Extract     string    `json:"extract,omitempty"` // response id of the last extract whose rows were read
	CompletedAt time.Time `json:"completed_at"`      // of that window, as the ledger has it
	// Last is the sequence of the last message that was read of the window; 0: none was.
	Last uint64 `json:"last,omitempty"`
}

// CallPending is a window that was not complete.
type CallPending struct {
	Kind   Kind   `json:"kind"`
	Window Window `json:"window"`
}

// CallUnclaimed is a window whose rows name calls that lack them.
type CallUnclaimed struct {
	Kind   Kind     `json:"kind"`
	Window Window   `json:"window"`
	Calls  []string `json:"calls"`
}

// Source finds the entry of a window.
func (c CallsComplete) Source(k Kind, w Window) (CallSource, bool) {
	i := slices.IndexFunc(c.Sources, func(s CallSource) bool { return s.Kind == k && s.Window == w })
	if i < 0 {
		return CallSource{}, false
	}
	return c.Sources[i], true
}

// Validate reports a marker that must not be published.
func (c CallsComplete) Validate() error {
	return wrapInvalid("calls complete", cmp.Or(
		c.Window.Validate(),
		want(c.Tenant != "", "tenant is empty"),
		want(c.Added >= 0 && c.Revised >= 0 && c.Added+c.Revised <= c.Calls, "counts: want added + revised <= calls"),
		want(!c.From.After(c.Window.From) && !c.To.Before(c.Window.To), "from and to must hold the window"),
		want(!c.CompletedAt.IsZero(), "completed_at must be set"),
		want(c.Audio == AudioOff || c.Audio == AudioFetch, "audio: want off or fetch"),
	))
}

// CallsCompleteMessage makes the marker. Its id is a hash of all that it says.
func (n Names) CallsCompleteMessage(c CallsComplete) (Message, error) {
	if c.Sources == nil {
		c.Sources = []CallSource{} // [] rather than null
	}
	m, err := newMessage(n.Call(c.Tenant, c.Window), TypeCallsComplete, callSource(c.Tenant, c.Window), "complete."+hashOf(c), c.CompletedAt, c)
	m.Dedupe = false
	return m, err
}
