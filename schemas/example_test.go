package schemas_test

import (
	"encoding/json"
	"fmt"
	"time"

	"aiccbridge/schemas"
)

// An event becomes a message: its subject says whose it is and what happened, its id is
// its place in the agent's numbering, and its body is JSON.
func Example() {
	names, err := schemas.NewNames("aicc")
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := names.EventMessage(schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: "acme", Agent: "101", Type: "AgentEvent_Ringing", Group: schemas.GroupCall, Name: "ringing",
		CallID:     "1761987600-17",
		ReceivedAt: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC),
		Position:   schemas.Position{Epoch: 3, Seq: 12},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(message.Subject)
	fmt.Println(message.ID, message.Type)

	var event schemas.Event
	err = json.Unmarshal(message.Body, &event)
	fmt.Println(event.CallID, event.Seq, err)
	// Output:
	// aicc.v1.acme.agent.101.call.ringing
	// 3.101.12 aicc.v1.event
	// 1761987600-17 12 <nil>
}

// What comes from outside is encoded, so that no name can reach beyond its own token.
func ExampleEncodeToken() {
	token := schemas.EncodeToken("Sales.EU *")
	name, err := schemas.DecodeToken(token)
	fmt.Println(token)
	fmt.Println(name, err)
	// Output:
	// =53ales=2e=45=55=20=2a
	// Sales.EU * <nil>
}
