package reload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"aiccbridge/config"
)

// bench is a reloader over files in a folder.
type bench struct {
	t        *testing.T
	dir      string
	hangups  chan struct{}
	reloader *Reloader
	fails    error // of Apply

	mu      sync.Mutex
	log     bytes.Buffer
	applied []string // what was, by the keys
}

func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *bench) path() string { return filepath.Join(b.dir, "bridge.yaml") }

func (b *bench) write(name, text string) { write(b.t, filepath.Join(b.dir, name), text) }

// begin reads the configuration, as a bridge that starts.
func begin(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), hangups: make(chan struct{}, 1)}
	for name, text := range held() {
		b.write(name, text)
	}
	b.write("bridge.yaml", plain)
	first, err := Read(b.path())
	if err != nil {
		t.Fatal(err)
	}
	b.reloader = New(Options{First: first, Apply: b.apply, Hangups: b.hangups, Logger: zerolog.New(b)})
	return b
}

func (b *bench) apply(old, new *config.Config) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range Compare(old, new) {
		b.applied = append(b.applied, c.Key)
	}
	return b.fails
}

// is holds what was applied, and how often a word is in the log, against what is wanted.
func (b *bench) is(when string, applied []string, word string, times int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := strings.Count(b.log.String(), word); !slices.Equal(b.applied, applied) || n != times {
		b.t.Errorf("%s: applied %v, want %v; %q is in the log %d times, want %d\n%s", when, b.applied, applied, word, n, times, &b.log)
	}
}

// run runs the reloader in virtual time; the files are real.
func run(t *testing.T, f func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t)
		done := make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() { done <- b.reloader.Run(ctx) }()
		synctest.Wait()
		f(t, b)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pass lets looks happen.
func pass(looks int) {
	time.Sleep(time.Duration(looks)*lookEvery + lookEvery/2) // virtual
	synctest.Wait()
}

// TestFilesAreNoticed: a file that another one was put in place of, or that was written to, is
// taken after two looks that found the same, and never while it is being written.
func TestFilesAreNoticed(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		pass(3)
		b.is("nothing happens", nil, "configuration", 0)
		b.write("secrets/sk", "new")
		pass(0)
		b.is("seen once", nil, "configuration", 0)
		pass(1)
		want := []string{"tenants[acme].files.secret_key_file"}
		b.is("seen twice", want, "configuration has changed", 1)
		pass(5)
		b.is("and no more", want, "configuration", 1)

		for i := range 5 { // somebody writes, slowly
			b.write("secrets/sk2", strings.Repeat("x", i+1))
			pass(0)
		}
		b.is("half written", want, "configuration", 1)
		pass(2)
		want = append(want, "tenants[other].files.secret_key_file")
		b.is("written", want, "configuration has changed", 2)

		b.write("secrets/..new/291", "renewed") // as orchestrators mount secrets
		if err := errors.Join(os.Remove(filepath.Join(b.dir, "secrets/291")), os.Symlink("..new/291", filepath.Join(b.dir, "secrets/291"))); err != nil {
			t.Fatal(err)
		}
		pass(2)
		want = append(want, "tenants[acme].gateway.agents")
		b.is("a link is swapped", want, "configuration has changed", 3)
	})
}

// TestTheYAMLIsTakenWhenSaid: a person may be in the middle of editing it when a file changes.
func TestTheYAMLIsTakenWhenSaid(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.write("bridge.yaml", strings.Replace(plain, "level: info", "level: debu", 1))
		pass(3)
		b.is("it is not looked at", nil, "configuration", 0)
		b.write("secrets/sk", "new")
		pass(2)
		want := []string{"tenants[acme].files.secret_key_file"}
		b.is("a file is", want, "configuration has changed", 1)
		b.write("bridge.yaml", strings.Replace(plain, "level: info", "level: debug", 1))
		b.hangups <- struct{}{}
		synctest.Wait()
		b.is("said", append(want, "log.level"), "configuration has changed", 2)
		b.hangups <- struct{}{}
		synctest.Wait()
		b.is("said again", append(want, "log.level"), "nothing has changed", 1)
	})
}

// TestWrongFilesAreRefused: the old one goes on, it is said once for each change, and what is
// mended is taken.
func TestWrongFilesAreRefused(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		old := b.reloader.Config()
		for _, wrong := range []func(){
			func() { b.write("secrets/sk", "two\nlines") },
			func() { b.write("secrets/sk", "") },
			func() { _ = os.Remove(filepath.Join(b.dir, "secrets/sk")) },
		} {
			b.mu.Lock()
			b.log.Reset()
			b.mu.Unlock()
			wrong()
			pass(5)
			b.is("wrong", nil, "the old one goes on", 1)
			b.is("wrong", nil, "new configuration is wrong", 1)
			if b.reloader.Config() != old || testutil.ToFloat64(b.reloader.refused) != 1 {
				t.Error("it is not refused")
			}
		}
		b.write("secrets/sk", "mended")
		pass(2)
		b.is("mended", []string{"tenants[acme].files.secret_key_file"}, "configuration has changed", 1)
		if testutil.ToFloat64(b.reloader.refused) != 0 || testutil.ToFloat64(b.reloader.count.WithLabelValues("refused")) != 3 {
			t.Error("it is still refused")
		}
	})
}

// TestRefusals: what needs a restart is named, whatever else has changed is not applied, and an
// error of Apply leaves the old configuration, too.
func TestRefusals(t *testing.T) {
	b := begin(t)
	old := b.reloader.Config()
	b.write("bridge.yaml", strings.NewReplacer("level: info", "level: debug", "Asia/Tokyo", "Asia/Seoul", "127.0.0.1:8080", "127.0.0.1:8081").Replace(plain))
	_, err := b.reloader.Reload()
	var refusal *Refusal
	if !errors.As(err, &refusal) || !slices.Equal(refusal.Keys, []string{"listen.admin", "tenants[other].timezone"}) || !strings.Contains(err.Error(), "listen.admin, tenants[other].timezone") {
		t.Errorf("%v", err)
	}
	b.is("refused", nil, `"keys":["listen.admin","tenants[other].timezone"]`, 1)
	b.write("bridge.yaml", "tenants: 5")
	if _, err := b.reloader.Reload(); !errors.As(err, &refusal) || len(refusal.Findings) == 0 || len(refusal.Keys) > 0 {
		t.Errorf("%v", err)
	}
	_ = os.Remove(b.path())
	if _, err := b.reloader.Reload(); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("%v", err)
	}
	b.write("bridge.yaml", strings.Replace(plain, "level: info", "level: debug", 1))
	b.fails = errors.New("no")
	if _, err := b.reloader.Reload(); !errors.Is(err, b.fails) || b.reloader.Config() != old {
		t.Errorf("%v", err)
	}
	b.fails, b.applied = nil, nil
	changes, err := b.reloader.Reload()
	if err != nil || len(changes) != 1 || b.reloader.Config().Log.Level != "debug" {
		t.Errorf("%v, %v", changes, err)
	}
}

// TestLogShowsNoCell: in a list whose columns have changed places, phones and passwords stand
// where other things should.
func TestLogShowsNoCell(t *testing.T) {
	b := begin(t)
	b.write("agents.csv", "id,phone,password_file,status\n293,secrets/291,5550100,5550101\n")
	b.write("bridge.yaml", strings.Replace(plain, "agents:\n", "agents_file: agents.csv\n      agents:\n", 1))
	if _, err := b.reloader.Reload(); err == nil || strings.Contains(err.Error(), "555010") || !strings.Contains(err.Error(), "bridge check") {
		t.Errorf("whoever asks is told: %v", err)
	}
	b.is("refused", nil, "agents.csv:2:", 2)
	b.is("refused", nil, "555010", 0)
}

// TestAsk: what came of a reload is answered, and what keeps it from coming is a sentence.
func TestAsk(t *testing.T) {
	b := begin(t)
	server := httptest.NewServer(b.reloader)
	defer server.Close()
	listen := config.Listen{Admin: strings.TrimPrefix(server.URL, "http://")}
	ask := func(text string) Answer {
		t.Helper()
		b.write("bridge.yaml", text)
		a, err := Ask(t.Context(), listen)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	if a := ask(plain); a.Error != "" || len(a.Changes) != 0 || a.Changes == nil {
		t.Errorf("nothing: %+v", a)
	}
	if a := ask(strings.Replace(plain, "level: info", "level: warn", 1)); a.Error != "" || len(a.Changes) != 1 || a.Changes[0].To != "warn" {
		t.Errorf("a change: %+v", a)
	}
	if a := ask(strings.Replace(plain, "Asia/Tokyo", "Asia/Seoul", 1)); !strings.Contains(a.Error, "restart") || len(a.Keys) != 1 {
		t.Errorf("a restart: %+v", a)
	}
	if a := ask("tenants: 5"); !strings.Contains(a.Error, "wrong") || len(a.Findings) != 1 {
		t.Errorf("wrong: %+v", a)
	}
	q := httptest.NewRequest(http.MethodPost, Path, http.NoBody)
	q.Header.Set("Sec-Fetch-Site", "cross-site")
	refused := httptest.NewRecorder()
	if b.reloader.ServeHTTP(refused, q); refused.Code != http.StatusForbidden {
		t.Errorf("a page in a browser: %d", refused.Code)
	}
}

func TestAskInVain(t *testing.T) {
	for status, want := range map[int]string{401: "another token", 404: "knows nothing of it", 200: "read the bridge's answer"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		if _, err := Ask(t.Context(), config.Listen{Admin: strings.TrimPrefix(server.URL, "http://")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
		server.Close()
	}
	if _, err := Ask(t.Context(), config.Listen{}); err == nil || !strings.Contains(err.Error(), "SIGHUP") {
		t.Errorf("without a listener: %v", err)
	}
	if _, err := Ask(t.Context(), config.Listen{Admin: "127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "does it run") {
		t.Errorf("nobody: %v", err)
	}
	if got := reachable("0.0.0.0:8080") + " " + reachable("127.0.0.1:8080"); got != "localhost:8080 127.0.0.1:8080" {
		t.Error(got)
	}
}

// TestAskOverTLS: the bridge's own certificate is believed, and no other.
func TestAskOverTLS(t *testing.T) {
	b := begin(t)
	server := httptest.NewTLSServer(b.reloader)
	defer server.Close()
	own := server.TLS.Certificates[0]
	own.Leaf = server.Certificate()
	listen := config.Listen{Admin: strings.TrimPrefix(server.URL, "https://"), AdminCertificate: &own}
	if a, err := Ask(t.Context(), listen); err != nil || a.Error != "" {
		t.Errorf("%+v, %v", a, err)
	}
	stranger := own
	leaf := *own.Leaf
	leaf.Raw = slices.Clone(leaf.Raw)
	leaf.Raw[len(leaf.Raw)-1]++
	stranger.Leaf = &leaf
	listen.AdminCertificate = &stranger
	if _, err := Ask(t.Context(), listen); !errors.Is(err, errOtherCertificate) {
		t.Errorf("another: %v", err)
	}
}

// TestAnswerShowsNoSecret: nothing of what files hold is in an answer.
func TestAnswerShowsNoSecret(t *testing.T) {
	b := begin(t)
	for name := range held() {
		b.write(name, "hush")
	}
	changes, err := b.reloader.Reload()
	text, _ := json.Marshal(changes)
	if err != nil || len(changes) != 3 || strings.Contains(string(text)+fmt.Sprintf("%+v", changes)+b.log.String(), "hush") {
		t.Errorf("%s: %v", text, err)
	}
}

// TestRefusedKeepsAnEye: what changed beside a YAML that was refused is taken all the same, with the
// YAML that goes on; the metric says until the YAML is taken that an older one goes on.
func TestRefusedKeepsAnEye(t *testing.T) {
	b := begin(t)
	gauge := func() float64 { return testutil.ToFloat64(b.reloader.refused) }
	b.write("bridge.yaml", strings.Replace(plain, "127.0.0.1:8080", "127.0.0.1:8081", 1))
	b.write("secrets/sk", "another-secret")
	if _, err := b.reloader.Reload(); err == nil || gauge() != 1 {
		t.Fatalf("%v, %v", err, gauge())
	}
	b.reloader.look()
	b.reloader.look()
	if got := b.reloader.Config().Tenants[0].Files.SecretKey.Reveal(); got != "another-secret" {
		t.Errorf("the secret is %q", got)
	}
	if gauge() != 1 {
		t.Error("all is said to be well, and the YAML is not taken")
	}
	b.write("bridge.yaml", plain)
	if _, err := b.reloader.Reload(); err != nil || gauge() != 0 {
		t.Errorf("%v, %v", err, gauge())
	}
}

// TestKeysKeepTheirTenants: an access key that is other tenants' now needs a restart.
func TestKeysKeepTheirTenants(t *testing.T) {
	of := func(keys map[string]string) *config.Config {
		c := &config.Config{}
		for _, name := range []string{"a", "b"} {
			c.Tenants = append(c.Tenants, config.Tenant{Name: name, Files: &config.Files{AccessKey: keys[name]}})
		}
		return c
	}
	for _, tt := range []struct {
		old, new map[string]string
		same     bool
	}{
		{map[string]string{"a": "k1", "b": "k2"}, map[string]string{"a": "k3", "b": "k2"}, true},
		{map[string]string{"a": "k1", "b": "k2"}, map[string]string{"a": "k2", "b": "k1"}, false},
		{map[string]string{"a": "k1", "b": "k2"}, map[string]string{"a": "k3", "b": "k1"}, false},
		{map[string]string{"a": "k1", "b": "k1"}, map[string]string{"a": "k2", "b": "k2"}, true},
	} {
		if got := sameAccounts(of(tt.old), of(tt.new)); got != tt.same {
			t.Errorf("%v to %v: %t", tt.old, tt.new, got)
		}
	}
}

// TestWrittenWhileRead: a file that is written while it is read is read again; one that is not
// whole after a while is not taken.
func TestWrittenWhileRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t)
		reads := 0
		during := func(writes int) func() (Reading, error) {
			reads = 0
			return func() (Reading, error) {
				reading, err := b.reloader.reading.Anew()
				if reads++; reads <= writes {
					b.write("secrets/sk", strings.Repeat("x", 10+reads))
				}
				return reading, err
			}
		}
		reading, err := steadily(during(2))
		if err != nil || reads != 3 || reading.Config.Tenants[0].Files.SecretKey.Reveal() != strings.Repeat("x", 12) {
			t.Errorf("read %d times: %v", reads, err)
		}
		if _, err := steadily(during(100)); err == nil || !strings.Contains(err.Error(), "is being written") || reads != steadyTries {
			t.Errorf("read %d times: %v", reads, err)
		}
	})
}
