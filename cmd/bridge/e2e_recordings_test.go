package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/truthcheck"
	telephony "aiccbridge/internal/voice"
	"aiccbridge/schemas"
)

// fetching is what the recorder of these scenes is told: in a hurry, and for a few seconds
// only.
const fetching = "mode: fetch, per_minute: 6000, retry_after: 1s, give_up_after: 20s"

// recorded is a scene with so many rows of the recording index in one window.
func recorded(rows int, sound voice.Settings, faults ...fault.Rule) setup {
	return setup{
		kinds: []schemas.Kind{schemas.KindRecording}, window: 72 * time.Hour, since: 73 * time.Hour, overdue: time.Hour,
		faults: append(faults, extraRows(rows)), audio: sound, recordings: fetching,
	}
}

// heard waits until it is said what became of all recordings, of which there are so many at
// least, holds that against the truth, and ends the bridge.
func (r *running) heard(least int) truthcheck.RecordingReport { return r.heardAnd(least, func() {}) }

// heardAnd is heard, and looks at the bridge before it ends.
func (r *running) heardAnd(least int, look func()) truthcheck.RecordingReport {
	s := r.s
	s.t.Helper()
	s.until("there are recordings", func() bool { return len(s.sim.Truth().Recordings) >= least })
	s.sim.Quiesce()
	s.until("the contact centre is quiet", s.sim.Quiet)
	quiet := time.Now()
	s.until("all windows are complete", func() bool { return r.settled(quiet) })
	s.until("all recordings are settled", func() bool {
		idle, err := r.bus.RecordingsIdle(s.t.Context())
		return err == nil && idle
	})
	report := s.heard(r.bus)
	look()
	r.finish()
	return report
}

// heard is what was said, and fails the test where it differs from the truth.
func (s *scene) heard(b *bus.Bus) truthcheck.RecordingReport {
	s.t.Helper()
	check := truthcheck.NewRecordings(tenantName)
	for _, stream := range []schemas.Stream{schemas.StreamFiles, schemas.StreamRows} {
		for _, m := range s.messages(b, stream) {
			check.Message(m)
			s.listen(b, m)
		}
	}
	report, problems := check.Compare(s.truth())
	for _, p := range problems {
		s.t.Error(p)
	}
	s.t.Logf("%+v", report)
	return report
}

// listen gets the audio that a message tells of from the object store.
func (s *scene) listen(b *bus.Bus, m schemas.Stored) {
	s.t.Helper()
	var said schemas.Recording
	if m.Get("ce-type") != schemas.TypeRecording || json.Unmarshal(m.Body, &said) != nil || said.Status != schemas.RecordingStored {
		return
	}
	name, inStore := strings.CutPrefix(said.Object, "AICC_RECORDINGS/")
	if !inStore || said.EncryptedBy != "" {
		return
	}
	r, found, err := kv.OpenObjects(b.Conn(), schemas.BucketRecordings).Get(s.t.Context(), name)
	if err != nil || !found {
		s.t.Errorf("%s: found %t, %v", said.Object, found, err)
		return
	}
	defer r.Close()
	audio, err := io.ReadAll(r)
	if sum := sha256.Sum256(audio); err != nil || hex.EncodeToString(sum[:]) != said.SHA256 || int64(len(audio)) != said.Bytes {
		s.t.Errorf("%s is not what was said of it: %v", said.Object, err)
	}
}

// TestRecordings: audio that is late, absent, truncated, cut off, or an error that is
// labelled as audio, and a file store that is away for a while. Every recording is stored as
// the platform has it, or said to be missing where it has none.
func TestRecordings(t *testing.T) {
	t.Parallel()
	const rows = 60
	s := newScene(t, recorded(rows, voice.Settings{Absent: 0.1, Late: 0.2, LateBy: 3 * time.Second},
		fault.Rule{Fault: "audio.truncated", Next: 2}, fault.Rule{Fault: "audio.cut", Next: 2}, fault.Rule{Fault: "audio.status", Next: 2},
		fault.Rule{Fault: "audio.json_as_octet_stream", Next: 2}, fault.Rule{Fault: "audio.flow_control", Next: 1}))
	r := s.run()
	report := r.heard(rows)
	if report.InTruth != rows || report.Stored < rows/2 || report.Missing == 0 {
		t.Errorf("the report is %+v", report)
	}
	if letters := r.report; !letters.OK || letters.Rows.InStream != rows {
		t.Errorf("rows: %+v", letters.Rows)
	}
}

// TestRecordingsCostOneRequest: a day of which 3 % of the calls are recorded costs at most 1.1
// requests for each recording; the same where the interface that is asked first has none, and
// some audio is late, or the second gives the recordings of a call as a ZIP.
func TestRecordingsCostOneRequest(t *testing.T) {
	t.Parallel()
	const calls = 2_000
	for name, c := range map[string]struct {
		rows  int // 3 % of the calls; more where a few late ones are to be no large share
		keys  string
		sound voice.Settings
		odd   []fault.Rule
	}{
		"plain": {rows: 60, keys: "retry_after: 1s, give_up_after: 20s"},
		"some late, by the second interface": {
			rows: 240, keys: "retry_after: 50s, give_up_after: 10m", sound: voice.Settings{Late: 0.03, LateBy: 45 * time.Second},
			odd: []fault.Rule{{Fault: "audio.absent", Operation: "downloadRecordFile", Share: 1}},
		},
		"several of a call in a ZIP, by the second interface": {
			rows: 60, keys: "order: [file_name, call_id], retry_after: 1s, give_up_after: 1m",
			odd: []fault.Rule{{Fault: "audio.absent", Operation: "downloadRecordFile", Share: 1}, {Fault: "rows.one_call", Share: 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := c.rows
			o := recorded(rows, c.sound)
			o.kinds = []schemas.Kind{schemas.KindCDR, schemas.KindRecording}
			o.recordings = "mode: fetch, per_minute: 6000, " + c.keys
			o.faults = append(c.odd, fault.Rule{Fault: "rows.extra", Kind: "recording", Next: 1, Count: rows}, fault.Rule{Fault: "rows.extra", Kind: "cdr", Next: 1, Count: calls})
			s := newScene(t, o)
			r := s.run()
			report := r.heard(rows)
			if r.report.Rows.InStream != calls+rows {
				t.Errorf("rows: %+v", r.report.Rows)
			}
			if report.Stored != rows || report.Requests > rows*11/10 {
				t.Errorf("%d requests for %d recordings", report.Requests, report.Stored)
			}
			t.Attr("figure", fmt.Sprintf("%d requests for %d recordings of %d calls", report.Requests, report.Stored, calls))
		})
	}
}

// TestRecordingsAreListedAndGot: by the command, with the bridge running and without, as the
// platform gave them and as PCM, from the hub and from a folder where they are encrypted.
func TestRecordingsAreListedAndGot(t *testing.T) {
	t.Parallel()
	const rows = 12
	for place, more := range map[string]func(s *scene) string{
		"nats": func(*scene) string { return "" },
		"folder": func(s *scene) string {
			key := filepath.Join(s.dir, "audio.key")
			if err := os.WriteFile(key, []byte(strings.Repeat("7f", 32)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf(", store: folder, folder_dir: %q, encryption_key_file: %q", filepath.Join(s.dir, "audio"), key)
		},
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, recorded(rows, voice.Settings{}))
			s.setup.recordings += more(s)
			s.writeConfig()
			r := s.run()
			if got := r.heard(rows).Stored; got != rows {
				t.Fatalf("%d stored", got)
			}
			listed := strings.Split(strings.TrimSpace(s.command("recordings", "ls", "--json", "-c", s.path())), "\n")
			if len(listed) != rows {
				t.Fatalf("%d are listed, want %d: %s", len(listed), rows, listed)
			}
			var said schemas.Recording
			if err := json.Unmarshal([]byte(listed[0]), &said); err != nil {
				t.Fatal(err)
			}
			if text := s.command("recordings", "ls", "--call", said.CallID, "-c", s.path()); !strings.Contains(text, said.Key) || strings.Count(text, "\n") > rows {
				t.Errorf("of one call: %s", text)
			}
			if none := s.command("recordings", "ls", "--agent", "nobody", "--json", "-c", s.path()); none != "" {
				t.Errorf("of nobody: %s", none)
			}
			audio := []byte(s.command("recordings", "get", said.Key, "-o", "-", "-c", s.path()))
			if sum := sha256.Sum256(audio); hex.EncodeToString(sum[:]) != said.SHA256 {
				t.Error("what is got is not what was said")
			}
			file := filepath.Join(t.TempDir(), "x.wav")
			s.command("recordings", "get", said.Object, "--wav", "-o", file, "-c", s.path())
			plain, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if w, err := telephony.Read(plain); err != nil || w.Codec != telephony.PCM || w.Bits != 16 || w.Length().Milliseconds() != said.Milliseconds {
				t.Errorf("as PCM: %+v, %v", w, err)
			}
			var out, errOut bytes.Buffer
			if code := execute([]string{"recordings", "get", "nothing", "-c", s.path()}, &out, &errOut); code != exitFailed || !strings.Contains(errOut.String(), "no audio of nothing is kept") {
				t.Errorf("of none: %d, %s", code, errOut.String())
			}
		})
	}
}

// command runs a command line that must succeed, and returns what it prints.
func (s *scene) command(args ...string) string {
	s.t.Helper()
	var out, errOut bytes.Buffer
	if code := execute(args, &out, &errOut); code != exitOK {
		s.t.Fatalf("%v: exit code %d\n%s", args, code, errOut.String())
	}
	return out.String()
}

// TestEachWayToAudio: whichever interface is asked, what is stored is the recording of the
// row, and nothing is stored where it can't be told.
func TestEachWayToAudio(t *testing.T) {
	t.Parallel()
	const rows = 15
	for _, way := range []string{"file_name", "original_file_name", "call_id", "obs"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			o := recorded(rows, voice.Settings{Longest: asLongAsTheRow})
			o.recordings += fmt.Sprintf(", order: [%s]", way)
			report := newScene(t, o).run().heard(rows)
			if report.Stored != rows || report.Requests > 2*rows {
				t.Errorf("the report is %+v", report)
			}
		})
	}
}

// asLongAsTheRow has the simulator play all that a row says.
const asLongAsTheRow = time.Hour

// TestOneOfTwoIsLate: while one of a call's two recordings is late, the other is not taken for
// it by an interface that is asked for the call.
func TestOneOfTwoIsLate(t *testing.T) {
	t.Parallel()
	const rows = 20
	for _, way := range []string{"call_id", "obs"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			o := recorded(rows, voice.Settings{Longest: asLongAsTheRow, Late: 0.4, LateBy: 5 * time.Second})
			o.recordings += fmt.Sprintf(", order: [%s]", way)
			o.faults = append([]fault.Rule{{Fault: "rows.one_call", Share: 1}}, o.faults...)
			report := newScene(t, o).run().heard(rows)
			if report.WrongDigest+report.Unsaid > 0 || report.Stored < rows/2 {
				t.Errorf("the report is %+v", report)
			}
		})
	}
}
