package gateway

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/world"
)

func TestSignInAnswer(t *testing.T) {
	r := overHTTP(t, Options{})
	c := r.client("101")
	a := c.call("PUT", "/onlineagent/101", `{"password":"right","phonenum":"70001","status":"5","autoenteridle":"false","autoanswer":false,"releasephone":"false","checkInMailm":"true"}`)
	if a.Status != 200 || a.code() != "0" || len(a.Cookies) != 1 {
		t.Fatalf("%d %s cookies %v", a.Status, a.Body, a.Cookies)
	}
	form := regexp.MustCompile(`^JSESSIONID=[0-9a-f-]{36}\.AgentGateway0$`)
	if v := a.Header.Get("Set-GUID"); !form.MatchString(v) || "JSESSIONID="+a.Header.Get("Guid") != v {
		t.Errorf("Set-GUID %q, Guid %q", v, a.Header.Get("Guid"))
	}
	result := regexp.MustCompile(`^\{"vdnid":39,"workno":"101","mediatype":"TTT","loginTime":"\d{13}","isForceChange":"false","serverName":"AgentGateway","timeRemaining":"9"\}$`)
	if !result.Match(a.Result) {
		t.Errorf("result %s", a.Result)
	}
	if in := r.desk.last; in.Status != world.WrapUp || !in.WrapUpAfterCall || !in.OffHook || in.AutoAnswer == nil || *in.AutoAnswer {
		t.Errorf("the contact centre was told %+v", in)
	}
	sessions := r.log.Snapshot().Sessions
	if len(sessions) != 1 || sessions[0].Change != "signed_in" {
		t.Errorf("truth: %+v", sessions)
	}
}

func TestSignInRefusals(t *testing.T) {
	tests := map[string]struct{ agent, body, want string }{
		"no JSON":            {"101", `{`, "000-006"},
		"list":               {"101", `[]`, "000-006"},
		"object as value":    {"101", `{"password":{}}`, "000-006"},
		"no password":        {"101", `{"phonenum":"1"}`, "100-001"},
		"long password":      {"101", `{"password":"` + strings.Repeat("x", 33) + `","phonenum":"1"}`, "100-001"},
		"no phone":           {"101", `{"password":"right"}`, "100-001"},
		"phone with letters": {"101", `{"password":"right","phonenum":"7a"}`, "100-013"},
		"agent type":         {"101", `{"password":"right","phonenum":"1","agenttype":5}`, "100-012"},
		"address":            {"101", `{"password":"right","phonenum":"1","ip":"1.2.3"}`, "100-016"},
		"status":             {"101", `{"password":"right","phonenum":"1","status":9}`, "100-011"},
		"rest of 0 s":        {"101", `{"password":"right","phonenum":"1","status":8,"time":0}`, "100-011"},
		"rest of a day":      {"101", `{"password":"right","phonenum":"1","status":8,"time":"86400"}`, "100-011"},
		"rest's cause":       {"101", `{"password":"right","phonenum":"1","status":8,"time":60,"restcause":256}`, "100-011"},
		"rest, no number":    {"101", `{"password":"right","phonenum":"1","status":8,"time":"x"}`, "100-011"},
		"status 7":           {"101", `{"password":"right","phonenum":"1","status":7}`, "100-011"},
		"boolean":            {"101", `{"password":"right","phonenum":"1","autoanswer":"yes"}`, "100-011"},
		"token":              {"101", `{"password":"right","phonenum":"1","serviceToken":"a b"}`, "100-001"},
		"unknown agent":      {"999", goodBody, "100-004"},
		"wrong password":     {"101", `{"password":"wrong","phonenum":"1"}`, "100-004"},
		"odd agent":          {"1x1", goodBody, "000-002"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := inBubble(t, Options{})
			a := r.client(tt.agent).call("PUT", "/onlineagent/"+tt.agent, tt.body)
			if a.Status != 200 || a.code() != tt.want {
				t.Errorf("%d %s, want %s", a.Status, a.Body, tt.want)
			}
			if len(r.log.Snapshot().Sessions) != 0 {
				t.Error("a session began")
			}
		})
	}
}

func TestWrongPasswordsLockTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{MaxWrongPasswords: 3, LockTime: time.Minute})
		c := r.client("101")
		wrong := `{"password":"wrong","phonenum":"1"}`
		for _, want := range []string{"100-004", "100-004", "110-021", "110-021"} {
			if a := c.call("PUT", "/onlineagent/101", wrong); a.code() != want {
				t.Errorf("%s, want %s", a.Body, want)
			}
		}
		if a := c.call("PUT", "/onlineagent/101", goodBody); a.code() != "110-021" {
			t.Errorf("a locked agent signed in: %s", a.Body)
		}
		time.Sleep(time.Minute)
		if a := c.call("PUT", "/onlineagent/101", goodBody); a.code() != "0" {
			t.Errorf("still locked: %s", a.Body)
		}
	})
}

func TestSignInIsNotRepeatedWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inBubble(t, Options{SignInTime: 2 * time.Second})
		first := make(chan answer, 1)
		go func() { first <- r.client("101").call("PUT", "/onlineagent/101", goodBody) }()
		time.Sleep(time.Second)
		if a := r.client("101").call("PUT", "/onlineagent/101", goodBody); a.code() != "100-021" {
			t.Errorf("second sign-in: %s", a.Body)
		}
		if a := <-first; a.code() != "0" {
			t.Errorf("first sign-in: %s", a.Body)
		}
		if a := r.client("101").call("PUT", "/onlineagent/101", goodBody); a.code() != "100-002" {
			t.Errorf("third sign-in: %s", a.Body)
		}
	})
}

func TestSignInToRest(t *testing.T) {
	for fields, want := range map[string]world.SignIn{
		`"status":8,"time":600,"restcause":12`:    {Status: world.Resting, RestFor: 10 * time.Minute, RestCause: 12},
		`"status":"8","time":"1","restcause":"0"`: {Status: world.Resting, RestFor: time.Second},
		`"status":8,"time":86399,"restcause":255`: {Status: world.Resting, RestFor: 86399 * time.Second, RestCause: 255},
		`"status":8`: {Status: world.Resting},
		`"status":3,"time":"","restcause":"later"`: {Status: world.Busy},
	} {
		r := inBubble(t, Options{})
		if a := r.client("101").call("PUT", "/onlineagent/101", `{"password":"right","phonenum":"1",`+fields+`}`); a.code() != "0" {
			t.Errorf("%s: %s", fields, a.Body)
		}
		if got := r.desk.last; got.Status != want.Status || want.Status == world.Resting && (got.RestFor != want.RestFor || got.RestCause != want.RestCause) {
			t.Errorf("%s: %+v", fields, got)
		}
	}
}

// TestSignInByAccount: the account is the agent, whose telephone is known.
func TestSignInByAccount(t *testing.T) {
	r := inBubble(t, Options{NoHold: true})
	c := r.client("101")
	for body, code := range map[string]string{
		`{"account":"101","password":"wrong"}`: "100-004", `{"password":"right"}`: "100-001", `{"account":"999","password":"right","phonenum":"1"}`: "100-004",
	} {
		if a := c.call("PUT", "/onlineagent/loginbyaccount", body); a.code() != code {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	if a := c.call("PUT", "/onlineagent/LoginByAccount", `{"account":101,"password":"right"}`); a.code() != "0" {
		t.Fatalf("%s", a.Body)
	}
	if a := c.poll(); a.eventType() != "AgentOther_InService" {
		t.Errorf("%s", a.Body)
	}
}
