package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// on runs a test in virtual time, at the begin of an hour, with agent 101 signed in.
func on(t *testing.T, f func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.start = time.Now().Truncate(time.Hour).Add(time.Hour)
		time.Sleep(time.Until(s.start))
		s.session("101", schemas.EventSignedIn, "signed_in")
		f(s)
	})
}

// until lets time pass, up to a second of the first hour, or of a later one.
func (s *stage) until(second int) time.Time {
	at := s.start.Add(time.Duration(second) * time.Second)
	for time.Until(at) > 0 {
		time.Sleep(min(time.Until(at), 5*time.Minute))
		if !s.away {
			s.beat()
		}
	}
	return at.UTC()
}

// says has the platform tell something of agent 101 now.
func (s *stage) says(typ, content string) {
	e := world.Event{At: time.Now(), Type: typ}
	if content != "" {
		e.Content = json.RawMessage(content)
	}
	s.hears("101", e)
}

// loses has an event of agent 101 lost now.
func (s *stage) loses(typ string) {
	before := s.lose
	s.lose = func(string, world.Event) bool { return true }
	s.says(typ, "")
	s.lose = before
}

// cells make a row.
func (s *stage) cells(k world.Kind, pairs ...string) world.Row {
	r := world.Row{Kind: k, Cells: make([]string, len(world.Columns[k]))}
	for i := 0; i < len(pairs); i += 2 {
		for j, column := range world.Columns[k] {
			if column == pairs[i] {
				r.Cells[j] = pairs[i+1]
			}
		}
	}
	return r
}

func (s *stage) wall(second int) string {
	return s.start.Add(time.Duration(second) * time.Second).UTC().Format(time.DateTime)
}

// talked is a call detail record of agent 101.
func (s *stage) talked(call string, begin, end int) world.Row {
	return s.cells(world.Call, "developer", "ak", "agent_id", "101", "call_id", call, "call_id_num", "-1", "device_type", "2",
		"ack_begin", s.wall(begin-5), "ack_end", s.wall(begin), "call_begin", s.wall(begin), "call_end", s.wall(end))
}

func (s *stage) did(id, op string, begin, end int) world.Row {
	return s.cells(world.Operation, "id", id, "agent_id", "101", "op_type", op, "begin_time", s.wall(begin), "end_time", s.wall(end))
}

// call has agent 101 talk.
func (s *stage) call(id string, begin, end int) {
	s.until(begin)
	s.says("AgentEvent_Talking", fmt.Sprintf(`{"callid":%q}`, id))
	s.until(end)
	s.says("AgentEvent_Call_Release", fmt.Sprintf("%q", id))
	s.says("AgentState_Ready", "")
}

// next is the first second at which the hour may be extracted.
const next = 3600 + 900

// one compares one window of one kind with these rows, and returns what is said of it.
func (s *stage) one(k schemas.Kind, rows ...world.Row) comparison.Statement {
	s.t.Helper()
	s.publish(k, s.window(0), rows)
	s.tick()
	for _, r := range s.said() {
		if r.Kind == k && r.Window == s.window(0) {
			return r
		}
	}
	s.t.Fatal("nothing is said")
	return comparison.Statement{}
}

// brief writes findings down.
func brief(all []comparison.Finding) (text string) {
	for _, f := range all {
		text += strings.TrimSpace(strings.Join([]string{string(f.What), f.CallID, f.Name, strings.Join(f.Missing, "+"), string(f.By)}, " ")) + "; "
	}
	return strings.Join(strings.Fields(text), " ")
}

// TestCalls: what may be found about calls.
func TestCalls(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(s *stage)
		rows func(s *stage) []world.Row
		want string
		tell comparison.Tally
	}{
		"alike, up to the tolerance": {
			func(s *stage) { s.call("1-1", 100, 160) }, func(s *stage) []world.Row { return []world.Row{s.talked("1-1", 100, 162)} },
			"", comparison.Tally{Live: 1, Recorded: 1, Both: 1},
		},
		"the talk is longer": {
			func(s *stage) { s.call("1-1", 100, 160) }, func(s *stage) []world.Row { return []world.Row{s.talked("1-1", 100, 163)} },
			"talk_differs 1-1;", comparison.Tally{Live: 1, Recorded: 1, Both: 1, Differ: 1, Unexplained: 1},
		},
		"no talk in the record": {
			func(s *stage) { s.call("1-1", 100, 160) },
			func(s *stage) []world.Row {
				return []world.Row{s.cells(world.Call, "agent_id", "101", "call_id", "1-1", "call_id_num", "-1", "ack_begin", s.wall(95), "ack_end", s.wall(160))}
			},
			"talk_differs 1-1;", comparison.Tally{Live: 1, Recorded: 1, Both: 1, Differ: 1, Unexplained: 1},
		},
		"no record": {
			func(s *stage) { s.call("1-1", 100, 160) }, func(*stage) []world.Row { return nil },
			"call_without_row 1-1;", comparison.Tally{Live: 1, OnlyLive: 1, Unexplained: 1},
		},
		"nothing seen": {
			func(s *stage) { s.call("1-1", 100, 160); s.call("1-3", 300, 360) },
			func(s *stage) []world.Row {
				return []world.Row{s.talked("1-1", 100, 160), s.talked("1-2", 200, 260), s.talked("1-3", 300, 360)}
			},
			"call_not_seen 1-2;", comparison.Tally{Live: 2, Recorded: 3, Both: 2, OnlyRecorded: 1, Unexplained: 1},
		},
		"a gap of one event explains no call": {
			func(s *stage) { s.until(200); s.loses("AgentEvent_Talking"); s.call("1-3", 300, 360) },
			func(s *stage) []world.Row { return []world.Row{s.talked("1-2", 190, 260), s.talked("1-3", 300, 360)} },
			"call_not_seen 1-2;", comparison.Tally{Live: 1, Recorded: 2, Both: 1, OnlyRecorded: 1, Unexplained: 1},
		},
		"the release is lost": {
			func(s *stage) {
				s.until(100)
				s.says("AgentEvent_Talking", `{"callid":"1-1"}`)
				s.until(160)
				s.loses("AgentEvent_Call_Release")
				s.says("AgentState_Ready", "")
				s.until(170)
				s.says("AgentState_SetRest_Success", "")
			},
			func(s *stage) []world.Row { return []world.Row{s.talked("1-1", 100, 160)} },
			"call_partly_seen 1-1 release gap;", comparison.Tally{Live: 1, Recorded: 1, Both: 1, Differ: 1, Explained: 1},
		},
		"its release may yet come": {
			func(s *stage) {
				s.until(100)
				s.says("AgentEvent_Talking", `{"callid":"1-1"}`)
				s.until(160)
				s.loses("AgentOther_PhoneRelease")
			},
			func(s *stage) []world.Row { return []world.Row{s.talked("1-1", 100, 160)} },
			"", comparison.Tally{Live: 1, Recorded: 1, Both: 1, Unheard: 1},
		},
		"signed out in the call": {
			func(s *stage) {
				s.until(100)
				s.says("AgentEvent_Talking", `{"callid":"1-1"}`)
				s.until(150)
				s.session("101", schemas.EventSignedOut, "signed_out")
			},
			func(s *stage) []world.Row { return []world.Row{s.talked("1-1", 100, 160), s.talked("1-2", 700, 760)} },
			"", comparison.Tally{Live: 1, Recorded: 1, Both: 1, NotObserved: 1},
		},
		"signed in during a call": {
			func(s *stage) {
				s.until(150)
				s.session("101", schemas.EventLeft, "left")
				s.until(300)
				s.session("101", schemas.EventResumed, "resumed")
				s.until(3000)
				s.says("AgentState_Ready", "")
			},
			func(s *stage) []world.Row { return []world.Row{s.talked("1-1", 200, 400)} },
			"call_not_seen 1-1 not_observed;", comparison.Tally{Recorded: 1, OnlyRecorded: 1, Explained: 1},
		},
		"of somebody else": {
			func(*stage) {},
			func(s *stage) []world.Row {
				return []world.Row{s.cells(world.Call, "agent_id", "102", "call_id", "1-1", "call_id_num", "-1", "call_begin", s.wall(10), "call_end", s.wall(20))}
			},
			"", comparison.Tally{NotObserved: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, func(s *stage) {
				c.act(s)
				s.until(next)
				r := s.one(schemas.KindCDR, c.rows(s)...)
				c.tell.Agents = 1
				if got := brief(r.Findings); got != c.want {
					t.Errorf("found %q, want %q", got, c.want)
				}
				if diff := cmp.Diff(c.tell, r.Tally); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestACallOverTheEdge: one that begins in a window and ends in the next is not missing before
// it is over, nor before the next window is complete, whichever of the two has its row.
func TestACallOverTheEdge(t *testing.T) {
	for name, inNext := range map[string]bool{"its row is in the first": false, "its row is in the next": true} {
		t.Run(name, func(t *testing.T) {
			on(t, func(s *stage) {
				s.ledger.note(exportertest.Planned(s.window(1), schemas.KindCDR))
				s.until(3500)
				s.says("AgentEvent_Talking", `{"callid":"1-1"}`)
				s.until(next)
				if r := s.one(schemas.KindCDR); r.Waiting != 1 || len(r.Findings) > 0 {
					t.Errorf("while it goes on: %s", show(r))
				}
				s.until(3600 + 1800)
				s.says("AgentEvent_Call_Release", `"1-1"`)
				s.until(2*3600 + 900)
				row := s.talked("1-1", 3500, 3600+1800)
				first, second := []world.Row{row}, []world.Row(nil)
				if inNext {
					first, second = second, first
				}
				s.publish(schemas.KindCDR, s.window(1), second)
				r := s.one(schemas.KindCDR, first...)
				if len(r.Findings) > 0 || r.Waiting > 0 || r.Revision < 2 || r.Both != len(first) {
					t.Errorf("in the end: %s", show(r))
				}
			})
		})
	}
}

// TestACallWhoseEndIsNotSeen: what an agent does, and what becomes of the bridge, ends no call:
// one that was seen to begin waits until its release, or until a later call was over.
func TestACallWhoseEndIsNotSeen(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(s *stage)
		want string
	}{
		"the bridge starts again": {func(s *stage) {
			s.session("101", schemas.EventLeft, "left")
			s.until(3430)
			s.session("101", schemas.EventResumed, "resumed")
		}, ""},
		"busy again":             {func(s *stage) { s.says("AgentState_Busy", "") }, ""},
		"not ready by a manager": {func(s *stage) { s.says("AgentState_Force_SetNotReady", "") }, ""},
		"a later call is over":   {func(s *stage) { s.call("1-2", 3440, 3500) }, "call_without_row 1-1; call_without_row 1-2;"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, func(s *stage) {
				s.ledger.note(exportertest.Planned(s.window(1), schemas.KindCDR))
				s.until(3000)
				s.says("AgentEvent_Talking", `{"callid":"1-1"}`)
				s.says("AgentMediaEvent_Record", `{"taskId":1,"callId":"1-1"}`)
				s.until(3420)
				c.act(s)
				s.until(next)
				if r := s.one(schemas.KindRecording); c.want == "" && (r.Waiting != 1 || len(r.Findings) > 0) {
					t.Errorf("of the recording: %s", show(r))
				}
				s.one(schemas.KindCDR)
				s.until(3600 + 2400)
				s.says("AgentEvent_Call_Release", `"1-1"`)
				s.until(2*3600 + 900)
				var rows []world.Row
				if c.want == "" {
					rows = append(rows, s.talked("1-1", 3000, 3600+2400))
				}
				s.publish(schemas.KindCDR, s.window(1), rows)
				s.tick()
				for _, r := range s.said() {
					if got := brief(r.Findings); r.Kind == schemas.KindCDR && r.Window == s.window(0) && got != c.want {
						t.Errorf("found %q, want %q", got, c.want)
					}
				}
			})
		})
	}
}

// TestRevisions: a window is compared anew when it is extracted anew, and not otherwise: not by
// the next start, and not by one after a crash at any message.
func TestRevisions(t *testing.T) {
	on(t, func(s *stage) {
		s.call("1-1", 100, 160)
		s.until(next)
		if r := s.one(schemas.KindCDR); r.Revision != 1 || r.Unexplained != 1 {
			t.Errorf("%s", show(r))
		}
		count := func() int { return len(s.out.Of(schemas.TypeReconcile)) + len(s.out.Of(schemas.TypeReconcileDay)) }
		n := count()
		for range 2 {
			s.restart()
			s.tick()
			s.ledger.changes++
			s.tick()
		}
		if count() != n {
			t.Errorf("%d messages although nothing has changed", count()-n)
		}
		crashes := 0
		s.out.After = func(m schemas.Message) error { crashes++; return errors.New("killed") }
		s.until(next + 3600)
		s.publish(schemas.KindCDR, s.window(0), []world.Row{s.talked("1-1", 100, 160)})
		for s.reconciler.tick(t.Context()) != nil && crashes < 5 {
			s.restart()
		}
		s.out.After = nil
		if r := s.said()[0]; r.Revision != 2 || r.Both != 1 || r.Unexplained != 0 || crashes != 2 || count() != n+2 {
			t.Errorf("after %d crashes and %d messages: %s", crashes, count()-n, show(r))
		}
		var d comparison.Day
		days := s.out.Of(schemas.TypeReconcileDay)
		exportertest.Unmarshal(t, days[len(days)-1].Body, &d)
		want := comparison.Day{
			Tenant: exportertest.Acme, Day: s.start.In(s.reconciler.o.Zone).Format(time.DateOnly), Revision: 2,
			Kinds: []comparison.DayTally{{Kind: schemas.KindCDR, Windows: 1, Tally: comparison.Tally{Agents: 1, Live: 1, Recorded: 1, Both: 1}}}, Score: 100, At: d.At,
		}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Error(diff)
		}
	})
}

// TestNothingNewIsNotSaid: a window that is extracted again and says the same has no further
// statement, and is not compared again without end.
func TestNothingNewIsNotSaid(t *testing.T) {
	on(t, func(s *stage) {
		s.call("1-1", 100, 160)
		s.call("1-2", 200, 260)
		s.until(next)
		s.one(schemas.KindCDR, s.talked("1-2", 200, 260))
		n, handed := len(s.out.Of(schemas.TypeReconcile)), 0
		for range 3 {
			time.Sleep(time.Hour)
			if r := s.one(schemas.KindCDR); r.Revision != 1 || r.OnlyLive != 1 {
				t.Errorf("%s", show(r))
			}
			handed = s.rows.Handed
			s.ledger.changes++
			s.tick()
		}
		if s.rows.Handed != handed || len(s.out.Of(schemas.TypeReconcile)) != n {
			t.Errorf("%d rows were read again, %d statements more", s.rows.Handed-handed, len(s.out.Of(schemas.TypeReconcile))-n)
		}
		time.Sleep(time.Hour)
		if r := s.one(schemas.KindCDR, s.talked("1-1", 100, 160)); r.Revision != 2 || r.Both != 2 {
			t.Errorf("in the end: %s", show(r))
		}
	})
}

// TestAFullStream: the stream keeps so many statements and no more. A window whose statement is
// not there any more is not compared again, as nobody knows its revision, and its day stays as
// it was.
func TestAFullStream(t *testing.T) {
	on(t, func(s *stage) {
		s.call("1-1", 100, 160)
		s.until(next)
		s.publish(schemas.KindCDR, s.window(0), nil)
		s.until(2 * 3600)
		late := comparison.Statement{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: s.window(-2), At: time.Now().UTC()}
		for late.Revision = range mostStatements + 1 {
			if late.Revision > 0 {
				m, err := late.Message(s.names)
				exportertest.Check(t, err)
				exportertest.Check(t, s.out.Publish(t.Context(), m))
			}
		}
		s.call("1-2", 2*3600+100, 2*3600+160)
		s.until(2*3600 + next)
		s.publish(schemas.KindCDR, s.window(2), nil)
		s.tick()
		said := s.said()
		if len(said) != 2 || said[0].Revision != mostStatements || said[1].Window != s.window(2) {
			t.Errorf("%s", show(said))
		}
		if days := s.out.Of(schemas.TypeReconcileDay); len(days) > 0 {
			t.Errorf("a day is said of some of its windows: %s", days[0].Body)
		}
	})
}

// TestClocksChange: a row of the hour that occurs twice may be of either. It goes with an event
// of either, and where there is none it is no loss, and proves no state in a gap.
func TestClocksChange(t *testing.T) {
	for hour := range 2 { // 02:00 for the first and for the second time
		synctest.Test(t, func(t *testing.T) { clocksChange(t, time.Date(2000, 10, 29, hour, 0, 0, 0, time.UTC)) })
	}
}

func clocksChange(t *testing.T, start time.Time) {
	s := newStage(t)
	s.zone = exportertest.Location(t, "Europe/Berlin")
	s.start = start
	time.Sleep(time.Until(s.start))
	s.session("101", schemas.EventSignedIn, "signed_in")
	s.until(10)
	s.says("AgentState_Ready", "")
	s.call("1-1", 50, 80)
	s.until(100)
	s.loses("AgentState_SetRest_Success")
	s.until(200)
	s.says("AgentState_SetNotReady_Success", `{"reason":"200"}`)
	s.until(next)
	wall := func(second int) string {
		return s.start.Add(time.Duration(second) * time.Second).In(s.zone).Format(time.DateTime)
	}
	did := func(id, op string, begin int) world.Row {
		return s.cells(world.Operation, "id", id, "agent_id", "101", "op_type", op, "begin_time", wall(begin), "end_time", wall(begin+60))
	}
	talked := func(call string, begin int) world.Row {
		return s.cells(world.Call, "developer", "ak", "agent_id", "101", "call_id", call, "call_id_num", "-1", "call_begin", wall(begin), "call_end", wall(begin+50))
	}
	r := s.one(schemas.KindOperation, did("1", "2", 10), did("2", "26", 100), did("3", "3", 200))
	if got := brief(r.Findings); got != "gap poll_unknown;" || r.Both != 2 || r.NotObserved != 1 || r.Reconstructed != 0 {
		t.Errorf("of states: %s", show(r))
	}
	r = s.one(schemas.KindCDR, talked("1-1", 50), talked("1-2", 120))
	if len(r.Findings) > 0 || r.Both != 1 || r.NotObserved != 1 {
		t.Errorf("of calls: %s", show(r))
	}
}

// TestForgetting: nothing is known of windows and days that are not compared any more.
func TestForgetting(t *testing.T) {
	on(t, func(s *stage) {
		for day := range 30 {
			s.until(day*86400 + next)
			s.publish(schemas.KindCDR, s.window(day*24), nil)
			s.tick()
			r := s.reconciler
			if n := len(r.survey().windows[schemas.KindCDR]); n > 10 || n < min(day+1, 8) || len(r.stated) > 10 || len(r.days) > 10 {
				t.Fatalf("on day %d, %d windows are surveyed, %d are remembered, of %d days", day, n, len(r.stated), len(r.days))
			}
		}
		days := len(s.out.Of(schemas.TypeReconcileDay))
		time.Sleep(30 * 24 * time.Hour)
		s.ledger.changes++
		s.tick()
		if r := s.reconciler; len(r.stated) > 0 || len(r.days) != 1 || days != 30 {
			t.Errorf("in the end, %d windows are remembered, of %d days; %d were told", len(r.stated), len(r.days), days)
		}
	})
}

// TestRecordings: one that is not in the index, one of which no event told, and one without
// audio.
func TestRecordings(t *testing.T) {
	on(t, func(s *stage) {
		begins := func(second int, call, task string) {
			s.until(second)
			s.says("AgentMediaEvent_Record", fmt.Sprintf(`{"taskId":%s,"callId":%q}`, task, call))
			s.until(second + 20)
			s.says("AgentMediaEvent_StopRecordDone", fmt.Sprintf(`{"taskId":%s}`, task))
		}
		begins(100, "1-1", "1")
		begins(200, "1-2", "2")
		s.until(300)
		s.loses("AgentMediaEvent_Record")
		begins(400, "1-4", "4")
		s.until(next)
		row := func(call string, begin int) world.Row {
			return s.cells(world.Record, "developer", "ak", "agent_id", "101", "call_id", call, "file_name", call+".wav", "call_begin", s.wall(begin), "call_end", s.wall(begin+20))
		}
		s.one(schemas.KindRecording, row("1-1", 100), row("1-3", 300), row("1-4", 400))
		for _, m := range must(s.rows.On(s.names.Row(exportertest.Acme, schemas.KindRecording, s.window(0)))) {
			if strings.Contains(string(m.Body), `"1-4"`) {
				s.audio = append(s.audio, schemas.Recording{Key: m.RowHeader.Key, Status: schemas.RecordingMissing, Reason: schemas.RecordingAbsent})
			}
		}
		s.until(next + 3600)
		r := s.one(schemas.KindRecording)
		if got := brief(r.Findings); got != "recording_without_row 1-2; recording_not_seen 1-3 gap; audio_missing 1-4 absent;" {
			t.Errorf("found %q", got)
		}
		want := comparison.Tally{Agents: 1, Live: 3, Recorded: 3, Both: 2, OnlyLive: 1, OnlyRecorded: 1, Explained: 1, Unexplained: 1, NoAudio: 1}
		if diff := cmp.Diff(want, r.Tally); diff != "" {
			t.Error(diff)
		}
	})
}

func must[T any](rows, _ []T) []T { return rows }

// TestStates: a state that only an operation tells of is told again where a gap has room for it,
// once, and not elsewhere.
func TestStates(t *testing.T) {
	on(t, func(s *stage) {
		s.until(10)
		s.says("AgentState_Ready", "")
		s.until(100)
		s.loses("AgentState_SetRest_Success")
		s.until(200)
		s.says("AgentState_CancelRest_Success", "")
		s.until(400)
		s.says("AgentState_SetNotReady_Success", `{"reason":"200"}`)
		s.until(500)
		s.says("AgentState_CancelNotReady_Success", "")
		s.until(next)
		r := s.one(schemas.KindOperation,
			s.did("1", "2", 10, 100), s.did("2", "26", 100, 200), s.did("3", "2", 200, 300), s.did("4", "27", 300, 400),
			s.did("6", "2", 500, next), s.did("7", "32", 500, 501))
		if got := brief(r.Findings); got != "gap poll_unknown rest; state_not_seen rest gap; state_not_seen wrapup; state_without_row not_ready;" {
			t.Errorf("found %q", got)
		}
		want := comparison.Tally{Agents: 1, Live: 4, Recorded: 5, Both: 3, OnlyLive: 1, OnlyRecorded: 2, Explained: 1, Unexplained: 2, Reconstructed: 1}
		if diff := cmp.Diff(want, r.Tally); diff != "" || r.Gaps != 1 || r.Closed != 1 {
			t.Errorf("%d of %d gaps; %s", r.Closed, r.Gaps, diff)
		}
	})
}
