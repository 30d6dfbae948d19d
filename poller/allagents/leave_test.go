package allagents_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller"
	"aiccbridge/poller/allagents"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// memory keeps messages and states.
type memory struct {
	mu     sync.Mutex
	kept   []schemas.Message
	values map[string][]byte
	fail   int // so many messages are not taken
}

func (m *memory) Publish(_ context.Context, msg schemas.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail > 0 {
		m.fail--
		return errors.New("the store is away")
	}
	m.kept = append(m.kept, msg)
	return nil
}

func (m *memory) last(_ context.Context, filter string) (schemas.Stored, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range slices.Backward(m.kept) {
		if strings.HasPrefix(msg.Subject, strings.TrimSuffix(filter, ">")) {
			return schemas.Stored{Subject: msg.Subject, StoredAt: time.Now(), Header: msg.Headers(), Body: msg.Body}, true, nil
		}
	}
	return schemas.Stored{}, false, nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], 1, nil
}

func (m *memory) Put(_ context.Context, key string, value []byte) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = value
	return 1, nil
}

// types are those of what is kept; gaps are named by their cause.
func (m *memory) types(t *testing.T) (out []string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range m.kept {
		var e struct{ Type, Cause string }
		if err := json.Unmarshal(msg.Body, &e); err != nil {
			t.Fatal(err)
		}
		switch msg.Type {
		case schemas.TypeGap:
			e.Type = "gap " + e.Cause
		case schemas.TypeDeadLetter:
			e.Type = "dead letter"
		}
		out = append(out, e.Type)
	}
	return out
}

// owns has a node polled for some seconds, under an epoch; the first polls bring what is given.
func (m *memory) owns(t *testing.T, epoch uint64, polls ...ccgateway.Poll) {
	t.Helper()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	poll := func(context.Context, string) ccgateway.Poll {
		p := ccgateway.Poll{Outcome: ccgateway.OutcomeEmpty, Code: "0"}
		if len(polls) > 0 {
			p, polls = polls[0], polls[1:]
		}
		p.SentAt, p.ReceivedAt = time.Now(), time.Now()
		return p
	}
	seats := poller.NewMetrics(nil)
	d := allagents.New(allagents.Options{
		Nodes: []allagents.Node{{Name: "1", Poll: poll}},
		Seat:  func(node string) *session.Seat { return seats.Seat("acme", node) },
	}, poller.Options{
		Tenant: "acme", Names: names, Via: schemas.WayAllAgents, Store: m, States: m, Epoch: epoch, LastStored: m.last, Metrics: seats,
	})
	intake, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := d.Run(intake, t.Context()); err != nil {
		t.Error(err)
	}
}

func events(types ...string) ccgateway.Poll {
	p := ccgateway.Poll{Outcome: ccgateway.OutcomeEvent, Code: "0"}
	for _, kind := range types {
		p.Events = append(p.Events, ccgateway.Event{Type: kind, WorkNo: "291", Content: json.RawMessage("null")})
	}
	return p
}

// TestSignedOutIsNoLoss: of an agent who had signed out when the last owner stopped in order
// nothing is lost; the agent stays signed out.
func TestSignedOutIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{values: map[string][]byte{}}
		m.owns(t, 1, events("AgentState_Ready", "AgentOther_ShutdownService"))
		var k schemas.AgentState
		if err := json.Unmarshal(m.values[schemas.AgentKey("acme", "291")], &k); err != nil || k.State != schemas.StateSignedOut {
			t.Errorf("%+v, %v", k, err)
		}
		m.owns(t, 2, events("AgentState_Ready"))
		want := []string{"AgentState_Ready", "AgentOther_ShutdownService", schemas.EventLeft, "AgentState_Ready", schemas.EventLeft}
		if got := m.types(t); !slices.Equal(got, want) {
			t.Errorf("stored %q, want %q", got, want)
		}
	})
}

// TestLetterIsKept: what names no agent is stored when the store is there again.
func TestLetterIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{values: map[string][]byte{}, fail: 3}
		nobody := ccgateway.Poll{Outcome: ccgateway.OutcomeEvent, Code: "0", Bad: []json.RawMessage{json.RawMessage(`7`)}}
		m.owns(t, 1, nobody)
		if got := m.types(t); !slices.Equal(got, []string{"dead letter"}) {
			t.Errorf("stored %q", got)
		}
	})
}
