package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/platformsim/world/phone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a contact centre in which nothing happens unless a test says so.
type desk struct {
	mu      sync.Mutex
	deliver map[string]func(world.Event)
	last    world.SignIn
	status  world.Status
	skills  int
	causes  []int
	wishes  []world.Wish
	refuse  error           // the answer to them
	habits  map[string]bool // as the agent set them last
}

func (d *desk) Agent(id string) (world.Agent, bool) {
	return world.Agent{ID: id, Phone: "70001", Password: "right"}, id >= "101" && id <= "103"
}

func (d *desk) Agents() []world.Agent     { return nil }
func (d *desk) Phone(string) *phone.Phone { return nil }

func (d *desk) SignIn(id string, in world.SignIn) (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deliver == nil {
		d.deliver = make(map[string]func(world.Event))
	}
	d.deliver[id], d.last = in.Deliver, in
	in.Deliver(world.Event{At: time.Now(), Type: "AgentOther_InService"})
	return time.Now(), nil
}

func (d *desk) SignOut(id string, cause int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.causes = append(d.causes, cause)
	delete(d.deliver, id)
	return nil
}

func (d *desk) ResetSkills(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skills++
	return nil
}

func (d *desk) Ask(_ string, w world.Wish) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wishes = append(d.wishes, w)
	return d.refuse
}

func (d *desk) Skills(id string) []world.Skill {
	if _, ok := d.Agent(id); !ok {
		return nil
	}
	return []world.Skill{{Name: "sales", ID: 12, Media: 5}, {Name: `a "b"`, ID: 13, Media: 1}}
}

func (d *desk) AutoAnswer(_ string, on bool) error    { return d.set("autoanswer", on) }
func (d *desk) AutoEnterIdle(_ string, on bool) error { return d.set("autoenteridle", on) }

func (d *desk) set(habit string, on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.habits == nil {
		d.habits = make(map[string]bool)
	}
	d.habits[habit] = on
	return nil
}

func (d *desk) Status(string) world.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

// signOuts returns the causes of all sign-outs so far.
func (d *desk) signOuts() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.causes)
}

// push lets something happen to an agent.
func (d *desk) push(agent, typ, content string) {
	d.mu.Lock()
	f := d.deliver[agent]
	d.mu.Unlock()
	if f != nil {
		f(world.Event{At: time.Now(), Type: typ, Content: json.RawMessage(content)})
	}
}

// rig is a gateway on an idle desk.
type rig struct {
	t    testing.TB
	desk *desk
	log  *truth.Log
	g    *Gateway
	// do performs a request, over HTTP or directly.
	do func(*http.Request) (*http.Response, error)
	// prefix goes before the path.
	prefix string
}

// inBubble calls the handler directly, which works on virtual time.
func inBubble(t testing.TB, o Options) *rig {
	t.Helper()
	r := &rig{t: t, desk: &desk{}, log: truth.New(), prefix: "http://sim"}
	o.Floor, o.Truth = r.desk, r.log
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.g = g
	r.do = directly(g)
	return r
}

// overHTTP serves the gateway on loopback.
func overHTTP(t testing.TB, o Options) *rig {
	t.Helper()
	r := inBubble(t, o)
	server := httptest.NewUnstartedServer(r.g)
	server.Config.ConnContext = ConnContext
	server.Start()
	t.Cleanup(server.Close)
	client := server.Client()
	t.Cleanup(client.CloseIdleConnections)
	r.do, r.prefix = client.Do, server.URL
	return r
}

// answer is what came back.
type answer struct {
	Status  int
	Header  http.Header
	Cookies []*http.Cookie
	Body    string
	Err     error
	Message json.RawMessage `json:"message"`
	Retcode json.RawMessage `json:"retcode"`
	Event   json.RawMessage `json:"event"`
	Result  json.RawMessage `json:"result"`
}

func (a answer) code() string { return strings.Trim(string(a.Retcode), `"`) }

func (a answer) eventType() string {
	var e struct {
		Type string `json:"eventType"`
	}
	_ = json.Unmarshal(a.Event, &e)
	return e.Type
}

// slotClient is a client's view of one session.
type slotClient struct {
	*rig
	agent, guid string
	jar         http.CookieJar
}

func (r *rig) client(agent string) *slotClient {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &slotClient{rig: r, agent: agent, jar: jar}
}

func (c *slotClient) request(method, path, body string) *http.Request {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.prefix+base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	// A body that cannot be had again: net/http would silently repeat a GET
	// whose reused connection breaks, and hide what these tests look for.
	req.Body, req.GetBody = io.NopCloser(strings.NewReader(body)), nil
	if c.guid != "" {
		req.Header.Set("Guid", c.guid)
	}
	for _, k := range c.jar.Cookies(req.URL) {
		req.AddCookie(k)
	}
	return req
}

func (c *slotClient) call(method, path, body string) answer {
	c.t.Helper()
	return c.perform(c.request(method, path, body))
}

func (c *slotClient) perform(req *http.Request) answer {
	resp, err := c.do(req)
	if err != nil {
		return answer{Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	a := answer{Status: resp.StatusCode, Header: resp.Header, Cookies: resp.Cookies(), Err: err}
	_ = json.Unmarshal(raw, &a)
	a.Body = string(raw)
	c.jar.SetCookies(req.URL, resp.Cookies())
	if v := resp.Header.Get("Set-GUID"); v != "" {
		c.guid = strings.TrimPrefix(v, "JSESSIONID=")
	}
	return a
}

const goodBody = `{"password":"right","phonenum":"70001"}`

// signIn signs in and reads the first event.
func (r *rig) signIn(agent string) *slotClient {
	r.t.Helper()
	c := r.client(agent)
	if a := c.call("PUT", "/onlineagent/"+agent, goodBody); a.code() != "0" {
		r.t.Fatalf("sign-in: %d %s %v", a.Status, a.Body, a.Err)
	}
	if a := c.poll(); a.eventType() != "AgentOther_InService" {
		r.t.Fatalf("first poll: %s", a.Body)
	}
	return c
}

func (c *slotClient) poll() answer {
	c.t.Helper()
	return c.call("GET", "/agentevent/"+c.agent, "")
}

func eventOf(typ string) world.Event { return world.Event{At: time.Now(), Type: typ} }
