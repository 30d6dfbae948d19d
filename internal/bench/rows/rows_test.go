package rows

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/stage"
)

var to = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// TestZIP: the file is what a platform makes, and unzipping reads all of it.
func TestZIP(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.zip")
	if err := WriteZIP(name, "a_call.csv", 500, to); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	in, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(in).ReadAll()
	if err != nil || len(all) != 501 || len(all[0]) != 38 || z.File[0].Name != "a_call.csv" {
		t.Fatalf("%d records, %v", len(all), err)
	}
	ids := map[string]bool{}
	for _, r := range all[1:] {
		ids[r[4]] = true
		begin, err := time.Parse(time.DateTime, r[7])
		if err != nil || begin.Before(to.Add(-time.Hour)) || !begin.Before(to) {
			t.Fatalf("a row at %s: %v", r[7], err)
		}
	}
	if len(ids) != 500 {
		t.Errorf("%d calls", len(ids))
	}
	var out bytes.Buffer
	if err := Unzip(t.Context(), name, &out); err != nil {
		t.Fatal(err)
	}
	var done unzipped
	if err := json.Unmarshal(out.Bytes(), &done); err != nil {
		t.Fatal(err)
	}
	if size := done.Bytes / 501; size < 380 || size > 480 || done.Seconds <= 0 {
		t.Errorf("%d bytes a row, %+v", size, done)
	}
	if err := Unzip(t.Context(), "/nothing", &out); err == nil {
		t.Error("nothing was unzipped")
	}
}

// TestSameRowsInAnotherFile: only the member's name differs.
func TestSameRowsInAnotherFile(t *testing.T) {
	dir := t.TempDir()
	var read [2][]byte
	for i, member := range []string{"a_call.csv", "b_call.csv"} {
		name := filepath.Join(dir, member)
		if err := WriteZIP(name, member, 100, to); err != nil {
			t.Fatal(err)
		}
		var err error
		if read[i], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Equal(read[0], read[1]) || !bytes.Equal(bytes.ReplaceAll(read[0], []byte("a_call"), []byte("b_call")), read[1]) {
		t.Error("the files differ otherwise")
	}
}

// TestVerdicts: figures of two rounds that are just good enough, and each one spoilt.
func TestVerdicts(t *testing.T) {
	good := func() stage.Measured {
		return stage.Measured{
			"external: rows/s": {85, 170}, "raw external: rows/s": {100, 200}, "embedded: rows/s": {80}, "raw embedded: rows/s": {100},
			"external: CPU": {7, 7}, "raw external: CPU": {1, 1}, "unzip: CPU": {1.5, 1.5}, "again: peak over first": {1},
			"large: peak above idle": {64e6}, "unchanged": {0.25}, "first": {1}, "identical": {0.05},
		}
	}
	met := func(m stage.Measured) (targets string) {
		for _, v := range (&Result{Rows: 1, Large: 1, m: m}).Verdicts() {
			if v.Met() {
				targets += strings.Fields(v.String())[0] + " "
			}
		}
		return targets
	}
	if got := met(good()); got != "P1 P3 P4 P12 " {
		t.Errorf("met: %s", got)
	}
	for name, c := range map[string]struct {
		f    figures.Series
		want string
	}{
		"external: rows/s": {figures.Series{84, 84}, "P3 P4 P12 "}, "embedded: rows/s": {figures.Series{79}, "P3 P4 P12 "},
		"external: CPU": {figures.Series{7.1, 7.1}, "P1 P4 P12 "}, "again: peak over first": {figures.Series{1.1}, "P1 P3 P12 "},
		"large: peak above idle": {figures.Series{65e6}, "P1 P3 P12 "}, "unchanged": {figures.Series{0.26}, "P1 P3 P4 "},
		"identical": {figures.Series{0.06}, "P1 P3 P4 "}, "unzip: CPU": {nil, "P1 P4 P12 "},
	} {
		m := good()
		m[name] = c.f
		if got := met(m); got != c.want {
			t.Errorf("with %s %v: %s, want %s", name, c.f, got, c.want)
		}
	}
	for _, table := range (&Result{Rows: 1, Large: 1, m: good()}).Tables() {
		if text := table.Markdown(); !strings.Contains(text, "| 0.85 | 2 |") || strings.Contains(text, "| bridge, server in a second process | rows/s | – |") {
			t.Error(text)
		}
	}
}

func TestPeerVerdict(t *testing.T) {
	r := PeerResult{100, stage.Measured{"bridge: rate": {5}, "peer: rate": {1}, "bridge: CPU": {1}, "peer: CPU": {8}, "bridge: peak": {1}, "peer: peak": {10}}}
	if v := r.Verdicts()[0]; v.Target != 2 || !v.Met() {
		t.Error(v)
	}
	for _, name := range []string{"bridge: CPU", "bridge: peak", "peer: rate"} {
		f := r.m[name]
		r.m[name] = figures.Series{2 * f[0]}
		if v := r.Verdicts()[0]; v.Met() {
			t.Errorf("twice the %s: %s", name, v)
		}
		r.m[name] = f
	}
	if text := r.Tables()[0].Markdown(); !strings.Contains(text, "| 5.00 | 1 |") {
		t.Error(text)
	}
}
