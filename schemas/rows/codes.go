package rows

import (
	"strings"

	"aiccbridge/schemas"
)

// codeTable says what the codes of a column mean, in snake case. It is an open set: the
// platform has codes that no page lists, and they have no name.
type codeTable map[int64]string

// Codes returns what the codes of a column mean; nil when nobody says, and for op_cause,
// whose meaning hangs on op_type. Do not alter it.
func Codes(k schemas.Kind, column string) map[int64]string {
	set := columnSets[k]
	if i := set.named(column); i >= 0 {
		return set.columns[i].codes
	}
	return nil
}

// Named reports whether the codes of a column have names at all, op_cause's included.
func (c Column) Named() bool { return c.codes != nil || c.causes != nil }

// name is what a code means in a row whose op_type is operation; "" when nobody says.
func (c Column) name(code, operation int64) string {
	if c.causes != nil {
		return c.causes[operation][code]
	}
	return c.codes[code]
}

// directions are the call types of the recording index, cec_07_0841.
var directions = codeTable{0: "inbound", 1: "outbound"}

// taskStates say whether a recording was converted to text, cec_07_0831.
var taskStates = codeTable{0: "not_converted", 1: "converted"}

// deviceTypes: page 2640.
var deviceTypes = codeTable{
	1: "skill_queue", 2: "agent", 3: "ivr", 5: "call", 7: "temporary_route", 8: "virtual", 10: "cdn",
	11: "melcas", 14: "pgr", 15: "conference",
}

// callTypes are those of the CDR, cec_07_0840.
var callTypes = codeTable{
	0: "inbound", 1: "special_inbound", 2: "voice_mail_get", 3: "voice_mail_delete", 4: "bp",
	5: "long_distance_inbound", 6: "internal", 7: "outbound", 8: "agent_outbound", 9: "pri_outbound",
	10: "ivr_outbound", 11: "phone_agent_outbound", 12: "ivr_pri_outbound", 13: "nirc_inbound", 14: "nirc_outbound",
	15: "nirc_quality_check_inbound", 16: "nirc_quality_check_outbound", 17: "nirc_internal_inbound",
	18: "nirc_internal_outbound", 20: "aid", 21: "international_inbound", 22: "relay", 23: "international_outbound",
	30: "isdn_video_inbound", 31: "isdn_video_outbound", 32: "virtual_2b1d_video_inbound",
	33: "virtual_6b1d_video_inbound", 34: "virtual_2b1d_video_outbound", 35: "virtual_6b1d_video_outbound",
	40: "reserved_outbound", 41: "preoccupied_outbound", 42: "preconnected_outbound", 43: "predictive_outbound",
	44: "preview_outbound", 45: "callback_outbound", 51: "two_party_consultation", 52: "three_party_consultation",
	53: "multi_party",
}

// Direction says which way the calls of a type of the CDR go: inbound, outbound or internal,
// which consultations are; "" when the type does not say.
func Direction(callType int64) string {
	name := callTypes[callType]
	switch {
	case strings.HasSuffix(name, "inbound"):
		return "inbound"
	case strings.HasSuffix(name, "outbound"):
		return "outbound"
	case name == "internal", strings.HasSuffix(name, "_consultation"):
		return "internal"
	}
	return ""
}

// mediaTypes: cec_07_0839.
var mediaTypes = codeTable{
	1: "text_chat", 2: "web_phone", 3: "escort_browsing", 4: "callback", 5: "voice", 6: "email", 7: "fax",
	8: "ip_video", 9: "whiteboard", 10: "application_sharing", 11: "file_transfer", 12: "video_2b1d", 13: "video_6b1d",
	14: "ops", 15: "predictive_outbound", 16: "preview_outbound", 17: "message", 18: "web_phone_video",
	19: "phone_video", 20: "web_message", 21: "desktop_sharing", 22: "vc_call", 23: "count", 50: "email_chat",
	51: "web_chat", 52: "sms_chat", 53: "social_chat", 54: "fax_chat", 55: "h5",
}

// subMediaTypes has the sub-types of social chats on which the editions of cec_07_0844
// agree: those of 2023 and 2025 name 7 and above differently.
var subMediaTypes = codeTable{1: "web", 2: "whatsapp", 3: "line", 4: "wechat", 5: "facebook", 6: "twitter"}

// leaveReasons say why a call left a device, cec_07_0842.
var leaveReasons = codeTable{
	0: "normal", 1: "overflow_or_busy", 2: "timeout", 3: "nobody_on_duty", 4: "queuing_cancelled",
	5: "agent_did_not_answer", 6: "suspended_resumed", 7: "hold_connected", 8: "three_party_help",
	9: "hold_retrieved", 10: "three_party", 11: "internal_help_requester_released", 12: "intercepted", 13: "picked_up",
	14: "called_number_analysis_not_configured", 15: "user_released", 16: "agent_released", 17: "transferred_out",
	18: "hold", 19: "internal_error", 20: "called_busy", 22: "powered_off", 23: "out_of_area", 24: "empty_number",
	25: "no_acd_resource", 26: "user_did_not_answer", 27: "called_party_rejected", 28: "success_transfer_to_queue",
	29: "three_party_to_queue", 30: "success_transfer_to_queue_timeout", 31: "three_party_to_queue_timeout",
	34: "network_call_failed_to_queue", 35: "returned_to_originating_queue", 36: "rerouted", 37: "into_cdn_by_inbound",
	38: "into_cdn_by_consultation", 39: "cdn_normal", 40: "cdn_timeout", 41: "consultation_cancelled",
	42: "into_pgr_by_cdn_timeout", 43: "into_pgr_by_cdn_normal", 44: "into_pgr_by_inbound",
	45: "into_pgr_by_consultation", 46: "agent_unreachable", 47: "queues_in_several", 48: "answered_from_secondary_queue",
	49: "agent_refused", 50: "agent_rejected", 51: "enters_conference", 52: "conference_released_by_chair",
	53: "removed_from_conference", 54: "connection_rate_below_threshold", 88: "user_hung_up_after_answer",
	89: "user_hung_up_before_answer",
}

// releaseCauses has the part of the list that the pages print, cec_07_0837.
var releaseCauses = codeTable{
	0: "normal", 1: "resources_full", 2: "ccacs_poll_timeout", 3: "abnormal", 4: "empty_number", 5: "mailbox_full",
	6: "mailbox_not_allowed", 7: "connection_failed", 8: "no_answer", 9: "rejected", 10: "out_of_area", 11: "line_busy",
	12: "ccs_disconnected", 13: "vms_fatal", 14: "resource_operation_abnormal", 47: "called_busy", 48: "powered_off",
	49: "user_released_before_answer", 50: "insufficient_balance", 59: "parameter_error", 60: "file_not_found",
	61: "conflict", 62: "unsupported", 63: "internal_fault", 80: "user_cancelled_queuing", 251: "vsp_billing_251",
	252: "vsp_billing_252", 253: "vsp_billing_253", 254: "vsp_billing_254", 256: "ivr_normal_disconnect",
	257: "ivr_resource_shortage", 258: "ivr_timeout", 263: "ivr_connection_failed", 338: "ivr_flow_not_found",
	339: "ivr_control_blocks", 356: "ivr_call_out_timeout", 359: "ivr_maximum_call_duration",
}

// operations: cec_07_0838.
var operations = codeTable{
	0: "sign_out", 1: "sign_in", 2: "idle", 3: "busy", 4: "talking", 10: "three_party", 13: "manual_to_automatic",
	20: "listen_insert_or_whisper", 22: "play_voice", 26: "rest", 27: "working", 29: "forced_sign_out", 30: "forced_idle",
	31: "forced_busy", 32: "mute", 38: "hold", 40: "internal_help", 41: "internal_call", 43: "intercept",
	44: "pause_playback", 45: "internal_transfer", 46: "transfer_out", 47: "media_server_sign_in",
	52: "media_server_sign_out", 53: "queues_in_public_queue", 54: "release_transfer", 55: "transfer_to_device",
	57: "internal_help_hold_switch", 58: "enter_conference",
}

// operationCauses are the reasons of those operations whose reasons the page names.
var operationCauses = map[int64]codeTable{
	0: {
		256: "disconnected", 257: "forced_by_inspector", 258: "agent_signed_out", 259: "signed_out_to_sign_in_again",
		260: "media_server_ccs_handshake_timeout", 261: "ccs_uis_timeout", 262: "media_server_ccs_disconnected",
		263: "uis_agent_timeout", 264: "same_id_signed_in_elsewhere",
	},
	3:  {1: "by_agent", 2: "no_answer_for_long", 3: "forced_by_inspector", 4: "rest", 5: "phone_unavailable", 7: "call_rejected"},
	27: {0: "automatic"},
	40: {
		0: "none", 1: "two_party", 2: "three_party", 3: "transfer_after_talking", 4: "three_party_transfer",
		5: "three_party", 6: "connect",
	},
}
