package rawnats

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func some(n int) Kept {
	k := Kept{Config: jetstream.StreamConfig{Name: "ROWS", Subjects: []string{"row.>"}, AllowAtomicPublish: true}}
	for i := range n {
		k.Messages = append(k.Messages, Message{"row.a", []byte("NATS/1.0\r\nce-id: " + strings.Repeat("x", i+1) + "\r\n\r\n"), []byte(`{"row":1}`)})
	}
	return k
}

// do runs a job on a server in the client's process.
func do(t *testing.T, j Job, k Kept) (d Done, err error) {
	t.Helper()
	dir := t.TempDir()
	j.File, j.Dir = filepath.Join(dir, "kept"), filepath.Join(dir, "store")
	if err := k.Save(j.File); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := RunClient(t.Context(), j, &out); err != nil {
		return d, err
	}
	return d, json.Unmarshal(out.Bytes(), &d)
}

func TestJobs(t *testing.T) {
	for name, c := range map[string]struct {
		job  Job
		want int // 0: any
	}{
		"batches": {Job{Mode: "batches", N: 25, Size: 10}, 25},
		"window":  {Job{Mode: "window", N: 25, Size: 4}, 25},
		"singles": {Job{Mode: "singles", During: 50 * time.Millisecond}, 0},
	} {
		d, err := do(t, c.job, some(7))
		if err != nil || c.want > 0 && d.Messages != c.want || d.Messages == 0 || d.Seconds <= 0 || d.Peak < 1 {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if c.job.Mode == "singles" && len(d.Took) != d.Messages {
			t.Errorf("%d of %d were timed", len(d.Took), d.Messages)
		}
	}
}

// TestRefusals: what the stream refuses is an error, never counted.
func TestRefusals(t *testing.T) {
	closed := some(7)
	closed.Config.AllowAtomicPublish = false
	small := some(7)
	small.Config.MaxMsgSize = 10
	for name, c := range map[string]struct {
		job Job
		k   Kept
	}{
		"no batches": {Job{Mode: "batches", N: 25, Size: 10}, closed},
		"window":     {Job{Mode: "window", N: 25, Size: 4}, small},
		"singles":    {Job{Mode: "singles", During: time.Second}, small},
		"no job":     {Job{Mode: "other"}, some(1)},
	} {
		if d, err := do(t, c.job, c.k); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestKeep: what is read back of a stream is what was sent, and saved as it is.
func TestKeep(t *testing.T) {
	s, err := StartServer(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	admin, err := Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	want := some(7)
	if err := admin.Create(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	c, err := Dial(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := Batches(t.Context(), c, want.Messages, 7, 3); err != nil {
		t.Fatal(err)
	}
	got, err := admin.Keep(t.Context(), "ROWS", 5)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Messages[:5], got.Messages); diff != "" {
		t.Error(diff)
	}
	file := filepath.Join(t.TempDir(), "kept")
	if err := got.Save(file); err != nil {
		t.Fatal(err)
	}
	again, err := Load(file)
	if err != nil || again.Config.Name != "ROWS" {
		t.Fatalf("%+v, %v", again.Config, err)
	}
	if diff := cmp.Diff(got.Messages, again.Messages); diff != "" {
		t.Error(diff)
	}
	if _, err := admin.Keep(t.Context(), "OTHER", 5); err == nil {
		t.Error("there is another stream")
	}
}

func TestDamagedFile(t *testing.T) {
	for _, text := range []string{"", "x\n", "5\n{}", "2\n{}7\na"} {
		file := filepath.Join(t.TempDir(), "kept")
		if err := (Kept{}).Save(file); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, text)
		if _, err := Load(file); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestServerRole: it says where it is, and ends when nobody asks any more.
func TestServerRole(t *testing.T) {
	var out bytes.Buffer
	if err := RunServer(context.Background(), t.TempDir(), "", strings.NewReader(""), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), `"nats://127.0.0.1:`) {
		t.Errorf("%s", out.String())
	}
}
