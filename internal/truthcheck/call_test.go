package truthcheck

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/truthcheck/callcheck"
	"aiccbridge/schemas"
)

// cells is a row of the truth by its columns.
func cells(k world.Kind, by map[string]string) world.Row {
	r := world.Row{Kind: k, Cells: make([]string, len(world.Columns[k]))}
	for i, column := range world.Columns[k] {
		r.Cells[i] = by[column]
	}
	return r
}

// answered is a call that waits and talks, is recorded and helped with; the correction says
// that it was released otherwise.
func answered(cause string) (rows []world.Row) {
	return []world.Row{
		cells(world.Call, map[string]string{
			"call_id": "1762092000-1", "agent_id": "101", "caller_no": "5550100", "callee_no": "5550199", "ack_begin": "2026-11-02 09:00:10", "ack_end": "2026-11-02 09:00:15",
			"call_begin": "2026-11-02 09:00:15", "call_end": "2026-11-02 09:01:15", "device_type": "2", "device_no": "101", "call_type": "0", "release_cause": cause,
			"call_id_num": "-1", "current_skill_id": "12", "leave_reason": "15", "media_type": "5",
		}),
		cells(world.Call, map[string]string{
			"call_id": "1762092000-1", "caller_no": "5550100", "callee_no": "5550199", "wait_begin": "2026-11-02 09:00:00", "wait_end": "2026-11-02 09:00:10",
			"device_type": "1", "device_no": "12", "call_type": "0", "release_cause": "3", "call_id_num": "1", "skill_id": "12", "leave_reason": "0", "media_type": "5",
		}),
		cells(world.Record, map[string]string{
			"call_id": "1762092000-1", "agent_id": "101", "call_begin": "2026-11-02 09:00:15", "call_end": "2026-11-02 09:01:15", "file_name": "/a.wav", "original_file_name": "a.V3",
		}),
		cells(world.Operation, map[string]string{
			"id": "7", "call_id": "1762092000-1", "agent_id": "101", "begin_time": "2026-11-02 09:00:20", "end_time": "2026-11-02 09:00:30", "op_type": "40", "op_object": "102", "op_cause": "1",
		}),
		cells(world.Operation, map[string]string{"id": "8", "agent_id": "101", "op_type": "26"}),
	}
}

// doc is what the bridge should make of [answered].
func (s *scene) doc(cause int) schemas.Call {
	at := func(second int) time.Time { return time.Date(2026, 11, 2, 9, 0, second, 0, s.zone) }
	n := func(n int) *int { return &n }
	w := s.window(0)
	return schemas.Call{
		Tenant: tenant, Window: w, CallID: "1762092000-1", Revision: 1, Sources: schemas.CallSources{Complete: []schemas.Kind{schemas.KindCDR}, Audio: schemas.AudioOff},
		CallContent: schemas.CallContent{
			Direction: "inbound", CallType: n(0), MediaType: n(5), ReleaseCause: n(cause), Names: schemas.CallNames{CallType: "inbound"},
			Caller: "5550100", Called: "5550199", Begin: at(0), End: at(75), WaitS: n(10), RingS: n(5), TalkS: n(60), Closed: true,
			Agents: []string{"101"}, Skills: []string{"12"},
			Legs: []schemas.CallLeg{
				{Number: n(1), DeviceType: n(1), DeviceNo: "12", Skill: "12", WaitBegin: at(0), WaitEnd: at(10), WaitS: n(10), LeaveReason: n(0), Row: "a"},
				{
					Number: n(-1), DeviceType: n(2), DeviceNo: "101", Agent: "101", Skill: "12", AckBegin: at(10), AckEnd: at(15), CallBegin: at(15), CallEnd: at(75),
					RingS: n(5), TalkS: n(60), LeaveReason: n(15), Names: schemas.LegNames{LeaveReason: "user_released"}, Row: "b",
				},
			},
			Recordings: []schemas.CallRecording{{Agent: "101", FileName: "/a.wav", OriginalFileName: "a.V3", Begin: at(15), End: at(75), TalkS: n(60), Row: "c"}},
			Operations: []schemas.CallOperation{{Agent: "101", OpType: n(40), OpObject: "102", OpCause: n(1), Begin: at(20), End: at(30), DurationS: n(10), Row: "d"}},
			Rows:       []schemas.CallRows{{Kind: schemas.KindCDR, Window: w, IDs: []string{"a", "b"}}},
		},
	}
}

func (s *scene) call(c schemas.Call) {
	s.t.Helper()
	m, err := s.names.CallMessage(c, "-", s.now)
	s.put(&s.calls, m, err)
}

func (s *scene) callsMarked() {
	s.t.Helper()
	w := s.window(0)
	m, err := s.names.CallsCompleteMessage(schemas.CallsComplete{Tenant: tenant, Window: w, From: w.From, To: w.To, CompletedAt: s.now, Audio: schemas.AudioOff})
	s.put(&s.calls, m, err)
}

// withCalls is a scene with one call, as the bridge should have it.
func withCalls(t *testing.T) *scene {
	s := newScene(t)
	s.withCalls = true
	for _, k := range []schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation} {
		var of []world.Row
		for _, r := range answered("0") {
			if kindOf[r.Kind] == k {
				of = append(of, r)
			}
		}
		s.accept(s.file(k, 0, of...))
	}
	s.call(s.doc(0))
	s.callsMarked()
	return s
}

// corrected has the platform correct a leg, which makes a revision of its row.
func corrected(s *scene) {
	row := answered("80")[0]
	f := s.file(schemas.KindCDR, 0, row, answered("80")[1])
	s.ready(f)
	s.revise(f, row, 2, false)
	s.mark(f)
}

func TestCalls(t *testing.T) {
	good := callcheck.Report{InFiles: 1, InStream: 1, Revisions: 1}
	change := func(f func(c *schemas.Call)) func(*scene) {
		return func(s *scene) {
			c := s.doc(0)
			f(&c)
			s.calls = nil
			s.call(c)
			s.callsMarked()
		}
	}
	differs := func(field string, f func(c *schemas.Call)) callCase {
		return callCase{change(f), callcheck.Report{InFiles: 1, InStream: 1, Revisions: 1, Differing: 1}, field}
	}
	n := 7
	for name, tt := range map[string]callCase{
		"good":    {func(*scene) {}, good, ""},
		"missing": {func(s *scene) { s.calls = nil }, callcheck.Report{InFiles: 1, Missing: 1}, "missing"},
		"foreign": {func(s *scene) {
			c := s.doc(0)
			c.CallID = "9"
			s.call(c)
			s.callsMarked()
		}, callcheck.Report{InFiles: 1, InStream: 2, Revisions: 1, Foreign: 1}, "in no file"},
		"twice": {func(s *scene) {
			s.call(s.doc(0))
			s.callsMarked()
		}, callcheck.Report{InFiles: 1, InStream: 1, Revisions: 1, Duplicates: 1}, "revision 1 comes behind 1"},
		"a hole": {func(s *scene) {
			c := s.doc(0)
			c.Revision = 3
			s.call(c)
			s.callsMarked()
		}, callcheck.Report{InFiles: 1, InStream: 1, Revisions: 3, Strays: 1}, "revision 3"},
		"another home": {func(s *scene) {
			c := s.doc(0)
			c.Revision, c.Window = 2, s.window(1)
			s.call(c)
		}, callcheck.Report{InFiles: 1, InStream: 1, Revisions: 2, Strays: 1, Unmarked: 1}, "at home in"},
		"no marker":     {func(s *scene) { s.calls = s.calls[:1] }, callcheck.Report{InFiles: 1, InStream: 1, Revisions: 1, Unmarked: 1}, "end without a marker"},
		"not corrected": {corrected, callcheck.Report{InFiles: 1, InStream: 1, Revisions: 1, Differing: 1}, "differs in release_cause"},
		"corrected": {func(s *scene) {
			corrected(s)
			c := s.doc(80)
			c.Revision = 2
			s.call(c)
			s.callsMarked()
		}, callcheck.Report{InFiles: 1, InStream: 1, Revisions: 2}, ""},
		"caller":    differs("caller", func(c *schemas.Call) { c.Caller = "5550101" }),
		"direction": differs("direction", func(c *schemas.Call) { c.Direction = "outbound" }),
		"closed":    differs("closed", func(c *schemas.Call) { c.Closed = false }),
		"end":       differs("end", func(c *schemas.Call) { c.End = c.End.Add(time.Second) }),
		"talk":      differs("talk_s", func(c *schemas.Call) { c.TalkS = &n }),
		"agents":    differs("agents", func(c *schemas.Call) { c.Agents = nil }),
		"way":       differs("legs[1]", func(c *schemas.Call) { c.Legs[1].PreDeviceNo = "12" }),
		"order":     differs("legs[0], legs[1]", func(c *schemas.Call) { c.Legs[0], c.Legs[1] = c.Legs[1], c.Legs[0] }),
		"reason":    differs("legs[1]", func(c *schemas.Call) { c.Legs[1].LeaveReason = &n }),
		"recording": differs("recordings[0]", func(c *schemas.Call) { c.Recordings = nil }),
		"operation": differs("operations[1]", func(c *schemas.Call) { c.Operations = append(c.Operations, c.Operations[0]) }),
		"name":      differs("names", func(c *schemas.Call) { c.Legs[1].Names.LeaveReason = "normal" }),
		"left out":  differs("left_out", func(c *schemas.Call) { c.LeftOut = []string{"legs"} }),
	} {
		t.Run(name, func(t *testing.T) {
			s := withCalls(t)
			tt.change(s)
			r := s.report()
			if diff := cmp.Diff(&tt.want, r.Calls); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			said := strings.Join(r.Problems, "\n")
			if r.OK != (tt.says == "") || !strings.Contains(said, tt.says) || strings.Contains(said, "5550") {
				t.Errorf("ok: %v; it says %q, want %q", r.OK, said, tt.says)
			}
		})
	}
}

// callCase changes a scene with calls.
type callCase struct {
	change func(*scene)
	want   callcheck.Report
	says   string
}

// What became of audio is compared where that of recordings is: of the newest revision alone.
func TestAudioOfCalls(t *testing.T) {
	stored := func(sum string) schemas.CallAudio {
		return schemas.CallAudio{Status: schemas.RecordingStored, Audio: schemas.Audio{Object: "AICC_RECORDINGS/a.wav", SHA256: sum, Bytes: 9}}
	}
	missing := schemas.CallAudio{Status: schemas.RecordingMissing, Reason: schemas.RecordingAbsent}
	for name, tt := range map[string]struct {
		absent bool
		says   schemas.CallAudio
		good   bool
	}{
		"stored": {false, stored(digest("a")), true}, "missing": {true, missing, true}, "nothing said": {false, schemas.CallAudio{}, false},
		"another digest": {false, stored(digest("b")), false}, "could be had": {false, missing, false}, "invented": {true, stored(digest("a")), false},
	} {
		s := withCalls(t)
		s.withAudio = true
		s.truth.Recordings = []truth.Recording{{CallID: "1762092000-1", FileName: "/a.wav", SHA256: digest("a"), Absent: tt.absent}}
		c := s.doc(0)
		c.Revision, c.Recordings[0].Audio = 2, tt.says
		s.call(c)
		s.callsMarked()
		if r := s.report(); r.Calls.Recorded != 1 || (r.Calls.Differing == 0) != tt.good || !tt.good && !strings.Contains(strings.Join(r.Problems, "\n"), "recordings[0]") {
			t.Errorf("%s: %+v, %v", name, r.Calls, r.Problems)
		}
		if s.withAudio = false; s.report().Calls.Differing != 0 {
			t.Errorf("%s: audio is compared that nobody asked for", name)
		}
	}
}
