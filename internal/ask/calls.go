package ask

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// CallsQuery says which calls are asked for.
type CallsQuery struct {
	Tenant  string    `json:"tenant"`  // "": every tenant
	Agent   string    `json:"agent"`   // only those that this agent had a part in; "": any
	From    time.Time `json:"from"`    // only those that began then or later; zero: all
	To      time.Time `json:"to"`      // only those that began before; zero: all
	State   CallState `json:"state"`   // "": any
	Problem bool      `json:"problem"` // only those of which something is not as it should be
	Limit   int       `json:"limit"`   // so many, the newest; 0: 50
}

// newestCalls are so many calls, where no limit is given.
const newestCalls = 50

// CallState says what came of a call.
type CallState string

// What came of calls.
const (
	CallAnswered   CallState = "answered"   // an agent talked
	CallUnanswered CallState = "unanswered" // it is over, and none did
	CallOpen       CallState = "open"       // its last leg has not come
)

// CallStates are all of them.
func CallStates() []CallState { return []CallState{CallAnswered, CallUnanswered, CallOpen} }

// CallProblem says what of a call is not as it should be.
type CallProblem string

// The problems.
const (
	ProblemOpen    CallProblem = "open"          // its last leg has not come
	ProblemPending CallProblem = "pending"       // a window that may have more of it was not complete
	ProblemAudio   CallProblem = "audio_missing" // the audio of a recording is not to be had
	ProblemLeftOut CallProblem = "left_out"      // its document would have been too large
)

// CallBrief is a call in a list: the newest revision of its document, in short.
type CallBrief struct {
	Tenant     string          `json:"tenant"`
	CallID     string          `json:"call_id"`
	Window     schemas.Window  `json:"window"` // its home
	Revision   int             `json:"revision"`
	Begin      time.Time       `json:"begin,omitzero"`
	End        time.Time       `json:"end,omitzero"`
	Direction  string          `json:"direction,omitempty"`
	Caller     string          `json:"caller,omitempty"`
	Called     string          `json:"called,omitempty"`
	Agents     []string        `json:"agents"`
	Skills     []string        `json:"skills,omitempty"`
	Legs       int             `json:"legs"`
	WaitS      *int            `json:"wait_s,omitempty"`
	RingS      *int            `json:"ring_s,omitempty"`
	TalkS      *int            `json:"talk_s,omitempty"`
	State      CallState       `json:"state"`
	Outcome    string          `json:"outcome,omitempty"` // why it was released, in words or as a code
	Recordings BriefRecordings `json:"recordings"`
	Problems   []CallProblem   `json:"problems,omitempty"`
}

// BriefRecordings count a call's recordings, and those of them of whose audio something is said.
type BriefRecordings struct {
	All     int `json:"all"`
	Stored  int `json:"stored"`
	Missing int `json:"missing"`
}

// Calls are the calls asked for, the newest first. One window of them is in memory at a time.
func (q Questions) Calls(ctx context.Context, which CallsQuery) ([]CallBrief, error) {
	limit, newest := cmp.Or(which.Limit, newestCalls), []CallBrief{}
	if limit < 0 {
		return nil, fmt.Errorf("list %d calls: want 1 or more", limit)
	}
	homes, err := q.homes(ctx, which)
	for i := 0; err == nil && i < len(homes); i++ {
		if len(newest) == limit && !homes[i].window.To.After(newest[limit-1].at()) {
			break // a call begins before the end of its window
		}
		newest, err = q.callsOf(ctx, homes[i], which, newest)
		slices.SortFunc(newest, func(a, b CallBrief) int {
			return cmp.Or(b.at().Compare(a.at()), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(b.CallID, a.CallID))
		})
		newest = slices.Clip(newest[:min(len(newest), limit)])
	}
	return newest, err
}

// home is a window that has calls.
type home struct {
	subject string
	window  schemas.Window
}

// homes are the windows that may have the calls, the last to end first.
func (q Questions) homes(ctx context.Context, which CallsQuery) (all []home, err error) {
	filter := ""
	if which.Tenant != "" {
		filter = q.Names.Calls(which.Tenant)
	}
	err = q.Hub.ReadNewest(ctx, schemas.StreamCalls, filter, func(m schemas.Stored) error {
		w, err := schemas.ParseWindow(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
		switch {
		case err != nil: // none of ours
		case !which.From.IsZero() && !w.To.After(which.From):
		case !which.To.IsZero() && !w.From.Add(-longest).Before(which.To):
		default:
			all = append(all, home{m.Subject, w})
		}
		return nil
	})
	slices.SortFunc(all, func(a, b home) int {
		return cmp.Or(b.window.To.Compare(a.window.To), cmp.Compare(a.subject, b.subject))
	})
	return all, err
}

// callsOf adds the calls of a window that are asked for.
func (q Questions) callsOf(ctx context.Context, h home, which CallsQuery, to []CallBrief) ([]CallBrief, error) {
	newest := map[string]CallBrief{}
	err := q.Hub.Read(ctx, schemas.StreamCalls, h.subject, 0, func(m schemas.Stored) error {
		if m.Get("ce-type") != schemas.TypeCall {
			return nil
		}
		c, err := read[schemas.Call](m)
		if err == nil && c.Revision >= newest[c.CallID].Revision {
			newest[c.CallID] = briefOf(c)
		}
		return err
	})
	for _, b := range newest {
		if which.matches(b) {
			to = append(to, b)
		}
	}
	return to, err
}

// matches reports whether a call is asked for.
func (q CallsQuery) matches(b CallBrief) bool {
	return (q.Agent == "" || slices.Contains(b.Agents, q.Agent)) && (q.State == "" || q.State == b.State) && (!q.Problem || len(b.Problems) > 0) &&
		!b.at().Before(q.From) && (q.To.IsZero() || b.at().Before(q.To))
}

// at is when the call began; where its rows say nothing of it, when its window did.
func (b CallBrief) at() time.Time {
	if b.Begin.IsZero() {
		return b.Window.From
	}
	return b.Begin
}

func briefOf(c schemas.Call) CallBrief {
	b := CallBrief{
		Tenant: c.Tenant, CallID: c.CallID, Window: c.Window, Revision: c.Revision, Begin: c.Begin, End: c.End, Direction: c.Direction,
		Caller: c.Caller, Called: c.Called, Agents: c.Agents, Skills: c.Skills, Legs: len(c.Legs), WaitS: c.WaitS, RingS: c.RingS, TalkS: c.TalkS,
		State: CallUnanswered, Outcome: c.Names.ReleaseCause, Recordings: BriefRecordings{All: len(c.Recordings)},
	}
	if b.Agents == nil {
		b.Agents = []string{} // [] rather than null
	}
	if b.Outcome == "" && c.ReleaseCause != nil {
		b.Outcome = "release cause " + number(c.ReleaseCause)
	}
	for _, r := range c.Recordings {
		switch r.Audio.Status {
		case schemas.RecordingStored:
			b.Recordings.Stored++
		case schemas.RecordingMissing:
			b.Recordings.Missing++
		}
	}
	switch {
	case !c.Closed:
		b.State = CallOpen
	case slices.ContainsFunc(c.Legs, func(l schemas.CallLeg) bool { return l.Agent != "" && !l.CallBegin.IsZero() }):
		b.State = CallAnswered
	}
	for _, p := range []struct {
		is   bool
		what CallProblem
	}{
		{!c.Closed, ProblemOpen}, {len(c.Sources.Pending) > 0, ProblemPending}, {b.Recordings.Missing > 0, ProblemAudio}, {len(c.LeftOut) > 0, ProblemLeftOut},
	} {
		if p.is {
			b.Problems = append(b.Problems, p.what)
		}
	}
	return b
}
