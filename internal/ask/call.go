package ask

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// CallQuery names a call.
type CallQuery struct {
	Tenant string `json:"tenant"`
	CallID string `json:"call_id"`
	// Around is a time at which the call was there or had just begun. Zero: its id tells,
	// which begins with the second of its beginning on most platforms.
	Around time.Time `json:"around"`
}

// began is about when the call began; zero if nothing tells.
func (q CallQuery) began() time.Time {
	if !q.Around.IsZero() {
		return q.Around
	}
	seconds, _, composite := strings.Cut(q.CallID, "-")
	n, err := strconv.ParseInt(seconds, 10, 64)
	t := time.Unix(n, 0)
	if !composite || err != nil || t.Year() < 2000 || t.After(time.Now().Add(24*time.Hour)) {
		return time.Time{}
	}
	return t
}

// How far around its beginning a call is looked for.
const (
	soon    = 5 * time.Minute // before the time that its id tells: clocks differ
	before  = time.Hour       // before a time that somebody remembers
	longest = 12 * time.Hour  // that a call lasts
	behind  = 5 * time.Minute // the call, what its agents do next is looked for
	filed   = 25 * time.Hour  // after which its records are in a window
)

// Source says where something about a call is known from.
type Source string

// The sources.
const (
	SourceEvent     Source = "event"     // a live event
	SourceGap       Source = "gap"       // events that may be missing
	SourceLeg       Source = "leg"       // a row of call detail records
	SourceRecording Source = "recording" // a row of the recording index
	SourceAudio     Source = "audio"     // what became of a recording's audio
	SourceOperation Source = "operation" // a row of agent operations
)

// Moment is one thing that is known of a call.
type Moment struct {
	At     time.Time `json:"at"`
	Source Source    `json:"source"`
	Agent  string    `json:"agent,omitempty"`
	What   string    `json:"what"`           // in words
	Type   string    `json:"type,omitempty"` // the platform's, of events
	Call   string    `json:"call,omitempty"` // another one that it names
	// Where it is: <stream>/<sequence> of an event, the id of a row.
	Where string `json:"where,omitempty"`
}

// Link is another call that belongs to one.
type Link struct {
	CallID string `json:"call_id,omitempty"` // empty: nothing names it
	How    string `json:"how"`               // consultation, or offline_callback
	Agent  string `json:"agent"`
}

// Story is everything known of one call.
type Story struct {
	Tenant  string        `json:"tenant"`
	CallID  string        `json:"call_id"`
	From    time.Time     `json:"from,omitzero"` // live events were looked for between From and To
	To      time.Time     `json:"to,omitzero"`
	Agents  []string      `json:"agents"`         // in the order in which they come up
	Call    *schemas.Call `json:"call,omitempty"` // its newest revision
	Moments []Moment      `json:"moments"`        // in order
	Linked  []Link        `json:"linked,omitempty"`
	Missing []string      `json:"missing,omitempty"` // what is not known, and why
}

// ErrWhen says that nothing tells when a call was.
var ErrWhen = errors.New("its id does not tell when it was; say about when")

// Call tells everything that is known of a call, in order.
func (q Questions) Call(ctx context.Context, which CallQuery) (Story, error) {
	if which.began().IsZero() {
		return Story{}, fmt.Errorf("call %s of %s: %w", which.CallID, which.Tenant, ErrWhen)
	}
	s := story{Story: Story{Tenant: which.Tenant, CallID: which.CallID, Agents: []string{}, Moments: []Moment{}}}
	windows, err := q.callWindows(ctx, which)
	if err == nil {
		s.Call, err = q.record(ctx, which, windows)
	}
	if err != nil {
		return s.Story, err
	}
	s.span(which)
	if err := q.live(ctx, &s); err != nil {
		return s.Story, err
	}
	if s.Call == nil {
		if err := q.audio(ctx, &s); err != nil {
			return s.Story, err
		}
	}
	s.tellRecord()
	s.tellMissing(windows)
	s.finish()
	if s.Call == nil && len(s.Moments) == 0 {
		return s.Story, fmt.Errorf("call %s of %s: %w", which.CallID, which.Tenant, ErrNone)
	}
	return s.Story, nil
}

// callWindows are the windows of call detail records that may have the call, by time.
func (q Questions) callWindows(ctx context.Context, which CallQuery) ([]Window, error) {
	t := which.began()
	return q.Windows(ctx, WindowQuery{Tenant: which.Tenant, Kind: schemas.KindCDR, From: t.Add(-before), To: t.Add(filed)})
}

// record is the newest revision of the call, nil if there is none.
func (q Questions) record(ctx context.Context, which CallQuery, windows []Window) (call *schemas.Call, err error) {
	id := schemas.EncodeToken(which.CallID)
	for _, w := range windows {
		err = q.Hub.Read(ctx, schemas.StreamCalls, q.Names.Call(which.Tenant, w.Window), 0, func(m schemas.Stored) error {
			if schemas.ReadCallHeader(m.Header).Call != id {
				return nil
			}
			c, err := read[schemas.Call](m)
			call = &c
			return err
		})
		if call != nil || err != nil {
			return call, err
		}
	}
	return nil, nil
}

// story is a story while it is put together.
type story struct {
	Story
	spans map[string]*stay // of agents
}

// stay is when an agent had events of the call.
type stay struct{ from, to time.Time }

// span says between what times live events are looked for.
func (s *story) span(which CallQuery) {
	now := time.Now()
	s.From, s.To = which.began().Add(-soon), which.began().Add(longest)
	if !which.Around.IsZero() {
		s.From = which.Around.Add(-before)
	}
	if c := s.Call; c != nil && !c.Begin.IsZero() {
		s.From = c.Begin.Add(-time.Minute)
		s.To = c.Begin.Add(longest)
		if c.Closed && !c.End.IsZero() {
			s.To = c.End.Add(late)
		}
	}
	if s.To.After(now) {
		s.To = now
	}
}

// audio reads what became of the audio, which a call's record would hold.
func (q Questions) audio(ctx context.Context, s *story) error {
	return q.Hub.ReadSince(ctx, schemas.StreamFiles, q.Names.Recordings(s.Tenant), s.From, func(m schemas.Stored) error {
		r, err := read[schemas.Recording](m)
		if err == nil && r.CallID == s.CallID {
			s.Moments = append(s.Moments, Moment{At: r.At, Source: SourceAudio, Agent: r.Agent, What: audioInWords(r.ForCall()), Where: r.Row})
		}
		return err
	})
}

func audioInWords(a schemas.CallAudio) string {
	if a.Status == schemas.RecordingMissing {
		return "audio is missing: " + string(a.Reason)
	}
	return "audio is stored: " + a.Object
}

// tellMissing says what is not known of the call.
func (s *story) tellMissing(windows []Window) {
	missing := func(format string, v ...any) { s.Missing = append(s.Missing, fmt.Sprintf(format, v...)) }
	if len(s.spans) == 0 {
		missing("no live event of it is kept: its agents were not polled then, or it is older than what is kept")
	}
	if s.Call == nil {
		s.tellNoRecord(windows, missing)
		return
	}
	for _, k := range s.Call.Sources.Pending {
		missing("rows of %s: a window that may have more of it is not complete", k)
	}
	for _, k := range s.Call.Sources.NotExtracted {
		missing("rows of %s: they are not extracted", k)
	}
	if !s.Call.Closed {
		missing("its last leg: no row with call_id_num -1 has come")
	}
	for _, m := range s.Call.LeftOut {
		missing("%s: left out of the call's record, which would be too large", m)
	}
}

func (s *story) tellNoRecord(windows []Window, missing func(string, ...any)) {
	open := 0
	for _, w := range windows {
		if w.State != schemas.WindowCompleted {
			open++
			missing("its record: the window of call detail records %s: %s", w.Window, w.Meaning)
		}
	}
	switch {
	case len(windows) == 0:
		missing("its record: no window of call detail records is around it")
	case open == 0:
		missing("its record: no complete window around it has a row of it, or calls are not made (files.calls)")
	}
}

// finish sorts the moments, and says who is in them.
func (s *story) finish() {
	slices.SortStableFunc(s.Moments, func(a, b Moment) int { return a.At.Compare(b.At) })
	for _, m := range s.Moments {
		if m.Agent != "" && !slices.Contains(s.Agents, m.Agent) {
			s.Agents = append(s.Agents, m.Agent)
		}
	}
}
