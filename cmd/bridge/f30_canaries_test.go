package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// canary begins every planted credential.
const canary = "c4n4ry-"

// canaryScene has agents and files, of which one will be damaged.
func canaryScene() setup {
	return setup{
		agents: 3, kinds: []schemas.Kind{schemas.KindCDR, schemas.KindOperation}, calls: true,
		faults: []fault.Rule{once("callback.wrong_signature"), once("file.truncated")},
	}
}

// canaries is the content of an event in which every field that is never published
// has a value, in JSON and in a string that holds JSON.
func canaries() []byte {
	content := map[string]any{"callid": "1-1"}
	inner := map[string]string{}
	for _, name := range events.SecretFields() {
		content[name], inner[name] = canary+name, canary+name
	}
	data, err := json.Marshal(inner)
	if err != nil {
		return nil
	}
	content["callData"] = string(data)
	if data, err = json.Marshal(content); err != nil {
		return nil
	}
	return data
}

// plantCanaries puts credentials into all that the gateway answers: a content where
// there was none, a cookie, and the text of its refusals. It also has the journal
// searched for the files that the configuration names.
func (s *scene) plantCanaries() {
	s.t.Helper()
	upstream, err := url.Parse(s.sim.Settings().GatewayURL)
	if err != nil {
		s.t.Fatal(err)
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM([]byte(s.sim.Settings().CAPEM))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS12}}
	s.t.Cleanup(transport.CloseIdleConnections)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport, ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: upstream.Scheme, Host: upstream.Host})
		},
		ModifyResponse: plant,
	})
	s.t.Cleanup(proxy.Close)
	s.edit(strconv.Quote(s.sim.Settings().GatewayURL), fmt.Sprintf("%q\n      allow_insecure_http: true", proxy.URL+upstream.Path))
	for _, name := range events.SecretFields() {
		s.journal.plant(canary+name, "the planted "+name)
	}
	s.journal.plant(canary+"cookie-value", "the planted cookie")
	for _, m := range regexp.MustCompile(`(?:password|secret_key|token|key)_file: "([^"]+)"`).FindAllStringSubmatch(s.config(), -1) {
		secret, err := os.ReadFile(m[1])
		if err != nil {
			s.t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(secret)), "\n")
		s.journal.plant(lines[len(lines)/2], "what is in "+filepath.Base(m[1])) // of a PEM file, a line of the key
	}
}

// plant is done to every answer of the gateway.
func plant(r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body = bytes.ReplaceAll(body, []byte(`"content":null`), append([]byte(`"content":`), canaries()...))
	body = bytes.ReplaceAll(body, []byte("The agent has not signed in."), []byte("No session. token="+canary+"token, password: "+canary+"password"))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.Header.Add("Set-Cookie", "canary="+canary+"cookie-value; Path=/")
	return nil
}

func (s *scene) config() string {
	s.t.Helper()
	text, err := os.ReadFile(s.path())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// edit replaces a text of the configuration.
func (s *scene) edit(before, after string) {
	s.t.Helper()
	text := s.config()
	if !strings.Contains(text, before) {
		s.t.Fatalf("the configuration has no %s", before)
	}
	if err := os.WriteFile(s.path(), []byte(strings.Replace(text, before, after, 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// misbehave plays every fault of the gateway that is met with words, throws an
// agent out, and waits until events and files went through.
func (s *scene) misbehave(r *running) {
	s.t.Helper()
	for _, rule := range []fault.Rule{
		{Fault: "poll.bad_json", Next: 2}, {Fault: "poll.truncated", Next: 1}, {Fault: "poll.wrong_types", Next: 2}, {Fault: "poll.unknown_type", Next: 2},
		{Fault: "poll.status", Status: 502, Next: 1}, {Fault: "poll.cut_after_pop", Next: 1}, {Fault: "poll.code", Code: "000-002", Next: 1},
		{Fault: "poll.code", Code: "100-006", Next: 1}, {Fault: "signin.status", Status: 503, Next: 1},
	} {
		s.strike(rule)
	}
	more := len(s.sim.Truth().Events) + 30
	s.until("polling works again", func() bool { return len(s.sim.Truth().Events) >= more })
	s.until("a damaged file is dealt with and windows are complete", func() bool {
		complete := 0
		for _, k := range s.setup.kinds {
			for _, e := range r.ledger.Entries(tenantName, k) {
				if e.State == schemas.WindowCompleted {
					complete++
				}
			}
		}
		return complete >= 3 && len(s.letters(r.bus)) > 0
	})
}

// label is a label of a metric with its value.
var label = regexp.MustCompile(`[a-z_]+="((?:[^"\\]|\\.)*)"`)

// TestF30MetricsHoldNoSecrets scrapes a bridge that has been through everything.
func TestF30MetricsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	s := newScene(t, canaryScene())
	s.plantCanaries()
	address := freePort(t)
	s.edit(`admin: ""`, fmt.Sprintf("admin: %q", address))
	r := s.run()
	s.misbehave(r)
	page := &journal{planted: s.journal.planted}
	text, values := get(t, "http://"+address+"/metrics"), []string(nil)
	for _, m := range label.FindAllStringSubmatch(text, -1) {
		values = append(values, m[1])
	}
	// One label is called signature; of all labels, the values count.
	fmt.Fprintf(page, "%s\n%s\n%s\n", label.ReplaceAllString(text, `"$1"`), get(t, "http://"+address+"/healthz"), get(t, "http://"+address+"/answers"))
	s.journal.learn(t.Context(), t, r.bridge)
	r.end()
	found := page.search(secretsOf(s.sim))
	for what, line := range found {
		t.Errorf("the metrics hold %s: %.300s", what, line)
	}
	for _, a := range s.sim.Settings().Agents {
		if slices.Contains(values, a.ID) {
			t.Errorf("a label names agent %s", a.ID)
		}
	}
	if len(values) < 50 || !page.contains("aicc_poller_") || !page.contains("aicc_files_total") || !page.contains(`"interface":"gateway of demo"`) {
		t.Errorf("only %d values of labels were searched", len(values))
	}
	t.Attr("figure", fmt.Sprintf("%d hits in the metrics", len(found)))
	t.Attr("measured", fmt.Sprintf("%d lines, %d label values", page.lines(), len(values)))
}

func get(t *testing.T, address string) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || len(body) == 0 {
		t.Fatalf("%s: %v", address, err)
	}
	return string(body)
}

// TestF30StreamsHoldNoNumber: under a policy no stream and no bucket holds a phone
// number, a damaged file is nowhere, credentials are nowhere anyway, and calls can
// still be joined with their events by the number.
func TestF30StreamsHoldNoNumber(t *testing.T) {
	t.Parallel()
	s := newScene(t, canaryScene())
	s.plantCanaries()
	key := filepath.Join(s.dir, "privacy.key")
	if err := os.WriteFile(key, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	zone := "    timezone: " + s.sim.Settings().Timezone + "\n"
	s.edit(zone, zone+fmt.Sprintf("    privacy: {phone_numbers: hmac, key_file: %q}\n", key))
	r := s.run()
	s.misbehave(r)
	var stored *journal
	joined := 0
	s.until("a row and a call have the number of an event", func() bool {
		stored, joined = s.stored(r)
		return joined > 0
	})
	r.end()
	needles := secretsOf(s.sim)
	found := stored.search(needles)
	for what, line := range found {
		t.Errorf("a stream holds %s: %.300s", what, line)
	}
	files := s.searchFolder(filepath.Join(s.dir, "data"), needles)
	if s.hub != nil {
		files += s.searchFolder(s.hub.dir, needles)
	}
	t.Attr("figure", fmt.Sprintf("%d hits in messages and files; numbers of events and rows join", len(found)))
	t.Attr("measured", fmt.Sprintf("%d messages, %d files, %d numbers joined", stored.lines(), files, joined))
}

// stored is all that the streams hold, and how many numbers events, rows and calls have in
// common.
func (s *scene) stored(r *running) (all *journal, joined int) {
	all = &journal{planted: s.journal.planted}
	events, rows, calls := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, stream := range schemas.Streams() {
		for _, m := range s.messages(r.bus, stream) {
			fmt.Fprintf(all, "%s %v %s\n", m.Subject, m.Header, m.Body)
			var body struct {
				Caller   string `json:"caller"`
				CallerNo string `json:"caller_no"`
			}
			_ = json.Unmarshal(m.Body, &body) // all are JSON
			if stream == schemas.StreamCalls {
				calls[body.Caller] = true
			} else {
				events[body.Caller], rows[body.CallerNo] = true, true
			}
		}
	}
	for number := range rows {
		if strings.HasPrefix(number, "hmac:") && events[number] && calls[number] {
			joined++
		}
	}
	return all, joined
}

// searchFolder searches all files below a folder for phone numbers of seven digits
// and more, and returns how many files there are. Shorter ones come about by chance.
func (s *scene) searchFolder(folder string, needles map[string]string) (files int) {
	s.t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		for run := range numbers(data) {
			if what := needles[string(run)]; what != "" {
				s.t.Errorf("%s holds %s", path, what)
				break
			}
		}
		return err
	})
	if err != nil || files == 0 {
		s.t.Errorf("%d files were searched: %v", files, err)
	}
	return files
}

// numbers are the runs of seven digits and more. A folder holds much that is none: an
// expression would take minutes.
func numbers(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		begin := 0
		for i := 0; i <= len(data); i++ {
			if i < len(data) && '0' <= data[i] && data[i] <= '9' {
				continue
			}
			if i-begin >= 7 && !yield(data[begin:i]) {
				return
			}
			begin = i + 1
		}
	}
}
