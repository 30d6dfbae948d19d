// Package ledger has the forms in which the contact centre keeps what has happened: the
// rows that the file store extracts, and the way of a call through its devices.
package ledger

import "time"

// Kind names one of the four record types of the file store, spelled as in
// the names of its CSV members.
type Kind string

// The kinds the file store extracts.
const (
	Call       Kind = "call"           // CDR: one row per device a call passed
	Record     Kind = "record"         // recording index
	Operation  Kind = "agentOprInfo"   // what agents did, and how long
	SkillGrant Kind = "agentSkillInfo" // changes of an agent's skill set
)

// Words are the names of the kinds in rules about faults.
var Words = []string{"cdr", "recording", "operation", "skill"}

// Word is the kind's name in rules about faults.
func (k Kind) Word() string {
	switch k {
	case Call:
		return Words[0]
	case Record:
		return Words[1]
	case Operation:
		return Words[2]
	}
	return Words[3]
}

// TimeLayout is how the file store prints a DATE: wall clock of the tenant's zone, or of
// the one in which the files are written, whole seconds, no offset.
const TimeLayout = "2006-01-02 15:04:05"

// Row is one CSV record. Cells are in the documented column order,
// len(Cells) == len(Columns[Kind]).
type Row struct {
	Kind Kind `json:"kind"`
	// At selects the row into a window: begin of the leg for a call or a
	// recording, begin_time for an operation, operate_time for a skill
	// change. Whole seconds.
	At time.Time `json:"at"`
	// Known is when the file store can see the row: end of the call or
	// operation plus the delay of its copying job. The same window extracted
	// later may hold more rows.
	Known time.Time `json:"known"`
	// AgentID is empty on the rows of a skill queue.
	AgentID string `json:"agent_id,omitempty"`
	// CallID is empty on rows which belong to no call.
	CallID string `json:"call_id,omitempty"`
	// Cells print times as TimeLayout in the zone in which the files are written.
	Cells []string `json:"cells"`
}

// UTCColumn is the column of skill changes whose times are in UTC whatever the others are
// in (cec_07_0833).
const UTCColumn = "update_time"

// Columns holds the header names of every kind in file order (pages
// cec_07_0831, cec_07_0832, cec_07_0833; of a call from skill_id on as cec_07_0806 lists
// them). Read only.
var Columns = map[Kind][]string{
	Call: {
		"developer", "account_id", "cc_id", "agent_id", "call_id", "caller_no", "callee_no",
		"wait_begin", "wait_end", "ack_begin", "ack_end", "call_begin", "call_end",
		"device_type", "device_no", "call_type", "release_cause", "call_id_num", "vdn_id",
		"pre_device_type", "pre_device_no", "skill_id", "current_skill_id", "pre_device_in",
		"leave_reason", "service_no", "device_in", "media_type", "sub_media_type",
	},
	Record: {
		"developer", "account_id", "cc_id", "agent_id", "call_id", "caller_no", "callee_no",
		"call_begin", "call_end", "file_name", "task_status", "task_result",
		"original_file_name", "vdn_id", "call_type", "media_type", "user_wanted_skill_id",
		"current_skill_id",
	},
	Operation: {
		"id", "developer_id", "account_id", "agent_id", "service_no", "skill_id", "call_id",
		"begin_time", "end_time", "op_type", "op_object", "op_cause", "media_type", "vdn_id",
		"cc_id", "agent_type", "phone_no", "callIn_out", "location_id", "logon_sn", "skillInfo_sn",
	},
	SkillGrant: {
		"id", "developer_id", "account_id", "sub_cc_no", "vdn", "agent_id", "operate_time",
		"operate_id", "operate_type", "skill_list", "logon_sn", "operate_sn", "operate_end_time",
		"renew_flag", "update_time", "month_of_year",
	},
}

// Editions are the numbers of columns that calls have had, oldest platform first.
var Editions = []int{18, 21, 23, 29}

// Width is how many columns files of a kind have in an edition, which is named by the
// columns of a call; 0 is the newest.
func (k Kind) Width(edition int) int {
	const oldRecord = 13 // recordings grew with the second edition, and never again
	switch {
	case k == Call && edition > 0:
		return edition
	case k == Record && edition == Editions[0]:
		return oldRecord
	}
	return len(Columns[k])
}
