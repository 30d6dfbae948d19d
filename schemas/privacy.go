package schemas

import "slices"

// PhoneField is a JSON key of an event, or a column of a CSV member, that may hold
// a phone number.
type PhoneField struct {
	Name string
	// List: it may hold several, separated by commas, semicolons or blanks.
	List bool
	// Source says where it stands: the platform's page, or SourceClientCode.
	Source string
}

// phoneFields are all fields known to hold phone numbers: of agents, of callers, of
// those they call, and of third parties. Many hold an agent's id instead when the
// other side is an agent. File names of recordings hold vdn, day, agent and the
// time of day, but no number (cec_07_0831). Do not alter it.
var phoneFields = []PhoneField{
	// Keys of events.
	{Name: "caller", Source: "cec_07_1355 to 1373"},
	{Name: "called", Source: "cec_07_1355 to 1373"},
	{Name: "transfrom", Source: "cec_07_1355 to 1373"}, // the number a call was transferred from
	{Name: "otherPhone", Source: "cec_07_1356"},
	{Name: "number", Source: "cec_07_1355 to 1373"},              // of AgentEvent_Customer_Release
	{Name: "partner", List: true, Source: "cec_07_1355 to 1373"}, // "49997,70093"
	{Name: "dialeddigits", List: true, Source: "cec_07_1377 to 1379"},
	{Name: "participant", Source: "cec_07_1409 to 1418"}, // a phone if participantType is 6
	{Name: "addrCaller", Source: "cec_07_1421 to 1429"},  // this and the next three are objects with address
	{Name: "addrCalled", Source: "cec_07_1421 to 1429"},
	{Name: "addrOut", Source: "cec_07_1421 to 1429"},
	{Name: "addrSelf", Source: "cec_07_1421 to 1429"},
	{Name: "address", Source: "cec_07_1421 to 1429"},
	{Name: "sender", Source: SourceClientCode}, // of a message: a number, an account or an agent
	{Name: "phonenum", Source: "cec_07_1202"},  // the agent's own, of the sign-in
	{Name: "vcPhoneNumber", Source: "cec_07_1202"},
	{Name: "callerNo", Source: "cec_07_1226"}, // of a session's state; the column caller_no too
	{Name: "calledNo", Source: "cec_07_1226"},
	// The events' own keys besides caller and called.
	{Name: "other_party", List: true, Source: SourceBridge},
	// Columns.
	{Name: "caller_no", Source: "cec_07_0831"},
	{Name: "callee_no", Source: "cec_07_0831"},
	{Name: "calleeNo2", Source: "cec_07_0814"}, // of the query; should a file have it too
	{Name: "phone_no", Source: "cec_07_0832"},  // the agent's phone or address, the called number or a conference id
}

// PhoneFields returns the fields known to hold phone numbers.
func PhoneFields() []PhoneField { return slices.Clone(phoneFields) }

// PhoneNames returns the names of the fields known to hold phone numbers, and those
// among them that may hold several.
func PhoneNames() (all, lists []string) {
	for _, f := range phoneFields {
		all = append(all, f.Name)
		if f.List {
			lists = append(lists, f.Name)
		}
	}
	return all, lists
}
