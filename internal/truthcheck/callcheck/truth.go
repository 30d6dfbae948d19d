package callcheck

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/world"
)

// Row is a row of an accepted file: its trimmed cells, in the platform's order, "" where there
// is no value.
type Row struct {
	Kind  world.Kind
	Cells []string
}

// at is the text of a column, "" when there is none.
func (r Row) at(column string) string {
	if i := slices.Index(world.Columns[r.Kind], column); i >= 0 && i < len(r.Cells) {
		return r.Cells[i]
	}
	return ""
}

// int is a cell that is a canonical integer, nil otherwise.
func (r Row) int(column string) *int {
	text := r.at(column)
	n, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(n) != text || len(strings.TrimPrefix(text, "-")) > 15 {
		return nil
	}
	return &n
}

// time is a cell that is a time that happened, zero otherwise. Wall clocks are read as if
// they were UTC: what counts is what they show.
func (r Row) time(column string) time.Time {
	text := r.at(column)
	t, err := time.Parse(world.TimeLayout, text)
	if err != nil || strings.HasPrefix(text, "1970-01-01") {
		return time.Time{}
	}
	return t
}

// seconds are those between two times that are known and in order.
func (r Row) seconds(from, to string) *int {
	a, b := r.time(from), r.time(to)
	if a.IsZero() || b.IsZero() || b.Before(a) {
		return nil
	}
	n := int(b.Sub(a).Seconds())
	return &n
}

// naturalKey is what tells a row from others, "" for one that has not all of it.
func (r Row) naturalKey() string {
	columns := map[world.Kind][]string{
		world.Call: {"call_id", "call_id_num"}, world.Record: {"call_id", "original_file_name", "call_begin"}, world.Operation: {"id"},
	}[r.Kind]
	var key []string
	for _, c := range columns {
		text := r.at(c)
		if c == "original_file_name" {
			text = cmp.Or(text, r.at("file_name"))
		}
		if text == "" {
			return ""
		}
		key = append(key, text)
	}
	return string(r.Kind) + "\x00" + strings.Join(key, "\x00")
}

// sameAs reports whether two rows say the same as far as both have cells: a file of another
// edition of the platform changes nothing.
func (r Row) sameAs(other Row) bool {
	n := min(len(r.Cells), len(other.Cells))
	return slices.Equal(r.Cells[:n], other.Cells[:n])
}

// truthCall is a call as the accepted files have it.
type truthCall struct{ legs, recordings, operations []Row }

// version is what the last file that says something new has under one natural key.
type version struct {
	file int
	rows []Row

	reader int   // the file that was looked at last
	read   []Row // what it has
}

// wantedCalls puts the calls together that the files come to: of rows with one natural key
// those of the last file that has it otherwise than before.
func wantedCalls(files [][]Row) map[string]*truthCall {
	newest, order := map[string]*version{}, []string(nil)
	for i, file := range files {
		for n, r := range file {
			if r.at("call_id") == "" {
				continue
			}
			key := cmp.Or(r.naturalKey(), fmt.Sprint(i, "/", n))
			if newest[key] == nil {
				newest[key], order = &version{file: i, reader: i}, append(order, key)
			}
			newest[key].take(i, r)
		}
	}
	calls := map[string]*truthCall{}
	for _, key := range order {
		for _, r := range newest[key].rows {
			id := r.at("call_id")
			if calls[id] == nil {
				calls[id] = &truthCall{}
			}
			calls[id].add(r)
		}
	}
	// Without a leg nothing is known of it but that it was recorded, say.
	maps.DeleteFunc(calls, func(_ string, t *truthCall) bool { return len(t.legs) == 0 })
	return calls
}

// take adds a row of a file.
func (v *version) take(file int, r Row) {
	if v.reader != file {
		v.reader, v.read = file, nil
	}
	v.read = append(v.read, r)
	switch {
	case v.file == file:
		v.rows = append(v.rows, r)
	case !slices.ContainsFunc(v.rows, r.sameAs):
		v.file, v.rows = file, slices.Clone(v.read)
	}
}

func (t *truthCall) add(r Row) {
	switch r.Kind {
	case world.Call:
		t.legs = append(t.legs, r)
	case world.Record:
		t.recordings = append(t.recordings, r)
	case world.Operation:
		t.operations = append(t.operations, r)
	}
}

// times are the columns of a leg's times.
var legTimes = []string{"wait_begin", "wait_end", "ack_begin", "ack_end", "call_begin", "call_end"}

// inOrder are the legs as the call went.
func (t *truthCall) inOrder() []Row {
	place := func(r Row) int {
		switch n := r.int("call_id_num"); {
		case n == nil:
			return 1<<62 - 1
		case *n == -1:
			return 1 << 62
		default:
			return *n
		}
	}
	first := func(r Row) (first time.Time) {
		for _, column := range legTimes {
			if at := r.time(column); !at.IsZero() && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		return first
	}
	legs := slices.Clone(t.legs)
	slices.SortStableFunc(legs, func(a, b Row) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), first(a).Compare(first(b)))
	})
	return legs
}

// sheet is what the files say of the call, and the platform has of its audio.
func (t *truthCall) sheet(sounds Sounds) sheet {
	s := sheet{"closed": "false"}
	var agents, skills, legs, recordings, operations []string
	for i, r := range t.inOrder() {
		agents, skills = once(agents, r.at("agent_id")), once(skills, r.skill())
		s.addLeg(r)
		legs = append(legs, fmt.Sprintf("%03d %s", i, r.leg().line()))
	}
	for _, r := range t.recordings {
		is := r.recording()
		is.put("audio", sounds.audio(r.at("file_name")))
		recordings = append(recordings, is.line())
	}
	for _, r := range t.operations {
		operations = append(operations, r.operation().line())
	}
	s.put("agents", strings.Join(agents, " "))
	s.put("skills", strings.Join(skills, " "))
	s.put("direction", directions[s["call_type"]])
	s.list("legs", legs)
	s.list("recordings", recordings)
	s.list("operations", operations)
	return s
}

// addLeg adds what a leg, the next in order, says of the whole call.
func (s sheet) addLeg(r Row) {
	s.first("caller", r.at("caller_no"))
	s.first("called", r.at("callee_no"))
	s.firstNumber("call_type", r.int("call_type"))
	s.firstNumber("media_type", r.int("media_type"))
	if n := r.int("call_id_num"); n != nil && *n == -1 {
		s["closed"] = "true"
		delete(s, "release_cause")
		s.number("release_cause", r.int("release_cause"))
	}
	for _, column := range legTimes {
		at := clock(r.time(column), time.UTC)
		if at == "" {
			continue
		}
		if s["begin"] == "" || at < s["begin"] {
			s["begin"] = at
		}
		s["end"] = max(s["end"], at)
	}
	for name, ends := range legSpans {
		if n := r.seconds(ends[0], ends[1]); n != nil {
			before, _ := strconv.Atoi(s[name]) // "" is 0
			s[name] = strconv.Itoa(before + *n)
		}
	}
}

// legSpans are the durations of a leg.
var legSpans = map[string][2]string{"wait_s": {"wait_begin", "wait_end"}, "ring_s": {"ack_begin", "ack_end"}, "talk_s": {"call_begin", "call_end"}}

func (r Row) skill() string { return cmp.Or(r.at("current_skill_id"), r.at("skill_id")) }

func (r Row) leg() sheet {
	s := sheet{}
	s.number("number", r.int("call_id_num"))
	s.number("device_type", r.int("device_type"))
	s.put("device_no", r.at("device_no"))
	s.number("pre_device_type", r.int("pre_device_type"))
	s.put("pre_device_no", r.at("pre_device_no"))
	s.put("agent", r.at("agent_id"))
	s.put("skill", r.skill())
	s.number("leave_reason", r.int("leave_reason"))
	for _, column := range legTimes {
		s.put(column, clock(r.time(column), time.UTC))
	}
	for name, ends := range legSpans {
		s.number(name, r.seconds(ends[0], ends[1]))
	}
	return s
}

func (r Row) recording() sheet {
	s := r.span("call_begin", "call_end")
	s.put("file_name", r.at("file_name"))
	s.put("original_file_name", r.at("original_file_name"))
	return s
}

func (r Row) operation() sheet {
	s := r.span("begin_time", "end_time")
	s.number("op_type", r.int("op_type"))
	s.put("op_object", r.at("op_object"))
	s.number("op_cause", r.int("op_cause"))
	return s
}

// span is what rows of one agent and one stretch of time have in common.
func (r Row) span(begin, end string) sheet {
	s := sheet{}
	s.put("agent", r.at("agent_id"))
	s.put("begin", clock(r.time(begin), time.UTC))
	s.put("end", clock(r.time(end), time.UTC))
	s.number("duration", r.seconds(begin, end))
	return s
}

// first puts a text in unless an earlier leg had one.
func (s sheet) first(field, text string) {
	if s[field] == "" {
		s.put(field, text)
	}
}

func (s sheet) firstNumber(field string, n *int) {
	if s[field] == "" {
		s.number(field, n)
	}
}

func once(list []string, text string) []string {
	if text == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// directions of calls by their type, page cec_07_0840.
var directions = map[string]string{
	"0": "inbound", "1": "inbound", "5": "inbound", "13": "inbound", "15": "inbound", "17": "inbound", "21": "inbound",
	"30": "inbound", "32": "inbound", "33": "inbound",
	"7": "outbound", "8": "outbound", "9": "outbound", "10": "outbound", "11": "outbound", "12": "outbound", "14": "outbound",
	"16": "outbound", "18": "outbound", "23": "outbound", "31": "outbound", "34": "outbound", "35": "outbound",
	"40": "outbound", "41": "outbound", "42": "outbound", "43": "outbound", "44": "outbound", "45": "outbound",
	"6": "internal", "51": "internal", "52": "internal",
}
