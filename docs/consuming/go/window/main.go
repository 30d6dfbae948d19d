// Command window has a file for each complete window: window TENANT KIND FOLDER.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// window is what a file holds: rows and the position in one, so that one rename stores both.
type window struct {
	Marker uint64            `json:"marker"` // its sequence in the stream
	Rows   []json.RawMessage `json:"rows"`
}

func main() {
	folder, last := os.Args[3], uint64(0)
	for _, name := range must(filepath.Glob(filepath.Join(folder, "*.json"))) {
		var w window
		must(0, json.Unmarshal(must(os.ReadFile(name)), &w))
		last = max(last, w.Marker)
	}
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	markers := must(js.OrderedConsumer(context.Background(), "AICC_ROWS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"aicc.v1." + os.Args[1] + ".row." + os.Args[2] + ".*"},
		HeadersOnly:    true, // rows pass by without their bodies
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    last + 1,
	}))
	for messages := must(markers.Messages(jetstream.PullMaxMessages(50))); ; { // few wait before the rows
		m := must(messages.Next())
		if m.Headers().Get("ce-type") != "aicc.v1.window_complete" {
			continue
		}
		w := window{Marker: must(m.Metadata()).Sequence.Stream}
		w.Rows = rows(js, m.Subject(), w.Marker)
		name := filepath.Join(folder, m.Subject()[strings.LastIndex(m.Subject(), ".")+1:]+".json")
		file := must(os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_SYNC, 0o600))
		must(file.Write(must(json.Marshal(w))))
		must(0, errors.Join(file.Close(), os.Rename(name+".new", name))) // in place of an earlier extract's
	}
}

// rows are those of a window up to its marker, of each key those of the newest revision.
func rows(js jetstream.JetStream, subject string, marker uint64) []json.RawMessage {
	newest, revision := map[string][]json.RawMessage{}, map[string]string{} // by key
	reader := must(js.OrderedConsumer(context.Background(), "AICC_ROWS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}}))
	messages := must(reader.Messages())
	for position := uint64(0); position < marker; {
		m := must(messages.Next())
		if h := strings.Split(m.Headers().Get("aicc-row"), "."); len(h) > 2 { // key, revision, extract
			if key := h[0]; revision[key] != h[1] {
				newest[key], revision[key] = nil, h[1] // it takes the place of the one before
			}
			newest[h[0]] = append(newest[h[0]], m.Data())
		}
		position = must(m.Metadata()).Sequence.Stream
	}
	messages.Stop()
	must(0, js.DeleteConsumer(context.Background(), "AICC_ROWS", reader.CachedInfo().Name)) // a stream bears 1,000
	return slices.Concat(slices.Collect(maps.Values(newest))...)
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
