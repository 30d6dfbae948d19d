package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// index is a recording index of one row.
type index struct{ row world.Row }

func (i index) Rows(kind world.Kind, _, _, _ time.Time) []world.Row {
	if kind != world.Record {
		return nil
	}
	return []world.Row{i.row}
}

const heardName = `Y:\39\0\20240501\101\32460000.V3`

// station is a file store with a configuration of these tenants for it.
type station struct {
	t           *testing.T
	truth       *truth.Log
	dir, config string
}

func newStation(t *testing.T, tenants ...string) *station {
	t.Helper()
	s := &station{t: t, truth: truth.New(), dir: t.TempDir()}
	cells := make([]string, len(world.Columns[world.Record]))
	cells[slices.Index(world.Columns[world.Record], "file_name")] = "/10/1/record/39/20240501/101/32460000.wav"
	cells[slices.Index(world.Columns[world.Record], "original_file_name")] = heardName
	store, err := filestore.New(filestore.Options{
		AccessKey: "ak", SecretKey: "secret-of-the-station", Truth: s.truth, Source: index{world.Row{Kind: world.Record, Cells: cells}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(store)
	t.Cleanup(server.Close)
	s.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	s.write("sk", "secret-of-the-station")
	text := "callbacks: {public_url: 'https://bridge.example.com/', allow_insecure_http: true}\ntenants:\n"
	for i, name := range tenants {
		text += fmt.Sprintf("- name: %s\n  timezone: UTC\n  files:\n    url: %s/CCFS/resource/ccfs\n    ca_file: %s\n    access_key: ak\n    secret_key_file: %s\n    account_id: \"%d\"\n    extracts: {cdr: {}}\n",
			name, server.URL, filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "sk"), i+1)
	}
	s.config = s.write("bridge.yaml", text)
	return s
}

func (s *station) write(name, text string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// bridge runs a command line with the station's configuration, which must end with code.
func (s *station) bridge(code int, args ...string) (out, errOut string) {
	s.t.Helper()
	var o, e bytes.Buffer
	if got := execute(append(args, "-c", s.config), &o, &e); got != code {
		s.t.Fatalf("%q has exit code %d, want %d:\n%s%s", args, got, code, &o, &e)
	}
	return o.String(), e.String()
}

// TestIVR: a good file is taken and its name printed; it comes back, and goes.
func TestIVR(t *testing.T) {
	s, wav := newStation(t, "acme"), voice.Tone("welcome", time.Second)
	good := s.write("welcome.wav", string(wav))
	name, _ := s.bridge(exitOK, "ivr", "upload", good, "--vdn", "39")
	if name = strings.TrimSpace(name); !strings.HasPrefix(name, "Y:/3rdfile/39/thirdvoicebotfile/") {
		t.Fatalf("printed %q", name)
	}
	back := filepath.Join(s.dir, "back.wav")
	s.bridge(exitOK, "ivr", "download", name, "--out", back)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, wav) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if _, said := s.bridge(exitFailed, "ivr", "download", name, "--out", back); !strings.Contains(said, "back.wav exists") {
		t.Errorf("said %q", said)
	}
	s.bridge(exitOK, "ivr", "download", "Y:/3rdfile/39/thirdvoicebotfile", "--folder", "--out", filepath.Join(s.dir, "only.wav"))
	s.bridge(exitUsage, "ivr", "download", "Y:/3rdfile/39/thirdvoicebotfile", "--folder")
	s.bridge(exitOK, "ivr", "delete", name)
	if _, said := s.bridge(exitFailed, "ivr", "delete", name); !strings.Contains(said, "0300011") {
		t.Errorf("said %q", said)
	}
	s.bridge(exitFailed, "ivr", "download", name, "--out", filepath.Join(s.dir, "gone.wav"))
	left, err := filepath.Glob(filepath.Join(s.dir, "*gone*"))
	hidden, _ := filepath.Glob(filepath.Join(s.dir, ".bridge-*"))
	if err != nil || len(left)+len(hidden) > 0 {
		t.Errorf("left behind: %q %q", left, hidden)
	}
}

// TestIVRRefusesWhatCannotBePlayed before anything is sent, and says the remedy.
func TestIVRRefusesWhatCannotBePlayed(t *testing.T) {
	s, wav := newStation(t, "acme"), voice.Tone("welcome", time.Second)
	wav[24], wav[25] = 0x80, 0x3e // 16,000 samples a second
	wide := s.write("wide.wav", string(wav))
	_, said := s.bridge(exitFailed, "ivr", "upload", wide, "--vdn", "39")
	for _, want := range []string{"was not sent: it has 16000 samples a second, the IVR plays 8000", "ffmpeg -i " + wide + " -ar 8000 -ac 1", "sox " + wide + " -r 8000"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q does not say %q", said, want)
		}
	}
	s.bridge(exitFailed, "ivr", "upload", filepath.Join(s.dir, "missing.wav"), "--vdn", "39")
	for _, args := range [][]string{{"ivr", "upload"}, {"ivr", "upload", wide}, {"ivr", "upload", wide, wide, "--vdn", "39"}, {"ivr", "uplaod", wide}, {"ivr", "delete"}} {
		s.bridge(exitUsage, args...)
	}
	if asked := s.truth.Snapshot().Requests; len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

// TestRecordingURL prints an address and its end; whoever opens it hears.
func TestRecordingURL(t *testing.T) {
	s := newStation(t, "acme")
	begin := time.Now()
	url, said := s.bridge(exitOK, "recordings", "url", heardName)
	if !strings.Contains(url, "/CCFS/resource/ccfs/playVoice?t=") || strings.Count(url, "\n") != 1 || !strings.Contains(said, "good until ") {
		t.Errorf("%q, %q", url, said)
	}
	out, _ := s.bridge(exitOK, "recordings", "url", heardName, "--json")
	var l listening
	if err := json.Unmarshal([]byte(out), &l); err != nil || l.Tenant != "acme" || l.ExpiresAt.Before(begin.Add(29*time.Minute)) {
		t.Errorf("%s, %v", out, err)
	}
	if _, said := s.bridge(exitFailed, "recordings", "url", strings.Replace(heardName, "3246", "1", 1)); !strings.Contains(said, "requestPlayVoice") {
		t.Errorf("said %q", said)
	}
	s.bridge(exitUsage, "recordings", "url")
}

// TestTenantOfAStore is named where there are several.
func TestTenantOfAStore(t *testing.T) {
	s := newStation(t, "acme", "beta")
	if _, said := s.bridge(exitUsage, "recordings", "url", heardName); !strings.Contains(said, "give --tenant, one of acme, beta") {
		t.Errorf("said %q", said)
	}
	if _, said := s.bridge(exitUsage, "recordings", "url", heardName, "--tenant", "gamma"); !strings.Contains(said, "there is acme, beta") {
		t.Errorf("said %q", said)
	}
	if out, _ := s.bridge(exitOK, "recordings", "url", heardName, "--tenant", "beta", "--json"); !strings.Contains(out, `"tenant":"beta"`) {
		t.Errorf("printed %s", out)
	}
}
