package platformsim_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A whole day in a second: events over HTTPS, then the files of the same calls.
func TestOneDay(t *testing.T) {
	o := platformsim.Options{Seed: 4, Agents: 3, Pace: hasty}
	o.Gateway.WaitTimes, o.Gateway.WaitInterval = 10, 5*time.Millisecond
	o.World.SyncDelay, o.Files.GenerationMax = -1, time.Millisecond
	s := start(t, o)
	began := time.Now()

	var read sync.Map
	var all sync.WaitGroup
	for _, a := range s.Settings().Agents {
		c := signIn(t, s, a)
		all.Go(func() {
			n := 0
			for !t.Failed() {
				code, event := c.poll()
				if code != "0" {
					t.Errorf("agent %s: %s", a.ID, code)
				}
				if event != "" {
					n++
				}
				if n > 60 {
					s.Quiesce()
				}
				if event == "" && s.Quiet() {
					break
				}
			}
			read.Store(a.ID, n)
		})
	}
	all.Wait()

	seen := map[string]int{}
	calls := map[string]bool{}
	for _, e := range s.Truth().Events {
		seen[e.Agent]++
		var content struct{ CallID string }
		if json.Unmarshal(e.Content, &content) == nil && content.CallID != "" {
			calls[content.CallID] = true
		}
	}
	for agent, n := range seen {
		if got, _ := read.Load(agent); got != n {
			t.Errorf("agent %s: read %v events, truth has %d", agent, got, n)
		}
	}
	if len(calls) < 5 {
		t.Fatalf("only %d calls: the test shows nothing", len(calls))
	}
	for _, cells := range extract(t, s, "call", began) {
		delete(calls, cells[4])
	}
	if len(calls) != 0 {
		t.Errorf("calls with events and without rows: %v", calls)
	}
}

// extract asks for a file, waits for the callback and downloads it.
func extract(t *testing.T, s *platformsim.Sim, kind string, since time.Time) [][]string {
	t.Helper()
	names := make(chan string, 1)
	callback := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b struct{ MsgBody struct{ BillFileName string } }
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte(`{"resultCode":"0"}`))
		names <- b.MsgBody.BillFileName
	}))
	pair, err := tls.X509KeyPair([]byte(s.Settings().CallbackCertPEM), []byte(s.Settings().CallbackKeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	callback.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	callback.StartTLS()
	defer callback.Close()

	text := func(at time.Time) string { return at.UTC().Format(world.TimeLayout) }
	answer := ask(t, s, "/queryBillData", map[string]string{
		"beginTime": text(since.Add(-time.Second)), "endTime": text(time.Now()), "dataType": kind,
		"callBackURL": callback.URL + "/cb",
	})
	if !bytes.Contains(answer, []byte(`"resultCode":"0"`)) {
		t.Fatalf("create: %s", answer)
	}
	var file string
	select {
	case file = <-names:
	case <-t.Context().Done():
		t.Fatal("no callback")
	}
	archive := ask(t, s, "/downloadBillFile", map[string]string{"billFileName": file})
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil || len(z.File) != 1 {
		t.Fatalf("archive of %d bytes: %v", len(archive), err)
	}
	member, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(member).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	return rows[1:]
}

func ask(t *testing.T, s *platformsim.Sim, path string, msg map[string]string) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"request": map[string]string{"version": "2.0"}, "msgBody": msg})
	if err != nil {
		t.Fatal(err)
	}
	client := browser(t, s)
	key := c2sign.NewKey(s.Settings().AccessKey, s.Settings().SecretKey)
	client.Transport = c2sign.NewTransport(client.Transport, key, c2sign.Profile{}, nil)
	resp, err := client.Post(s.Settings().FilesURL+path, "application/json;charset=UTF-8", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %s %v", path, resp.StatusCode, out, err)
	}
	return out
}

func TestManagement(t *testing.T) {
	s := start(t, platformsim.Options{ManagementListen: "127.0.0.1:0", Agents: 1})
	url := s.Settings().ManagementURL
	do := func(method, path, body string, into any) int {
		t.Helper()
		req, err := http.NewRequest(method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		raw, err := io.ReadAll(resp.Body)
		if page, ok := into.(*string); ok {
			*page = string(raw)
		} else if into != nil && err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
		return resp.StatusCode
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)

	var index string
	do("GET", "/", "", &index)
	for _, name := range []string{
		"poll.cut_after_pop", "poll.bad_json", "download.flipped", "callback.before_answer", "file.no_header", "sync.late", "sync.never", "POST /quiesce",
	} {
		if !strings.Contains(index, name) {
			t.Errorf("the index does not name %s", name)
		}
	}
	var settings platformsim.Settings
	if do("GET", "/settings", "", &settings); settings.GatewayURL != s.Settings().GatewayURL || settings.SecretKey == "" || len(settings.Agents) != 1 {
		t.Errorf("settings: %d agents, gateway %q", len(settings.Agents), settings.GatewayURL)
	}
	var f fault.List
	both := `{"rules":[{"fault":"poll.code","next":2},{"fault":"create.flow_control","next":3}]}`
	if status := do("PUT", "/faults", both, &f); status != 200 || len(f.Rules) != 2 || f.Rules[0].Next != 2 || f.Rules[1].Next != 3 {
		t.Errorf("faults: %d %+v", status, f)
	}
	for bad, why := range map[string]string{
		`{`:             "read faults",
		`{"gatewy":[]}`: `"gatewy"`,
		`{"rules":[{"fault":"poll.typo","next":1}]}`: "did you mean",
		`{"rules":[{"fault":"poll.cut"}]}`:           `give "next", "for" or "share"`,
		`{} {}`:                                      "more than one",
	} {
		var said string
		if status := do("PUT", "/faults", bad, &said); status != 400 || !strings.Contains(said, why) {
			t.Errorf("%s: %d %s", bad, status, said)
		}
	}
	f = fault.List{}
	if do("GET", "/faults", "", &f); len(f.Rules) != 2 || f.Rules[1].Fault != "create.flow_control" {
		t.Errorf("after refusals: %+v", f)
	}
	if do("POST", "/faults", `{"rules":[{"fault":"poll.cut","share":0.1}]}`, &f); len(f.Rules) != 3 || f.Rules[2].Share != 0.1 {
		t.Errorf("one more: %+v", f)
	}
	if do("PUT", "/faults", `{"rules":[]}`, &f); len(f.Rules) != 0 {
		t.Errorf("polite again: %+v", f)
	}
	if status := do("POST", "/agents/101/expel", "", nil); status != 404 {
		t.Errorf("expel of an agent who is not in: %d", status)
	}
	c := signIn(t, s, s.Settings().Agents[0])
	if status := do("POST", "/agents/101/expel", "", nil); status != 204 {
		t.Errorf("expel: %d", status)
	}
	if code, _ := c.poll(); code != "100-006" {
		t.Errorf("poll after expel: %s", code)
	}
	if status := do("POST", "/quiesce", "", nil); status != 204 {
		t.Errorf("quiesce: %d", status)
	}
	var quiet map[string]bool
	if do("GET", "/quiet", "", &quiet); !quiet["quiet"] {
		t.Error("not quiet")
	}
	var log truth.Snapshot
	if do("GET", "/truth", "", &log); len(log.Sessions) != 2 || log.Sessions[1].Change != "forced_out" {
		t.Errorf("truth: %+v", log.Sessions)
	}
}

func TestDirectoryHoldsWhatAClientNeeds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sim")
	s := start(t, platformsim.Options{Dir: dir, Agents: 2, CallbackHosts: []string{"bridge.example.com", "127.0.0.1"}})
	set := s.Settings()
	for _, f := range []struct{ path, want string }{
		{set.CAFile, set.CAPEM}, {set.SecretKeyFile, set.SecretKey}, {set.CallbackCertFile, set.CallbackCertPEM},
		{set.CallbackKeyFile, set.CallbackKeyPEM}, {set.Agents[1].PasswordFile, set.Agents[1].Password},
	} {
		got, err := os.ReadFile(f.path)
		if err != nil || string(got) != f.want || f.want == "" {
			t.Errorf("%s: %v", f.path, err)
		}
		if info, err := os.Stat(f.path); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", f.path, info.Mode())
		}
	}
	pair, err := tls.LoadX509KeyPair(set.CallbackCertFile, set.CallbackKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Leaf.VerifyHostname("bridge.example.com"); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	s := start(t, platformsim.Options{})
	for _, url := range []string{s.Settings().GatewayURL, s.Settings().FilesURL} {
		url = strings.Replace(url, "127.0.0.1", "localhost", 1)
		resp, err := browser(t, s).Get(url + "/nothing")
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if resp.ProtoMajor != 1 {
			t.Errorf("%s speaks %s", url, resp.Proto)
		}
		_ = resp.Body.Close()
		stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}
		var unknown *tls.CertificateVerificationError
		if _, err := stranger.Get(url); !errors.As(err, &unknown) {
			t.Errorf("%s: a client that does not know the authority got %v", url, err)
		}
	}
}

func TestStoppingCutsHeldPolls(t *testing.T) {
	s, err := platformsim.New(platformsim.Options{Agents: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	c := signIn(t, s, s.Settings().Agents[0])
	for range 2 {
		if _, event := c.poll(); event == "" {
			t.Fatal("no sign-in event")
		}
	}
	s.Quiesce()
	req, err := http.NewRequest("GET", c.url+"/agentevent/101", io.NopCloser(strings.NewReader("")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Guid", c.guid)
	cut := make(chan error, 1)
	written := make(chan struct{})
	go func() {
		close(written)
		resp, err := c.client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		cut <- err
	}()
	<-written
	begin := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-cut; err == nil {
		t.Error("a held poll got an answer when the platform stopped")
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("stopping took %v", d)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]platformsim.Options{
		"public management": {ManagementListen: "0.0.0.0:0"},
		"odd management":    {ManagementListen: "here"},
		"agents":            {Agents: -1},
		"faults":            {Faults: []fault.Rule{{Fault: "typo", Next: 1}}},
		"gateway":           {Gateway: gateway.Options{Shape: gateway.Shape{Idle: "odd"}}},
	} {
		if _, err := platformsim.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := platformsim.New(platformsim.Options{GatewayListen: "192.0.2.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	var op *net.OpError
	if err := s.Run(t.Context()); !errors.As(err, &op) {
		t.Errorf("a foreign address: %v", err)
	}
}

func TestSecretsComeFromTheSeed(t *testing.T) {
	make1 := func(seed uint64) platformsim.Settings {
		s, err := platformsim.New(platformsim.Options{Seed: seed, Files: filestore.Options{AccessKey: "ak2"}})
		if err != nil {
			t.Fatal(err)
		}
		return s.Settings()
	}
	one, again, other := make1(1), make1(1), make1(2)
	if one.SecretKey != again.SecretKey || one.SecretKey == other.SecretKey || one.AccessKey != "ak2" {
		t.Error("secrets do not follow the seed")
	}
	if one.Agents[0] != again.Agents[0] || one.Agents[0].Password == other.Agents[0].Password {
		t.Error("passwords do not follow the seed")
	}
}

func TestFaultsHaveNamesOfOneForm(t *testing.T) {
	form, seen := regexp.MustCompile(`^[a-z_]+\.[a-z0-9_]+$`), map[string]bool{}
	for _, k := range platformsim.FaultKinds() {
		if !form.MatchString(k.Name) || seen[k.Name] || k.What == "" || strings.HasSuffix(k.What, ".") {
			t.Errorf("%s: %s", k.Name, k.What)
		}
		seen[k.Name] = true
	}
	if len(seen) < 60 {
		t.Errorf("only %d faults", len(seen))
	}
}
