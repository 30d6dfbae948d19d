package world

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
)

// TestRowsMatchEvents lives many different days and holds the rows against the
// events of the same calls.
func TestRowsMatchEvents(t *testing.T) {
	if got := matchSeeds(t, 25); len(got) > 0 {
		t.Errorf("%d contradictions, first: %s", len(got), got[0])
	}
}

func matchSeeds(t *testing.T, seeds int) []string {
	var problems []string
	for seed := range seeds {
		o := Options{Seed: uint64(seed), Agents: 4, Location: shanghai(t)}
		in := SignIn{WrapUpAfterCall: seed%2 == 0}
		// The odd length cuts some calls in the middle.
		d := live(t, o, in, 3*time.Hour+17*time.Second+time.Duration(seed)*time.Second)
		c := checker{day: d, o: d.w.o}
		c.run()
		problems = append(problems, c.problems...)
	}
	return problems
}

type checker struct {
	day
	o        Options
	problems []string
}

func (c *checker) wrong(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) run() {
	c.cells()
	c.chains()
	c.calls()
	c.recordings()
	c.operations()
	for agent, events := range c.events {
		if last := events[len(events)-1].At; last.After(c.signedOut(agent)) {
			c.wrong("agent %s: event after the sign-out", agent)
		}
	}
}

func (c *checker) cells() {
	for kind, columns := range Columns {
		for _, r := range c.rows(kind) {
			if len(r.Cells) != len(columns) {
				c.wrong("%s row with %d cells", kind, len(r.Cells))
			}
			if r.Known.Before(r.At.Add(c.o.SyncDelay)) {
				c.wrong("%s row known before its delay", kind)
			}
		}
	}
}

func cell(r Row, column string) string {
	for i, name := range Columns[r.Kind] {
		if name == column {
			return r.Cells[i]
		}
	}
	return "no column " + column
}

func (c *checker) text(t time.Time) string { return t.In(c.o.Location).Format(TimeLayout) }

var callID = regexp.MustCompile(`^\d{9,10}-\d+$`)

// chains: rows of a call are numbered 1, 2, …, -1; only the last has a cause.
func (c *checker) chains() {
	byCall := map[string][]Row{}
	for _, r := range c.rows(Call) {
		byCall[r.CallID] = append(byCall[r.CallID], r)
	}
	for id, rows := range byCall {
		if !callID.MatchString(id) {
			c.wrong("call id %q", id)
		}
		seen := map[string]Row{}
		for _, r := range rows {
			seen[cell(r, "call_id_num")] = r
		}
		if len(seen) != len(rows) {
			c.wrong("call %s: numbers are not unique", id)
		}
		for n := 1; n <= len(rows); n++ {
			number := strconv.Itoa(n)
			if n == len(rows) {
				number = "-1"
			}
			r, ok := seen[number]
			if !ok {
				c.wrong("call %s: no row %s of %d", id, number, len(rows))
				continue
			}
			if number != "-1" && cell(r, "release_cause") != "0" {
				c.wrong("call %s: cause on row %s", id, number)
			}
			if before := seen[strconv.Itoa(n-1)]; n > 1 && cell(r, "pre_device_no") != cell(before, "device_no") {
				c.wrong("call %s: row %s does not follow row %d", id, number, n-1)
			}
		}
	}
}

type fields struct {
	CallID   string `json:"callid"`
	CallID2  string `json:"callId"`
	Type     string `json:"type"`
	FileName string `json:"fileName"`
	TaskID   int    `json:"taskId"`
	Begin    int64  `json:"beginTime"`
	End      int64  `json:"endTime"`
}

func read(e Event) fields {
	var f fields
	if len(e.Content) > 0 && e.Content[0] == '{' {
		// A content without these fields leaves them empty.
		_ = json.Unmarshal(e.Content, &f)
	}
	if e.Type == "AgentEvent_Call_Release" || e.Type == "AgentEvent_Hold" {
		_ = json.Unmarshal(e.Content, &f.CallID)
	}
	if f.CallID == "" {
		f.CallID = f.CallID2
	}
	return f
}

// calls: the first Talking of a call is call_begin of its agent row, its
// release is call_end.
func (c *checker) calls() {
	rows := map[string]Row{}
	for _, r := range c.rows(Call) {
		if r.AgentID != "" {
			rows[r.CallID] = r
		}
	}
	for agent, events := range c.events {
		begun, ended := map[string]bool{}, map[string]bool{}
		for _, e := range events {
			f := read(e)
			r, ok := rows[f.CallID]
			switch {
			case f.CallID != "" && !ok:
				c.wrong("agent %s: %s of call %s has no row", agent, e.Type, f.CallID)
			case e.Type == "AgentEvent_Talking" && !begun[f.CallID]:
				begun[f.CallID] = true
				if cell(r, "call_begin") != c.text(e.At) || cell(r, "agent_id") != agent {
					c.wrong("call %s: begins %s in the row, %s in the event", f.CallID, cell(r, "call_begin"), c.text(e.At))
				}
			case e.Type == "AgentEvent_Call_Release", e.Type == "AgentEvent_Customer_Release" && !ended[f.CallID]:
				ended[f.CallID] = true
				if e.Type == "AgentEvent_Call_Release" && cell(r, "call_end") != c.text(e.At) {
					c.wrong("call %s: ends %s in the row, %s in the event", f.CallID, cell(r, "call_end"), c.text(e.At))
				}
			}
		}
	}
}

var (
	fileName     = regexp.MustCompile(`^/10/1/record/39/(\d{8})/(\d+)/(\d+)\.wav$`)
	originalName = regexp.MustCompile(`^Y:\\39\\[01]\\\d{8}\\\d+\\\d+\.V3$`)
)

// recordings: one row per Record event, of the same file and times.
func (c *checker) recordings() {
	rows := map[string]Row{}
	for _, r := range c.rows(Record) {
		rows[cell(r, "original_file_name")] = r
		if !fileName.MatchString(cell(r, "file_name")) || !originalName.MatchString(cell(r, "original_file_name")) {
			c.wrong("recording names %q, %q", cell(r, "file_name"), cell(r, "original_file_name"))
		}
	}
	count := 0
	for agent, events := range c.events {
		tasks := map[int]Row{}
		for _, e := range events {
			f := read(e)
			switch e.Type {
			case "AgentMediaEvent_Record":
				count++
				r, ok := rows[strings.ReplaceAll(f.FileName, "/", `\`)]
				if !ok || r.CallID != f.CallID || r.AgentID != agent || cell(r, "call_begin") != c.text(e.At) {
					c.wrong("agent %s: recording %s has no row of its call and time", agent, f.FileName)
				}
				tasks[f.TaskID] = r
			case "AgentMediaEvent_StopRecordDone":
				r := tasks[f.TaskID]
				if cell(r, "call_end") != c.text(time.UnixMilli(f.End)) || cell(r, "call_begin") != c.text(time.UnixMilli(f.Begin)) {
					c.wrong("agent %s: recording task %d and its row disagree", agent, f.TaskID)
				}
			}
		}
	}
	if count != len(c.rows(Record)) {
		c.wrong("%d recordings, %d rows", count, len(c.rows(Record)))
	}
}

func (c *checker) signedOut(agent string) time.Time {
	for _, r := range c.rows(Operation) {
		if r.AgentID == agent && cell(r, "op_type") == "0" {
			return r.At.Add(time.Second)
		}
	}
	c.wrong("agent %s has no sign-out row", agent)
	return time.Time{}
}

// beginOf maps the event which begins a spell to its op_type; the spell ends
// with the next event of the state group.
var beginOf = map[string]string{
	"AgentState_SetRest_Success": "26", "AgentState_SetNotReady_Success": "3",
	"AgentState_SetWork_Success": "27", "AgentState_Work": "27", "AgentEvent_Hold": "38",
	"AgentState_Ready": "2", "AgentState_CancelRest_Success": "2", "AgentState_CancelWork_Success": "2",
	"AgentState_CancelNotReady_Success": "2",
}

// operations: every spell of the events has its row, and there are no others.
func (c *checker) operations() {
	rows := map[string]Row{}
	count := map[string]int{}
	ids := map[string]bool{}
	for _, r := range c.rows(Operation) {
		rows[r.AgentID+cell(r, "op_type")+cell(r, "begin_time")] = r
		count[cell(r, "op_type")]++
		if ids[cell(r, "id")] {
			c.wrong("operation id %s twice", cell(r, "id"))
		}
		ids[cell(r, "id")] = true
		if cell(r, "logon_sn") == "" || cell(r, "end_time") < cell(r, "begin_time") {
			c.wrong("operation row %q", r.Cells)
		}
	}
	seen := map[string]int{}
	for agent, events := range c.events {
		for i, e := range events {
			op, ok := beginOf[e.Type]
			if !ok {
				continue
			}
			seen[op]++
			r, ok := rows[agent+op+c.text(e.At)]
			if !ok {
				c.wrong("agent %s: %s at %s has no row", agent, e.Type, c.text(e.At))
				continue
			}
			if end := endOfSpell(e, events[i+1:]); !end.IsZero() && cell(r, "end_time") != c.text(end) {
				c.wrong("agent %s: op %s ends %s in the row, %s in the events", agent, op, cell(r, "end_time"), c.text(end))
			}
		}
	}
	for _, op := range []string{"2", "3", "26", "27", "38"} {
		if seen[op] != count[op] {
			c.wrong("operation %s: %d in the events, %d rows", op, seen[op], count[op])
		}
	}
	if count["1"] != len(c.events) || count["0"] != len(c.events) {
		c.wrong("sign-in rows %d, sign-out rows %d, agents %d", count["1"], count["0"], len(c.events))
	}
}

// endOfSpell finds the event with which a spell ends; zero when the sign-out
// came first. A hold ends with the talk or conference that follows.
func endOfSpell(begin Event, later []Event) time.Time {
	for _, e := range later {
		if begin.Type == "AgentEvent_Hold" {
			f := read(e)
			if f.CallID == read(begin).CallID && (e.Type == "AgentEvent_Talking" || e.Type == "AgentEvent_Conference") {
				return e.At
			}
			continue
		}
		if strings.HasPrefix(e.Type, "AgentState_") {
			return e.At
		}
	}
	return time.Time{}
}

func TestLateRowsAppearLater(t *testing.T) {
	faults := fault.NewBook(FaultKinds(), 1, time.Now)
	if err := faults.Set([]fault.Rule{{Fault: syncLate, Share: 0.3, Delay: fault.Duration(6 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	d := live(t, Options{Seed: 1, Faults: faults, SyncDelay: -1}, SignIn{}, 2*time.Hour)
	end := d.start.Add(2 * time.Hour)
	early := len(d.w.Rows(Operation, d.start, end, end.Add(time.Minute)))
	late := len(d.w.Rows(Operation, d.start, end, end.Add(7*time.Hour)))
	if early == 0 || late <= early {
		t.Errorf("%d rows early, %d late", early, late)
	}
	if n := len(d.w.Rows(Operation, d.start, end, d.start.Add(-time.Second))); n != 0 {
		t.Errorf("%d rows are known before anything happened", n)
	}
}

// TestWithheldRows: rows of a kind and agent that never reach the file store are in no extract
// however late, and are told apart.
func TestWithheldRows(t *testing.T) {
	faults := fault.NewBook(FaultKinds(), 1, time.Now)
	if err := faults.Set([]fault.Rule{{Fault: syncNever, Next: 3, Kind: Words[0], Agent: "101"}}); err != nil {
		t.Fatal(err)
	}
	d := live(t, Options{Seed: 1, Faults: faults, SyncDelay: -1}, SignIn{}, 2*time.Hour)
	end := d.start.Add(2 * time.Hour)
	lost := d.w.Withheld()
	if len(lost) != 3 {
		t.Fatalf("%d rows are withheld", len(lost))
	}
	for _, r := range d.w.Rows(Call, d.start, end, end.Add(time.Hour)) {
		for _, l := range lost {
			if l.Kind != Call || l.AgentID != "101" || r.CallID == l.CallID && r.AgentID == l.AgentID {
				t.Errorf("%v is withheld, and there is %v", l.Cells, r.Cells)
			}
		}
	}
}
