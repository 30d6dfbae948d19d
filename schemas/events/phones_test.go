package events_test

import (
	"slices"
	"strings"
	"testing"

	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
	"aiccbridge/schemas/rows"
)

// noPhone are the documented fields of events, and the columns, that hold no phone
// number. Whoever adds a field has to decide.
var noPhone = strings.Fields(`
	agentname agentState appId beginTime callData callId callid cause changeReason changeType channelId chatContent confId
	context controlid ctime desc detect deviceCallType deviceType endTime feature fileMediaType fileName filename ip
	isInnerCall isWorking lastReleaseAgentId locationId loginTime mediaAbility mediaType mediaserver message monitoredagent offlineData
	orgCallId
	otherPhoneWorkno participantType phoneState port qcAgentId qcType reason recordFormat recordID
	releaseAndReQueueCallFlag releaseAndReQueueCount result role signalingDomainIn signalingDomainOut signature
	skillId skillName subtype taskId transfer type userId

	account_id ack_begin ack_end agent_id agent_type begin_time callIn_out call_begin call_end call_id call_id_num
	call_type cc_id current_skill_id developer developer_id device_no device_type end_time file_name id location_id
	logon_sn media_type month_of_year op_cause op_object ctiState was op_type operate_end_time operate_id operate_sn operate_time
	operate_type original_file_name pre_device_no pre_device_type release_cause renew_flag service_no skillInfo_sn
	skill_id skill_list sub_cc_no task_result task_status update_time user_wanted_skill_id vdn vdn_id wait_begin
	wait_end device_in leave_reason pre_device_in sub_media_type`)

func TestEveryFieldIsKnownToHoldNumbersOrNot(t *testing.T) {
	phones, _ := events.PhoneNames()
	known := func(name string) bool { return slices.Contains(phones, name) }
	check := func(where, name string) {
		if known(name) == slices.Contains(noPhone, name) {
			t.Errorf("%s of %s: does it hold phone numbers or not?", name, where)
		}
	}
	for _, info := range events.Table() {
		for _, name := range info.Fields {
			check(info.Type, name)
		}
	}
	for _, k := range []schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation, schemas.KindSkill} {
		for _, c := range rows.Columns(k) {
			check(string(k), c.Name)
		}
	}
}
