package world

import (
	"encoding/json"
	"time"
)

// Event is one agent event as the gateway queues it.
type Event struct {
	At      time.Time
	Type    string          // the platform's own name
	Content json.RawMessage // nil prints as JSON null
}

// The contents below have the field names, the order and the mix of strings
// and numbers of the platform's own samples.

// offered begins the contents about a call that comes to an agent.
type offered struct {
	Caller    string `json:"caller"`
	Transfer  string `json:"transfer"`
	CallID    string `json:"callid"`
	TransFrom string `json:"transfrom"`
	Called    string `json:"called"`
	Type      string `json:"type"`
}

type ringing struct {
	offered
	MediaType    string `json:"mediaType"`
	MediaAbility string `json:"mediaAbility"`
	Feature      string `json:"feature"`
}

type autoAnswer struct {
	offered
	MediaAbility string `json:"mediaAbility"`
	Feature      string `json:"feature"`
	MediaType    int    `json:"mediaType"` // a number here, a string above
}

type customerAlerting struct {
	CallID     string `json:"callid"`
	OtherAgent string `json:"otherPhoneWorkno"`
	OtherPhone string `json:"otherPhone"`
	Type       string `json:"type"`
}

type talking struct {
	Caller       string `json:"caller"`
	CallID       string `json:"callid"`
	Called       string `json:"called"`
	Feature      string `json:"feature"`
	Type         string `json:"type"`
	MediaAbility string `json:"mediaAbility"`
}

type conference struct {
	CallID  string `json:"callid"`
	Partner string `json:"partner"`
}

type customerRelease struct {
	CallID string `json:"callid"`
	Number string `json:"number"`
}

type callInfo struct {
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

type recordStarted struct {
	TaskID        int    `json:"taskId"`
	Caller        string `json:"caller"`
	RecordID      string `json:"recordID"`
	Called        string `json:"called"`
	LocationID    string `json:"locationId"`
	FileName      string `json:"fileName"`
	FileMediaType string `json:"fileMediaType"`
	CallID        string `json:"callId"`
}

type recordStopped struct {
	BeginTime     int64  `json:"beginTime"`
	EndTime       int64  `json:"endTime"`
	FileMediaType string `json:"fileMediaType"`
	RecordFormat  string `json:"recordFormat"`
	TaskID        int    `json:"taskId"` // the only link to the call
}

type messageData struct {
	CallID       string `json:"callid"`
	Caller       string `json:"caller"`
	Called       string `json:"called"`
	Feature      int    `json:"feature"`
	Type         string `json:"type"`
	Message      string `json:"message"`
	MediaAbility string `json:"mediaAbility"`
}

type chatParties struct {
	CallID    string `json:"callId"`
	Caller    string `json:"caller,omitempty"`
	Called    string `json:"called,omitempty"`
	InnerCall *bool  `json:"isInnerCall,omitempty"`
}

type chatData struct {
	Sender  string `json:"sender"`
	CallID  string `json:"callId"`
	Content string `json:"chatContent"`
}

type reason struct {
	Reason string `json:"reason"`
}

type phoneType struct {
	Type string `json:"type"`
}

type phoneState struct {
	State int `json:"phoneState"`
}

// encode prints a content; nil stays nil. The types above cannot fail.
func encode(content any) json.RawMessage {
	if content == nil {
		return nil
	}
	b, err := json.Marshal(content)
	if err != nil {
		return nil
	}
	return b
}
