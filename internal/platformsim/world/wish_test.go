package world

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// playing runs a world of one agent on virtual time, signed in.
func playing(t *testing.T, o Options, in SignIn, f func(w *World, events func() []string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Agents = 1
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		var j journal
		in.Deliver = j.of("101")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		if _, err := w.SignIn("101", in); err != nil {
			t.Fatal(err)
		}
		seen := 0
		f(w, func() []string {
			synctest.Wait()
			j.mu.Lock()
			defer j.mu.Unlock()
			var out []string
			for _, e := range j.events["101"][seen:] {
				text := e.Type
				if len(e.Content) > 0 && e.Content[0] == '{' && len(e.Content) < 20 {
					text += string(e.Content)
				}
				out = append(out, text)
			}
			seen = len(j.events["101"])
			return out
		})
		cancel()
		<-done
	})
}

// TestStatesOnRequest: an agent without a call changes at once, and hears of it by
// event.
func TestStatesOnRequest(t *testing.T) {
	free, rest := Wish{State: Idle}, Wish{State: Resting, Cause: 12, For: time.Minute}
	again := rest
	again.Prolong = true
	end := func(state int) Wish { return Wish{State: Idle, Of: state} }
	playing(t, Options{}, SignIn{}, func(w *World, events func() []string) {
		events()
		for i, tt := range []struct {
			wish  Wish
			after time.Duration
			err   error
			state int
			want  []string
		}{
			{Wish{State: Busy, Cause: 203}, 0, nil, Busy, []string{`AgentState_SetNotReady_Success{"reason":"203"}`}},
			{Wish{State: Busy, Cause: 204}, 0, nil, Busy, nil},
			{Wish{State: Busy, Cause: 205, Prolong: true}, 0, nil, Busy, []string{`AgentState_SetNotReady_Success{"reason":"205"}`}},
			{end(Resting), 0, ErrWrongState, Busy, nil},
			{end(Busy), 0, nil, Idle, []string{"AgentState_CancelNotReady_Success"}},
			{end(Busy), 0, nil, Idle, nil},
			{free, 0, nil, Idle, nil},
			{Wish{State: WrapUp}, 0, nil, WrapUp, []string{"AgentState_SetWork_Success"}},
			{Wish{State: WrapUp}, 0, nil, WrapUp, nil},
			{end(WrapUp), 0, nil, Idle, []string{"AgentState_CancelWork_Success"}},
			{Wish{State: WrapUp}, 0, nil, WrapUp, []string{"AgentState_SetWork_Success"}},
			{free, 0, nil, Idle, []string{"AgentState_Ready"}},
			{Wish{State: Busy, Cause: 1}, time.Hour, nil, Busy, []string{`AgentState_SetNotReady_Success{"reason":"1"}`}},
			{free, 0, nil, Idle, []string{"AgentState_Ready"}},
			{rest, 59 * time.Second, nil, Resting, []string{`AgentState_SetRest_Success{"reason":"12"}`}},
			{rest, 0, ErrWrongState, Resting, nil},
			{free, 0, ErrWrongState, Resting, nil},
			{end(Busy), 0, ErrWrongState, Resting, nil},
			{again, 59 * time.Second, nil, Resting, []string{`AgentState_SetRest_Success{"reason":"12"}`}},
			{rest, 2 * time.Second, ErrWrongState, Resting, []string{"AgentState_Rest_Timeout"}},
			{rest, time.Hour, ErrWrongState, Resting, nil}, // he is reminded once, and stays
			{end(Resting), 0, nil, Idle, []string{"AgentState_CancelRest_Success"}},
			{rest, 30 * time.Second, nil, Resting, []string{`AgentState_SetRest_Success{"reason":"12"}`}},
			{Wish{State: Busy, Cause: 200}, time.Hour, nil, Busy, []string{`AgentState_SetNotReady_Success{"reason":"200"}`}},
			{Wish{State: Resting}, time.Hour, nil, Resting, []string{`AgentState_SetRest_Success{"reason":"0"}`}},
		} {
			err := w.Ask("101", tt.wish)
			time.Sleep(tt.after)
			if got := events(); !errors.Is(err, tt.err) || !slices.Equal(got, tt.want) {
				t.Errorf("%d: %+v: %v, %q, want %q", i, tt.wish, err, got, tt.want)
			}
			if st := w.Status("101"); st != (Status{State: tt.state}) {
				t.Errorf("%d: %+v: %+v", i, tt.wish, st)
			}
		}
	})
}

// TestAskedInACall: what is asked for in a call waits for its end, and for that of the
// wrap-up; it can be withdrawn, and only the last thing counts.
func TestAskedInACall(t *testing.T) {
	for name, tt := range map[string]struct {
		wrapUp  bool
		wishes  []Wish
		pending int
		want    []string // the end of what comes within the hour
	}{
		"busy": {false, []Wish{{State: Busy, Cause: 203}}, Busy, []string{"AgentState_Ready", `AgentState_SetNotReady_Success{"reason":"203"}`}},
		"rest": {false, []Wish{{State: Resting, Cause: 3}}, Resting, []string{"AgentState_Ready", `AgentState_SetRest_Success{"reason":"3"}`}},
		"work": {false, []Wish{{State: WrapUp}}, 0, []string{"AgentState_Ready", "AgentState_SetWork_Success"}},
		"busy, with wrap-up": {true, []Wish{{State: Busy, Cause: 203}}, Busy,
			[]string{"AgentState_Work", "AgentState_CancelWork_Success", `AgentState_SetNotReady_Success{"reason":"203"}`}},
		"rest after busy":  {false, []Wish{{State: Busy, Cause: 203}, {State: Resting, Cause: 3}}, Resting, []string{"AgentState_Ready", `AgentState_SetRest_Success{"reason":"3"}`}},
		"rest, cancelbusy": {false, []Wish{{State: Resting, Cause: 3}, {State: Idle, Of: Busy}}, Resting, []string{"AgentState_Ready", `AgentState_SetRest_Success{"reason":"3"}`}},
		"busy withdrawn, rest withdrawn, work": {false, []Wish{
			{State: Busy, Cause: 203}, {State: Idle, Of: Busy}, {State: Resting}, {State: Idle}, {State: WrapUp},
		}, 0, []string{"AgentState_Ready", "AgentState_SetWork_Success"}},
	} {
		t.Run(name, func(t *testing.T) {
			playing(t, Options{only: "inbound"}, SignIn{WrapUpAfterCall: tt.wrapUp}, func(w *World, events func() []string) {
				if err := w.ResetSkills("101"); err != nil {
					t.Fatal(err)
				}
				for !w.Status("101").InCall {
					time.Sleep(time.Second)
				}
				for _, wish := range tt.wishes {
					if err := w.Ask("101", wish); err != nil {
						t.Error(err)
					}
				}
				if st := w.Status("101"); st != (Status{State: InCall, InCall: true, Pending: tt.pending}) {
					t.Errorf("%+v", st)
				}
				time.Sleep(2 * time.Hour)
				got := events()
				if n := len(got) - len(tt.want); n < 0 || !slices.Equal(got[n:], tt.want) {
					t.Errorf("%q, want %q at the end", got, tt.want)
				}
			})
		})
	}
}

// TestWrapUpIsEnded from outside, with what waits for its end.
func TestWrapUpIsEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		wishes []Wish
		want   []string
	}{
		"sayfree":            {[]Wish{{State: Idle}}, []string{"AgentState_Ready"}},
		"cancelwork":         {[]Wish{{State: Idle, Of: WrapUp}}, []string{"AgentState_CancelWork_Success"}},
		"busy, cancelwork":   {[]Wish{{State: Busy, Cause: 7}, {State: Idle, Of: WrapUp}}, []string{"AgentState_CancelWork_Success", `AgentState_SetNotReady_Success{"reason":"7"}`}},
		"busy, then sayfree": {[]Wish{{State: Busy, Cause: 7}, {State: Idle}}, []string{"AgentState_Ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			playing(t, Options{only: "inbound", Pace: Pace{WrapUp: time.Hour, Idle: time.Hour}}, SignIn{WrapUpAfterCall: true}, func(w *World, events func() []string) {
				if err := w.ResetSkills("101"); err != nil {
					t.Fatal(err)
				}
				for w.Status("101").State != WrapUp {
					time.Sleep(time.Second)
				}
				events()
				for _, wish := range tt.wishes {
					if err := w.Ask("101", wish); err != nil {
						t.Error(err)
					}
				}
				if got := events(); !slices.Equal(got, tt.want) {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestHabitsChange while the agent is signed in: autoenteridle counts from the call of
// now on, autoanswer from the next.
func TestHabitsChange(t *testing.T) {
	playing(t, Options{only: "inbound"}, SignIn{}, func(w *World, events func() []string) {
		if err := errors.Join(w.ResetSkills("101"), w.AutoAnswer("101", false)); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			idle bool
			end  string
		}{{true, "AgentState_Ready"}, {false, "AgentState_CancelWork_Success"}, {false, "AgentState_CancelWork_Success"}, {true, "AgentState_Ready"}} {
			for !w.Status("101").InCall {
				time.Sleep(100 * time.Millisecond)
			}
			if err := errors.Join(w.AutoEnterIdle("101", tt.idle), w.AutoAnswer("101", !tt.idle)); err != nil {
				t.Fatal(err)
			}
			for w.Status("101").State != Idle {
				time.Sleep(100 * time.Millisecond)
			}
			got := events()
			if got[len(got)-1] != tt.end || slices.Contains(got, "AgentState_Work") == tt.idle {
				t.Errorf("%+v: %q", tt, got)
			}
		}
		time.Sleep(time.Hour)
		if got := events(); slices.Contains(got, "AgentEvent_Auto_Answer") || !slices.Contains(got, "AgentEvent_Ringing") {
			t.Errorf("autoanswer is false again: %q", got)
		}
	})
	for automatic, want := range map[bool]string{true: "AgentEvent_Auto_Answer", false: "AgentEvent_Ringing"} {
		playing(t, Options{only: "inbound"}, SignIn{AutoAnswer: new(bool)}, func(w *World, events func() []string) {
			if err := errors.Join(w.AutoAnswer("101", automatic), w.ResetSkills("101")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			got := events()
			for _, answer := range []string{"AgentEvent_Auto_Answer", "AgentEvent_Ringing"} {
				if slices.Contains(got, answer) != (answer == want) {
					t.Errorf("autoanswer %v: %s: %v", automatic, answer, answer != want)
				}
			}
		})
	}
}

func TestSignInToRest(t *testing.T) {
	playing(t, Options{CallsWithoutSkills: true}, SignIn{Status: Resting, RestFor: time.Minute, RestCause: 9}, func(w *World, events func() []string) {
		want := []string{"AgentOther_InService", "AgentState_Ready", `AgentState_SetRest_Success{"reason":"9"}`}
		if got := events(); !slices.Equal(got, want) || w.Status("101").State != Resting {
			t.Errorf("%q", got)
		}
		time.Sleep(time.Hour) // no calls come
		if got := events(); !slices.Equal(got, []string{"AgentState_Rest_Timeout"}) {
			t.Errorf("after the rest: %q", got)
		}
		if err := w.Ask("101", Wish{State: Idle, Of: Resting}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if got := events(); got[0] != "AgentState_CancelRest_Success" || !slices.Contains(got, "AgentState_Busy") {
			t.Errorf("after its end: %q", got)
		}
	})
}

// TestOwnSpellsEndOnRequest: a rest that the agent began himself ends when asked to,
// and not a second time.
func TestOwnSpellsEndOnRequest(t *testing.T) {
	for activity, tt := range map[string]struct {
		state int
		want  string
	}{
		"rest":      {Resting, "AgentState_CancelRest_Success"},
		"not_ready": {Busy, "AgentState_CancelNotReady_Success"},
		"work":      {WrapUp, "AgentState_CancelWork_Success"},
	} {
		playing(t, Options{only: activity, Pace: Pace{Rest: time.Hour, WrapUp: time.Hour, Idle: 24 * time.Hour}}, SignIn{}, func(w *World, events func() []string) {
			if err := w.ResetSkills("101"); err != nil {
				t.Fatal(err)
			}
			for w.Status("101").State != tt.state {
				time.Sleep(time.Second)
			}
			events()
			if err := w.Ask("101", Wish{State: Idle, Of: tt.state}); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * time.Hour)
			if got := events(); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("%s: %q, want %q", activity, got, tt.want)
			}
		})
	}
}

// TestCallGoesElsewhere when the agent leaves idle while it waits for him.
func TestCallGoesElsewhere(t *testing.T) {
	for _, activity := range []string{"inbound", "no_answer", "chat"} {
		playing(t, Options{only: activity, Pace: Pace{Idle: time.Second, Queue: time.Hour}}, SignIn{}, func(w *World, events func() []string) {
			if err := w.ResetSkills("101"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // a call waits
			events()
			if w.Running() != 1 || w.Ask("101", Wish{State: Busy, Cause: 1}) != nil {
				t.Fatal("no call waits")
			}
			time.Sleep(3 * time.Hour)
			if got := events(); !slices.Equal(got, []string{`AgentState_SetNotReady_Success{"reason":"1"}`}) || w.Running() != 0 {
				t.Errorf("%s: %q, %d running", activity, got, w.Running())
			}
			time.Sleep(time.Hour)
			begin := time.Now().Add(-24 * time.Hour)
			if rows := w.Rows(Call, begin, time.Now(), time.Now()); len(rows) != 1 || rows[0].AgentID != "" {
				t.Errorf("%s: rows %+v", activity, rows)
			}
		})
	}
}
