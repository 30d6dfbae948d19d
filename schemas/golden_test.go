package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func testNames(t testing.TB) Names {
	t.Helper()
	n, err := NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func at(minute int) time.Time { return time.Date(2026, 11, 1, 1, minute, 0, 0, time.UTC) }

const testResponseID = "0123456789abcdef0123456789abcdef"

func testFile(k Kind) FileReady {
	return FileReady{
		Tenant: "acme", Kind: k, Window: Window{at(0).Add(-time.Hour), at(0)}, ResponseID: testResponseID,
		FileName: "20261101_" + testResponseID + ".zip", AccountID: "202405019999", ReceivedAt: at(16), Via: ViaCallback,
	}
}

// testRecords holds one record per kind, by position.
var testRecords = map[Kind]string{
	KindCDR:       "testak01,202405019999,1,101,1714525260-1001,5550100,5550199,2024-05-01 09:00:30,null,,,2024/05/01 09:01:00,1970-01-01 00:00:00,2,101,007,0,-1,39,1,12,NULL,beyond",
	KindRecording: `testak01,202405019999,1,101,1714525260-1001,5550100,5550199,2024-05-01 09:01:00,2024-05-01T09:04:10.250,/10/1/record/39/20240501/101/32460000.wav,0,\N,X:\39\0\20240501\101\32460000.V3,39,0,5,12,12`,
	KindOperation: "9000002,testak01,202405019999,101,,12,1714525260-1001,2026-11-01 01:30:00,soon,38,-1,0,5,39,1,4,,0,0,1714525198-7,3",
	KindSkill:     "9000003,testak01,202405019999,1,39,101,1714525198000,291,1,12;13,1714525198-7,1,,0,2024-05-01 00:59:58,5",
}

func testRow(t testing.TB, k Kind) Message {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York") // 01:30 on 2026-11-01 comes twice
	if err != nil {
		t.Fatal(err)
	}
	e := NewRowEncoder(testNames(t), testFile(k), k, zone)
	record := strings.Split(testRecords[k], ",")
	id, err := e.Identify(record)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Message(record, id, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// testMessages makes one message of every type.
func testMessages(t testing.TB) map[string]Message {
	t.Helper()
	n, window := testNames(t), testFile(KindCDR).Window
	messages := map[string]Message{}
	add := func(m Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		messages[m.Type] = m
	}
	event := Event{
		Tenant: "acme", Agent: "291", Type: "AgentEvent_Ringing",
		OccurredAt: at(1).Add(250 * time.Millisecond), ReceivedAt: at(2), Position: Position{7, 12},
	}
	info, _ := LookupEvent(event.Type)
	info.Fill(&event, json.RawMessage(`{"caller":"70092","callid":"1456401416-3","called":"49999","type":"main","mediaType":5}`))
	add(n.EventMessage(event))
	add(n.GapMessage(Gap{
		Tenant: "acme", Agent: "291", From: at(2), To: at(3), Cause: GapPollUnknown,
		Detail: "connection reset after the request was sent", LastSeq: 12, LastEp: 7, MaxLost: 1, Position: Position{7, 13},
	}))
	add(n.HeartbeatMessage(Heartbeat{
		Tenant: "acme", Agent: "291", State: StateOnCall, Since: at(1), CallID: "1456401416-3", At: at(5), Position: Position{7, 13},
	}))
	add(n.FileReadyMessage(testFile(KindCDR)))
	for _, k := range Kinds() {
		add(testRow(t, k), nil)
	}
	add(n.WindowCompleteMessage(WindowComplete{
		Tenant: "acme", Kind: KindCDR, Window: window, ResponseID: testResponseID, Rows: 3, Added: 2, Revised: 1, Rejected: 1,
		Files: []CompleteFile{{"20261101001530123456_call.csv", 3, true, "utf-8"}}, SHA256: strings.Repeat("ab", 32),
		RequestedAt: at(15), CompletedAt: at(17),
	}))
	add(n.CoverageMessage(Coverage{
		Tenant: "acme", Kind: KindCDR, From: at(0).Add(-2 * time.Hour), CompleteTo: window.From,
		Holes: []Hole{{window, "failed", string(ReasonDamagedZip)}}, At: at(18),
	}))
	add(n.DeadLetterMessage(DeadLetter{
		Tenant: "acme", Reason: ReasonDamagedZip, Error: "unexpected EOF", Attempts: 2, FirstAt: at(16), LastAt: at(17),
		Object: "AICC_QUARANTINE/20261101_" + testResponseID, Original: Quote([]byte("not <JSON>")),
	}, "AICC_FILES.17"))
	return messages
}

func TestGoldenMessages(t *testing.T) {
	messages := testMessages(t)
	for _, typ := range MessageTypes() {
		m, ok := messages[typ]
		if !ok {
			t.Errorf("no message of type %s", typ)
			continue
		}
		if err := m.Validate(); err != nil {
			t.Error(err)
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		err := enc.Encode(struct {
			Subject string              `json:"subject"`
			Headers map[string][]string `json:"headers"`
			Body    json.RawMessage     `json:"body"`
		}{m.Subject, m.Headers(), m.Body})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "messages/"+strings.TrimPrefix(typ, "aicc.v1.")+".json", out.Bytes())
	}
}

// normalise does what a poller does with one answer of the gateway.
func normalise(t testing.TB, body []byte) Event {
	t.Helper()
	var answer struct {
		Event struct {
			EventType    string          `json:"eventType"`
			WorkNo       string          `json:"workNo"`
			Content      json.RawMessage `json:"content"`
			EventGenTime int64           `json:"eventGenTime"`
		} `json:"event"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	e := Event{Tenant: "acme", Agent: answer.Event.WorkNo, Type: answer.Event.EventType, ReceivedAt: at(0), Position: Position{1, 1}}
	if ms := answer.Event.EventGenTime; ms != 0 {
		e.OccurredAt = time.UnixMilli(ms).UTC()
	}
	info, _ := LookupEvent(e.Type)
	info.Fill(&e, answer.Event.Content)
	return e
}

// TestGoldenEvents turns bodies of the gateway (testdata/events.jsonl, one of
// every type and the variants seen) into events, line by line.
func TestGoldenEvents(t *testing.T) {
	bodies, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n, seen := testNames(t), map[string]bool{}
	var out bytes.Buffer
	for line := range bytes.Lines(bodies) {
		e := normalise(t, line)
		m, err := n.EventMessage(e)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out.Write(append(m.Body, '\n'))
		info, _ := LookupEvent(e.Type)
		seen[info.Type] = true
	}
	golden(t, "events.golden.jsonl", out.Bytes())
	for _, info := range EventTable() {
		if !seen[info.Type] && info.Source != SourceBridge {
			t.Errorf("no body of type %s", info.Type)
		}
	}
}
