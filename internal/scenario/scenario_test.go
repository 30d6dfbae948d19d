package scenario

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/conform"
	"aiccbridge/internal/hubtest"
	"aiccbridge/schemas"
	"aiccbridge/schemas/entries"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub is a hub in this process.
type hub struct{ hubtest.Hub }

func (h hub) PutState(ctx context.Context, key string, value []byte) error {
	_, err := kv.Open(h.Conn(), schemas.BucketState).Put(ctx, key, value)
	return err
}

func (h hub) ReadRows(ctx context.Context, subject string, f func(schemas.RowHeader, uint64)) (uint64, error) {
	return h.Rows().ReadBack(ctx, subject, f)
}

func (h hub) AppendRows(ctx context.Context, rows []schemas.Message, last uint64) (uint64, error) {
	return h.Rows().Append(ctx, rows, last)
}

func newHub(t *testing.T) (hub, schemas.Names) {
	t.Helper()
	h, names := hubtest.Start(t)
	return hub{h}, names
}

// TestExample: the example's messages and states are the contract's, its second extract brings
// a revision and a late row, and a third one nothing.
func TestExample(t *testing.T) {
	t.Parallel()
	h, names := newHub(t)
	s, err := Parse([]byte(Example()))
	if err != nil {
		t.Fatal(err)
	}
	sent, err := Play(t.Context(), s, Options{Hub: h, Names: names})
	if err != nil {
		t.Fatal(err)
	}
	checker, stored := conform.New(names), 0
	types := map[string]int{}
	for _, stream := range schemas.Streams() {
		err := h.Read(t.Context(), stream, "", 0, func(m schemas.Stored) error {
			stored++
			types[m.Get("ce-type")]++
			return checker.Message(stream, m)
		})
		if err != nil {
			t.Error(err)
		}
	}
	if stored != sent || types[schemas.TypeEvent] != 8 || types[schemas.TypeGap] != 1 || types[schemas.TypeHeartbeat] != 1 || types["aicc.v1.row.cdr"] != 4 || types[schemas.TypeWindowComplete] != 2 {
		t.Errorf("%d sent, %d stored: %v", sent, stored, types)
	}
	for _, bucket := range entries.Buckets() {
		err := kv.Open(h.Conn(), bucket).Each(t.Context(), ">", func(key string, e schemas.Stored) error { return checker.Entry(bucket, key, e.Body) })
		if err != nil {
			t.Error(err)
		}
	}
	value, _, err := kv.Open(h.Conn(), schemas.BucketState).Get(t.Context(), schemas.AgentKey("acme", "101"))
	var k schemas.AgentState
	if err != nil || json.Unmarshal(value, &k) != nil || k.State != schemas.StateReady || k.Seq != 7 {
		t.Errorf("state %s, %v", value, err)
	}
	last, found, err := h.Last(t.Context(), names.Coverage("acme", schemas.KindCDR))
	var c schemas.Coverage
	if err != nil || !found || json.Unmarshal(last.Body, &c) != nil || c.CompleteTo.Sub(c.From).Hours() != 1 {
		t.Errorf("coverage %s, %v", last.Body, err)
	}
}

// TestSameAgain: a window that is extracted again without a change gets its marker only.
func TestSameAgain(t *testing.T) {
	t.Parallel()
	h, names := newHub(t)
	s, err := Parse([]byte(`
tenant: acme
begin: 2026-11-30T10:00:00Z
steps:
  - { at: 1s, window: { kind: cdr, from: -1h, to: 0s }, rows: [ { call_id: 7-1, call_id_num: "1" } ] }
  - { at: 2s, window: { kind: cdr, from: -1h, to: 0s }, rows: [ { call_id: 7-1, call_id_num: "1" } ] }
  - { at: 3s, window: { kind: cdr, from: 0s, to: 1h } }
`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Play(t.Context(), s, Options{Hub: h, Names: names, Speed: 1000}); err != nil {
		t.Fatal(err)
	}
	rows := 0
	err = h.Read(t.Context(), schemas.StreamRows, "", 0, func(m schemas.Stored) error {
		if strings.HasPrefix(m.Get("ce-type"), schemas.TypeRow) {
			rows++
		}
		return nil
	})
	if err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// TestMistakes: each is named, with what to do.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"steps: []":                              "names no tenant",
		"tenant: a\nzone: Mars":                  "zone",
		"tenant: a\nstep: []":                    "step",
		"tenant: a\nsteps: [{at: 1s}]":           "give one of event",
		"tenant: a\nsteps: [{at: 1s, event: X}]": "name the agent",
		"tenant: a\nsteps: [{at: 1s, event: X, agent: \"1\", call: \"2\"}]":     "give one of event",
		"tenant: a\nsteps: [{at: 1s, window: {kind: other, from: 0s, to: 1h}}]": "kind",
		"tenant: a\nsteps: [{at: soon, event: X, agent: \"1\"}]":                "scenario",
		"tenant: a\nsteps: [{at: 1s, agent: \"1\", event: X, heartbeat: true}]": "step 1",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if text, err := os.ReadFile("example.yaml"); err != nil || string(text) != Example() {
		t.Error(err)
	}
}
