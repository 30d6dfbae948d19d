package main

import (
	"bytes"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hasTest looks for a test in a package's source.
func hasTest(t *testing.T, suite, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", suite, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(name string) bool {
		text, err := os.ReadFile(name)
		return err == nil && bytes.Contains(text, []byte("\nfunc "+test+"(t *testing.T)"))
	})
}

// Each mutant can be made of the tree as it is now, and its tests are there. That it
// builds, and dies, is seen when it is run.
func TestPatchesApply(t *testing.T) {
	t.Parallel()
	names, err := allPatches()
	if err != nil {
		t.Fatal(err)
	}
	known := slices.Concat(mutants, details)
	for _, name := range names {
		if !slices.ContainsFunc(known, func(m mutant) bool { return m.name == name }) {
			t.Errorf("no test is named for mutants/%s.patch", name)
		}
	}
	for _, m := range known {
		if !hasTest(t, m.suite, m.test) {
			t.Errorf("%s: there is no %s in %s", m.name, m.test, m.suite)
		}
		if !slices.Contains(names, m.name) {
			t.Errorf("there is no mutants/%s.patch", m.name)
		}
	}
	for _, w := range wholes() {
		if _, err := os.Stat(filepath.Join("../..", w.name)); err != nil {
			t.Errorf("%s: %v", w.command(), err)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := readPatch(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := p.apply(t.Context(), "../..", dir); err != nil {
				t.Fatal(err)
			}
			for _, file := range p.files {
				text, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil {
					t.Fatal(err)
				}
				if nice, err := format.Source(text); err != nil || !bytes.Equal(nice, text) {
					t.Errorf("%s is not formatted after the patch: %v", file, err)
				}
			}
		})
	}
}

func TestPatchThatDoesNotApply(t *testing.T) {
	t.Parallel()
	const text = "A promise: here not.\n\n--- a/p/a.go\n+++ b/p/a.go\n@@ -3,3 +3,3 @@\n var b = 0\n-var a = 1\n+var a = 2\n var c = 0\n"
	p := patch{name: "a", files: []string{"p/a.go"}, text: []byte(text)}
	for name, tc := range map[string]struct{ source, want, says string }{
		"applies":        {"package p\n\nvar b = 0\nvar a = 1\nvar c = 0\n", "package p\n\nvar b = 0\nvar a = 2\nvar c = 0\n", ""},
		"lines moved":    {"package p\n\n\n\nvar b = 0\nvar a = 1\nvar c = 0\n", "package p\n\n\n\nvar b = 0\nvar a = 2\nvar c = 0\n", ""},
		"line changed":   {"package p\n\nvar b = 0\nvar a = 3\nvar c = 0\n", "", "mutants/a.patch no longer applies: error: patch failed: p/a.go:3"},
		"around changed": {"package p\n\nvar b = 1\nvar a = 1\nvar c = 0\n", "", "mutants/a.patch no longer applies: error: patch failed: p/a.go:3"},
		"no file":        {"", "", "mutants/a.patch no longer applies: there is no p/a.go"},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := t.TempDir(), t.TempDir()
			if err := os.Mkdir(filepath.Join(root, "p"), 0o755); err != nil {
				t.Fatal(err)
			}
			if tc.source != "" {
				if err := os.WriteFile(filepath.Join(root, "p/a.go"), []byte(tc.source), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := p.apply(t.Context(), root, dir)
			if tc.says != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tc.says) {
					t.Errorf("it says %v", err)
				}
				return
			}
			if text, _ := os.ReadFile(filepath.Join(dir, "p/a.go")); err != nil || string(text) != tc.want {
				t.Errorf("%v, and %q", err, text)
			}
		})
	}
}
