package consuming

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build builds the recipes, and returns the folder of the programs.
func build(t *testing.T, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...)
	if out, err := exec.CommandContext(t.Context(), "go", append(args, "./go/...")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// TestGo: each recipe in Go, killed twice, loses nothing and has nothing twice.
func TestGo(t *testing.T) {
	t.Parallel()
	dir := build(t)
	each(t, func(name string) []string { return []string{filepath.Join(dir, name)} })
}

// TestGoBites: recipes with a mistake are found out.
func TestGoBites(t *testing.T) {
	t.Parallel()
	mistakes := map[string]struct{ right, wrong, says string }{
		"agent":     {"last.Position + 1", "1", "twice"},
		"dedupe":    {"seen[done.ID] = true\n\t}\n\tjs", "}\n\tjs", "twice"},
		"revisions": {">= newest[row.Key]", "> newest[row.Key]", `agent_id":"103"`},
		"window":    {"append(newest[h[0]], m.Data())", "append([]json.RawMessage{}, m.Data())", `agent_id":"101"`},
		"replay":    {"!at.Before(since)", "!at.IsZero()", `"epoch":1,"seq":1`},
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, m := range mistakes {
		path, err := filepath.Abs(filepath.Join("go", name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || strings.Count(string(text), m.right) != 1 {
			t.Fatalf("%s does not have %s once: %v", name, m.right, err)
		}
		overlay.Replace[path] = filepath.Join(t.TempDir(), name+".go")
		if err := os.WriteFile(overlay.Replace[path], []byte(strings.Replace(string(text), m.right, m.wrong, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := build(t, "-overlay", file)
	for _, r := range recipes {
		m, wrong := mistakes[r.name]
		if !wrong {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			found := func(err error) bool { return err != nil && strings.Contains(err.Error(), m.says) }
			if err := run(t, r, []string{filepath.Join(dir, r.name)}, found); !found(err) {
				t.Errorf("%v, want %s", err, m.says)
			}
		})
	}
}
