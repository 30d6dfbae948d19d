package record

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of testdata/events anew")

// TestRecordedBodies leads each recorded body of a poll through the gateway's
// client and compares the events with those expected beside it.
func TestRecordedBodies(t *testing.T) {
	files, err := filepath.Glob("testdata/events/*.body")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d recorded bodies, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".body")
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := normalised(t, body)
			golden := strings.TrimSuffix(file, ".body") + ".golden.json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("events differ (-want +got):\n%s", diff)
			}
		})
	}
}

// normalised polls a gateway that answers body, and returns the messages made of
// its events.
func normalised(t *testing.T, body []byte) []byte {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(body)
	}))
	defer gateway.Close()
	client, err := ccgateway.New(ccgateway.Options{URL: gateway.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	agent := client.Agent("291")
	agent.Resume("guid")
	p := agent.Poll(context.Background())
	if p.Err != nil {
		t.Fatal(p.Err)
	}
	names, _ := schemas.NewNames("aicc")
	var out bytes.Buffer
	for i, e := range p.Events {
		polled := e.WorkNo
		if polled == "" {
			polled = "291"
		}
		event, ends := normalise(e, origin{
			via:    schemas.WayPoll,
			tenant: "acme", agent: polled,
			receivedAt: time.Date(2026, 11, 20, 8, 0, 0, 0, time.FixedZone("", 8*3600)),
			position:   schemas.Position{Epoch: 7, Seq: uint64(i + 1)},
		})
		m, err := names.EventMessage(event)
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.MarshalIndent(struct {
			Subject string          `json:"subject"`
			ID      string          `json:"id"`
			Time    time.Time       `json:"time"`
			Ends    bool            `json:"ends"`
			Body    json.RawMessage `json:"body"`
		}{m.Subject, m.ID, m.Time, ends, m.Body}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes()
}

func FuzzNormalise(f *testing.F) {
	f.Add("AgentEvent_Ringing", "291", []byte(`{"callid":"1-1","type":"main"}`))
	f.Add("AgentEvent_Hold", "", []byte(`"1456401416-3"`))
	f.Add(" A.b*>\x00", "2.9 1", []byte(`[1,{"a":null}]`))
	f.Add("AgentEvent_RequestConnect", "291", []byte(`{"signature":"secret-value"}`))
	names, _ := schemas.NewNames("aicc")
	f.Fuzz(func(t *testing.T, eventType, workNo string, content []byte) {
		if strings.Trim(eventType, " \t\r\n\x00") == "" {
			return // the client gives none; it would become a dead letter
		}
		event, _ := normalise(ccgateway.Event{Type: eventType, WorkNo: workNo, Content: content}, origin{
			via:    schemas.WayPoll,
			tenant: "acme", agent: "291", receivedAt: time.Unix(1, 0), position: schemas.Position{Epoch: 1, Seq: 1},
		})
		m, err := names.EventMessage(event)
		if err != nil {
			t.Fatal(err)
		}
		tokens := strings.Split(m.Subject, ".")
		if len(tokens) != 7 || tokens[5] != string(event.Group) {
			t.Errorf("subject %q", m.Subject)
		}
		if agent, err := schemas.DecodeToken(tokens[4]); err != nil || agent != event.Agent || agent != "291" || workNo != "" && workNo != "291" && event.State != "" {
			t.Errorf("agent %q, state %q from %q, %v", agent, event.State, workNo, err)
		}
	})
}

func FuzzOriginal(f *testing.F) {
	f.Add([]byte(`{"signature":"x"}`))
	f.Add([]byte("\xff\x00"))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := original(body); !json.Valid(got) {
			t.Errorf("%q is not JSON", got)
		}
	})
}
