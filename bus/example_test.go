package bus_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

// A message goes to a server in this process and is read back. Publish returns when it
// is on the disk.
func Example() {
	if err := publishAndRead(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 AICC_EVENTS aicc.v1.acme.agent.101.call.ringing
}

func publishAndRead() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := embedded.Start(ctx, embedded.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		return err
	}
	var o bus.Options
	o.Names, o.Instance, o.InProcess = names, "example", server
	b, err := bus.Connect(ctx, o)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := assets.NewTable(b.Conn(), assets.Options{}).Ensure(ctx); err != nil {
		return err
	}
	message, err := names.EventMessage(schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: "acme", Agent: "101", Type: "AgentEvent_Ringing", Group: schemas.GroupCall, Name: "ringing",
		ReceivedAt: time.Now(), Position: schemas.Position{Epoch: 1, Seq: 1},
	})
	if err != nil {
		return err
	}
	if err := b.Publish(ctx, message); err != nil {
		return err
	}
	return b.Read(ctx, schemas.StreamEvents, "", 0, func(m schemas.Stored) error {
		fmt.Println(m.Sequence, m.Get("Nats-Expected-Stream"), m.Subject)
		return nil
	})
}
