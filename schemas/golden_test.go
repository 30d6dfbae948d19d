package schemas_test

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

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
	"aiccbridge/schemas/events"
	"aiccbridge/schemas/internal/schematest"
	"aiccbridge/schemas/rows"
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

func testRow(t testing.TB, k schemas.Kind) schemas.Message {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York") // 01:30 on 2026-11-01 comes twice
	if err != nil {
		t.Fatal(err)
	}
	e := rows.NewEncoder(schematest.Names(t), schematest.File(k), k, rows.Options{Zone: zone})
	record := strings.Split(schematest.Records[k], ",")
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
func testMessages(t testing.TB) map[string]schemas.Message {
	t.Helper()
	n, window := schematest.Names(t), schematest.File(schemas.KindCDR).Window
	messages := map[string]schemas.Message{}
	add := func(m schemas.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		messages[m.Type] = m
	}
	event := schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: "acme", Agent: "291", Type: "AgentEvent_Ringing",
		OccurredAt: schematest.At(1).Add(250 * time.Millisecond), ReceivedAt: schematest.At(2), Position: schemas.Position{7, 12},
	}
	info, _ := events.Lookup(event.Type)
	info.Fill(&event, json.RawMessage(`{"caller":"70092","callid":"1456401416-3","called":"49999","type":"main","mediaType":5}`))
	add(n.EventMessage(event))
	add(n.GapMessage(schemas.Gap{
		Tenant: "acme", Agent: "291", From: schematest.At(2), To: schematest.At(3), Cause: schemas.GapPollUnknown,
		Detail: "connection reset after the request was sent", LastSeq: 12, LastEp: 7, MaxLost: 1, Position: schemas.Position{7, 13},
	}))
	add(n.HeartbeatMessage(schemas.Heartbeat{
		Tenant: "acme", Agent: "291", State: schemas.StateOnCall, Since: schematest.At(1), CallID: "1456401416-3", At: schematest.At(5), Position: schemas.Position{7, 13},
	}))
	add(n.FileReadyMessage(schematest.File(schemas.KindCDR)))
	add(n.RecordingMessage(schemas.Recording{
		Tenant: "acme", Agent: "291", Status: schemas.RecordingStored, Key: strings.Repeat("cd", 16), Row: strings.Repeat("ef", 16) + "-1", Window: window,
		CallID: "1456401416-3", Source: "file_name", At: schematest.At(18), Audio: schemas.Audio{
			Object: "AICC_RECORDINGS/acme/291/20261101/" + strings.Repeat("cd", 16) + ".wav",
			SHA256: strings.Repeat("ab", 32), Bytes: 8058, Format: "alaw", Milliseconds: 1000, EncryptedBy: "0123456789abcdef",
		},
	}))
	for _, k := range schemas.Kinds() {
		add(testRow(t, k), nil)
	}
	add(n.WindowCompleteMessage(schemas.WindowComplete{
		Tenant: "acme", Kind: schemas.KindCDR, Window: window, ResponseID: schematest.ResponseID, Rows: 3, Added: 2, Revised: 1, Rejected: 1,
		Files: []schemas.CompleteFile{{"20261101001530123456_call.csv", 3, true, "utf-8"}}, SHA256: strings.Repeat("ab", 32),
		RequestedAt: schematest.At(15), CompletedAt: schematest.At(17),
	}))
	call := testCall(window)
	digest, err := call.Digest()
	if err != nil {
		t.Fatal(err)
	}
	add(n.CallMessage(call, digest, schematest.At(20)))
	add(n.CallsCompleteMessage(schemas.CallsComplete{
		Tenant: "acme", Window: window, Calls: 3, Added: 1, Revised: 1, From: window.From, To: window.To,
		Sources: []schemas.CallSource{{schemas.KindCDR, window, schematest.ResponseID, schematest.At(17), 1234}},
		Audio:   schemas.AudioFetch, Heard: 4321,
		Pending:      []schemas.CallPending{{schemas.KindRecording, window}},
		NotExtracted: []schemas.Kind{schemas.KindOperation}, CompletedAt: schematest.At(20),
		Unclaimed: []schemas.CallUnclaimed{{schemas.KindRecording, window, []string{"1456401416-9"}}},
	}))
	add(n.CoverageMessage(schemas.Coverage{
		Tenant: "acme", Kind: schemas.KindCDR, From: schematest.At(0).Add(-2 * time.Hour), CompleteTo: window.From,
		Holes: []schemas.Hole{{window, "failed", string(schemas.ReasonDamagedZip)}}, At: schematest.At(18),
	}))
	add(n.AuditMessage(schemas.Audit{
		Tenant: "acme", What: schemas.AuditWindowRetry, By: "ann@ops1", Kind: schemas.KindCDR, Window: window, Letter: "3f2a", Detail: "it was failed", At: schematest.At(9),
	}))
	add(n.DriftMessage(schemas.Drift{
		Tenant: "acme", Kind: schemas.KindCDR, What: schemas.DriftColumns, Window: window, File: "20261101_" + schematest.ResponseID + ".zip",
		Member: "20261101001530123456_call.csv", Rows: 3, Columns: []string{"call_id", "call_begin", "mood"},
		Unknown: []string{"mood"}, Missing: []string{"call_end"}, Cells: 3, Edition: 18, At: schematest.At(17),
	}))
	tally := comparison.Tally{Agents: 12, Live: 40, Recorded: 39, Both: 38, OnlyLive: 1, OnlyRecorded: 1, Differ: 1, Explained: 1, Unexplained: 2, Waiting: 1, NotObserved: 3}
	add(comparison.Statement{
		Tenant: "acme", Kind: schemas.KindCDR, Window: window, Revision: 2, Tally: tally,
		Findings: []comparison.Finding{{
			What: comparison.CallPartly, Agent: "291", CallID: "1456401416-3", At: schematest.At(1), Row: strings.Repeat("ef", 16) + "-1",
			Missing: []string{"talking"}, By: comparison.ExplainedByGap, Gap: schemas.Position{7, 13},
		}, {
			What: comparison.TalkDiffers, Agent: "291", CallID: "1456401416-9", At: schematest.At(4), Row: strings.Repeat("ab", 16) + "-1", Live: 61.2, Rows: 70,
		}, {What: comparison.CallNoRow, Agent: "292", CallID: "1456401416-11", At: schematest.At(5)}},
		Sources: []schemas.CallSource{{schemas.KindCDR, window, schematest.ResponseID, schematest.At(17), 0}}, At: schematest.At(18),
	}.Message(n))
	add(comparison.Reconstructed{
		Tenant: "acme", Agent: "291", State: schemas.StateRest, From: schematest.At(2), To: schematest.At(9), Source: schemas.ProofOperation,
		Row: strings.Repeat("ef", 16) + "-1", Window: window, Gap: schemas.Position{7, 13}, At: schematest.At(18),
	}.Message(n, strings.Repeat("ef", 16)))
	add(comparison.Day{
		Tenant: "acme", Day: "2026-11-01", Revision: 3, Kinds: []comparison.DayTally{{Kind: schemas.KindCDR, Windows: 2, Tally: tally}}, Score: tally.Score(), At: schematest.At(18),
	}.Message(n))
	add(n.DeadLetterMessage(schemas.DeadLetter{
		Tenant: "acme", Reason: schemas.ReasonDamagedZip, Error: "unexpected EOF", Attempts: 2, FirstAt: schematest.At(16), LastAt: schematest.At(17),
		Object: "AICC_QUARANTINE/20261101_" + schematest.ResponseID, Original: schemas.Quote([]byte("not <JSON>")),
		Kind: schemas.KindCDR, Window: window, ResponseID: schematest.ResponseID,
	}, "AICC_FILES.17"))
	add(n.ResolvedMessage(schemas.Resolved{
		Tenant: "acme", Letter: "AICC_FILES/17", Reason: schemas.ReasonDamagedZip, Kind: schemas.KindCDR, Window: window,
		ResponseID: schematest.ResponseID, At: schematest.At(19),
	}))
	return messages
}

// testCall is a call that says everything there is to say.
func testCall(w schemas.Window) schemas.Call {
	number := func(n int) *int { return &n }
	at := func(s int) time.Time { return schematest.At(s).In(time.FixedZone("", 8*60*60)) }
	return schemas.Call{
		Tenant: "acme", Window: w, CallID: "1456401416-3", Revision: 2, Changed: []string{"recordings", "rows"},
		Sources: schemas.CallSources{
			Complete: []schemas.Kind{schemas.KindCDR}, Pending: []schemas.Kind{schemas.KindRecording}, NotExtracted: []schemas.Kind{schemas.KindOperation},
			Audio: schemas.AudioFetch,
		},
		CallContent: schemas.CallContent{
			Direction: "inbound", CallType: number(0), MediaType: number(5), ReleaseCause: number(0),
			Names:  schemas.CallNames{CallType: "inbound", MediaType: "voice", ReleaseCause: "normal"},
			Caller: "5550100", Called: "5550199", Begin: at(0), End: at(50), WaitS: number(10), RingS: number(5), TalkS: number(35),
			Closed: true, Agents: []string{"291"}, Skills: []string{"12"},
			Legs: []schemas.CallLeg{
				{
					Number: number(1), DeviceType: number(1), DeviceNo: "12", Skill: "12", WaitBegin: at(0), WaitEnd: at(10), WaitS: number(10),
					LeaveReason: number(0), Names: schemas.LegNames{DeviceType: "skill_queue", LeaveReason: "normal"},
					Ambiguous: []string{"wait_begin"}, Row: strings.Repeat("a1", 16) + "-1",
				},
				{
					Number: number(-1), DeviceType: number(2), DeviceNo: "291", PreDeviceType: number(1), PreDeviceNo: "12", Agent: "291", Skill: "12",
					AckBegin: at(10), AckEnd: at(15), CallBegin: at(15), CallEnd: at(50), RingS: number(5), TalkS: number(35),
					Names: schemas.LegNames{DeviceType: "agent", PreDeviceType: "skill_queue"}, Row: strings.Repeat("a2", 16) + "-1",
				},
			},
			Recordings: []schemas.CallRecording{
				{
					Agent: "291", FileName: "/10/1/record/39/20261101/291/32460000.wav", OriginalFileName: `X:\39\0\20261101\291\32460000.V3`,
					Begin: at(15), End: at(50), TalkS: number(35), Key: strings.Repeat("cd", 16), Row: strings.Repeat("b1", 16) + "-1",
					Audio: schemas.CallAudio{
						Status: schemas.RecordingStored, At: schematest.At(19), Audio: schemas.Audio{
							Object: "AICC_RECORDINGS/acme/291/20261101/" + strings.Repeat("cd", 16) + ".wav",
							SHA256: strings.Repeat("ef", 32), Bytes: 280044, Format: "alaw", Milliseconds: 35000, EncryptedBy: "0123456789abcdef",
						},
					},
				},
				{
					Agent: "291", FileName: "/10/1/record/39/20261101/291/32480000.wav", Key: strings.Repeat("ce", 16), Row: strings.Repeat("b2", 16) + "-1",
					Audio: schemas.CallAudio{Status: schemas.RecordingMissing, Reason: schemas.RecordingAbsent, At: schematest.At(19)},
				},
			},
			Operations: []schemas.CallOperation{{
				Agent: "291", OpType: number(40), OpObject: "292", OpCause: number(1), Names: schemas.OperationNames{OpType: "internal_help", OpCause: "two_party"},
				Begin: at(20), End: at(30), DurationS: number(10), Row: strings.Repeat("c1", 16) + "-1",
			}},
			Rows: []schemas.CallRows{{schemas.KindCDR, w, []string{strings.Repeat("a1", 16) + "-1", strings.Repeat("a2", 16) + "-1"}}},
		},
	}
}

func TestGoldenMessages(t *testing.T) {
	messages := testMessages(t)
	for _, typ := range schemas.MessageTypes() {
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
func normalise(t testing.TB, body []byte) schemas.Event {
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
	e := schemas.Event{Via: schemas.WayPoll, Tenant: "acme", Agent: answer.Event.WorkNo, Type: answer.Event.EventType, ReceivedAt: schematest.At(0), Position: schemas.Position{1, 1}}
	if ms := answer.Event.EventGenTime; ms != 0 {
		e.OccurredAt = time.UnixMilli(ms).UTC()
	}
	info, _ := events.Lookup(e.Type)
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
	n, seen := schematest.Names(t), map[string]bool{}
	var out bytes.Buffer
	for line := range bytes.Lines(bodies) {
		e := normalise(t, line)
		m, err := n.EventMessage(e)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out.Write(append(m.Body, '\n'))
		info, _ := events.Lookup(e.Type)
		seen[info.Type] = true
	}
	golden(t, "events.golden.jsonl", out.Bytes())
	for _, info := range events.Table() {
		if !seen[info.Type] && info.Source != events.SourceBridge {
			t.Errorf("no body of type %s", info.Type)
		}
	}
}
