package rows

import (
	"fmt"
	"slices"
	"strings"

	"aiccbridge/schemas"
)

// ColumnType says how the cells of a column are published.
type ColumnType int

// The types of columns.
const (
	// Text is published as a JSON string, as it is in the file.
	Text ColumnType = iota
	// Integer is published as a JSON number: a code, a count or a place. A cell that is
	// no canonical integer of at most 15 digits is published under "unparsed".
	Integer
	// Time is a wall-clock time of the zone in which the files are written, published as
	// RFC 3339 with the tenant's offset. One that cannot be read is published under
	// "unparsed".
	Time
	// TimeUTC is a wall-clock time in UTC whatever the zone of the others (update_time of
	// skill changes, cec_07_0833), published as RFC 3339 with "Z".
	TimeUTC
)

func (t ColumnType) isTime() bool { return t == Time || t == TimeUTC }

// Column is one documented column of a CSV member. The names are the
// platform's, capitals included.
type Column struct {
	Name string
	// Type is the same in all kinds that have a column of this name.
	Type ColumnType
	// Required: it can tell a row from others, and a row must have a value in one
	// of the required columns. A header line that names none of them is refused.
	Required bool

	codes  codeTable           // what its codes mean; nil when nobody says
	causes map[int64]codeTable // the same, by the code in the column op_type
}

// columnSet is what is known of the members of one kind.
type columnSet struct {
	part    string     // in the member's file name
	columns []Column   // in the documented order
	widths  []int      // columns of each edition of the platform, the oldest first
	scope   []string   // within which the key is unique; may be empty
	key     [][]string // parts of the natural key: of each, the first column with a value
	spans   []Span
}

// Span is a duration that a row has when both of its ends are known: whole seconds, never
// negative, none when an end is ambiguous.
type Span struct{ Name, From, To string }

// columnSets holds the pages cec_07_0831 (cdr, recording), cec_07_0832
// (operation) and cec_07_0833 (skill). The columns of a CDR from skill_id on were added by
// 22.100 and 23.100 of the platform (cec_07_0806): their names are certain, their order is
// the one in which that page lists them. What names something (agent, call, number,
// device, vdn, skill, account) is text even where the page types it as a number. Do not
// alter it.
var columnSets = map[schemas.Kind]columnSet{
	schemas.KindCDR: {
		part: "call", widths: []int{18, 21, 23, 29},
		scope: []string{"developer"}, key: [][]string{{"call_id"}, {"call_id_num"}},
		columns: []Column{
			{Name: "developer"}, {Name: "account_id"}, {Name: "cc_id"}, {Name: "agent_id"},
			{Name: "call_id", Required: true}, {Name: "caller_no"}, {Name: "callee_no"},
			{Name: "wait_begin", Type: Time}, {Name: "wait_end", Type: Time},
			{Name: "ack_begin", Type: Time}, {Name: "ack_end", Type: Time},
			{Name: "call_begin", Type: Time}, {Name: "call_end", Type: Time},
			{Name: "device_type", Type: Integer, codes: deviceTypes}, {Name: "device_no"},
			{Name: "call_type", Type: Integer, codes: callTypes}, {Name: "release_cause", Type: Integer, codes: releaseCauses},
			{Name: "call_id_num", Type: Integer}, {Name: "vdn_id"},
			{Name: "pre_device_type", Type: Integer, codes: deviceTypes}, {Name: "pre_device_no"},
			{Name: "skill_id"}, {Name: "current_skill_id"}, {Name: "pre_device_in"},
			{Name: "leave_reason", Type: Integer, codes: leaveReasons}, {Name: "service_no"}, {Name: "device_in"},
			{Name: "media_type", Type: Integer, codes: mediaTypes}, {Name: "sub_media_type", Type: Integer, codes: subMediaTypes},
		},
		spans: []Span{{"wait_s", "wait_begin", "wait_end"}, {"ring_s", "ack_begin", "ack_end"}, {"talk_s", "call_begin", "call_end"}},
	},
	schemas.KindRecording: {
		part: "record", widths: []int{13, 18},
		scope: []string{"developer"},
		key:   [][]string{{"call_id"}, {"original_file_name", "file_name"}, {"call_begin"}},
		columns: []Column{
			{Name: "developer"}, {Name: "account_id"}, {Name: "cc_id"}, {Name: "agent_id"},
			{Name: "call_id", Required: true}, {Name: "caller_no"}, {Name: "callee_no"},
			{Name: "call_begin", Type: Time}, {Name: "call_end", Type: Time},
			{Name: "file_name"}, {Name: "task_status", Type: Integer, codes: taskStates}, {Name: "task_result"},
			{Name: "original_file_name"}, {Name: "vdn_id"}, {Name: "call_type", Type: Integer, codes: directions},
			{Name: "media_type", Type: Integer, codes: mediaTypes}, {Name: "user_wanted_skill_id"}, {Name: "current_skill_id"},
		},
		spans: []Span{{"talk_s", "call_begin", "call_end"}},
	},
	schemas.KindOperation: {
		part: "agentOprInfo", widths: []int{21},
		scope: []string{"developer_id", "cc_id", "vdn_id"}, key: [][]string{{"id"}},
		columns: []Column{
			{Name: "id", Required: true}, {Name: "developer_id"}, {Name: "account_id"},
			{Name: "agent_id"}, {Name: "service_no"}, {Name: "skill_id"}, {Name: "call_id", Required: true},
			{Name: "begin_time", Type: Time}, {Name: "end_time", Type: Time},
			{Name: "op_type", Type: Integer, codes: operations}, {Name: "op_object"},
			{Name: "op_cause", Type: Integer, causes: operationCauses}, {Name: "media_type", Type: Integer, codes: mediaTypes},
			{Name: "vdn_id"}, {Name: "cc_id"}, {Name: "agent_type", Type: Integer}, {Name: "phone_no"},
			{Name: "callIn_out", Type: Integer}, {Name: "location_id"}, {Name: "logon_sn"}, {Name: "skillInfo_sn"},
		},
		spans: []Span{{"duration_s", "begin_time", "end_time"}},
	},
	schemas.KindSkill: {
		part: "agentSkillInfo", widths: []int{16},
		scope: []string{"developer_id", "sub_cc_no", "vdn"}, key: [][]string{{"id"}},
		columns: []Column{
			{Name: "id", Required: true}, {Name: "developer_id"}, {Name: "account_id"},
			{Name: "sub_cc_no"}, {Name: "vdn"}, {Name: "agent_id"},
			{Name: "operate_time", Type: Time}, {Name: "operate_id"},
			{Name: "operate_type", Type: Integer}, {Name: "skill_list"}, {Name: "logon_sn"},
			{Name: "operate_sn", Type: Integer}, {Name: "operate_end_time", Type: Time},
			{Name: "renew_flag", Type: Integer}, {Name: "update_time", Type: TimeUTC},
			{Name: "month_of_year", Type: Integer},
		},
	},
}

// Columns returns the documented columns in the order of the file; nil for an
// unknown kind. Newer platforms append more, which are published under "extra".
func Columns(k schemas.Kind) []Column { return slices.Clone(columnSets[k].columns) }

// shared is how many columns files of every edition have: ids are hashes of these.
func (s columnSet) shared() int { return s.widths[0] }

// Width is how many columns files of a kind have in an edition of the platform, which is
// named by the columns of a CDR; 0, or one that is not known, is the newest.
func Width(k schemas.Kind, edition int) int {
	set := columnSets[k]
	age := slices.Index(columnSets[schemas.KindCDR].widths, edition)
	if age < 0 || age >= len(set.widths) {
		return len(set.columns)
	}
	return set.widths[age]
}

// Usual reports whether files of a kind are known to have so many columns: those of the
// editions of the platform.
func Usual(k schemas.Kind, columns int) bool { return slices.Contains(columnSets[k].widths, columns) }

// Spans returns the durations of a kind's rows.
func Spans(k schemas.Kind) []Span { return slices.Clone(columnSets[k].spans) }

// FilePart is the part of a CSV member's name that says its kind: call, record,
// agentOprInfo or agentSkillInfo; "" for an unknown kind.
func FilePart(k schemas.Kind) string { return columnSets[k].part }

// headerName is a header cell without its padding and a byte order mark.
func headerName(cell string) string {
	return strings.ToValidUTF8(trimCell(strings.TrimPrefix(cell, "\ufeff")), "\ufffd")
}

// headerFold is the form in which names are compared loosely: without blanks and
// "_", in lower case.
func headerFold(cell string) string {
	return strings.Map(func(r rune) rune {
		if isFolded(r) {
			return -1
		}
		return r
	}, strings.ToLower(cell))
}

// isFolded reports a sign that does not count in names.
func isFolded(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\n', '_', '\ufeff', 0:
		return true
	}
	return false
}

// headerAlias has one name for the developer column, which the pages call developer and
// developer_id, and one for the virtual contact centre, vdn and vdn_id.
func headerAlias(cell string) string {
	switch fold := headerFold(cell); fold {
	case "developerid":
		return "developer"
	case "vdnid":
		return "vdn"
	default:
		return fold
	}
}

// match finds the columns of a header line: cells has the place in the line of
// each column, columns the column of each place, -1 for none. Names that are
// exact win over those that are alike, and these over the alias, wherever they
// stand; a second name for a column is not matched. An exact name that comes
// twice is reported: nothing tells which of the two is meant.
func (s columnSet) match(names []string) (cells, columns []int, err error) {
	cells, columns = slices.Repeat([]int{-1}, len(s.columns)), slices.Repeat([]int{-1}, len(names))
	for pass, form := range []func(string) string{headerName, headerFold, headerAlias} {
		for i, name := range names {
			if columns[i] >= 0 {
				continue
			}
			c := s.find(name, form)
			switch {
			case c < 0:
			case cells[c] < 0:
				cells[c], columns[i] = i, c
			case pass == 0:
				return nil, nil, fmt.Errorf("column %s comes twice", s.columns[c].Name)
			}
		}
	}
	return cells, columns, nil
}

// find returns the column whose name has the same form as name, -1 for none.
func (s columnSet) find(name string, form func(string) string) int {
	want := form(name)
	return slices.IndexFunc(s.columns, func(c Column) bool { return form(c.Name) == want })
}

// required returns the names of the required columns.
func (s columnSet) required() (names []string) {
	for _, c := range s.columns {
		if c.Required {
			names = append(names, c.Name)
		}
	}
	return names
}

// named returns the place of a column by its exact name, -1 for none.
func (s columnSet) named(name string) int {
	return slices.IndexFunc(s.columns, func(c Column) bool { return c.Name == name })
}
