package events

import (
	"slices"
	"strings"

	"aiccbridge/schemas"
)

// Where a line of the event table comes from.
const (
	SourceDocumented = "documented"  // on a page of the platform
	SourceClientCode = "client code" // seen in public client code only
	SourceBridge     = "bridge"      // made by the bridge itself
)

// Info is one line of the event table: what an event type means.
type Info struct {
	// Type is the platform's identifier, misspellings included.
	Type string
	// Group and Name are the last two tokens of the event's subject. The name is
	// Type in snake case without its prefix; misspellings are mended, and events
	// of the group state are named after the state.
	Group schemas.Group
	Name  string
	// State is the state the event leads to; empty: it changes none.
	State schemas.State
	// Fields are the documented fields of the content, as the platform spells
	// them; nil: null, a bare call id, or not known.
	Fields []string
	// StringCallID: the content is the bare call id, a string.
	StringCallID bool
	// Secrets are those of Fields that must not be published. They are among
	// SecretFields, which are not published of any event.
	Secrets []string
	// Ends: the agent's session is over, polling must stop.
	Ends bool
	// Source is one of SourceDocumented, SourceClientCode, SourceBridge.
	Source string
}

// Content fields that several events share.
var (
	ringFields      = []string{"caller", "called", "callid", "transfer", "transfrom", "type", "mediaType", "mediaAbility", "feature"}
	recordFields    = []string{"taskId", "caller", "called", "recordID", "locationId", "fileName", "fileMediaType", "callId"}
	callIDFields    = []string{"callId"}
	confFields      = []string{"confId"}
	reasonFields    = []string{"reason"}
	resultFields    = []string{"result"}
	superviseFields = []string{"qcType", "qcAgentId"}
	noteFields      = []string{"sender", "context"}
	seenFields      = []string{"ctiState", "reason", "was", "cause"}
)

// eventTable lists every identifier of the platform's event pages (cec_07_1343
// to cec_07_1429, cec_07_0521, cec_07_0542 and cec_07_0543 of the newer edition), those seen
// in client code, the bridge's own session events, and the states that it saw by looking. Do not alter it.
var eventTable = []Info{
	// State. Busy means taken by a call, not "not ready" (cec_07_1343).
	{Type: "AgentState_Busy", Group: schemas.GroupState, Name: "on_call", State: schemas.StateOnCall, Source: SourceDocumented},
	{Type: "AgentState_Work", Group: schemas.GroupState, Name: "wrapup", State: schemas.StateWrapup, Source: SourceDocumented},
	{Type: "AgentState_Ready", Group: schemas.GroupState, Name: "ready", State: schemas.StateReady, Source: SourceDocumented},
	{Type: "AgentState_SetNotReady_Success", Group: schemas.GroupState, Name: "not_ready", State: schemas.StateNotReady, Fields: reasonFields, Source: SourceDocumented},
	{Type: "AgentState_CancelNotReady_Success", Group: schemas.GroupState, Name: "not_ready_ended", State: schemas.StateReady, Source: SourceDocumented},
	{Type: "AgentState_SetRest_Success", Group: schemas.GroupState, Name: "rest", State: schemas.StateRest, Fields: reasonFields, Source: SourceDocumented},
	{Type: "AgentState_CancelRest_Success", Group: schemas.GroupState, Name: "rest_ended", State: schemas.StateReady, Source: SourceDocumented},
	// A reminder only: the agent stays in rest (cec_07_1350).
	{Type: "AgentState_Rest_Timeout", Group: schemas.GroupState, Name: "rest_timeout", Source: SourceDocumented},
	{Type: "AgentState_SetWork_Success", Group: schemas.GroupState, Name: "wrapup_requested", State: schemas.StateWrapup, Source: SourceDocumented},
	{Type: "AgentState_CancelWork_Success", Group: schemas.GroupState, Name: "wrapup_ended", State: schemas.StateReady, Source: SourceDocumented},
	{Type: "AgentState_Force_SetNotReady", Group: schemas.GroupState, Name: "not_ready_forced", State: schemas.StateNotReady, Source: SourceClientCode},
	{Type: "AgentState_Force_Ready", Group: schemas.GroupState, Name: "ready_forced", State: schemas.StateReady, Source: SourceClientCode},

	// Voice and video calls.
	{Type: "AgentEvent_Ringing", Group: schemas.GroupCall, Name: "ringing", Fields: ringFields, Source: SourceDocumented},
	{Type: "AgentEvent_Auto_Answer", Group: schemas.GroupCall, Name: "auto_answer", Fields: ringFields, Source: SourceDocumented},
	{Type: "AgentEvent_Customer_Alerting", Group: schemas.GroupCall, Name: "customer_alerting", Fields: []string{"callid", "otherPhone", "otherPhoneWorkno", "type"}, Source: SourceDocumented},
	{Type: "AgentEvent_Talking", Group: schemas.GroupCall, Name: "talking", Fields: []string{"caller", "called", "callid", "feature", "type", "mediaAbility"}, Source: SourceDocumented},
	{Type: "AgentEvent_Hold", Group: schemas.GroupCall, Name: "hold", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_Conference", Group: schemas.GroupCall, Name: "conference", Fields: []string{"callid", "partner"}, Source: SourceDocumented},
	{Type: "AgentEvent_Call_Release", Group: schemas.GroupCall, Name: "call_release", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_Customer_Release", Group: schemas.GroupCall, Name: "customer_release", Fields: []string{"callid", "number"}, Source: SourceDocumented},
	{Type: "AgentEvent_Call_Out_Fail", Group: schemas.GroupCall, Name: "call_out_fail", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_Inside_Call_Fail", Group: schemas.GroupCall, Name: "inside_call_fail", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_Connect_Fail", Group: schemas.GroupCall, Name: "connect_fail", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_Consult_Fail", Group: schemas.GroupCall, Name: "consult_fail", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_No_Answer", Group: schemas.GroupCall, Name: "no_answer", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_SuccTransResult", Group: schemas.GroupCall, Name: "transfer_result", Fields: []string{"result", "callId"}, Source: SourceDocumented},
	{Type: "AgentEvent_ReturnFromIvr", Group: schemas.GroupCall, Name: "return_from_ivr", StringCallID: true, Source: SourceDocumented},
	{Type: "AgentEvent_MediaSwith", Group: schemas.GroupCall, Name: "media_switch", Fields: []string{"callid", "reason", "caller", "mediaType", "called"}, Source: SourceDocumented},
	{Type: "AgentEvent_Incoming_CallInfo", Group: schemas.GroupCall, Name: "incoming_call_info", Fields: []string{"callId", "skillName", "skillId", "caller", "called", "lastReleaseAgentId", "mediaType", "releaseAndReQueueCount", "releaseAndReQueueCallFlag"}, Source: SourceDocumented},
	// The call-back that a caller asked for who hung up and kept his place (cec_07_0521
	// of the newer edition). orgCallId is the call that asked, not the one that comes.
	{Type: "AgentEvent_Offline_Queue_Call", Group: schemas.GroupCall, Name: "offline_queue_call", Fields: []string{"caller", "orgCallId", "offlineData"}, Source: SourceDocumented},
	{Type: "OUTBOUND_DETECT_EVENT", Group: schemas.GroupCall, Name: "outbound_detect", Fields: []string{"callId", "detect", "desc"}, Source: SourceDocumented},
	{Type: "AgentEvent_Preview", Group: schemas.GroupCall, Name: "preview", Fields: []string{"controlid", "dialeddigits"}, Source: SourceDocumented},
	{Type: "AgentEvent_Preview_CallOut", Group: schemas.GroupCall, Name: "preview_call_out", Fields: []string{"controlid", "dialeddigits", "callData"}, Source: SourceDocumented},
	{Type: "AgentEvent_Preview_CallOut_Ex", Group: schemas.GroupCall, Name: "preview_call_out_ex", Fields: []string{"controlid", "dialeddigits", "callData"}, Source: SourceDocumented},
	// The pages differ in the prefix of the next two: see eventSuffixes.
	{Type: "AgentEvent_Agent_Occupyed", Group: schemas.GroupCall, Name: "agent_occupied", Source: SourceDocumented},
	{Type: "AgentEvent_Release_Preview", Group: schemas.GroupCall, Name: "release_preview", Source: SourceDocumented},
	{Type: "AgentEvent_ReleaseRequest", Group: schemas.GroupCall, Name: "release_request", Source: SourceClientCode},
	{Type: "AgentEvent_ReleaseResponse", Group: schemas.GroupCall, Name: "release_response", Source: SourceClientCode},
	{Type: "AgentEvent_No_Answer_From_Cti", Group: schemas.GroupCall, Name: "no_answer_from_cti", Source: SourceClientCode},
	{Type: "AgentEvent_AbandonCall", Group: schemas.GroupCall, Name: "abandon_call", Source: SourceClientCode},
	{Type: "AgentEvent_ControlWindow_Notify", Group: schemas.GroupOther, Name: "control_window_notify", Source: SourceClientCode},
	{Type: "AgentEvent_Orders_Notify", Group: schemas.GroupOther, Name: "orders_notify", Source: SourceClientCode},

	// Phone linkage.
	{Type: "AgentEvent_linkageCapability", Group: schemas.GroupPhone, Name: "linkage_capability", Fields: resultFields, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneStatus", Group: schemas.GroupPhone, Name: "linkage_status", Fields: resultFields, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneMute", Group: schemas.GroupPhone, Name: "linkage_mute", Fields: callIDFields, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneUnMute", Group: schemas.GroupPhone, Name: "linkage_unmute", Fields: callIDFields, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneHold", Group: schemas.GroupPhone, Name: "linkage_hold", Fields: callIDFields, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneUnHold", Group: schemas.GroupPhone, Name: "linkage_unhold", Fields: callIDFields, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneTransferOut", Group: schemas.GroupPhone, Name: "linkage_transfer_out", Fields: []string{"addrOut", "addrSelf"}, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneTransferOut_Result", Group: schemas.GroupPhone, Name: "linkage_transfer_out_result", Fields: []string{"result", "callId"}, Source: SourceDocumented},
	{Type: "AgentEvent_linkagePhoneCallOut", Group: schemas.GroupPhone, Name: "linkage_call_out", Fields: []string{"addrCalled", "addrCaller", "skillId", "callId"}, Source: SourceDocumented},

	// Recording and playback.
	{Type: "AgentMediaEvent_Record", Group: schemas.GroupMedia, Name: "record", Fields: recordFields, Source: SourceDocumented},
	{Type: "AgentMediaEvent_Record_Fail", Group: schemas.GroupMedia, Name: "record_fail", Fields: recordFields, Source: SourceDocumented},
	// Carries no call id: correlate by task_id with record.
	{Type: "AgentMediaEvent_StopRecordDone", Group: schemas.GroupMedia, Name: "stop_record_done", Fields: []string{"beginTime", "endTime", "fileMediaType", "recordFormat", "taskId"}, Source: SourceDocumented},
	{Type: "AgentMediaEvent_Play", Group: schemas.GroupMedia, Name: "play", Source: SourceDocumented},
	{Type: "AgentMediaEvent_Play_Succ", Group: schemas.GroupMedia, Name: "play_success", Source: SourceDocumented},
	{Type: "AgentMediaEvent_Play_Fail", Group: schemas.GroupMedia, Name: "play_fail", Source: SourceDocumented},
	{Type: "AgentMediaEvent_StopPlayDone", Group: schemas.GroupMedia, Name: "stop_play_done", Fields: []string{"cause"}, Source: SourceDocumented},
	{Type: "AgentMediaEvent_PausePlayDone", Group: schemas.GroupMedia, Name: "pause_play_done", Source: SourceDocumented},
	{Type: "AgentMediaEvent_ResumePlayDone", Group: schemas.GroupMedia, Name: "resume_play_done", Source: SourceDocumented},
	{Type: "AgentMediaEvent_JumpPlayDone", Group: schemas.GroupMedia, Name: "jump_play_done", Source: SourceDocumented},

	// Multimedia and text chat.
	{Type: "AgentEvent_MessageData", Group: schemas.GroupChat, Name: "message_data", Fields: []string{"callid", "caller", "called", "feature", "type", "message", "mediaAbility"}, Source: SourceDocumented},
	// Holds what is needed to join a room, credentials included.
	{Type: "AgentEvent_RequestConnect", Group: schemas.GroupMedia, Name: "request_connect", Fields: []string{"callid", "userId", "ctime", "channelId", "appId", "ip", "port", "role", "signalingDomainIn", "signalingDomainOut", "locationId", "signature"}, Secrets: []string{"signature"}, Source: SourceDocumented},
	{Type: "AgentEvent_ImageCapture", Group: schemas.GroupMedia, Name: "image_capture", Fields: []string{"callid", "result", "filename", "locationId"}, Source: SourceDocumented},
	{Type: "AgentChat_Ring", Group: schemas.GroupChat, Name: "ring", Fields: callIDFields, Source: SourceClientCode},
	{Type: "AgentChat_Connected", Group: schemas.GroupChat, Name: "connected", Fields: []string{"callId", "caller", "called", "isInnerCall"}, Source: SourceClientCode},
	{Type: "AgentChat_Disconnected", Group: schemas.GroupChat, Name: "disconnected", Fields: callIDFields, Source: SourceClientCode},
	{Type: "AgentChat_DataRecved", Group: schemas.GroupChat, Name: "data_received", Fields: []string{"sender", "callId", "chatContent"}, Source: SourceClientCode},
	{Type: "AgentChat_CallOutCreated", Group: schemas.GroupChat, Name: "call_out_created", Source: SourceClientCode},
	{Type: "AgentChat_CalloutFailed", Group: schemas.GroupChat, Name: "call_out_failed", Source: SourceClientCode},
	{Type: "AgentChat_TransferStart", Group: schemas.GroupChat, Name: "transfer_start", Source: SourceClientCode},
	{Type: "AgentChat_TransferFailed", Group: schemas.GroupChat, Name: "transfer_failed", Source: SourceClientCode},
	{Type: "AgentChat_DELAY_EMAIL", Group: schemas.GroupChat, Name: "delay_email", Source: SourceClientCode},

	// Conference.
	{Type: "AgentConf_RequestSuccess", Group: schemas.GroupConference, Name: "request_success", Fields: confFields, Source: SourceDocumented},
	{Type: "AgentConf_RequestFailed", Group: schemas.GroupConference, Name: "request_failed", Fields: []string{"cause"}, Source: SourceDocumented},
	{Type: "AgentConf_SelfJoinResult", Group: schemas.GroupConference, Name: "self_join_result", Fields: confFields, Source: SourceDocumented},
	{Type: "AgentConf_Ringing", Group: schemas.GroupConference, Name: "ringing", Fields: confFields, Source: SourceDocumented},
	{Type: "AgentConf_Timeout", Group: schemas.GroupConference, Name: "timeout", Fields: confFields, Source: SourceDocumented},
	{Type: "AgentConf_ParticipantChanged", Group: schemas.GroupConference, Name: "participant_changed", Fields: []string{"confId", "participant", "participantType", "changeType", "changeReason", "result", "deviceCallType", "deviceType"}, Source: SourceDocumented},
	{Type: "AgentConf_SelfLeaveResult", Group: schemas.GroupConference, Name: "self_leave_result", Fields: confFields, Source: SourceDocumented},
	{Type: "AgentConf_PresidentChanged", Group: schemas.GroupConference, Name: "president_changed", Fields: confFields, Source: SourceDocumented},
	{Type: "AgentConf_StopVoice", Group: schemas.GroupConference, Name: "stop_voice", Fields: resultFields, Source: SourceDocumented},
	{Type: "AgentConf_StopParticipantVoice", Group: schemas.GroupConference, Name: "stop_participant_voice", Fields: resultFields, Source: SourceDocumented},

	// Supervision. The first one comes to the inspector, about a watched agent.
	{Type: "QC_AgentState_Notify", Group: schemas.GroupSupervision, Name: "agent_state_notify", Fields: []string{"subtype", "monitoredagent", "agentname", "mediaserver"}, Source: SourceDocumented},
	{Type: "AgentOther_BeQcStart", Group: schemas.GroupSupervision, Name: "be_qc_start", Fields: superviseFields, Source: SourceDocumented},
	{Type: "AgentOther_BeQcStop", Group: schemas.GroupSupervision, Name: "be_qc_stop", Fields: superviseFields, Source: SourceDocumented},

	// Session, phone and the rest.
	{Type: "AgentOther_InService", Group: schemas.GroupSession, Name: "in_service", Source: SourceDocumented},
	{Type: "AgentOther_ShutdownService", Group: schemas.GroupSession, Name: "shutdown_service", State: schemas.StateSignedOut, Fields: []string{"loginTime"}, Ends: true, Source: SourceDocumented},
	{Type: "AgentOther_All_Agent_Busy", Group: schemas.GroupOther, Name: "all_agent_busy", Source: SourceDocumented},
	{Type: "AgentOther_PhoneAlerting", Group: schemas.GroupPhone, Name: "alerting", Fields: []string{"callid", "caller"}, Source: SourceDocumented},
	{Type: "AgentOther_PhoneOffhook", Group: schemas.GroupPhone, Name: "offhook", Fields: []string{"type"}, Source: SourceDocumented},
	{Type: "AgentOther_PhoneRelease", Group: schemas.GroupPhone, Name: "release", Fields: []string{"phoneState"}, Source: SourceDocumented},
	{Type: "AgentOther_PhoneBusy", Group: schemas.GroupPhone, Name: "busy", Source: SourceDocumented},
	{Type: "AgentOther_PhoneUnknow", Group: schemas.GroupPhone, Name: "unknown", Source: SourceDocumented},
	{Type: "AgentOther_Note", Group: schemas.GroupOther, Name: "note", Fields: noteFields, Source: SourceDocumented},
	{Type: "AgentOther_Bulletin", Group: schemas.GroupOther, Name: "bulletin", Fields: noteFields, Source: SourceClientCode},

	// What was seen by looking, not told.
	{Type: schemas.EventSeen(schemas.StateReady), Group: schemas.GroupState, Name: "ready", State: schemas.StateReady, Fields: seenFields, Source: SourceBridge},
	{Type: schemas.EventSeen(schemas.StateNotReady), Group: schemas.GroupState, Name: "not_ready", State: schemas.StateNotReady, Fields: seenFields, Source: SourceBridge},
	{Type: schemas.EventSeen(schemas.StateRest), Group: schemas.GroupState, Name: "rest", State: schemas.StateRest, Fields: seenFields, Source: SourceBridge},
	{Type: schemas.EventSeen(schemas.StateWrapup), Group: schemas.GroupState, Name: "wrapup", State: schemas.StateWrapup, Fields: seenFields, Source: SourceBridge},
	{Type: schemas.EventSeen(schemas.StateOnCall), Group: schemas.GroupState, Name: "on_call", State: schemas.StateOnCall, Fields: seenFields, Source: SourceBridge},
	{Type: schemas.EventSeen(schemas.StateSignedOut), Group: schemas.GroupState, Name: "signed_out", State: schemas.StateSignedOut, Fields: seenFields, Source: SourceBridge},
	{Type: schemas.EventSeen(schemas.StateUnknown), Group: schemas.GroupState, Name: "unknown", State: schemas.StateUnknown, Fields: seenFields, Source: SourceBridge},

	// The bridge's own. After signing in, and after leaving a session alive, the
	// state is not known until the next event or status answer.
	{Type: schemas.EventSignedIn, Group: schemas.GroupSession, Name: "signed_in", State: schemas.StateUnknown, Source: SourceBridge},
	{Type: schemas.EventResumed, Group: schemas.GroupSession, Name: "resumed", Source: SourceBridge},
	{Type: schemas.EventSignedOut, Group: schemas.GroupSession, Name: "signed_out", State: schemas.StateSignedOut, Fields: []string{"cause"}, Ends: true, Source: SourceBridge},
	{Type: schemas.EventLeft, Group: schemas.GroupSession, Name: "left", State: schemas.StateUnknown, Source: SourceBridge},
	// Its state is the one in the gateway's answer, which is the content.
	{Type: schemas.EventStatus, Group: schemas.GroupSession, Name: "status", Fields: []string{"agentState", "isWorking"}, Source: SourceBridge},
}

// maxUnknownName bounds the name made from an unknown event type, in bytes: it
// becomes a subject token and must not grow with foreign text.
const maxUnknownName = 64

// eventSuffixes are the types that the pages spell with different prefixes
// (cec_07_1375, cec_07_1376); they match on their suffix, whatever its case.
var eventSuffixes = []struct{ suffix, eventType string }{
	{"agent_occupyed", "AgentEvent_Agent_Occupyed"},
	{"release_preview", "AgentEvent_Release_Preview"},
}

// eventIndex and eventIndexFold find lines of eventTable; they are never altered.
var (
	eventIndex     = indexed(func(s string) string { return s })
	eventIndexFold = indexed(strings.ToLower)
)

func indexed(key func(string) string) map[string]int {
	index := make(map[string]int, len(eventTable))
	for i, info := range eventTable {
		index[key(info.Type)] = i
	}
	return index
}

// Table returns every known event type, the platform's first. The slices
// inside are shared and must not be altered.
func Table() []Info { return slices.Clone(eventTable) }

// Lookup returns what is known of an event type. Blanks and NULs around it
// are ignored (one sample of the platform begins with a blank, and one release
// pads strings with NULs), and so is its case when no exact line exists. A type
// that is not in the table answers false and a line of the group other that is
// good for publishing: nothing is lost but the meaning.
func Lookup(eventType string) (Info, bool) {
	t := trimType(eventType)
	if i, ok := eventIndex[t]; ok {
		return eventTable[i], true
	}
	folded := strings.ToLower(t)
	if i, ok := eventIndexFold[folded]; ok {
		return eventTable[i], true
	}
	for _, rule := range eventSuffixes {
		if strings.HasSuffix(folded, rule.suffix) {
			return eventTable[eventIndex[rule.eventType]], true
		}
	}
	return Info{Type: t, Group: schemas.GroupOther, Name: snakeName(t)}, false
}

func trimType(s string) string { return strings.Trim(s, " \t\r\n\x00") }

// snakeName turns a foreign event type into a name of a–z, 0–9 and "_":
// AgentEvent_FooBar becomes agent_event_foo_bar. Text without any such byte
// becomes "unnamed".
func snakeName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxUnknownName; i++ {
		if startsWord(s, i) || !capital(s[i]) && !small(s[i]) && !digit(s[i]) {
			separate(&b)
		}
		if capital(s[i]) {
			b.WriteByte(s[i] + 'a' - 'A')
		} else if small(s[i]) || digit(s[i]) {
			b.WriteByte(s[i])
		}
	}
	name := strings.Trim(b.String(), "_")
	if name == "" {
		return "unnamed"
	}
	return name
}

func capital(c byte) bool { return c >= 'A' && c <= 'Z' }
func small(c byte) bool   { return c >= 'a' && c <= 'z' }
func digit(c byte) bool   { return c >= '0' && c <= '9' }

// startsWord reports whether at i is a capital that begins a word: after a small
// letter or digit, or as the last capital of a run ("DRSwitch": dr_switch).
func startsWord(s string, i int) bool {
	if i == 0 || !capital(s[i]) {
		return false
	}
	prev := s[i-1]
	return small(prev) || digit(prev) || capital(prev) && i+1 < len(s) && small(s[i+1])
}

func separate(b *strings.Builder) {
	if s := b.String(); s != "" && s[len(s)-1] != '_' {
		b.WriteByte('_')
	}
}
