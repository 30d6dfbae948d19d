package truthcheck

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
	"aiccbridge/schemas/rows"
)

const tenant = "acme"

// start is an hour after the clocks of New York went back: nothing is odd about it.
var start = time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)

// scene is a platform and the streams of a bridge, written by hand.
type scene struct {
	t      testing.TB
	zone   *time.Location
	read   *time.Location // in which the bridge reads files; nil: zone
	names  schemas.Names
	now    time.Time
	truth  truth.Snapshot
	popped map[string]uint64
	seq    map[string]uint64
	epoch  uint64
	ids    map[string]bool // of rows in the stream, by subject
	events []schemas.Stored
	files  []schemas.Stored
	rows   []schemas.Stored
	dead   []schemas.Stored
	calls  []schemas.Stored

	withCalls bool // they are compared
	withAudio bool // as calls
}

func newScene(t testing.TB) *scene {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return &scene{
		t: t, zone: zone, names: names, now: start, epoch: 1,
		popped: map[string]uint64{}, seq: map[string]uint64{}, ids: map[string]bool{},
	}
}

func (s *scene) report() Report {
	c := New(s.zone, tenant)
	if s.withCalls {
		c.Calls()
	}
	if s.withAudio {
		c.Recordings()
	}
	for _, stream := range [][]schemas.Stored{s.events, s.files, s.rows, s.dead, s.calls} {
		for _, m := range stream {
			c.Message(m)
		}
	}
	return c.Compare(s.truth)
}

// put appends a message to a stream.
func (s *scene) put(stream *[]schemas.Stored, m schemas.Message, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	*stream = append(*stream, schemas.Stored{
		Subject: m.Subject, Sequence: uint64(len(*stream) + 1), StoredAt: s.now, Header: m.Headers(), Body: m.Body,
	})
}

// next is the position of the agent's next message. Time goes on by a second.
func (s *scene) next(agent string) schemas.Position {
	s.now = s.now.Add(time.Second)
	key := fmt.Sprintf("%s/%d", agent, s.epoch)
	s.seq[key]++
	return schemas.Position{Epoch: s.epoch, Seq: s.seq[key]}
}

// pop takes an event of the agent out of its queue.
func (s *scene) pop(agent, eventType, content string) truth.Event {
	s.now = s.now.Add(10 * time.Second)
	s.popped[agent]++
	e := truth.Event{
		At: s.now, Agent: agent, Session: agent + "-1", N: s.popped[agent], Type: eventType,
		Content: json.RawMessage(content), GeneratedAt: s.now.Add(-100 * time.Millisecond),
	}
	s.truth.Events = append(s.truth.Events, e)
	return e
}

// store stores an event; content is what came over the wire.
func (s *scene) store(e truth.Event, content string) {
	s.t.Helper()
	info, _ := events.Lookup(e.Type)
	event := schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: tenant, Agent: e.Agent, Type: e.Type, ReceivedAt: e.At.Add(20 * time.Millisecond), Position: s.next(e.Agent),
	}
	if !e.GeneratedAt.IsZero() {
		event.OccurredAt = e.GeneratedAt
	}
	info.Fill(&event, json.RawMessage(content))
	m, err := s.names.EventMessage(event)
	s.put(&s.events, m, err)
}

// event pops and stores.
func (s *scene) event(agent, eventType, content string) {
	s.t.Helper()
	s.store(s.pop(agent, eventType, content), content)
}

func (s *scene) session(agent, eventType string) {
	s.t.Helper()
	info, _ := events.Lookup(eventType)
	m, err := s.names.EventMessage(schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: tenant, Agent: agent, Type: eventType, Group: info.Group, Name: info.Name, State: info.State,
		ReceivedAt: s.now, Position: s.next(agent),
	})
	s.put(&s.events, m, err)
}

func (s *scene) gap(agent string, from, to time.Time, maxLost int) {
	s.t.Helper()
	s.gapOf(agent, schemas.GapPollUnknown, from, to, maxLost)
}

func (s *scene) gapOf(agent string, cause schemas.GapCause, from, to time.Time, maxLost int) {
	s.t.Helper()
	m, err := s.names.GapMessage(schemas.Gap{
		Tenant: tenant, Agent: agent, From: from, To: to, Cause: cause, MaxLost: maxLost, Position: s.next(agent),
	})
	s.put(&s.events, m, err)
}

func (s *scene) heartbeat(agent string, at schemas.Position) {
	s.t.Helper()
	m, err := s.names.HeartbeatMessage(schemas.Heartbeat{
		Tenant: tenant, Agent: agent, State: schemas.StateReady, At: s.now, Position: at,
	})
	s.put(&s.events, m, err)
}

// window is the n-th hour.
func (s *scene) window(n int) schemas.Window {
	from := start.Add(time.Duration(n-12) * time.Hour)
	return schemas.Window{From: from, To: from.Add(time.Hour)}
}

var operations = map[schemas.Kind]string{
	schemas.KindCDR: "queryBillData", schemas.KindRecording: "queryBillData",
	schemas.KindOperation: "queryAgentOprInfoData", schemas.KindSkill: "queryAgentSkillInfoData",
}

// made is a file of the platform; kind is what the bridge asked for.
type made struct {
	truth.File
	kind   schemas.Kind
	window schemas.Window
}

// file makes a file for the n-th window.
func (s *scene) file(kind schemas.Kind, n int, all ...world.Row) made {
	w := s.window(n)
	id := fmt.Sprintf("%032x", len(s.truth.Files)+1)
	last := w.To.Add(-time.Second)
	f := truth.File{
		ResponseID: id, Name: s.now.In(s.zone).Format("20060102") + "_" + id + ".zip", Operation: operations[kind],
		Begin: w.From, End: last, BeginText: w.From.In(s.zone).Format(world.TimeLayout), EndText: last.In(s.zone).Format(world.TimeLayout),
		MadeAt: s.now, Rows: all,
	}
	s.truth.Files = append(s.truth.Files, f)
	return made{f, kind, w}
}

// row makes the i-th row of a kind, with cells of every sort.
func (s *scene) row(kind schemas.Kind, i int) world.Row {
	k := world.Kind(rows.FilePart(kind))
	at := start.Add(time.Duration(i) * time.Second)
	wall := at.In(s.zone).Format(world.TimeLayout)
	cells := make([]string, len(world.Columns[k]))
	for c, name := range world.Columns[k] {
		switch {
		case name == "update_time":
			cells[c] = at.UTC().Format(world.TimeLayout)
		case strings.HasSuffix(name, "_begin") || name == "begin_time" || name == "operate_time":
			cells[c] = wall
		case name == "wait_end":
			cells[c] = "1970-01-01 00:00:00"
		case name == "ack_end":
			cells[c] = "null"
		case strings.HasSuffix(name, "_end") || strings.HasSuffix(name, "end_time"):
			cells[c] = ""
		case name == "release_cause":
			cells[c] = "-1"
		case name == "device_no":
			cells[c] = "007"
		case name == "service_no":
			cells[c] = "队列, \"一\""
		default:
			cells[c] = strconv.Itoa(1000 + i)
		}
	}
	return world.Row{Kind: k, At: at, Known: at, Cells: cells}
}

func (s *scene) manyRows(kind schemas.Kind, from, to int) (out []world.Row) {
	for i := from; i < to; i++ {
		out = append(out, s.row(kind, i))
	}
	return out
}

func (f made) ready() schemas.FileReady {
	return schemas.FileReady{
		Tenant: tenant, Kind: f.kind, Window: f.window, ResponseID: f.ResponseID, FileName: f.Name,
		ReceivedAt: f.MadeAt.Add(time.Second), Via: schemas.ViaCallback,
	}
}

func (s *scene) ready(f made) {
	s.t.Helper()
	m, err := s.names.FileReadyMessage(f.ready())
	s.put(&s.files, m, err)
}

// publish stores the rows of one kind that the stream does not have.
func (s *scene) publish(f made, kind schemas.Kind, all ...world.Row) {
	s.t.Helper()
	e := rows.NewEncoder(s.names, f.ready(), kind, rows.Options{Zone: s.zone, Written: s.read})
	for _, r := range all {
		if string(r.Kind) != rows.FilePart(kind) {
			continue
		}
		id, err := e.Identify(r.Cells)
		if err != nil {
			s.t.Fatal(err)
		}
		m, err := e.Message(r.Cells, id, 1)
		if key := m.Subject + "/" + id.ID; !s.ids[key] {
			s.ids[key] = true
			s.put(&s.rows, m, err)
		}
	}
}

// revise stores a row as a later revision; back says that it was like that before.
func (s *scene) revise(f made, row world.Row, revision int, back bool) {
	s.t.Helper()
	e := rows.NewEncoder(s.names, f.ready(), f.kind, rows.Options{Zone: s.zone, Written: s.read})
	id, err := e.Identify(row.Cells)
	if err != nil {
		s.t.Fatal(err)
	}
	if back {
		id = id.Again(revision)
	}
	m, err := e.Message(row.Cells, id, revision)
	s.put(&s.rows, m, err)
}

func (s *scene) mark(f made) {
	s.t.Helper()
	m, err := s.names.WindowCompleteMessage(schemas.WindowComplete{
		Tenant: tenant, Kind: f.kind, Window: f.window, ResponseID: f.ResponseID,
		Rows: len(f.Rows), Added: len(f.Rows), SHA256: strings.Repeat("ab", 32), CompletedAt: s.now,
	})
	s.put(&s.rows, m, err)
}

// accept does with a file what the bridge should.
func (s *scene) accept(f made) {
	s.t.Helper()
	s.ready(f)
	for _, k := range schemas.Kinds() {
		s.publish(f, k, f.Rows...)
	}
	s.mark(f)
}

func (s *scene) letter(reason schemas.Reason, id string, original any) {
	s.t.Helper()
	body, err := json.Marshal(original)
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := s.names.DeadLetterMessage(schemas.DeadLetter{
		Tenant: tenant, Reason: reason, Attempts: 1, FirstAt: s.now, LastAt: s.now, Original: body,
	}, id)
	s.put(&s.dead, m, err)
}

// fail ends a file as damaged.
func (s *scene) fail(f made, reason schemas.Reason) {
	s.t.Helper()
	s.ready(f)
	s.letter(reason, fmt.Sprintf("AICC_FILES/%d", len(s.files)), f.ready())
}

// good fills the scene with a morning on which nothing went wrong.
func good(t testing.TB) *scene {
	s := newScene(t)
	for _, agent := range []string{"101", "102"} {
		s.session(agent, schemas.EventSignedIn)
		s.event(agent, "AgentOther_InService", `null`)
		s.event(agent, "AgentState_Ready", `null`)
		s.event(agent, "AgentEvent_Ringing", `{"caller":"5550100","called":"5550199","callid":"1714525260-1","mediaType":"5"}`)
		s.heartbeat(agent, s.next(agent))
		s.event(agent, "AgentState_Ready", `null`)
	}
	for _, k := range schemas.Kinds() {
		s.accept(s.file(k, 0, s.manyRows(k, 0, 5)...))
	}
	s.accept(s.file(schemas.KindCDR, 1))                                       // nothing happened
	s.accept(s.file(schemas.KindCDR, 0, s.manyRows(schemas.KindCDR, 0, 6)...)) // a later sweep, with a late row
	return s
}
