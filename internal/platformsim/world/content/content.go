// Package content has the contents of agent events, with the field names, the order and
// the mix of strings and numbers of the platform's own samples.
package content

// Offered begins the contents about a call that comes to an agent.
type Offered struct {
	Caller    string `json:"caller"`
	Transfer  string `json:"transfer"`
	CallID    string `json:"callid"`
	TransFrom string `json:"transfrom"`
	Called    string `json:"called"`
	Type      string `json:"type"`
}

// Ringing asks for an answer.
type Ringing struct {
	Offered
	MediaType    string `json:"mediaType"`
	MediaAbility string `json:"mediaAbility"`
	Feature      string `json:"feature"`
}

// AutoAnswer is of a call that is answered by itself.
type AutoAnswer struct {
	Offered
	MediaAbility string `json:"mediaAbility"`
	Feature      string `json:"feature"`
	MediaType    int    `json:"mediaType"` // a number here, a string above
}

// CustomerAlerting says that the other side rings.
type CustomerAlerting struct {
	CallID     string `json:"callid"`
	OtherAgent string `json:"otherPhoneWorkno"`
	OtherPhone string `json:"otherPhone"`
	Type       string `json:"type"`
}

// Talking says that both are connected.
type Talking struct {
	Caller       string `json:"caller"`
	CallID       string `json:"callid"`
	Called       string `json:"called"`
	Feature      string `json:"feature"`
	Type         string `json:"type"`
	MediaAbility string `json:"mediaAbility"`
}

// Conference says who talks with whom.
type Conference struct {
	CallID  string `json:"callid"`
	Partner string `json:"partner"`
}

// CustomerRelease says that the other side has left.
type CustomerRelease struct {
	CallID string `json:"callid"`
	Number string `json:"number"`
}

// CallInfo is of a queued call.
type CallInfo struct {
	CallID      string `json:"callId"`
	SkillName   string `json:"skillName"`
	SkillID     int    `json:"skillId"`
	Caller      string `json:"caller"`
	Called      string `json:"called"`
	LastAgent   int    `json:"lastReleaseAgentId"` // 65535: none
	MediaType   int    `json:"mediaType"`
	Requeued    int    `json:"releaseAndReQueueCount"`
	RequeueFlag int    `json:"releaseAndReQueueCallFlag"`
}

// RecordStarted begins a recording.
type RecordStarted struct {
	TaskID        int    `json:"taskId"`
	Caller        string `json:"caller"`
	RecordID      string `json:"recordID"`
	Called        string `json:"called"`
	LocationID    string `json:"locationId"`
	FileName      string `json:"fileName"`
	FileMediaType string `json:"fileMediaType"`
	CallID        string `json:"callId"`
}

// RecordStopped ends it.
type RecordStopped struct {
	BeginTime     int64  `json:"beginTime"`
	EndTime       int64  `json:"endTime"`
	FileMediaType string `json:"fileMediaType"`
	RecordFormat  string `json:"recordFormat"`
	TaskID        int    `json:"taskId"` // the only link to the call
}

// MessageData is a message inside a call.
type MessageData struct {
	CallID       string `json:"callid"`
	Caller       string `json:"caller"`
	Called       string `json:"called"`
	Feature      int    `json:"feature"`
	Type         string `json:"type"`
	Message      string `json:"message"`
	MediaAbility string `json:"mediaAbility"`
}

// ChatParties are those of a text chat.
type ChatParties struct {
	CallID    string `json:"callId"`
	Caller    string `json:"caller,omitempty"`
	Called    string `json:"called,omitempty"`
	InnerCall *bool  `json:"isInnerCall,omitempty"`
}

// ChatData is a message of a text chat.
type ChatData struct {
	Sender  string `json:"sender"`
	CallID  string `json:"callId"`
	Content string `json:"chatContent"`
}

// Reason is why an agent rests, or is not ready.
type Reason struct {
	Reason string `json:"reason"`
}

// PhoneType is which phone was lifted.
type PhoneType struct {
	Type string `json:"type"`
}

// PhoneState is who hung up: 3 the platform, 2 the agent.
type PhoneState struct {
	State int `json:"phoneState"`
}

// TransferResult is the outcome of a success transfer: 0 is success.
type TransferResult struct {
	Result int    `json:"result"`
	CallID string `json:"callId"`
}
