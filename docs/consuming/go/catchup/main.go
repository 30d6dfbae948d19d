// Command catchup stores every event at least once, however long it was away: catchup FILE.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// line has the id by which a repetition is told.
type line struct {
	ID      string          `json:"id"`
	Message json.RawMessage `json:"message"`
}

func main() {
	file := must(os.OpenFile(os.Args[1], os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600))
	must(file.WriteString("\n")) // ends a line that a crash has cut off: it comes again
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	reader := must(js.CreateConsumer(context.Background(), "AICC_EVENTS", jetstream.ConsumerConfig{
		Durable:       "catchup", // the server remembers what has been acknowledged
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       5 * time.Second, // longer than the effect of all that was fetched takes
		MaxAckPending: 200,
	}))
	for messages := must(reader.Messages(jetstream.PullMaxMessages(100))); ; {
		m := must(messages.Next())
		done := line{m.Headers().Get("ce-source") + "#" + m.Headers().Get("ce-id"), m.Data()}
		if _, err := file.Write(append(must(json.Marshal(done)), '\n')); err != nil {
			must(0, m.NakWithDelay(time.Minute)) // not stored: once more, later
			log.Print(err)
			continue
		}
		must(0, m.Ack()) // only now; if it gets lost the message comes again
	}
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
