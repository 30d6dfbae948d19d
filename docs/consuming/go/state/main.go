// Command state keeps a file with the state of every agent: state TENANT FILE.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	ctx, tenant, file := context.Background(), os.Args[1], os.Args[2]
	js := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))
	bucket := must(js.KeyValue(ctx, "AICC_STATE"))
	agents, complete := map[string]json.RawMessage{}, false // from nothing: who is gone is not told
	for entry := range must(bucket.Watch(ctx, tenant+".*")).Updates() {
		switch {
		case entry == nil: // all that was there has come; from here on it is what changes
			complete = true
		case entry.Operation() == jetstream.KeyValuePut:
			agents[entry.Key()] = entry.Value()
		default:
			delete(agents, entry.Key())
		}
		if complete {
			must(0, os.WriteFile(file+".new", must(json.Marshal(agents)), 0o600))
			must(0, os.Rename(file+".new", file))
		}
	}
	log.Fatal("the watch has ended")
}

// must ends the reader at an error: whatever runs it starts it again, and it goes on.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
