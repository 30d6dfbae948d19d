package main

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"aiccbridge/internal/platformsim"
	"aiccbridge/schemas"
)

// journal collects what the bridges of one scene log. It is safe for concurrent
// use.
type journal struct {
	mu    sync.Mutex
	text  bytes.Buffer
	guids []string // of sessions
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

// learn reads the GUIDs of the sessions that the bridge knows.
func (j *journal) learn(ctx context.Context, t *testing.T, b *bridge) {
	if t.Failed() {
		return
	}
	for _, a := range b.agentIDs() {
		value, _, err := b.bus.Bucket(schemas.BucketSessions).Get(ctx, schemas.AgentKey(demoTenant, a))
		var entry schemas.Session
		if err != nil || value == nil || json.Unmarshal(value, &entry) != nil || entry.GUID == "" {
			continue
		}
		plain, err := b.seal.Open(entry.GUID, schemas.AgentKey(demoTenant, a))
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

// secretsOf is what no log may hold: keys, passwords and phone numbers.
func secretsOf(sim *platformsim.Sim) map[string]string {
	set, secrets := sim.Settings(), map[string]string{}
	secrets[set.SecretKey] = "the secret key"
	for _, a := range set.Agents {
		secrets[a.Password], secrets[a.Phone] = "the password of agent "+a.ID, "the phone of agent "+a.ID
	}
	agents := map[string]bool{}
	for _, a := range set.Agents {
		agents[a.ID] = true
	}
	s := sim.Truth()
	for _, e := range s.Events {
		var c struct {
			Caller     string `json:"caller"`
			Called     string `json:"called"`
			OtherPhone string `json:"otherPhone"`
		}
		_ = json.Unmarshal(e.Content, &c) // most contents have none of these
		for _, number := range []string{c.Caller, c.Called, c.OtherPhone} {
			if number != "" && !agents[number] {
				secrets[number] = "a phone number of an event"
			}
		}
	}
	for _, f := range s.Files {
		for i, r := range f.Rows {
			for _, cell := range r.Cells {
				if i < 200 && strings.HasPrefix(cell, "555") && len(cell) >= 7 {
					secrets[cell] = "a phone number of a row"
				}
			}
		}
	}
	return secrets
}

// words can be a secret or a phone number, or hold one.
var words = regexp.MustCompile(`[0-9A-Za-z_.+-]+`)

// search says which secrets the journal holds, each once with the line that
// holds it. GUIDs are found by their form, signatures by their version.
func (j *journal) search(secrets map[string]string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(j.String()) {
		if guidPattern.MatchString(line) {
			found["a GUID"] = line
		}
		if strings.Contains(line, "auth-v2/") {
			found["a signature"] = line
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
		`{"duration":15550123,"id":"a5550123"}`:                   "",
	} {
		j := &journal{}
		if _, err := j.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
		found := j.search(secrets)
		if _, ok := found[want]; ok != (want != "") || !ok && len(found) > 0 {
			t.Errorf("in %s there is %v, want %q", line, found, want)
		}
	}
}
