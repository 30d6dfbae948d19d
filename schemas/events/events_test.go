package events

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas"
)

func TestEventTable(t *testing.T) {
	types, subjects := map[string]bool{}, map[string]string{}
	counts := map[string]int{}
	for _, info := range Table() {
		if folded := strings.ToLower(info.Type); types[folded] {
			t.Errorf("%s comes twice", info.Type)
		} else {
			types[folded] = true
		}
		subject := string(info.Group) + "." + info.Name
		seen := strings.HasPrefix(info.Type, schemas.EventSeen("")) // the same state, known in another way
		if other := subjects[subject]; other != "" && !seen {
			t.Errorf("%s and %s share %s", info.Type, other, subject)
		}
		subjects[subject] = info.Type
		counts[info.Source]++
		if snakeName(info.Name) != info.Name || schemas.EncodeToken(subject) != strings.Replace(subject, ".", "=2e", 1) {
			t.Errorf("%s: name %q is no snake case", info.Type, info.Name)
		}
		if info.StringCallID && info.Fields != nil {
			t.Errorf("%s: both a bare call id and fields", info.Type)
		}
		if got, ok := Lookup(info.Type); !ok || !cmp.Equal(got, info) {
			t.Errorf("Lookup(%s) = %+v, %t", info.Type, got, ok)
		}
	}
	// 96 named identifiers, 78 of them documented.
	if diff := cmp.Diff(map[string]int{SourceDocumented: 78, SourceClientCode: 18, SourceBridge: 12}, counts); diff != "" {
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
		info, known := Lookup(c.eventType)
		if got := string(info.Group) + "." + info.Name; known != c.known || !strings.HasPrefix(got, c.want) || len(info.Name) > maxUnknownName {
			t.Errorf("Lookup(%q) = %s, %t, want %s, %t", c.eventType, got, known, c.want, c.known)
		}
	}
	if info, _ := Lookup("AgentOther_ShutdownService"); !info.Ends {
		t.Error("a shutdown does not end the session")
	}
}

// leak reports a secret that Fill let through.
func leak(info Info, content string) bool {
	var e schemas.Event
	info.Fill(&e, json.RawMessage(content))
	out, err := json.Marshal(e)
	return err != nil || bytes.Contains(out, []byte("s3cret"))
}

// TestSecretFields: what the pages document of an event is published, but for
// the signature.
func TestSecretFields(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range SecretFields() {
		if seen[strings.ToLower(name)] || !isSecret(strings.ToUpper(name)) {
			t.Errorf("%s comes twice or is no secret", name)
		}
		seen[strings.ToLower(name)] = true
	}
	for _, info := range Table() {
		for _, field := range info.Fields {
			if isSecret(field) != slices.Contains(info.Secrets, field) {
				t.Errorf("%s: the documented field %s is a secret: %t", info.Type, field, isSecret(field))
			}
		}
		for _, name := range info.Secrets {
			if !slices.Contains(info.Fields, name) {
				t.Errorf("%s: the secret %s is no documented field", info.Type, name)
			}
		}
	}
	for _, f := range contentFields {
		if slices.ContainsFunc(f.names, isSecret) {
			t.Errorf("a field of Event comes from a secret among %v", f.names)
		}
	}
}

func TestFillRedacts(t *testing.T) {
	connect, _ := Lookup("AgentEvent_RequestConnect")
	hold, _ := Lookup("AgentEvent_Hold") // a bare call id
	unknown, _ := Lookup("AgentEvent_RequestConnectEx")
	for _, content := range []string{
		`{"signature":"s3cret"}`, `{"a":1,"Signature" : "s3cret" ,"b":[true]}`, `[{"x":{"signature":["s3cret",{"signature":1}]}}]`,
		`{"signature":{"v":"s3cret"}}`, `{"signature":"x","signature":"s3cret"}`, `"{\"signature\":\"s3cret\"}"`,
		`"\"{\\\"signature\\\":\\\"s3cret\\\"}\""`, `{signature:"s3cret"}`, `"signature=s3cret"`, "{\"signature\":\"s3cret\xff\"}",
		`{"\u0073ignature":"s3cret"}`, `{"token":"s3cret"}`, `{"a":{"ACCESSTOKEN":"s3cret","Guid":"s3cret"}}`, `[{"password":["s3cret"]}]`,
		`{"callData":"{\"serviceToken\":\"s3cret\"}"}`, `{"callData":" [\"x\",{\"pwd\":{\"v\":\"s3cret\"}}]\u0000\u0000"}`,
		`["{\"a\":\"{\\\"secret\\\":\\\"s3cret\\\"}\"}"]`, `{"reason":"{\"token\":\"s3cret\"}"}`,
		`"\"signature=s3cret\""`, `"Authorization: s3cret"`, `{"signature":"s3cret`, `{'user_token' : 's3cret'}`,
	} {
		for _, info := range []Info{connect, hold, unknown, {}} {
			if leak(info, content) {
				t.Errorf("%s: %s is not redacted", info.Type, content)
			}
		}
		other := strings.NewReplacer("ignature", "afe", "oken", "ext", "TOKEN", "TEXT", "Guid", "Text", "ssword", "ge", "pwd", "x", "secret\\", "safe\\", "uthorization", "n").Replace(content)
		if other == content || !leak(hold, other) { // the check must bite
			t.Errorf("%s: the check sees no secret without redaction either", other)
		}
	}
	if leak(connect, `"s3cret"`) { // cannot be searched, and is known to hold one
		t.Error("a content of one secret is published")
	}
}

// TestFillKeepsTheRest: what is no secret stays byte for byte.
func TestFillKeepsTheRest(t *testing.T) {
	for content, want := range map[string]string{
		`{"a": 1.50, "signature": "s3cret", "n": 12345678901234567890}`:                     `{"a": 1.50, "signature": "***", "n": 12345678901234567890}`,
		`{"token" : 17 ,"x":"\u0041<"}`:                                                     `{"token" : "***" ,"x":"\u0041<"}`,
		`{"d":"{\"token\": 1, \"é\":\"<\\n\", \"n\":1.0}", "e":"\u0041"}`:                   `{"d":"{\"token\": \"***\", \"é\":\"<\\n\", \"n\":1.0}", "e":"\u0041"}`,
		`{"guid":[{"x":"}"}] ,"a":[{"PWD" :null},1e400],"guid":1}`:                          `{"guid":"***" ,"a":[{"PWD" :"***"},1e400],"guid":"***"}`,
		`{"d":"{\"a\":\"[{\\\"pwd\\\":1}]\"}\u0000","e":"\ud800"}`:                          `{"d":"{\"a\":\"[{\\\"pwd\\\":\\\"***\\\"}]\"}\u0000","e":"\ud800"}`,
		`"{\"guid\":1}\u0000"`:                                                              `"{\"guid\":\"***\"}\u0000"`,
		`{"message":"my password: x, token=y"}`:                                             "", // people's words
		`{"tokens":[1],"guide":2,"passwords":"x","callData":"{\u0022a\u0022: \"{token\"}"}`: "",
		`{"a":["token","x"],"b":"token"}`:                                                   "", // values, not names
		`{"d":"\u007b\"a\":1}"}`:                                                            "", `"the token"`: "", `["a", "b"]`: "", `"\u0031-2"`: "", `" 17"`: "", `true`: "",
	} {
		if want == "" {
			want = content
		}
		for _, eventType := range []string{"AgentEvent_MessageData", "NewEvent"} {
			info, _ := Lookup(eventType)
			var e schemas.Event
			info.Fill(&e, json.RawMessage(content))
			if string(e.Content) != want {
				t.Errorf("%s: %s became %s, want %s", eventType, content, e.Content, want)
			}
		}
	}
}

func TestFillContent(t *testing.T) {
	info, _ := Lookup("AgentEvent_Hold")
	for _, c := range []struct{ content, want, callID string }{
		{"", "", ""}, {" null ", "", ""}, {`""`, `""`, ""}, {`"1-2"`, `"1-2"`, "1-2"}, {`{"callid":"3-4"}`, `{"callid":"3-4"}`, "3-4"},
		{`{"time":5,"handle":6}`, `{"time":5,"handle":6}`, "5-6"}, {`{a:1}`, `"{a:1}"`, ""}, {`[1]`, `[1]`, ""}, {`17`, `17`, "17"},
		{`{"callId":"a","CALLID":"b"}`, `{"callId":"a","CALLID":"b"}`, ""}, {`{"callid":{"time":{},"handle":1}}`, `{"callid":{"time":{},"handle":1}}`, ""},
	} {
		var e schemas.Event
		info.Fill(&e, json.RawMessage(c.content))
		if string(e.Content) != c.want || e.CallID != c.callID {
			t.Errorf("Fill(%s): content %s, call id %q; want %s, %q", c.content, e.Content, e.CallID, c.want, c.callID)
		}
	}
}

// TestRepeatedKeys: a key with two values loses neither, fills no field, and is told.
func TestRepeatedKeys(t *testing.T) {
	info, _ := Lookup("AgentEvent_Ringing")
	for content, want := range map[string]struct{ callID, caller, repeated string }{
		`{"callid":"1-2","caller":"7"}`:                               {"1-2", "7", ""},
		`{"callid":"1-2","callid":"3-4","caller":"7"}`:                {"", "7", "callid"},
		`{"callid":"1-2","CallID":"3-4","callId":"5-6"}`:              {"", "", "callid"},
		`{"callid":"1-2","callid":"1-2"}`:                             {"1-2", "", ""},
		`{"callid":"1-2","callid":null}`:                              {"1-2", "", ""},
		`{"callid":null,"CALLID":"1-2"}`:                              {"1-2", "", ""},
		`{"caller":"7","caller":"8","addrCaller":{"address":"9"}}`:    {"", "", "caller"},
		`{"addrCaller":{"address":"7","Address":"8"},"callid":"1-2"}`: {"1-2", "", "address"},
		`{"callid":{"time":1,"time":2,"handle":3}}`:                   {"", "", "time"},
		`{"a":[{"b":1},{"c":{"d":[1],"D":[2]}}],"callid":"1-2"}`:      {"1-2", "", "d"},
		`{"x":1,"x":2,"a":1,"a":"1","callid":"1-2"}`:                  {"1-2", "", "a x"},
		`{"token":"one","token":"two","callid":"1-2"}`:                {"1-2", "", ""}, // neither is published
		`[[[[[[[[{"a":1,"a":2}]]]]]]]]`:                               {"", "", ""},    // deeper than anybody nests
	} {
		var e schemas.Event
		info.Fill(&e, json.RawMessage(content))
		if e.CallID != want.callID || e.Caller != want.caller || strings.Join(e.RepeatedKeys, " ") != want.repeated {
			t.Errorf("%s: call id %q, caller %q, repeated %q; want %+v", content, e.CallID, e.Caller, e.RepeatedKeys, want)
		}
		if !strings.Contains(content, "token") && string(e.Content) != content {
			t.Errorf("%s has become %s", content, e.Content)
		}
	}
}
