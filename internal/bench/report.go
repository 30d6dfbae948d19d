package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/renameio/v2/maybe"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/rawnats"
)

// report is what a run has found.
type report struct {
	machine  string
	tables   []figures.Table
	verdicts []figures.Verdict
	drawn    []figures.Picture
	pictures string // folder for them, beside the document
}

// print prints the tables and a line for each target.
func (r report) print(out io.Writer) error {
	var b strings.Builder
	for _, t := range r.tables {
		b.WriteString("\n" + t.Markdown())
	}
	b.WriteString("\n" + r.lines())
	_, err := io.WriteString(out, b.String())
	return err
}

func (r report) lines() string {
	sorted := slices.Clone(r.verdicts)
	slices.SortStableFunc(sorted, func(a, b figures.Verdict) int { return a.Target - b.Target })
	var b strings.Builder
	for _, v := range sorted {
		b.WriteString(v.String() + "\n")
	}
	return b.String()
}

// The part of the document that a run writes stands between these two lines; what is
// around them is written by hand.
const (
	beginMark = "<!-- measured: begin -->"
	endMark   = "<!-- measured: end -->"
)

// write replaces the measured part of the document.
func (r report) write(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("write benchmarks: %w", err)
	}
	if err := r.draw(filepath.Join(filepath.Dir(file), r.pictures)); err != nil {
		return err
	}
	whole, err := r.into(string(text))
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return maybe.WriteFile(file, []byte(whole), 0o644)
}

// draw writes the pictures into a folder, which is made if need be.
func (r report) draw(dir string) error {
	if len(r.drawn) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range r.drawn {
		if err := maybe.WriteFile(filepath.Join(dir, p.Name+".svg"), []byte(p.SVG()), 0o644); err != nil {
			return fmt.Errorf("draw %s: %w", p.Name, err)
		}
	}
	return nil
}

func (r report) into(text string) (string, error) {
	before, rest, ok := strings.Cut(text, beginMark)
	_, after, closed := strings.Cut(rest, endMark)
	if !ok || !closed {
		return "", fmt.Errorf("it has no place between %s and %s", beginMark, endMark)
	}
	var b strings.Builder
	b.WriteString(before + beginMark + "\n\n" + r.machine + "\n\n## Targets\n\n")
	for line := range strings.Lines(r.lines()) {
		b.WriteString("- " + line)
	}
	for _, t := range r.tables {
		b.WriteString("\n" + t.Markdown())
	}
	for _, p := range r.drawn {
		fmt.Fprintf(&b, "\n![%s by %s](%s)\n", p.Title, p.Sizes, path.Join(r.pictures, p.Name+".svg"))
	}
	return b.String() + "\n" + endMark + after, nil
}

// machine says where and with what was measured.
func machine() string {
	model, memory := "an unknown processor", "unknown memory"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		model = field(string(text), "model name")
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		memory = field(string(text), "MemTotal")
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // empty where there is none
	return fmt.Sprintf("Measured on %d × %s, %s, %s %s, %s, nats-server %s; every write synced.",
		runtime.NumCPU(), model, memory, runtime.GOOS, strings.TrimSpace(string(kernel)), runtime.Version(), rawnats.ServerVersion)
}

// field is what stands behind a name and a colon.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
