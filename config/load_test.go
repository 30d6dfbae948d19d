package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/config/internal/source"
)

// TestEffectiveIsReadBack: the printed configuration is itself a valid one, and the same.
func TestEffectiveIsReadBack(t *testing.T) {
	for _, path := range glob(t, "testdata/*.good.yaml", 5) {
		c, err := parseFile(t, path)
		if err != nil {
			t.Fatal(err)
		}
		text := c.String()
		// Paths are resolved already: read it as a file of the working directory.
		again, err := Parse("effective.yaml", []byte(text), testEnv())
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, text)
		}
		if diff := cmp.Diff(text, again.String()); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		data, err := json.Marshal(c)
		if err != nil || !json.Valid(data) {
			t.Fatalf("%s: %v", path, err)
		}
		var m struct {
			Tenants []struct{ Timezone string }
			Worker  struct {
				Count  int
				MaxZIP string `json:"max_zip"`
			}
		}
		if err := json.Unmarshal(data, &m); err != nil || m.Tenants[0].Timezone != "Asia/Shanghai" || m.Worker.Count != 2 || m.Worker.MaxZIP != "2GiB" {
			t.Errorf("%s: %v %+v", path, err, m)
		}
	}
}

func TestResolved(t *testing.T) {
	c, err := parseFile(t, "testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	g, f := c.Tenants[0].Gateway, c.Tenants[0].Files
	if c.DataDir != "testdata/data" || c.Callbacks.CertificateFile != "testdata/tls/test-only.crt" {
		t.Errorf("relative paths do not start at the file's folder: %s, %s", c.DataDir, c.Callbacks.CertificateFile)
	}
	if c.Callbacks.Certificate == nil || c.Callbacks.Window != 15*time.Minute || g.PollTimeout != 30*time.Second || g.Heartbeat != 5*time.Minute {
		t.Errorf("%+v\n%+v", c.Callbacks, g)
	}
	if each := f.Extracts.Each(); len(each) != 1 || each[0].Kind != "cdr" || each[0].SweepAgain[1] != 24*time.Hour {
		t.Errorf("%+v", each)
	}
	two, err := parseFile(t, "testdata/two_tenants.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if e := two.Tenants[1].Files.Extracts; e.CDR == nil || e.CDR.Window != time.Hour || e.Recording != nil {
		t.Errorf("a kind named without settings has the defaults: %+v", e)
	}
	env, err := parseFile(t, "testdata/environment.good.yaml")
	if err != nil || env.DataDir != "/var/lib/bridge" || env.NATS.SubjectPrefix != "cc" {
		t.Errorf("%v %+v", err, env)
	}
}

func TestEmptyValues(t *testing.T) {
	base, err := os.ReadFile("testdata/gateway_only.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("testdata/x.yaml", append(base, "listen: { admin: \"\", nats: }\nlog: { level: \"\", format: \"${EMPTY}\" }\nshutdown:\n"...), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen.Admin != "" || c.Listen.NATS != "127.0.0.1:4222" || c.Log.Level != "info" || c.Log.Format != "auto" || c.Shutdown.Grace != 30*time.Second {
		t.Errorf("%+v %+v %+v", c.Listen, c.Log, c.Shutdown)
	}
}

func TestWarnings(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("file modes mean nothing here")
		return
	}
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("open", "secret\r\n", 0o644)
	write("closed", "secret\n", 0o600)
	write("bridge.yaml", `callbacks: { public_url: https://bridge.example.com/, allow_insecure_http: true, verify: observe }
tenants:
  - name: acme
    timezone: UTC
    gateway:
      url: https://gateway.example.com:8043/wrong/path
      insecure_skip_verify: true
      agents: [{ id: "1", phone: "2", password_file: open }]
    files:
      url: https://ccfs.example.com/CCFS/resource/ccfs/
      access_key: ak
      secret_key_file: closed
      extracts: { operation: {} }
`, 0o644)
	c, err := Load(filepath.Join(dir, "bridge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Key)
		if w.Line < 1 || w.Column < 1 || w.Problem == "" || w.Remedy == "" {
			t.Errorf("incomplete: %+v", w)
		}
	}
	want := []string{"callbacks.verify", "tenants[0].gateway.url", "tenants[0].gateway.insecure_skip_verify", "tenants[0].gateway.agents[0].password_file"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := c.Tenants[0].Gateway.Agents[0].Password.Reveal(); p != "secret" {
		t.Errorf("password %q", p)
	}
	if u := c.Tenants[0].Files.URL.Path; u != "/CCFS/resource/ccfs" {
		t.Errorf("path %s", u)
	}
}

func TestUnreadable(t *testing.T) {
	var e Errors
	if _, err := Load(filepath.Join(t.TempDir(), "absent.yaml")); !errors.As(err, &e) || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("%v", err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"not UTF-8":  {"a: 1\nb: \xff\n", "x.yaml:2:4: the line holds something that is not UTF-8 text"},
		"UTF-16":     {"a\x00:\x00", "x.yaml:1:2: the line holds"},
		"huge":       {strings.Repeat("a: 1\n", source.MaxYAMLBytes/5+1), "larger than 4 MiB; check that this is the right file; agents can be moved"},
		"no end":     {strings.Repeat("a: 1\n", source.MaxMargin+1), "x.yaml:20001:1: more than 20000 keys begin at the margin"},
		"long line":  {"a: " + strings.Repeat("- ", source.MaxLineBytes), "longer than 4096"},
		"deep":       {strings.Repeat("[\n", 100), "brackets are open"},
		"a list":     {"- a\n", "keys with values belong here, not a list"},
		"a word":     {"bridge\n", "keys with values belong here, not a single value"},
		"merge key":  {"<<: {}\n", "merge keys are not supported"},
		"tag":        {"log: !!map {}\n", "not supported"},
		"complex":    {"? [a, b]\n: c\n", "x.yaml:2:1"},
		"no value":   {"log: &a\n", "x.yaml:1:6"},
		"file lines": {"tenants: [{name: a, timezone: UTC, files: {secret_key_file: load_test.go}}]", "has several lines"},
		"folder":     {"nats: {ca_file: testdata, credentials_file: testdata}", "it is a folder"},
	} {
		if _, err := Parse("x.yaml", []byte(c.text), testEnv()); !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse("x.yaml", []byte("\ufefflog: {}\r\n"), testEnv()); !strings.Contains(err.Error(), "tenants: the key is missing") || strings.Contains(err.Error(), "not known") {
		t.Errorf("byte order mark and CRLF: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) < 15 {
		f.Fatal("no seeds", err)
	}
	for _, path := range append(paths, examplePath) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("testdata/fuzz.yaml", data, testEnv())
		var e Errors
		switch {
		case err == nil:
			if _, err := Parse("effective.yaml", []byte(c.String()), testEnv()); err != nil {
				t.Errorf("the effective configuration is refused: %v\n%s", err, c)
			}
		case !errors.As(err, &e) || len(e) == 0:
			t.Errorf("error %v", err)
		}
		for _, finding := range e {
			if finding.Line < 1 || finding.Column < 1 || finding.Remedy == "" {
				t.Errorf("incomplete: %+v", finding)
			}
		}
	})
}
