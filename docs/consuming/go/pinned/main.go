// Command pinned counts events; of several started, one reads, and another follows it: pinned FILE.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// counts are the effect and the position, in one file that all share.
type counts struct {
	Position uint64         `json:"position"` // of the last message counted, its sequence in the stream
	Types    map[string]int `json:"types"`
}

func main() {
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	reader := must(js.CreateConsumer(context.Background(), "AICC_EVENTS", jetstream.ConsumerConfig{
		Durable:        "pinned",
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        5 * time.Second,
		MaxAckPending:  1, // the next one only after this one: order outlasts a failover
		PriorityPolicy: jetstream.PriorityPolicyPinned,
		PriorityGroups: []string{"readers"},
		PinnedTTL:      5 * time.Second, // after so long without a request another one is pinned
	}))
	pull := []jetstream.PullMessagesOpt{
		jetstream.PullPriorityGroup("readers"), jetstream.PullMaxMessages(1), jetstream.PullExpiry(2 * time.Second),
		jetstream.WithMessagesErrOnMissingHeartbeat(false), // a server that pauses is asked again
	}
	for messages := must(reader.Messages(pull...)); ; {
		m := must(messages.Next())
		c, position := counts{Types: map[string]int{}}, must(m.Metadata()).Sequence.Stream
		if text, err := os.ReadFile(os.Args[1]); !os.IsNotExist(err) {
			must(0, json.Unmarshal(text, &c))
		}
		if position > c.Position { // else it was counted, by whoever died before the ack
			c.Position = position
			c.Types[m.Headers().Get("ce-type")]++
			file := must(os.OpenFile(os.Args[1]+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_SYNC, 0o600))
			must(file.Write(must(json.Marshal(c))))
			must(0, errors.Join(file.Close(), os.Rename(os.Args[1]+".new", os.Args[1])))
		}
		must(0, m.DoubleAck(context.Background()))
	}
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
