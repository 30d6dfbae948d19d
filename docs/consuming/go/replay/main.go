// Command replay stores what happened since a time, and ends: replay TIME FILE.
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

// line is an effect and the position that it leads to, stored together.
type line struct {
	Position uint64          `json:"position"` // the message's sequence in the stream
	Message  json.RawMessage `json:"message"`
}

func main() {
	ctx, since := context.Background(), must(time.Parse(time.RFC3339, os.Args[1]))
	file := must(os.OpenFile(os.Args[2], os.O_RDWR|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600))
	text := must(io.ReadAll(file))
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	must(0, file.Truncate(int64(len(text)))) // what a crash has cut off
	var last line
	for whole := range bytes.Lines(text) {
		must(0, json.Unmarshal(whole, &last))
	}
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	end := must(must(js.Stream(ctx, "AICC_EVENTS")).Info(ctx)).State.LastSeq
	stored := since.Add(-time.Minute) // the server knows when it stored a message, by its own clock
	from := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &stored}
	if last.Position > 0 { // it goes on
		from = jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last.Position + 1}
	}
	messages := must(must(js.OrderedConsumer(ctx, "AICC_EVENTS", from)).Messages())
	for position := last.Position; position < end; {
		m := must(messages.Next())
		position = must(m.Metadata()).Sequence.Stream
		if at := must(time.Parse(time.RFC3339, m.Headers().Get("ce-time"))); !at.Before(since) && position <= end {
			must(file.Write(append(must(json.Marshal(line{position, m.Data()})), '\n')))
		}
	}
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
