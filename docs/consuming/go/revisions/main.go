// Command revisions has the rows of the newest revision of each key: revisions TENANT KIND FILE.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// line is a row, and says which message it is: of a key the lines of its highest revision count.
type line struct {
	Position uint64          `json:"position"` // the message's sequence in the stream
	Key      string          `json:"key"`      // the window's subject and the row's natural key
	Revision int             `json:"revision"`
	Row      json.RawMessage `json:"row"`
}

func main() {
	file := must(os.OpenFile(os.Args[3], os.O_RDWR|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600))
	text := must(io.ReadAll(file))
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	must(0, file.Truncate(int64(len(text)))) // what a crash has cut off
	newest, last := map[string]int{}, line{}
	for whole := range bytes.Lines(text) {
		last = line{}
		must(0, json.Unmarshal(whole, &last))
		newest[last.Key] = last.Revision
	}
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	reader := must(js.OrderedConsumer(context.Background(), "AICC_ROWS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"aicc.v1." + os.Args[1] + ".row." + os.Args[2] + ".*"},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    last.Position + 1,
	}))
	for messages := must(reader.Messages()); ; {
		m := must(messages.Next())
		header := strings.Split(m.Headers().Get("aicc-row"), ".") // key, revision, extract
		if len(header) < 3 {
			continue // a marker
		}
		row := line{must(m.Metadata()).Sequence.Stream, m.Subject() + " " + header[0], must(strconv.Atoi(header[1])), m.Data()}
		if row.Revision >= newest[row.Key] { // several rows may have one
			must(file.Write(append(must(json.Marshal(row)), '\n')))
			newest[row.Key] = row.Revision
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
