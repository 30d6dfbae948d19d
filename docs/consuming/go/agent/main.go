// Command agent stores the messages of one agent in order: agent TENANT AGENT FILE.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// line is an effect and the position that it leads to, stored together.
type line struct {
	Position uint64          `json:"position"` // the message's sequence in the stream
	Message  json.RawMessage `json:"message"`  // sort by its epoch and seq
}

func main() {
	file := must(os.OpenFile(os.Args[3], os.O_RDWR|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600))
	text := must(io.ReadAll(file))
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	must(0, file.Truncate(int64(len(text)))) // what a crash has cut off
	var last line
	for whole := range bytes.Lines(text) {
		must(0, json.Unmarshal(whole, &last))
	}
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	reader := must(js.OrderedConsumer(context.Background(), "AICC_EVENTS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"aicc.v1." + token(os.Args[1]) + ".agent." + token(os.Args[2]) + ".>"},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    last.Position + 1,
	}))
	for messages := must(reader.Messages()); ; {
		m := must(messages.Next())
		done := line{must(m.Metadata()).Sequence.Stream, m.Data()}
		must(file.Write(append(must(json.Marshal(done)), '\n')))
	}
}

// token is an id as subjects have it.
func token(id string) string {
	return regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllStringFunc(id, func(c string) string {
		return "=" + strings.ReplaceAll(fmt.Sprintf("% x", c), " ", "=") // each of its bytes
	})
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
