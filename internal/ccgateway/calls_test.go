package ccgateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// exchanged is what a gateway saw of a request.
type exchanged struct{ Request, GUID, Body string }

// record answers with body, and keeps what was asked.
func record(t *testing.T, body string, header ...string) (*Agent, *exchanged) {
	t.Helper()
	var seen exchanged
	a := newAgent(t, Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		seen = exchanged{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Guid"), string(sent)}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		io.WriteString(w, body)
	})})
	return a, &seen
}

const signedInBody = `{"message":"","retcode":"0","result":{"vdnid":1,"workno":"291","mediatype":"TTF","loginTime":"1471585949806","isForceChange":"false","serverName":"AgentGateway","timeRemaining":"9"}}`

func TestSignIn(t *testing.T) {
	yes, no := true, false
	full := SignIn{
		Password: "pass", Phone: "70092", AutoAnswer: &no, AutoEnterIdle: &yes, ReleasePhone: &no, PhoneLinkage: &no,
		CheckInWebM: &yes, CheckInMailM: &no, Status: 3, AgentType: 4, IP: "10.0.0.1", VideoPhone: "1",
	}
	fullBody := `{"password":"pass","phonenum":"70092","autoanswer":false,"autoenteridle":true,"releasephone":false,"agenttype":4,"status":3,"ip":"10.0.0.1","phonelinkage":false,"checkInWebm":true,"checkInMailm":false,"vcPhoneNumber":"1"}`
	login := time.UnixMilli(1471585949806).UTC()
	tests := map[string]struct {
		answer string
		header []string
		in     SignIn
		body   string
		guid   string
		out    SignedIn
	}{
		"short": {
			signedInBody, []string{"Set-GUID", "JSESSIONID=new.AgentGateway0"},
			SignIn{Password: "pass", Phone: "70092"}, `{"password":"pass","phonenum":"70092"}`,
			"new.AgentGateway0", SignedIn{LoginTime: login, MediaType: "TTF", ServerName: "AgentGateway", PasswordDays: 9},
		},
		"full": {
			strings.NewReplacer(`"false"`, "true", `"9"`, "0", `"1471585949806"`, "1471585949806").Replace(signedInBody), []string{"Set-GUID", "new"},
			full, fullBody,
			"new", SignedIn{LoginTime: login, MediaType: "TTF", ServerName: "AgentGateway", MustChangePassword: true},
		},
		"old sample, header Guid": {
			`{"retcode":"0","msg":"","result":{"workno":"291","mediatype":"TTT"}}`, []string{"Guid", "other"},
			full, fullBody, "other", SignedIn{MediaType: "TTT", PasswordDays: -1},
		},
		"both headers": {
			`{"retcode":"0","result":null}`, []string{"Guid", "second", "Set-GUID", "JSESSIONID=best;Path=/"},
			full, fullBody, "best", SignedIn{PasswordDays: -1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, seen := record(t, test.answer, test.header...)
			out, err := a.SignIn(t.Context(), test.in)
			if err != nil || a.GUID() != test.guid {
				t.Fatalf("GUID %q, error %v", a.GUID(), err)
			}
			if diff := cmp.Diff(test.out, out); diff != "" {
				t.Error(diff)
			}
			want := exchanged{"PUT /agentgateway/resource/onlineagent/291", "", test.body}
			if diff := cmp.Diff(want, *seen); diff != "" {
				t.Error(diff)
			}
			if _, err := a.ForceSignIn(t.Context(), test.in); err != nil {
				t.Fatal(err)
			}
			want.Request += "/forcelogin"
			if diff := cmp.Diff(want, *seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusedSignIn(t *testing.T) {
	a, _ := record(t, `{"message":"already logged on","retcode":"100-002"}`, "Set-GUID", "stranger")
	_, err := a.SignIn(t.Context(), SignIn{Password: "pass", Phone: "70092"})
	want := &CodeError{Operation: "sign in", Agent: "291", Code: "100-002", Message: "already logged on", Class: ClassCaller}
	var got *CodeError
	if !errors.As(err, &got) || cmp.Diff(want, got) != "" {
		t.Error(err)
	}
	if a.GUID() != "first.AgentGateway0" {
		t.Errorf("a refused sign-in changed the GUID to %q", a.GUID())
	}
	if _, err := a.SignIn(t.Context(), SignIn{Phone: "70092"}); err == nil || !strings.Contains(err.Error(), "password") {
		t.Error(err)
	}
	a, _ = record(t, signedInBody)
	if _, err := a.SignIn(t.Context(), SignIn{Password: "pass", Phone: "70092"}); err == nil || a.GUID() != "" {
		t.Errorf("sign-in without GUID: %v, GUID %q", err, a.GUID())
	}
}

func TestCalls(t *testing.T) {
	const ok = `{"message":"success","retcode":"0"}`
	tests := map[string]struct {
		answer, request string
		call            func(*Agent) error
		guid            string
	}{
		"reset skills": {ok, "POST /agentgateway/resource/onlineagent/291/resetskill/true", func(a *Agent) error { return a.ResetSkills(t.Context()) }, "first.AgentGateway0"},
		"heartbeat":    {ok, "POST /agentgateway/resource/onlineagent/291/handshake", func(a *Agent) error { return a.Handshake(t.Context(), "") }, "first.AgentGateway0"},
		"sign out":     {ok, "DELETE /agentgateway/resource/onlineagent/291/logout", func(a *Agent) error { return a.SignOut(t.Context()) }, ""},
		"already out":  {`{"retcode":"100-008"}`, "DELETE /agentgateway/resource/onlineagent/291/logout", func(a *Agent) error { return a.SignOut(t.Context()) }, ""},
		"update guid": {
			`{"message":"","retcode":"0","result":{"guid":"JSESSIONID=fresh.AgentGateway1"}}`, "PUT /agentgateway/resource/onlineagent/291/updateGuid",
			func(a *Agent) error { return a.UpdateGUID(t.Context()) }, "fresh.AgentGateway1",
		},
		"status": {
			`{"message":"","retcode":"0","result":{"agentState":4,"isWorking":false}}`, "GET /agentgateway/resource/onlineagent/291/agentstatus",
			func(a *Agent) error { return wantStatus(t, a, Status{State: 4}) }, "first.AgentGateway0",
		},
		"status quoted": {
			`{"retcode":"0","result":{"agentState":"7","isWorking":"true"}}`, "GET /agentgateway/resource/onlineagent/291/agentstatus",
			func(a *Agent) error { return wantStatus(t, a, Status{State: 7, Working: true}) }, "first.AgentGateway0",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, seen := record(t, test.answer)
			if err := test.call(a); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(exchanged{test.request, "first.AgentGateway0", ""}, *seen); diff != "" || a.GUID() != test.guid {
				t.Errorf("GUID %q\n%s", a.GUID(), diff)
			}
		})
	}
}

func wantStatus(t *testing.T, a *Agent, want Status) error {
	got, err := a.Status(t.Context())
	if got != want {
		return fmt.Errorf("got %+v, want %+v: %w", got, want, err)
	}
	return err
}

// Every call tells a refusal, a status and a broken answer apart.
func TestFailedCalls(t *testing.T) {
	calls := map[string]func(*Agent) error{
		"sign in": func(a *Agent) error { _, err := a.SignIn(t.Context(), SignIn{Password: "p", Phone: "1"}); return err },
		"force": func(a *Agent) error {
			_, err := a.ForceSignIn(t.Context(), SignIn{Password: "p", Phone: "1"})
			return err
		},
		"reset skills": func(a *Agent) error { return a.ResetSkills(t.Context()) },
		"heartbeat":    func(a *Agent) error { return a.Handshake(t.Context(), "") },
		"update guid":  func(a *Agent) error { return a.UpdateGUID(t.Context()) },
		"sign out":     func(a *Agent) error { return a.SignOut(t.Context()) },
		"status":       func(a *Agent) error { _, err := a.Status(t.Context()); return err },
	}
	refusing := serve(t, reply200(`{"retcode":"100-010"}`))
	forbidding := serve(t, status(403))
	empty := serve(t, reply200(""))
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			var code *CodeError
			if err := call(newAgent(t, Options{URL: refusing})); !errors.As(err, &code) || code.Class != ClassAgain {
				t.Errorf("refused: %v", err)
			}
			var status *StatusError
			if err := call(newAgent(t, Options{URL: forbidding})); !errors.As(err, &status) || status.Class != ClassAuth || status.Status != 403 {
				t.Errorf("status: %v", err)
			}
			if err := call(newAgent(t, Options{URL: empty})); !errors.Is(err, ErrUndecodable) {
				t.Errorf("empty: %v", err)
			}
			bad := newAgent(t, Options{URL: empty}).client.Agent("291/logout")
			bad.Resume("x")
			if err := call(bad); err == nil || !strings.Contains(err.Error(), "digits") {
				t.Errorf("bad agent id: %v", err)
			}
		})
	}
}

func TestBadAgentID(t *testing.T) {
	c := newAgent(t, Options{URL: "http://gateway.test"}).client
	for _, id := range []string{"", "12345678901", "29a", "../x", "２９１"} {
		a := c.Agent(id)
		a.Resume("x")
		if p := a.Poll(t.Context()); p.Outcome != OutcomeNotSent || p.Class != ClassCaller {
			t.Errorf("%q: %s, %s", id, p.Outcome, p.Class)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{}, {URL: "gateway.test"}, {URL: "ftp://x"}, {URL: "https://user:hush@x/"}, {URL: "https://x/?a=hush"}, {URL: "https://x/#a"},
		{URL: "https://hush:%zz"}, {URL: "https://x", Hold: time.Minute, PollTimeout: time.Minute}, {URL: "https://x", Hold: -1},
		{URL: "https://x", MaxBodyBytes: -1}, {URL: "https://x", CallTimeout: -1}, {URL: "https://x", MaxConnections: -1}, {URL: "https://x", ConnectRate: -1},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", o.URL, err)
		}
	}
	var log strings.Builder
	if _, err := New(Options{URL: "https://x", InsecureSkipVerify: true, Logger: zerolog.New(&log)}); err != nil || !strings.Contains(log.String(), "not verified") {
		t.Errorf("%v, log %q", err, log.String())
	}
}

// Whatever goes wrong, GUID, cookie, password and phone stay out of errors and logs.
func TestNoSecretsInErrors(t *testing.T) {
	secrets := []string{"hushpass", "hushphone", "hushguid", "hushnext", "hushcookie"}
	in := SignIn{Password: "hushpass", Phone: "hushphone"}
	header := "HTTP/1.1 200 OK\r\nSet-GUID: JSESSIONID=hushnext\r\n"
	handlers := map[string]http.HandlerFunc{
		"echo": func(w http.ResponseWriter, r *http.Request) { // a gateway that tells all it knows
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Set-GUID", "hushnext")
			w.Header().Set("Set-Cookie", "c=hushcookie")
			message := fmt.Sprintf("%s %v hushnext hushcookie", body, r.Header)
			json.NewEncoder(w).Encode(map[string]string{"retcode": "999-001", "message": message})
		},
		"malformed header": raw(header + "Set-GUID hushnext\r\n\r\n"),
		"malformed status": raw("hushnext\r\n\r\n"),
		"bad chunk":        raw(header + "Transfer-Encoding: chunked\r\n\r\nhushnext\r\n"),
		"html":             reply200("<html>hushnext"),
		"500":              status(500),
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			a := newAgent(t, Options{URL: serve(t, handler), Logger: zerolog.New(&log)})
			a.Resume("hushguid")
			p := a.Poll(t.Context())
			_, signIn := a.SignIn(t.Context(), in)
			a.Resume("hushguid")
			text := fmt.Sprintf("%s %s %v %+v %#v %s", log.String(), p.Message, p.Err, signIn, in, a.Handshake(t.Context(), ""))
			structured, err := json.Marshal(in)
			if err != nil || p.Err == nil || signIn == nil {
				t.Fatal(err, p.Err, signIn)
			}
			for _, secret := range secrets {
				if strings.Contains(text+string(structured), secret) {
					t.Errorf("%s is in %s", secret, text)
				}
			}
		})
	}
}
