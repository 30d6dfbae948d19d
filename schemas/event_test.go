package schemas

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestEventTable(t *testing.T) {
	types, subjects := map[string]bool{}, map[string]string{}
	counts := map[string]int{}
	for _, info := range EventTable() {
		if folded := strings.ToLower(info.Type); types[folded] {
			t.Errorf("%s comes twice", info.Type)
		} else {
			types[folded] = true
		}
		subject := string(info.Group) + "." + info.Name
		if other := subjects[subject]; other != "" {
			t.Errorf("%s and %s share %s", info.Type, other, subject)
		}
		subjects[subject] = info.Type
		counts[info.Source]++
		if snakeName(info.Name) != info.Name || EncodeToken(subject) != strings.Replace(subject, ".", "=2e", 1) {
			t.Errorf("%s: name %q is no snake case", info.Type, info.Name)
		}
		if info.StringCallID && info.Fields != nil {
			t.Errorf("%s: both a bare call id and fields", info.Type)
		}
		if got, ok := LookupEvent(info.Type); !ok || !cmp.Equal(got, info) {
			t.Errorf("LookupEvent(%s) = %+v, %t", info.Type, got, ok)
		}
	}
	// 95 named identifiers, 77 of them documented.
	if diff := cmp.Diff(map[string]int{SourceDocumented: 77, SourceClientCode: 18, SourceBridge: 4}, counts); diff != "" {
		t.Error(diff)
	}
}

func TestLookupEvent(t *testing.T) {
	for _, c := range []struct {
		eventType, want string // group.name
		known           bool
	}{
		{"AgentEvent_Ringing", "call.ringing", true},
		{"AgentState_SetNotReady_Success", "state.not_ready", true},
		{" AgentEvent_RequestConnect", "media.request_connect", true},
		{"AgentEvent_Hold\x00\x00", "call.hold", true},
		{"agentevent_requestconnect", "media.request_connect", true},
		{"Agent_Occupyed", "call.agent_occupied", true},
		{"AgentOutbound_AGENT_OCCUPYED", "call.agent_occupied", true},
		{"AgentOther_Release_Preview", "call.release_preview", true},
		{"AgentEvent_FooBar", "other.agent_event_foo_bar", false},
		{"AgentDRSwitch2Site", "other.agent_dr_switch2_site", false},
		{"NEW-EVENT..x", "other.new_event_x", false},
		{"", "other.unnamed", false},
		{"容灾", "other.unnamed", false},
		{strings.Repeat("Ab", 100), "other." + strings.Repeat("ab_", 21) + "a", false},
	} {
		info, known := LookupEvent(c.eventType)
		if got := string(info.Group) + "." + info.Name; known != c.known || !strings.HasPrefix(got, c.want) || len(info.Name) > maxUnknownName {
			t.Errorf("LookupEvent(%q) = %s, %t, want %s, %t", c.eventType, got, known, c.want, c.known)
		}
	}
	if info, _ := LookupEvent("AgentOther_ShutdownService"); !info.Ends {
		t.Error("a shutdown does not end the session")
	}
}

// leak reports a secret that Fill let through.
func leak(info EventInfo, content string) bool {
	var e Event
	info.Fill(&e, json.RawMessage(content))
	out, err := json.Marshal(e)
	return err != nil || bytes.Contains(out, []byte("s3cret"))
}

func TestFillRedacts(t *testing.T) {
	info, _ := LookupEvent("AgentEvent_RequestConnect")
	for _, content := range []string{
		`{"signature":"s3cret"}`, `{"a":1,"Signature" : "s3cret" ,"b":[true]}`, `[{"x":{"signature":["s3cret",{"signature":1}]}}]`,
		`{"signature":{"v":"s3cret"}}`, `{"signature":"x","signature":"s3cret"}`, `"{\"signature\":\"s3cret\"}"`,
		`"\"{\\\"signature\\\":\\\"s3cret\\\"}\""`, `{signature:"s3cret"}`, `"signature=s3cret"`, "{\"signature\":\"s3cret\xff\"}",
		`{"\u0073ignature":"s3cret"}`,
	} {
		if leak(info, content) {
			t.Errorf("%s is not redacted", content)
		}
		if !leak(EventInfo{}, content) { // the check must bite
			t.Errorf("%s: the check sees no secret without redaction either", content)
		}
	}
	const other = `{"a": 1.50, "signature": "s3cret", "n": 12345678901234567890}`
	var e Event
	info.Fill(&e, json.RawMessage(other))
	if want := strings.Replace(other, `"s3cret"`, `"***"`, 1); string(e.Content) != want {
		t.Errorf("content %s, want the rest untouched: %s", e.Content, want)
	}
}

func TestFillContent(t *testing.T) {
	info, _ := LookupEvent("AgentEvent_Hold")
	for _, c := range []struct{ content, want, callID string }{
		{"", "", ""}, {" null ", "", ""}, {`""`, `""`, ""}, {`"1-2"`, `"1-2"`, "1-2"}, {`{"callid":"3-4"}`, `{"callid":"3-4"}`, "3-4"},
		{`{"time":5,"handle":6}`, `{"time":5,"handle":6}`, "5-6"}, {`{a:1}`, `"{a:1}"`, ""}, {`[1]`, `[1]`, ""}, {`17`, `17`, "17"},
		{`{"callId":"a","CALLID":"b"}`, `{"callId":"a","CALLID":"b"}`, "b"}, {`{"callid":{"time":{},"handle":1}}`, `{"callid":{"time":{},"handle":1}}`, ""},
	} {
		var e Event
		info.Fill(&e, json.RawMessage(c.content))
		if string(e.Content) != c.want || e.CallID != c.callID {
			t.Errorf("Fill(%s): content %s, call id %q; want %s, %q", c.content, e.Content, e.CallID, c.want, c.callID)
		}
	}
}

func FuzzFill(f *testing.F) {
	for _, s := range []string{
		`{"callid":"1456401416-3","type":true}`, `"1456401416-3"`, `{"callId":{"time":1,"handle":"x"}}`, `null`, `{a:1}`,
		`{"signature":{"a":["s"]},"b":"\ud800"}`, `"{\"signature\":1}"`, `[[[{"signature":1}]]]`, "\"\xff\"",
	} {
		f.Add("AgentEvent_RequestConnect", s)
		f.Add("AgentEvent_Hold", s)
		f.Add("Odd\x00Type", s)
	}
	n := testNames(f)
	schema := compileSchema(f, TypeEvent)
	f.Fuzz(func(t *testing.T, eventType, content string) {
		info, _ := LookupEvent(eventType)
		e := Event{Tenant: "acme", Agent: "1", Type: "x", ReceivedAt: at(0), Position: Position{1, 1}}
		info.Fill(&e, json.RawMessage(content))
		m, err := n.EventMessage(e)
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(m.Body) {
			t.Fatalf("body %q is not UTF-8", m.Body)
		}
		if err := validateBody(t, schema, m.Body); err != nil {
			t.Fatal(err)
		}
		if len(info.Secrets) == 0 && json.Valid([]byte(content)) && utf8.ValidString(content) && string(e.Content) != strings.Trim(content, " \t\r\n") &&
			strings.Trim(content, " \t\r\n") != "null" {
			t.Fatalf("content %q became %q", content, e.Content)
		}
		checkRedacted(t, info, e.Content)
	})
}

// checkRedacted fails when a secret field of an object has a value.
func checkRedacted(t *testing.T, info EventInfo, content []byte) {
	t.Helper()
	if len(info.Secrets) == 0 || len(content) == 0 {
		return
	}
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, member := range v {
				if info.isSecret(key) && member != "***" {
					t.Fatalf("%s: %s is not redacted", content, key)
				}
				walk(member)
			}
		case []any:
			for _, element := range v {
				walk(element)
			}
		}
	}
	walk(value)
}
