// Package truth is what really happened in the simulated platform: every
// event handed out, every file made, every callback tried, every download.
// A test holds it against what a client of the platform stored.
//
// Invariants: entries of one slice are in the order they were logged;
// Event.N counts each agent's events from 1 without holes, whatever session
// they were popped in; nothing that was logged is ever dropped or changed,
// except that an answer which turns out cut marks its event.
package truth

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/platformsim/world/seat"
)

// Event is one agent event taken out of a queue.
type Event struct {
	At      time.Time `json:"at"`
	Agent   string    `json:"agent"`
	Session string    `json:"session"` // names the sign-in, not the GUID: "<agent>-<n>"
	N       uint64    `json:"n"`       // per agent, from 1; set by Log.Popped
	Type    string    `json:"type"`
	// Content is the event's content as generated, before any noise was added
	// to the answer; null is kept as null.
	Content json.RawMessage `json:"content,omitempty"`
	// GeneratedAt is when the event came into the queue.
	GeneratedAt time.Time `json:"generated_at"`
	// Cut says that no readable answer carried the event: the connection was
	// cut, or the answer damaged, after the event had left the queue.
	Cut bool `json:"cut,omitempty"`
	// Fault names what was done to the answer, "" for nothing.
	Fault string `json:"fault,omitempty"`
	// Way is "push" for an event that was posted: taken, or, with Cut, given up without
	// anybody knowing whether it arrived. "": it was polled.
	Way string `json:"way,omitempty"`
}

// Push is one POST of events to an agent's client.
type Push struct {
	At      time.Time `json:"at"`
	Agent   string    `json:"agent"`
	Session string    `json:"session"`
	Way     string    `json:"way"`     // "list" (callBackUri) or "single" (pushUrl)
	Attempt int       `json:"attempt"` // from 1
	Events  int       `json:"events"`
	Status  int       `json:"status"` // 0: no answer
	Taken   bool      `json:"taken"`
	Err     string    `json:"err,omitempty"`
	Fault   string    `json:"fault,omitempty"`
}

// Drop is an event which left its queue without a poll.
type Drop struct {
	At      time.Time       `json:"at"`
	Agent   string          `json:"agent"`
	Session string          `json:"session"`
	Type    string          `json:"type"`
	Content json.RawMessage `json:"content,omitempty"`
	// Reason is "overflow" (the oldest of a full queue), "cleared"
	// (syncagentinfo) or "session" (the sign-in ended).
	Reason string `json:"reason"`
}

// Session is the begin or the end of a sign-in.
type Session struct {
	At      time.Time `json:"at"`
	Agent   string    `json:"agent"`
	Session string    `json:"session"`
	// Change is "signed_in", "signed_out", "forced_out", "displaced" or
	// "silent" (no poll for the platform's MAXTIME) or "unreachable" (nobody took
	// what was posted).
	Change string `json:"change"`
}

// File is one extraction that was generated.
type File struct {
	ResponseID string      `json:"response_id"`
	Name       string      `json:"name"`
	Operation  string      `json:"operation"` // "queryBillData" …
	AccountID  string      `json:"account_id,omitempty"`
	Begin      time.Time   `json:"begin"`
	End        time.Time   `json:"end"` // inclusive
	BeginText  string      `json:"begin_text"`
	EndText    string      `json:"end_text"`
	MadeAt     time.Time   `json:"made_at"`
	Rows       []world.Row `json:"rows,omitempty"`
	// Zone is the IANA name of the zone of the times in it; "": the tenant's.
	Zone string `json:"zone,omitempty"`
	// Damaged names the faults of the file, joined by +: "", "file.flipped",
	// "file.gbk+file.crlf" …
	Damaged string `json:"damaged,omitempty"`
}

// Callback is one try to tell the client about a file.
type Callback struct {
	ResponseID string    `json:"response_id"`
	At         time.Time `json:"at"`
	Attempt    int       `json:"attempt"` // from 1
	Status     int       `json:"status"`  // 0: no answer
	BodyBytes  int       `json:"body_bytes"`
	Err        string    `json:"err,omitempty"`
	Fault      string    `json:"fault,omitempty"`
}

// Download is one try to fetch a file or a recording.
type Download struct {
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	Bytes  int64     `json:"bytes"`
	Result string    `json:"result"` // "ok", a result code, or the fault applied
}

// Recording is the sound of one row of the recording index, or of one IVR flow.
type Recording struct {
	CallID    string    `json:"call_id,omitempty"`
	Agent     string    `json:"agent,omitempty"`
	AccountID string    `json:"account_id,omitempty"`
	FileName  string    `json:"file_name"`
	Original  string    `json:"original,omitempty"` // column original_file_name, with slashes
	Begin     time.Time `json:"begin"`
	End       time.Time `json:"end"`
	// Absent says that there is no sound; else ThereAt is from when it can be had.
	Absent  bool      `json:"absent,omitempty"`
	ThereAt time.Time `json:"there_at"`
	// Of the sound as it is delivered: "wav/alaw", its length, SHA-256 in hex.
	Format string `json:"format,omitempty"`
	Bytes  int    `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Polling is how one agent was polled, over all sessions.
type Polling struct {
	Polls int `json:"polls"`
	// LongestSilence is the longest time that a session waited for its next poll,
	// or heartbeat.
	LongestSilence time.Duration `json:"longest_silence_ns"`
	// Overlaps counts polls that came while another one of the session was held.
	Overlaps int `json:"overlaps"`
}

// Snapshot is a copy of a log.
type Snapshot struct {
	Events    []Event    `json:"events"`
	Drops     []Drop     `json:"drops"`
	Sessions  []Session  `json:"sessions"`
	Pushes    []Push     `json:"pushes,omitempty"`
	Files     []File     `json:"files"`
	Callbacks []Callback `json:"callbacks"`
	Downloads []Download `json:"downloads"`
	// Withheld are rows that no file ever has.
	Withheld []world.Row `json:"withheld,omitempty"`
	// Recordings are those whose row was in a file, or that were asked for.
	Recordings []Recording `json:"recordings"`

	// Requests counts what came in at the file store and the monitor, refused or not, by
	// operation; "object" is the object store.
	Requests map[string]int `json:"requests"`

	Polling map[string]Polling `json:"polling"` // by agent

	Moves []seat.Move `json:"moves"` // changes of agents' states
}

// Log collects what happened. Its zero value is ready to use, and it is safe
// for concurrent use. The slices inside an entry belong to the log once the
// entry was handed over.
type Log struct {
	mu sync.Mutex
	s  Snapshot
	at map[string][]int // where an agent's events are in s.Events
}

// New returns an empty log.
func New() *Log { return &Log{} }

// Popped records an event taken by a poll, also when its answer was then cut.
// It sets N and returns it.
func (l *Log) Popped(e Event) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = make(map[string][]int)
	}
	l.at[e.Agent] = append(l.at[e.Agent], len(l.s.Events))
	e.N = uint64(len(l.at[e.Agent]))
	l.s.Events = append(l.s.Events, e)
	return e.N
}

// Cut marks the agent's n-th event: its answer did not arrive whole. It does
// nothing for an event that was never popped.
func (l *Log) Cut(agent string, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.at[agent]; n >= 1 && n <= uint64(len(at)) {
		l.s.Events[at[n-1]].Cut = true
	}
}

// Dropped records an event which no poll will ever see.
func (l *Log) Dropped(d Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Drops = append(l.s.Drops, d)
}

// Session records the begin or the end of a sign-in.
func (l *Log) Session(s Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Sessions = append(l.s.Sessions, s)
}

// Push records a POST of events.
func (l *Log) Push(p Push) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Pushes = append(l.s.Pushes, p)
}

// Polled records the begin of a poll after a silence; held is how many polls of
// the session were held then.
func (l *Log) Polled(agent string, silence time.Duration, held int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.s.Polling[agent]
	p.Polls++
	p.LongestSilence = max(p.LongestSilence, silence)
	if held > 0 {
		p.Overlaps++
	}
	if l.s.Polling == nil {
		l.s.Polling = make(map[string]Polling)
	}
	l.s.Polling[agent] = p
}

// File records a generated extraction.
func (l *Log) File(f File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Files = append(l.s.Files, f)
}

// Callback records a try to tell the client about a file.
func (l *Log) Callback(c Callback) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Callbacks = append(l.s.Callbacks, c)
}

// Download records a try to fetch a file.
func (l *Log) Download(d Download) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Downloads = append(l.s.Downloads, d)
}

// Recording records the sound of a row.
func (l *Log) Recording(r Recording) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Recordings = append(l.s.Recordings, r)
}

// Moved records a change of an agent's state.
func (l *Log) Moved(m seat.Move) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.Moves = append(l.s.Moves, m)
}

// Request counts a request to the file store, or the monitor.
func (l *Log) Request(operation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.s.Requests == nil {
		l.s.Requests = make(map[string]int)
	}
	l.s.Requests[operation]++
}

// Snapshot returns a deep copy of everything logged so far.
func (l *Log) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := Snapshot{
		Events:    slices.Clone(l.s.Events),
		Drops:     slices.Clone(l.s.Drops),
		Sessions:  slices.Clone(l.s.Sessions),
		Pushes:    slices.Clone(l.s.Pushes),
		Files:     slices.Clone(l.s.Files),
		Callbacks: slices.Clone(l.s.Callbacks),
		Downloads: slices.Clone(l.s.Downloads),

		Recordings: slices.Clone(l.s.Recordings),
		Requests:   maps.Clone(l.s.Requests),
		Polling:    maps.Clone(l.s.Polling),
		Moves:      slices.Clone(l.s.Moves),
	}
	for i := range out.Events {
		out.Events[i].Content = slices.Clone(out.Events[i].Content)
	}
	for i := range out.Drops {
		out.Drops[i].Content = slices.Clone(out.Drops[i].Content)
	}
	for i := range out.Files {
		rows := slices.Clone(out.Files[i].Rows)
		for j := range rows {
			rows[j].Cells = slices.Clone(rows[j].Cells)
		}
		out.Files[i].Rows = rows
	}
	return out
}
