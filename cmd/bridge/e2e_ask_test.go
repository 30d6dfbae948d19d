package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/bus/service"
	"aiccbridge/internal/ask"
	"aiccbridge/internal/conform"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/rowfile/folder"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
	"aiccbridge/schemas/requests"
)

// instants are so many at which the floor is held against the truth.
const instants = 200

// TestAsk: what a running bridge and its hub are asked is answered as the truth has it: where
// the agents stood at any instant, the story of calls that several agents had, how the windows
// and the bridge are; and all that is published is as the contract says.
func TestAsk(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 6, kinds: []schemas.Kind{schemas.KindCDR, schemas.KindOperation}, calls: true, window: 10 * time.Second, sweep: 20 * time.Second})
	r := s.run()
	s.until("there is something to ask about", func() bool { return len(s.sim.Truth().Events) > 400 })
	s.sim.Quiesce()
	s.until("the contact centre is quiet", s.sim.Quiet)
	quiet := time.Now()
	s.until("all windows are complete", func() bool { return r.settled(quiet) })
	s.until("all calls are made", func() bool {
		made, err := r.callsMade(t.Context())
		return err == nil && made
	})
	t.Run("agents at an instant", func(t *testing.T) { s.asksTheFloor(t, questions(r.bus)) })
	t.Run("calls", func(t *testing.T) { s.asksForCalls(t, r) })
	t.Run("commands", func(t *testing.T) { s.asksByCommand(t) })
	t.Run("service", func(t *testing.T) { s.asksTheService(t, r) })
	r.planning.stop() // nothing more is to come
	s.until("no extract is under way", func() bool { return !r.outstanding() })
	s.until("all calls are made", func() bool {
		made, err := r.callsMade(t.Context())
		return err == nil && made
	})
	t.Run("replay", func(t *testing.T) { s.asksForAReplay(t, r) })
	r.judge = true
	r.end()
	if !r.report.OK {
		t.Errorf("the streams differ from the truth: %+v", r.report)
	}
}

// asksTheFloor holds where agents stood at random instants against what they did.
func (s *scene) asksTheFloor(t *testing.T, q ask.Questions) {
	did := map[string][]truth.Event{}
	for _, e := range s.sim.Truth().Events {
		if info, _ := events.Lookup(e.Type); info.State != "" {
			did[e.Agent] = append(did[e.Agent], e)
		}
	}
	first, last := time.Time{}, time.Time{}
	for _, all := range did {
		slices.SortStableFunc(all, func(a, b truth.Event) int { return a.GeneratedAt.Compare(b.GeneratedAt) })
		if first.IsZero() || all[0].GeneratedAt.Before(first) {
			first = all[0].GeneratedAt
		}
		if end := all[len(all)-1].GeneratedAt; end.After(last) {
			last = end
		}
	}
	random, compared := rand.New(rand.NewPCG(seed(t), 11)), 0
	for range instants {
		at := first.Add(time.Duration(random.Int64N(int64(last.Sub(first))))).Truncate(time.Millisecond)
		floor, err := q.AgentsAt(t.Context(), ask.Scope{Tenant: tenantName}, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range floor {
			want := stateAt(did[a.Agent], at)
			if want == "" {
				continue // the truth does not say
			}
			if compared++; a.State != want {
				t.Errorf("at %s agent %s was %s, and is said to have been %s since %s", at.Format(time.RFC3339Nano), a.Agent, want, a.State, a.Since)
			}
		}
	}
	if compared < instants {
		t.Errorf("%d states were compared", compared)
	}
}

// stateAt is where an agent's events until then have led; "" when there was none, or when the
// instant is that of an event.
func stateAt(did []truth.Event, at time.Time) (state schemas.State) {
	for _, e := range did {
		made := e.GeneratedAt.Truncate(time.Millisecond)
		switch {
		case made.Equal(at):
			return ""
		case made.Before(at):
			info, _ := events.Lookup(e.Type)
			state = info.State
		}
	}
	return state
}

// asksForCalls: the story of a call names everybody that its record names, and has a live
// event of each agent.
func (s *scene) asksForCalls(t *testing.T, r *running) {
	newest := map[string]schemas.Call{}
	for _, m := range s.messages(r.bus, schemas.StreamCalls) {
		if m.Get("ce-type") != schemas.TypeCall {
			continue
		}
		var c schemas.Call
		if err := json.Unmarshal(m.Body, &c); err != nil {
			t.Fatal(err)
		}
		newest[c.CallID] = c
	}
	list, err := questions(r.bus).Calls(t.Context(), ask.CallsQuery{Limit: len(newest) + 1})
	if err != nil || len(list) != len(newest) || !slices.IsSortedFunc(list, func(a, b ask.CallBrief) int { return b.Begin.Compare(a.Begin) }) {
		t.Errorf("%d calls are listed in order, want %d (%v)", len(list), len(newest), err)
	}
	for _, b := range list {
		if c := newest[b.CallID]; b.Revision != c.Revision || !slices.Equal(b.Agents, append([]string{}, c.Agents...)) || b.Legs != len(c.Legs) {
			t.Errorf("listed is %+v, want revision %d of %v", b, c.Revision, c.Agents)
		}
	}
	several := 0
	for id, c := range newest {
		if len(c.Agents) < 2 && several > 0 {
			continue
		}
		several++
		story, err := questions(r.bus).Call(t.Context(), ask.CallQuery{Tenant: tenantName, CallID: id})
		if err != nil || story.Call == nil || story.Call.Revision != c.Revision {
			t.Fatalf("call %s: %+v, %v", id, story, err)
		}
		for _, agent := range c.Agents {
			live := slices.ContainsFunc(story.Moments, func(m ask.Moment) bool { return m.Source == ask.SourceEvent && m.Agent == agent })
			leg := slices.ContainsFunc(story.Moments, func(m ask.Moment) bool { return m.Source == ask.SourceLeg && m.Agent == agent })
			if !live || !leg {
				t.Errorf("call %s: of agent %s there is a live event %t, a leg %t", id, agent, live, leg)
			}
		}
		if !slices.IsSortedFunc(story.Moments, func(a, b ask.Moment) int { return a.At.Compare(b.At) }) {
			t.Errorf("call %s is not told in order", id)
		}
		if several > 10 {
			break
		}
	}
	if several == 0 {
		t.Errorf("none of %d calls was asked for", len(newest))
	}
}

// asks runs a command line against the scene's hub.
func (s *scene) asks(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if got := execute(append(args, "--nats", "nats://"+s.nats, "--wait", "1m"), &out, &errOut); got != code {
		t.Errorf("bridge %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out.String(), errOut.String())
	}
	return out.String()
}

func (s *scene) asksByCommand(t *testing.T) {
	if s.setup.restricted {
		return // a reader's rights are another test's
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, "demo"},
		{[]string{"agents"}, "TENANT  AGENT"},
		{[]string{"agents", "show", "101"}, "state.ready"},
		{[]string{"agents", "--at", "1s"}, "TENANT  AGENT"},
		{[]string{"windows"}, "█"},
		{[]string{"windows", "ls", "--all"}, "complete"},
		{[]string{"calls", "--agent", "101"}, "answered"},
		{[]string{"calls", "--from", "12h", "--to", "11h"}, "no call"},
		{[]string{"schema", "validate"}, "AICC_STATE"},
	} {
		if out := s.asks(t, exitOK, c.args...); !strings.Contains(out, c.want) {
			t.Errorf("bridge %s printed\n%s", strings.Join(c.args, " "), out)
		}
	}
	out := s.asks(t, exitOK, "agents", "ls", "--json")
	for line := range strings.Lines(out) {
		var a ask.Agent
		if err := json.Unmarshal([]byte(line), &a); err != nil || a.Tenant != tenantName || a.State == "" || !a.Polled || a.By == "" {
			t.Errorf("%s: %+v %v", line, a, err)
		}
	}
	var typed, errOut bytes.Buffer
	for words, want := range map[string]string{"agents show": "101", "agents --tenant": tenantName, "windows --kind": "recording", "calls --state": "unanswered"} {
		line := append([]string{"__complete"}, strings.Fields(words)...)
		if execute(append(slices.Insert(line, 2, "--nats", "nats://"+s.nats), ""), &typed, &errOut); !strings.Contains(typed.String(), want+"\n") {
			t.Errorf("%s is completed by\n%s", words, typed.String())
		}
	}
	s.asks(t, exitUsage, "calls", "--state", "lost")
	s.asks(t, exitUsage, "calls", "--limit", "0")
	s.asks(t, exitUsage, "call", "1-1")
	s.asks(t, exitFailed, "call", "1700000000-1")
	s.asks(t, exitUsage, "agents", "--at", "noon")
	s.asks(t, exitUsage, "windows", "show", "cdr", "yesterday")
	s.asks(t, exitFailed, "agents", "show", "nobody")
}

// asksForAReplay: a replay has every message once, in the order of their times; one that was
// cut off goes on where it was, and what is sent comes to who listens.
func (s *scene) asksForAReplay(t *testing.T, r *running) {
	if s.setup.restricted {
		return // a reader may not publish
	}
	want := 0
	for _, stream := range schemas.Streams() {
		want += len(s.messages(r.bus, stream))
	}
	file, to := filepath.Join(t.TempDir(), "all.ndjson"), time.Now().Format(time.RFC3339Nano)
	args := []string{"replay", "--from", "1h", "--to", to, "--to-file", file}
	s.asks(t, exitOK, args...)
	whole, err := os.ReadFile(file)
	if err != nil || bytes.Count(whole, []byte("\n")) != want {
		t.Fatalf("%d messages, want %d (%v)", bytes.Count(whole, []byte("\n")), want, err)
	}
	s.asks(t, exitFailed, args...)
	if err := os.WriteFile(file, whole[:len(whole)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	s.asks(t, exitOK, append(args, "--resume")...)
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, whole) {
		t.Errorf("resumed it has %d bytes, at once %d (%v)", len(again), len(whole), err)
	}
	sub, err := r.bus.Conn().JetStream().Conn().SubscribeSync("rehearsal.>")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	s.asks(t, exitOK, "replay", "--from", "1h", "--to", to, "--to-subject", "rehearsal", "--speed", "max", "--stream", "events,files")
	marked := 0
	for want = len(s.messages(r.bus, schemas.StreamEvents)) + len(s.messages(r.bus, schemas.StreamFiles)); marked < want; marked++ {
		m, err := sub.NextMsg(patience)
		if err != nil || m.Header.Get("aicc-replay") == "" || m.Header.Get("Nats-Msg-Id") != "" {
			t.Fatalf("after %d of %d: %+v %v", marked, want, m, err)
		}
	}
	dir, rows := t.TempDir(), 0
	for _, m := range s.messages(r.bus, schemas.StreamRows) {
		if m.Get("ce-type") != schemas.TypeWindowComplete {
			rows++
		}
	}
	for round, added := range []bool{true, false} {
		var sum folder.Summary
		out := s.asks(t, exitOK, "replay", "--to-parquet", dir, "--all-revisions", "--json")
		if err := json.Unmarshal([]byte(out), &sum); err != nil || (sum.Added > 0) != added || sum.Replaced > 0 || added && sum.Rows != int64(rows) {
			t.Errorf("round %d, %d rows: %s (%v)", round, rows, out, err)
		}
	}
	s.asks(t, exitUsage, "replay", "--from", "1h", "--to-subject", "aicc.v1")
	s.asks(t, exitUsage, "replay", "--from", "1h")
}

// asksTheService: the bridge answers on NATS what the commands print.
func (s *scene) asksTheService(t *testing.T, r *running) {
	reader := s.consumer()
	defer reader.Close()
	answers, err := service.All(t.Context(), reader.Conn(), requests.Status, nil, time.Second)
	if err != nil || len(answers) != 1 {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	var b ask.Bridge
	if err := json.Unmarshal(answers[0], &b); err != nil || b.Instance != r.instance || b.Agents != s.setup.agents || !slices.Equal(b.Tenants, []string{tenantName}) {
		t.Errorf("%+v %v", b, err)
	}
	contract := conform.New(r.names)
	if err := contract.Body(requests.Answer(requests.Status), answers[0]); err != nil {
		t.Errorf("status: %v", err)
	}
	ask := func(endpoint, request string) (body []byte, code string) {
		m, err := reader.Conn().JetStream().Conn().Request(r.names.Question(endpoint), []byte(request), patience)
		if err != nil {
			t.Fatal(err)
		}
		return m.Data, m.Header.Get("Nats-Service-Error-Code")
	}
	// answered asks what is answered, as the contract says.
	answered := func(endpoint, request string, into any) {
		body, code := ask(endpoint, request)
		if request != "" {
			if err := contract.Body(requests.Request(endpoint), []byte(request)); err != nil {
				t.Errorf("the request %s: %v", request, err)
			}
		}
		if err := contract.Body(requests.Answer(endpoint), body); err != nil || code != "" {
			t.Errorf("%s: code %q, %v\n%.500s", endpoint, code, err, body)
		}
		if err := json.Unmarshal(body, into); err != nil {
			t.Error(err)
		}
	}
	for endpoint, request := range map[string]string{requests.Agents: "", requests.Windows: `{"tenant":"demo","kind":"cdr"}`, requests.Calls: `{"limit":3}`} {
		var all []json.RawMessage
		if answered(endpoint, request, &all); len(all) == 0 {
			t.Errorf("%s: there is none", endpoint)
		}
	}
	var calls []struct {
		CallID string `json:"call_id"`
	}
	answered(requests.Calls, "", &calls)
	var all []json.RawMessage
	answered(requests.Agents, `{"tenant":"demo","at":"`+time.Now().UTC().Format(time.RFC3339)+`"}`, &all)
	var types, one schemaAnswer
	answered(requests.Schema, "", &types)
	for _, typ := range types.Types {
		answered(requests.Schema, `{"type":"`+typ+`"}`, &one)
		want, _ := conform.JSONSchema(typ)
		if !same(one.Schema, want) || one.Type != typ {
			t.Errorf("the schema of %s is %.200s", typ, one.Schema)
		}
		if kept, _, err := kv.Open(reader.Conn(), schemas.BucketSchemas).Get(t.Context(), typ); err != nil || !bytes.Equal(kept, want) {
			t.Errorf("the bucket has of %s %.200s (%v)", typ, kept, err)
		}
	}
	for _, c := range calls[:min(len(calls), 5)] {
		var story struct{ Call json.RawMessage }
		answered(requests.Call, `{"tenant":"demo","call_id":"`+c.CallID+`"}`, &story)
		if err := contract.Body(schemas.TypeCall, story.Call); err != nil {
			t.Errorf("call %s: %v", c.CallID, err)
		}
	}
	if _, code := ask(requests.Schema, `{"type":"aicc.v1.other"}`); code != service.CodeNotFound {
		t.Errorf("a type that is none: code %s", code)
	}
	if _, code := ask(requests.Calls, `{"state":"lost"}`); code != service.CodeBad {
		t.Errorf("a state that there is not: code %s", code)
	}
	if _, code := ask(requests.Calls, `{"limit":1001}`); code != service.CodeBad {
		t.Errorf("too many calls: code %s", code)
	}
	for request, want := range map[string]string{"{": service.CodeBad, "{}": service.CodeBad, `{"tenant":"demo","call_id":"1700000000-1"}`: service.CodeNotFound} {
		if _, code := ask(requests.Call, request); code != want {
			t.Errorf("%s: code %s, want %s", request, code, want)
		}
	}
}

// same reports whether two texts are one JSON value.
func same(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
