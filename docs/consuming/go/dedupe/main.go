// Command dedupe stores every event once, however often it comes: dedupe FILE.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// line is the effect and the id, stored together: in a database, one transaction in which the
// id is a primary key.
type line struct {
	ID      string          `json:"id"`
	Message json.RawMessage `json:"message"`
}

func main() {
	file := must(os.OpenFile(os.Args[1], os.O_RDWR|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600))
	text := must(io.ReadAll(file))
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	must(0, file.Truncate(int64(len(text)))) // what a crash has cut off
	seen := map[string]bool{}
	for whole := range bytes.Lines(text) {
		var done line
		must(0, json.Unmarshal(whole, &done))
		seen[done.ID] = true
	}
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	reader := must(js.CreateConsumer(context.Background(), "AICC_EVENTS", jetstream.ConsumerConfig{
		Durable:       "dedupe",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       5 * time.Second,
		MaxAckPending: 200,
	}))
	for messages := must(reader.Messages(jetstream.PullMaxMessages(100))); ; {
		m := must(messages.Next())
		done := line{m.Headers().Get("ce-source") + "#" + m.Headers().Get("ce-id"), m.Data()}
		if !seen[done.ID] {
			must(file.Write(append(must(json.Marshal(done)), '\n')))
			seen[done.ID] = true
		}
		must(0, m.Ack())
	}
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
