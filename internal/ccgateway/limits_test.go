package ccgateway

import (
	"errors"
	"strings"
	"testing"
)

func TestStatusWithoutAStateIsNone(t *testing.T) {
	for body, want := range map[string]int{
		`{"retcode":"0","result":{"agentState":0}}`:     0,
		`{"retcode":"0","result":{"isWorking":"true"}}`: -1,
		`{"retcode":"0","result":{"agentState":"?"}}`:   -1,
		`{"retcode":"0"}`: -1,
	} {
		a, _ := record(t, body)
		s, err := a.Status(t.Context())
		if want < 0 != errors.Is(err, ErrUndecodable) || err == nil && s.State != want {
			t.Errorf("%s: %+v, %v", body, s, err)
		}
	}
}

func TestRefusalsSayWhatTheCodeMeans(t *testing.T) {
	for want, e := range map[string]*CodeError{
		"sign in agent 291: gateway refused with 100-002 (agent already signed in): hm": {Code: "100-002", Message: "hm"},
		"sign in agent 291: gateway refused with 100-002 (agent already signed in)":     {Code: "100-002"},
		"sign in agent 291: gateway refused with 850-001: hm":                           {Code: "850-001", Message: "hm"},
	} {
		e.Operation, e.Agent = "sign in", "291"
		if got := e.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestAnswersUpToTheLimit(t *testing.T) {
	for over, want := range map[int]Outcome{0: OutcomeEvent, 1: OutcomeUnknown} {
		a := newAgent(t, Options{URL: serve(t, reply200(readyBody)), MaxBodyBytes: int64(len(readyBody) - over)})
		if p := a.Poll(t.Context()); p.Outcome != want {
			t.Errorf("longer by %d than allowed: %s, %v", over, p.Outcome, p.Err)
		}
	}
}

// The platform deletes an event when it hands it out, which a redirect does not.
func TestWhichStatusesMayHaveLost(t *testing.T) {
	for code, lost := range map[int]bool{201: true, 299: true, 300: false, 499: false, 500: true, 599: true} {
		a := newAgent(t, Options{URL: serve(t, status(code))})
		if p := a.Poll(t.Context()); p.Outcome != OutcomeHTTPError || p.MayHaveLost != lost {
			t.Errorf("%d: %s, may have lost: %t", code, p.Outcome, p.MayHaveLost)
		}
	}
}

func TestTwoResultsCostNoEvent(t *testing.T) {
	const two = `"retcode":"0","result":{"a":1},"result":{"a":2}`
	if _, err := decodeReply([]byte(`{`+two+`}`), ""); !errors.Is(err, ErrUndecodable) {
		t.Errorf("two results: %v", err)
	}
	r, err := decodeReply([]byte(`{"event":{"eventType":"AgentState_Ready"},`+two+`}`), "")
	if err != nil || len(r.Events) != 1 {
		t.Errorf("beside an event: %d events, %v", len(r.Events), err)
	}
}

func TestGUIDsUpToTheirLimits(t *testing.T) {
	longest := strings.Repeat("a", maxGUIDBytes)
	for value, want := range map[string]string{
		longest:       longest,
		"!~":          "!~",
		"a b":         "",
		"a\x7f":       "",
		"JSESSIONID=": "",
		// In lower case it is longer: what is found there lies behind the end here.
		strings.Repeat("Ⱥ", 12) + "jsessionid=": "",
	} {
		if got := parseGUID(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestNoMoreCookiesThanAllowed(t *testing.T) {
	var s session
	s.restore("guid\n" + strings.Repeat("a=1\n", maxCookies+1))
	if len(s.cookies) != maxCookies {
		t.Errorf("%d cookies, want %d", len(s.cookies), maxCookies)
	}
}

func TestCookiesHoldTabsAndNoOtherControl(t *testing.T) {
	for text, good := range map[string]bool{"a=b\tc": true, "a=b\x01c": false, "a=b\x7fc": false, "a=b c": true} {
		if _, ok := parseCookie(text); ok != good {
			t.Errorf("%q: kept: %t", text, ok)
		}
	}
}

func TestANewGUIDIsToldFromTheSame(t *testing.T) {
	var s session
	for _, tt := range []struct {
		guid string
		new  bool
	}{{"a", true}, {"a", false}, {"b", true}} {
		if got := s.setGUID(tt.guid); got != tt.new {
			t.Errorf("%s: new: %t", tt.guid, got)
		}
	}
}

func TestRedactLeavesWhatIsTooShortForASecret(t *testing.T) {
	longest := strings.Repeat("ü", maxMessageBytes/2)
	for _, tt := range []struct{ text, secret, want string }{
		{"no no no", "no", "no no no"},
		{"no secret", "sec", "no ***ret"},
		{longest, "", longest},
		{longest + "x", "", longest + "…"},
	} {
		if got := redact(tt.text, tt.secret); got != tt.want {
			t.Errorf("%q without %q: %q", tt.text, tt.secret, got)
		}
	}
}
