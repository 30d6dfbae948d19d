package ask

import (
	"bytes"
	"cmp"
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

// live reads the events: first those that name the call, of all agents; then what else its
// agents did meanwhile.
func (q Questions) live(ctx context.Context, s *story) error {
	s.spans = map[string]*stay{}
	err := q.eventsOf(ctx, q.Names.Agents(s.Tenant), s.From, s.To, func(m schemas.Stored) error {
		if m.Get("ce-type") != schemas.TypeEvent || !bytes.Contains(m.Body, []byte(`"`+s.CallID+`"`)) {
			return nil
		}
		e, err := read[schemas.Event](m)
		if err == nil {
			s.named(e, q.where(m))
		}
		return err
	})
	for agent, stay := range s.spans {
		if err != nil {
			break
		}
		err = q.beside(ctx, s, agent, *stay)
	}
	return err
}

// where is where an agent's message is.
func (q Questions) where(m schemas.Stored) string {
	return q.Names.Stream(schemas.StreamEvents) + "/" + strconv.FormatUint(m.Sequence, 10)
}

// eventsOf reads the messages of agents that were made between two times.
func (q Questions) eventsOf(ctx context.Context, filter string, from, to time.Time, f func(schemas.Stored) error) error {
	err := q.Hub.ReadSince(ctx, schemas.StreamEvents, filter, from, func(m schemas.Stored) error {
		made, _ := time.Parse(time.RFC3339Nano, m.Get("ce-time"))
		if m.StoredAt.After(to.Add(late)) && made.After(to) {
			return errEnough
		}
		return f(m)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// named takes an event that names the call: as its own or, as orgCallId say, as another one.
func (s *story) named(e schemas.Event, where string) {
	at := occurred(e)
	m := Moment{At: at, Source: SourceEvent, Agent: e.Agent, What: inWords(e), Type: e.Type, Where: where}
	if e.CallID != s.CallID {
		m.Call = e.CallID
	}
	if e.Type == "AgentEvent_Offline_Queue_Call" {
		s.Linked = append(s.Linked, Link{How: "offline_callback", Agent: e.Agent, CallID: m.Call})
	}
	s.spans[e.Agent] = s.spans[e.Agent].with(at)
	s.Moments = append(s.Moments, m)
}

// occurred is when an event occurred, or was received where the platform sends no times.
func occurred(e schemas.Event) time.Time {
	if e.OccurredAt.IsZero() {
		return e.ReceivedAt
	}
	return e.OccurredAt
}

// beside takes what an agent of the call did meanwhile, and first behind it: states, and
// consultations; and what of it may be missing.
func (q Questions) beside(ctx context.Context, s *story, agent string, during stay) error {
	next := false // its next state has come
	return q.eventsOf(ctx, q.Names.Agent(s.Tenant, agent), during.from, during.to.Add(behind), func(m schemas.Stored) error {
		switch m.Get("ce-type") {
		case schemas.TypeEvent:
			e, err := read[schemas.Event](m)
			if err == nil && e.CallID != s.CallID {
				s.meanwhile(e, q.where(m), during, &next)
			}
			return err
		case schemas.TypeGap:
			g, err := read[schemas.Gap](m)
			if err == nil && g.From.Before(during.to) && g.To.After(during.from) {
				s.tell(g.From, SourceGap, agent, "events may be missing until "+g.To.Format("15:04:05.000")+" ("+string(g.Cause)+")", "")
			}
			return err
		}
		return nil
	})
}

// meanwhile takes an event of an agent that names another call, or none.
func (s *story) meanwhile(e schemas.Event, where string, during stay, next *bool) {
	at := occurred(e)
	after := at.After(during.to)
	switch {
	case at.Before(during.from) || after && *next:
	case e.CallID == "" && e.State != "":
		*next = after // to wrap up, say
		s.Moments = append(s.Moments, Moment{At: at, Source: SourceEvent, Agent: e.Agent, What: inWords(e), Type: e.Type, Where: where})
	case !after && e.CallID != "" && e.CallRole == "assistant":
		s.link(e, at, where)
	}
}

// link takes a consultation.
func (s *story) link(e schemas.Event, at time.Time, where string) {
	s.Moments = append(s.Moments, Moment{At: at, Source: SourceEvent, Agent: e.Agent, What: inWords(e), Type: e.Type, Call: e.CallID, Where: where})
	if l := (Link{CallID: e.CallID, How: "consultation", Agent: e.Agent}); !slices.Contains(s.Linked, l) {
		s.Linked = append(s.Linked, l)
	}
}

func (s *stay) with(at time.Time) *stay {
	if s == nil {
		return &stay{at, at}
	}
	if at.Before(s.from) {
		s.from = at
	}
	if at.After(s.to) {
		s.to = at
	}
	return s
}

// inWords is what an event says.
func inWords(e schemas.Event) string {
	text := strings.ReplaceAll(e.Name, "_", " ")
	if e.State != "" && string(e.State) != e.Name {
		text += ", " + strings.ReplaceAll(string(e.State), "_", " ")
	}
	if e.CallRole == "assistant" {
		text += " (consultation)"
	}
	if e.Reason != "" {
		text += ", reason " + e.Reason
	}
	return text
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

// tellRecord takes what the call's record says.
func (s *story) tellRecord() {
	if s.Call == nil {
		return
	}
	for _, l := range s.Call.Legs {
		s.leg(l)
	}
	for _, r := range s.Call.Recordings {
		s.tell(r.Begin, SourceRecording, r.Agent, "recording begins", r.Row)
		s.tell(r.End, SourceRecording, r.Agent, "recording ends", r.Row)
		if r.Audio != (schemas.CallAudio{}) {
			s.tell(r.Audio.At, SourceAudio, r.Agent, audioInWords(r.Audio), r.Row)
		}
	}
	for _, o := range s.Call.Operations {
		s.tell(o.Begin, SourceOperation, o.Agent, cmp.Or(o.Names.OpType, "operation "+number(o.OpType)), o.Row)
	}
}

func (s *story) leg(l schemas.CallLeg) {
	at := cmp.Or(l.Names.DeviceType, "device type "+number(l.DeviceType))
	if l.DeviceNo != "" && l.DeviceNo != l.Agent {
		at += " " + l.DeviceNo
	}
	if l.Skill != "" {
		at += ", skill " + l.Skill
	}
	s.tell(l.WaitBegin, SourceLeg, l.Agent, "waits at "+at, l.Row)
	s.tell(l.AckBegin, SourceLeg, l.Agent, "rings at "+at, l.Row)
	s.tell(l.CallBegin, SourceLeg, l.Agent, "talks with "+at, l.Row)
	end, left := l.CallEnd, "leaves "+at
	if l.Names.LeaveReason != "" {
		left += ": " + l.Names.LeaveReason
	}
	if end.IsZero() {
		end = l.WaitEnd
	}
	s.tell(end, SourceLeg, l.Agent, left, l.Row)
}

// tell takes a moment, if it is known when it was.
func (s *story) tell(at time.Time, source Source, agent, what, where string) {
	if !at.IsZero() {
		s.Moments = append(s.Moments, Moment{At: at, Source: source, Agent: agent, What: what, Where: where})
	}
}

func number(n *int) string {
	if n == nil {
		return "not known"
	}
	return strconv.Itoa(*n)
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
