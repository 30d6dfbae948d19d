package events

// phoneField is a JSON key of an event, or a column of a CSV member, that may hold
// a phone number.
type phoneField struct {
	name string
	// list: it may hold several, separated by commas, semicolons or blanks.
	list bool
	// source says where it stands: the platform's page, or client code that has it.
	source string
}

// phoneFields are all fields known to hold phone numbers: of agents, of callers, of
// those they call, and of third parties. Many hold an agent's id instead when the
// other side is an agent. File names of recordings hold vdn, day, agent and the
// time of day, but no number (cec_07_0831). Do not alter it.
var phoneFields = []phoneField{
	// Keys of events.
	{name: "caller", source: "cec_07_1355 to 1373"},
	{name: "called", source: "cec_07_1355 to 1373"},
	{name: "transfrom", source: "cec_07_1355 to 1373"}, // the number a call was transferred from
	{name: "otherPhone", source: "cec_07_1356"},
	{name: "number", source: "cec_07_1355 to 1373"},              // of AgentEvent_Customer_Release
	{name: "partner", list: true, source: "cec_07_1355 to 1373"}, // "49997,70093"
	{name: "dialeddigits", list: true, source: "cec_07_1377 to 1379"},
	{name: "participant", source: "cec_07_1409 to 1418"}, // a phone if participantType is 6
	{name: "addrCaller", source: "cec_07_1421 to 1429"},  // this and the next three are objects with address
	{name: "addrCalled", source: "cec_07_1421 to 1429"},
	{name: "addrOut", source: "cec_07_1421 to 1429"},
	{name: "addrSelf", source: "cec_07_1421 to 1429"},
	{name: "address", source: "cec_07_1421 to 1429"},
	{name: "sender", source: "client code"},   // of a message: a number, an account or an agent
	{name: "phonenum", source: "cec_07_1202"}, // the agent's own, of the sign-in
	{name: "vcPhoneNumber", source: "cec_07_1202"},
	{name: "callerNo", source: "cec_07_1226"}, // of a session's state; the column caller_no too
	{name: "calledNo", source: "cec_07_1226"},
	// The events' own keys besides caller and called.
	{name: "other_party", list: true, source: "the bridge"},
	// Columns.
	{name: "caller_no", source: "cec_07_0831"},
	{name: "callee_no", source: "cec_07_0831"},
	{name: "calleeNo2", source: "cec_07_0814"}, // of the query; should a file have it too
	{name: "phone_no", source: "cec_07_0832"},  // the agent's phone or address, the called number or a conference id
}

// PhoneNames returns the names of the fields known to hold phone numbers, and those
// among them that may hold several.
func PhoneNames() (all, lists []string) {
	for _, f := range phoneFields {
		all = append(all, f.name)
		if f.list {
			lists = append(lists, f.name)
		}
	}
	return all, lists
}
