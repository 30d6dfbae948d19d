// Command partitions reads one of four parts of the agents, each agent in order: partitions PART FILE.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// split has every event once more, below the number of its agent's part. Made once, by whoever
// may; another number of parts is another stream.
var split = jetstream.StreamConfig{
	Name: "EVENTS_BY_AGENT",
	Sources: []*jetstream.StreamSource{{
		Name: "AICC_EVENTS",
		SubjectTransforms: []jetstream.SubjectTransformConfig{{
			Source:      "aicc.v1.*.agent.*.>",
			Destination: "part.{{partition(4,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>", // by tenant and agent
		}},
	}},
}

// line is an effect and the position that it leads to, stored together.
type line struct {
	Position uint64          `json:"position"` // the message's sequence in EVENTS_BY_AGENT
	Message  json.RawMessage `json:"message"`
}

func main() {
	file := must(os.OpenFile(os.Args[2], os.O_RDWR|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600))
	text := must(io.ReadAll(file))
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	must(0, file.Truncate(int64(len(text)))) // what a crash has cut off
	var last line
	for whole := range bytes.Lines(text) {
		must(0, json.Unmarshal(whole, &last))
	}
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	must(js.CreateStream(context.Background(), split)) // nothing, when it is there
	reader := must(js.OrderedConsumer(context.Background(), split.Name, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"part." + os.Args[1] + ".>"},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    last.Position + 1,
	}))
	for messages := must(reader.Messages()); ; {
		m := must(messages.Next())
		done := line{must(m.Metadata()).Sequence.Stream, m.Data()}
		must(file.Write(append(must(json.Marshal(done)), '\n')))
	}
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
