package ccgateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// ready is an agent in a session.
func inSession(a *Agent) *Agent {
	a.Resume("JSESSIONID=first.AgentGateway0")
	return a
}

func TestSignInForPushes(t *testing.T) {
	tests := map[string]struct{ to, body string }{
		"callBackUri": {"", `{"password":"pass","phonenum":"70092","callBackUri":"https://bridge/events/acme","serviceToken":"abc123"}`},
		"pushUrl":     {"https://bridge/events/acme?token=abc123", `{"password":"pass","phonenum":"70092","pushUrl":"https://bridge/events/acme?token=abc123"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, seen := record(t, signedInBody, "Set-GUID", "new")
			to := PushTo{PushURL: test.to}
			if test.to == "" {
				to = PushTo{CallBackURI: "https://bridge/events/acme", ServiceToken: "abc123"}
			}
			if _, err := a.SignIn(t.Context(), SignIn{Password: "pass", Phone: "70092", Push: to}); err != nil {
				t.Fatal(err)
			}
			if seen.Body != test.body {
				t.Errorf("sent\n %s, want\n %s", seen.Body, test.body)
			}
		})
	}
}

func TestRefusedPushTo(t *testing.T) {
	for why, to := range map[string]PushTo{
		"one dialect":        {CallBackURI: "https://b/", ServiceToken: "a", PushURL: "https://b/?token=a"},
		"belong together":    {CallBackURI: "https://b/"},
		"200":                {CallBackURI: "https://b/" + strings.Repeat("x", 200), ServiceToken: "a"},
		"letters and digits": {CallBackURI: "https://b/", ServiceToken: "a-b"},
	} {
		a, seen := record(t, signedInBody)
		_, err := a.SignIn(t.Context(), SignIn{Password: "pass", Phone: "70092", Push: to})
		if err == nil || !strings.Contains(err.Error(), why) || seen.Request != "" {
			t.Errorf("%s: got %v, sent %q", why, err, seen.Request)
		}
	}
}

// TestTokensStayOut: whatever the gateway quotes, no error shows a token.
func TestTokensStayOut(t *testing.T) {
	a, _ := record(t, `{"message":"bad sEcReT77","retcode":"100-001"}`)
	_, err := a.SignIn(t.Context(), SignIn{Password: "pass", Phone: "70092", Push: PushTo{CallBackURI: "https://b/", ServiceToken: "sEcReT77"}})
	_, old := a.SignIn(t.Context(), SignIn{Password: "pass", Phone: "70092", Push: PushTo{PushURL: "https://b/?token=sEcReT77"}})
	renewed := inSession(a).Handshake(t.Context(), "sEcReT77")
	for _, err := range []error{err, old, renewed} {
		if err == nil || strings.Contains(err.Error(), "sEcReT77") {
			t.Errorf("got %v", err)
		}
	}
}

func TestHandshakeAndHeartbeat(t *testing.T) {
	a, seen := record(t, `{"message":"","retcode":"0","result":{"loginTime":"1471585949806"}}`, "Set-GUID", "second")
	inSession(a)
	var token string
	a.client, _ = New(Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("service_token")
		*seen = exchanged{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Guid"), ""}
		w.Header().Set("Set-GUID", "second")
		_, _ = w.Write([]byte(`{"message":"","retcode":"0","result":{"loginTime":"1471585949806"}}`))
	})})
	t.Cleanup(a.client.Close)
	if err := a.Handshake(t.Context(), "fresh1"); err != nil || token != "fresh1" || seen.Request != "POST /agentgateway/resource/onlineagent/291/handshake" || seen.GUID != "first.AgentGateway0" {
		t.Fatalf("got %v, token %q, %+v", err, token, seen)
	}
	if a.GUID() != "second" {
		t.Errorf("the handshake's new GUID is not taken over: %q", a.GUID())
	}
	login, err := a.Heartbeat(t.Context())
	if err != nil || !login.Equal(time.UnixMilli(1471585949806)) || token != "" || seen.Request != "PUT /agentgateway/resource/onlineagent/291/heartbeat" {
		t.Fatalf("got %v %v, token %q, %+v", login, err, token, seen)
	}
	if err := a.Handshake(t.Context(), "no\r\nX: y"); err == nil {
		t.Error("a token that ends its line is sent")
	}
}

func TestDecodePush(t *testing.T) {
	tests := map[string]struct {
		body   string
		agent  string
		types  []string
		bad    int
		errors bool
	}{
		"list":         {`{"workNo":"291","eventList":[{"eventType":"A","workNo":"291","content":null},{"eventType":"B","content":{"x":1}}]}`, "291", []string{"A", "B"}, 0, false},
		"envelope":     {`{"message":"","retcode":"0","event":{"eventType":"A","workNo":"291","content":null}}`, "", []string{"A"}, 0, false},
		"bare event":   {`{"eventType":"A","workNo":"291","content":null}`, "291", []string{"A"}, 0, false},
		"number":       {`{"workNo":291,"eventList":[]}`, "291", nil, 0, false},
		"null":         {`{"workNo":"291","event":null}`, "291", nil, 0, false},
		"bad item":     {`{"workNo":"291","eventList":[{"eventType":"A"},7]}`, "291", []string{"A"}, 1, false},
		"neither":      {`{"workNo":"291"}`, "", nil, 0, true},
		"two agents":   {`{"workNo":"291","workNo":"292","eventList":[]}`, "", nil, 0, true},
		"no object":    {`[]`, "", nil, 0, true},
		"empty":        {``, "", nil, 0, true},
		"refused code": {`{"message":"","retcode":"100-007","event":{"eventType":"A"}}`, "", []string{"A"}, 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := DecodePush([]byte(test.body), "application/json")
			var types []string
			bad := 0
			for _, item := range p.Items {
				if item.Bad != nil {
					bad++
					continue
				}
				types = append(types, item.Event.Type)
			}
			if p.WorkNo != test.agent || !slices.Equal(types, test.types) || bad != test.bad || (err != nil) != test.errors {
				t.Errorf("got %+v %v", p, err)
			}
			if err != nil && !errors.Is(err, ErrUndecodable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzDecodePush: whatever comes, each part of it is an event, is bad, or none of it counts.
func FuzzDecodePush(f *testing.F) {
	f.Add([]byte(`{"workNo":"291","eventList":[{"eventType":"A","workNo":"291","content":null}]}`), "application/json")
	f.Add([]byte(`{"message":"","retcode":"0","event":{"eventType":"A","eventGenTime":1}}`), "")
	f.Add([]byte(`{"eventList":[[{"eventType":"A"}],7,null,""]}`), "text/html; charset=GBK")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		p, err := DecodePush(body, contentType)
		if err != nil && (!errors.Is(err, ErrUndecodable) || len(p.Items) > 0) {
			t.Fatalf("got %+v %v", p, err)
		}
		for _, item := range p.Items {
			if (item.Event.Type == "") == (item.Bad == nil) {
				t.Fatalf("neither an event nor bad, or both: %+v", item)
			}
		}
	})
}

func TestAllAgents(t *testing.T) {
	var guids []string
	list := `{"message":"","retcode":"0","event":[{"eventType":"A","workNo":"1"},{"eventType":"B","workNo":"2"}]}`
	c, err := New(Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		guids = append(guids, r.Method+" "+r.URL.RequestURI()+" "+strings.Join(r.Header["Guid"], ","))
		_, _ = w.Write([]byte(list))
	})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	all := c.AllAgents()
	p := all.Poll(t.Context(), "")
	if p.Outcome != OutcomeEvent || len(p.Events) != 2 || p.Events[1].WorkNo != "2" {
		t.Errorf("got %+v", p)
	}
	list = `{"message":"","retcode":"000-001"}`
	if p := all.Poll(t.Context(), "g1\nc=d"); p.Outcome != OutcomeSessionEnded || p.Code != "000-001" {
		t.Errorf("got %+v", p)
	}
	want := []string{"GET /agentgateway/resource/agentevent/allagentevent ", "GET /agentgateway/resource/agentevent/allagentevent g1"}
	if !slices.Equal(guids, want) {
		t.Errorf("asked %q, want %q", guids, want)
	}
}
