package stage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolderIsEmpty(t *testing.T) {
	s := Stage{Dir: t.TempDir()}
	for range 2 {
		dir, err := s.Folder("a")
		if err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v, %v", left, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMeasured(t *testing.T) {
	m := Measured{}
	m.Add("bridge", 3)
	m.Add("raw", 4)
	if l := m.Line("what", "s", "bridge", "raw", "raw"); m.Ratio("bridge", "raw") != 0.75 || l.Figures[0] != 3 || l.Baseline[0] != 4 {
		t.Errorf("%+v", l)
	}
	if !AtLeast("", 1, 1).Met() || AtLeast("", 0.9, 1).Met() || !AtMost("", 1, 1).Met() || AtMost("", 1.1, 1).Met() {
		t.Error("limits are the wrong way round")
	}
}

func TestSay(t *testing.T) {
	var b strings.Builder
	Stage{Out: &b}.Say("round %d", 7)
	if !strings.HasSuffix(b.String(), " round 7\n") {
		t.Error(b.String())
	}
}
