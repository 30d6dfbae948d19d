package schemas

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noPhone are the documented fields of events, and the columns, that hold no phone
// number. Whoever adds a field has to decide.
var noPhone = strings.Fields(`
	agentname agentState appId beginTime callData callId callid cause changeReason changeType channelId chatContent confId
	context controlid ctime desc detect deviceCallType deviceType endTime feature fileMediaType fileName filename ip
	isInnerCall isWorking lastReleaseAgentId locationId loginTime mediaAbility mediaType mediaserver message monitoredagent
	otherPhoneWorkno participantType phoneState port qcAgentId qcType reason recordFormat recordID
	releaseAndReQueueCallFlag releaseAndReQueueCount result role signalingDomainIn signalingDomainOut signature
	skillId skillName subtype taskId transfer type userId

	account_id ack_begin ack_end agent_id agent_type begin_time callIn_out call_begin call_end call_id call_id_num
	call_type cc_id current_skill_id developer developer_id device_no device_type end_time file_name id location_id
	logon_sn media_type month_of_year op_cause op_object op_type operate_end_time operate_id operate_sn operate_time
	operate_type original_file_name pre_device_no pre_device_type release_cause renew_flag service_no skillInfo_sn
	skill_id skill_list sub_cc_no task_result task_status update_time user_wanted_skill_id vdn vdn_id wait_begin
	wait_end`)

func TestEveryFieldIsKnownToHoldNumbersOrNot(t *testing.T) {
	phones, lists := PhoneNames()
	known := func(name string) bool { return slices.Contains(phones, name) }
	check := func(where, name string) {
		if known(name) == slices.Contains(noPhone, name) {
			t.Errorf("%s of %s: does it hold phone numbers or not?", name, where)
		}
	}
	for _, info := range EventTable() {
		for _, name := range info.Fields {
			check(info.Type, name)
		}
	}
	for _, k := range []Kind{KindCDR, KindRecording, KindOperation, KindSkill} {
		for _, c := range k.Columns() {
			check(string(k), c.Name)
		}
	}
	for _, f := range PhoneFields() {
		if f.Source == "" || f.List != slices.Contains(lists, f.Name) {
			t.Errorf("%+v", f)
		}
	}
}

func TestConceal(t *testing.T) {
	names, _ := NewNames("aicc")
	f := FileReady{Tenant: "acme", FileName: "20260101_" + strings.Repeat("0", 32) + ".zip", ReceivedAt: time.Unix(1, 0)}
	for _, c := range []struct {
		name                 string
		header, record, want []string
		columns              []string
	}{
		{"by position", nil, []string{"ak", "", " 7 ", "NULL", "c1", "5550123\x00", "-1"}, []string{"ak", "", " 7 ", "NULL", "", "<5550123>", "-1"},
			[]string{"developer", "cc_id", "call_id", "caller_no", "callee_no"}},
		{"by header", []string{"CallerNo", "Call ID", "note", ""}, []string{"5550123", "c1", "n", "e"}, []string{"<5550123>", "", "n", "e"},
			[]string{"caller_no", "call_id", "note", "col4"}},
		{"more cells than names", []string{"caller_no", "call_id"}, []string{"", "c1", "x"}, []string{"", "", "x"}, []string{"call_id", "col3"}},
	} {
		e := NewRowEncoder(names, f, KindCDR, nil)
		if err := e.Header(c.header); err != nil {
			t.Fatal(err)
		}
		var asked []string
		e.Conceal(c.record, func(column, value string) (string, bool) {
			asked = append(asked, column)
			if column == "caller_no" {
				value = "<" + value + ">"
			}
			return value, column != "call_id"
		})
		if diff := cmp.Diff(c.want, c.record); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.columns, asked); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
