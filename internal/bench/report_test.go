package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aiccbridge/internal/bench/figures"
)

// TestMain lets the test binary play its roles: a suite starts its own program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		main()
		return
	}
	os.Exit(m.Run())
}

func sample() report {
	return report{
		machine: "A machine.",
		tables:  []figures.Table{{Title: "Rows", Lines: []figures.Line{{What: "rate", Unit: "rows/s", Figures: figures.Series{1}}}}},
		verdicts: []figures.Verdict{
			{Target: 4},
			{Target: 1, Claims: []figures.Claim{{What: "rate", Figure: 1, AtLeast: true, Limit: 0.85}}},
		},
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	if err := sample().print(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "\nP1 met: rate 1.00 (≥ 0.85)\nP4 not met: not measured\n") || !strings.Contains(b.String(), "## Rows") {
		t.Error(b.String())
	}
}

// TestWrite: what is written by hand stays, and a second run leaves the same.
func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(file, []byte("# By hand\n\n"+beginMark+"\nold\n"+endMark+"\n\nmore by hand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sample().write(file); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(got)
		if !strings.HasPrefix(text, "# By hand\n\n"+beginMark+"\n\nA machine.\n\n## Targets\n\n- P1 met: ") || !strings.HasSuffix(text, endMark+"\n\nmore by hand\n") || strings.Contains(text, "old") {
			t.Error(text)
		}
	}
	for _, text := range []string{"", beginMark, endMark + beginMark} {
		if _, err := sample().into(text); err == nil {
			t.Errorf("%q has a place", text)
		}
	}
	if err := sample().write(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("there is a document")
	}
}

// TestDocumentHasAPlace: make bench would fail at its end else.
func TestDocumentHasAPlace(t *testing.T) {
	for _, name := range []string{"benchmarks.md", "growth.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sample().into(string(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPicturesAreBeside: pictures stand in a folder beside the document, which shows them.
func TestPicturesAreBeside(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "growth.md")
	if err := os.WriteFile(file, []byte(beginMark+endMark), 0o600); err != nil {
		t.Fatal(err)
	}
	r := sample()
	r.pictures, r.drawn = "drawn", []figures.Picture{{Name: "rows", Title: "Memory", Sizes: "rows"}}
	if err := r.write(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "![Memory by rows](drawn/rows.svg)") {
		t.Errorf("%s, %v", text, err)
	}
	if svg, err := os.ReadFile(filepath.Join(dir, "drawn", "rows.svg")); err != nil || !strings.HasPrefix(string(svg), "<svg") {
		t.Errorf("%s, %v", svg, err)
	}
}

func TestMachine(t *testing.T) {
	if m := machine(); !strings.Contains(m, "nats-server") || !strings.Contains(m, " × ") {
		t.Error(m)
	}
	if got := field("a: 1\nmodel name\t: X 2: Y\n", "model name"); got != "X 2: Y" {
		t.Errorf("%q", got)
	}
	if got := field("", "b"); got != "unknown" {
		t.Errorf("%q", got)
	}
}

func TestCommandLine(t *testing.T) {
	s, err := parse("rows", []string{"-rows", "7", "-bridge", "b"})
	if err != nil || s.rows != 7 || s.rounds != 3 || s.binary != "b" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, args := range [][]string{nil, {"dance", "-bridge", "b"}, {"rows", "-no"}, {"rows", "-bridge", "/nothing", "-rows", "1"}, {"raw", "{"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v is a suite", args)
		}
	}
}
