package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// journal collects what the bridges of one scene log. It is safe for concurrent
// use.
type journal struct {
	mu      sync.Mutex
	text    bytes.Buffer
	guids   []string          // of sessions
	planted map[string]string // what must not be there, not even as part of a word, and what it is
}

// plant has the journal searched for a text.
func (j *journal) plant(text, what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.planted == nil {
		j.planted = map[string]string{}
	}
	j.planted[text] = what
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) contains(text string) bool { return strings.Contains(j.String(), text) }

// tail is the end of the journal, without what is said all the time.
func (j *journal) tail() string {
	lines := slices.DeleteFunc(strings.Split(j.String(), "\n"), func(line string) bool {
		return strings.Contains(line, `"level":"debug"`)
	})
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// guidPattern is the form of the simulator's GUIDs.
var guidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}\.AgentGateway0`)

// learn reads the GUIDs and the cookies of the sessions that the bridge knows.
func (j *journal) learn(ctx context.Context, t *testing.T, b *bridge) {
	if t.Failed() {
		return
	}
	for _, a := range b.agentIDs() {
		value, _, err := kv.Open(b.bus.Conn(), schemas.BucketSessions).Get(ctx, schemas.AgentKey(tenantName, a))
		var entry schemas.Session
		if err != nil || value == nil || json.Unmarshal(value, &entry) != nil || entry.GUID == "" {
			continue
		}
		plain, err := b.seal.Open(entry.GUID, schemas.AgentKey(tenantName, a))
		if err != nil {
			t.Errorf("open the session of agent %s: %v", a, err)
			continue
		}
		guid := guidPattern.FindString(string(plain))
		if guid == "" {
			t.Errorf("the session of agent %s has a GUID of another form than the one searched for", a)
		}
		j.mu.Lock()
		j.guids = append(j.guids, guid)
		j.mu.Unlock()
		_, cookies, _ := strings.Cut(string(plain), "\n")
		for line := range strings.Lines(cookies) {
			if c, err := http.ParseSetCookie(strings.TrimSpace(line)); err == nil && c.Value != "" {
				j.plant(c.Value, "a cookie")
			}
		}
	}
}

func (b *bridge) agentIDs() (ids []string) {
	for _, t := range b.cfg.Tenants {
		if t.Gateway != nil {
			for _, a := range t.Gateway.Agents {
				ids = append(ids, a.ID)
			}
		}
	}
	return ids
}

// secretsOf is what no log may hold: keys, passwords and phone numbers, those of
// agents, of callers and of all others who are in a field for numbers.
func secretsOf(sim *platformsim.Sim) map[string]string {
	set, secrets := sim.Settings(), map[string]string{}
	secrets[set.SecretKey] = "the secret key"
	agents := map[string]bool{}
	for _, a := range set.Agents {
		agents[a.ID] = true
		secrets[a.Password], secrets[a.Phone] = "the password of agent "+a.ID, "the phone of agent "+a.ID
	}
	add := func(number, what string) {
		if len(number) >= 5 && !agents[number] {
			secrets[number] = what
		}
	}
	phones, _ := events.PhoneNames()
	s := sim.Truth()
	for _, e := range s.Events {
		var content map[string]any
		_ = json.Unmarshal(e.Content, &content) // some are bare call ids
		for _, name := range phones {
			for _, number := range strings.Split(fmt.Sprint(content[name]), ",") {
				if content[name] != nil {
					add(number, "a phone number of an event")
				}
			}
		}
	}
	for _, f := range s.Files {
		for _, r := range f.Rows {
			for i, column := range world.Columns[r.Kind] {
				if slices.Contains(phones, column) && strings.HasPrefix(r.Cells[i], "555") {
					add(r.Cells[i], "a phone number of a row")
				}
			}
		}
	}
	return secrets
}

// words can be a secret or a phone number, or hold one.
var words = regexp.MustCompile(`[0-9A-Za-z_.+-]+`)

// forms are the secrets that show by their form: GUIDs, signatures, what is in an
// Authorization header, and the values of the fields that are never published.
var forms = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"a GUID", guidPattern},
	{"a signature", regexp.MustCompile(`auth-v2/`)},
	{"an Authorization value", regexp.MustCompile(`\b(?:Bearer|Basic) [0-9A-Za-z+/=._-]{8}`)},
	{"the value of a secret field", regexp.MustCompile(`(?i)(?:^|[^0-9a-z])(?:` + strings.Join(events.SecretFields(), "|") +
		`)(?:\\*["'])?\s*[:=]\s*(?:\\*["'])?[^\s"'\\*,;}\]]`)},
}

// search says which secrets the journal holds, each once with the line that
// holds it.
func (j *journal) search(secrets map[string]string) map[string]string {
	found := map[string]string{}
	text := j.String()
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(text) {
		for _, form := range forms {
			if form.pattern.MatchString(line) {
				found[form.what] = line
			}
		}
		for planted, what := range j.planted {
			if strings.Contains(line, planted) {
				found[what] = line
			}
		}
		for _, word := range words.FindAllString(line, -1) {
			for _, part := range append(strings.FieldsFunc(word, separates), word) {
				if what := secrets[part]; what != "" {
					found[what] = line
				}
			}
		}
	}
	return found
}

// lines is how many lines the journal has.
func (j *journal) lines() int { return strings.Count(j.String(), "\n") }

func separates(c rune) bool { return strings.ContainsRune("_.-+", c) }

// TestJournalFindsSecrets: the search at the end of every scene would notice.
func TestJournalFindsSecrets(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"s3cr3t": "the secret key", "5550123": "a phone number"}
	for line, want := range map[string]string{
		`{"msg":"key s3cr3t"}`: "the secret key", `{"url":"https://a/x?k=s3cr3t&b"}`: "the secret key",
		`{"subject":"aicc.v1.demo.5550123.x"}`: "a phone number", `{"caller":"5550123"}`: "a phone number",
		`guid 3f2a1b0c-0000-4000-8000-00000000000a.AgentGateway0`: "a GUID",
		`Authorization: auth-v2/testak01/2026`:                    "a signature",
		`{"header":"Bearer 0123456789abcdef"}`:                    "an Authorization value",
		`{"content":"{\"pwd\":\"hunter2\"}"}`:                     "the value of a secret field",
		`poll: Set-Guid: x7`:                                      "the value of a secret field",
		`login?accessToken=x7`:                                    "the value of a secret field",
		`{"err":"xxCANARYxx"}`:                                    "a canary",
		`{"pwd":"***","msg":"token is refused, no guid"}`:         "",
		`{"duration":15550123,"id":"a5550123"}`:                   "",
	} {
		j := &journal{}
		j.plant("CANARY", "a canary")
		if _, err := j.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
		found := j.search(secrets)
		if _, ok := found[want]; ok != (want != "") || !ok && len(found) > 0 {
			t.Errorf("in %s there is %v, want %q", line, found, want)
		}
	}
}

// TestF30JournalHoldsNoSecrets lets everything go wrong that makes a bridge talk,
// with credentials planted in whatever the platform sends, and searches its log.
func TestF30JournalHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	s := newScene(t, canaryScene())
	s.plantCanaries()
	r := s.run()
	s.misbehave(r)
	s.until("there were calls with numbers", func() bool { return len(secretsOf(s.sim)) >= 10 })
	r.end()
	needles := secretsOf(s.sim)
	found := s.journal.search(needles)
	for what, line := range found {
		t.Errorf("the log holds %s: %.300s", what, line)
	}
	if s.journal.lines() < 30 || len(needles) < 10 || len(s.journal.planted) < len(events.SecretFields())+3 {
		t.Errorf("only %d lines were searched for %d secrets and %d canaries", s.journal.lines(), len(needles), len(s.journal.planted))
	}
	t.Attr("figure", fmt.Sprintf("%d hits in the log", len(found)))
	t.Attr("measured", fmt.Sprintf("%d lines", s.journal.lines()))
}
