package consuming

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the recipes into docs/consuming.md")

// quote is a recipe in the page: the file that it is, and its text.
var quote = regexp.MustCompile("(?s)<summary>[^<]+<code>docs/consuming/([^<]+)</code></summary>\n\n```\\w+\n(.*?)```\n")

// stale are the files that a page does not quote as they are; files are those that it has to quote.
func stale(page string, files map[string]string) (names []string) {
	quoted := map[string]bool{}
	for _, m := range quote.FindAllStringSubmatch(page, -1) {
		if text, there := files[m[1]]; !there || text != m[2] || quoted[m[1]] {
			names = append(names, m[1])
		}
		quoted[m[1]] = true
	}
	for name := range files {
		if !quoted[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// sources are the recipes by their paths from here.
func sources(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, language := range []string{"go", "js", "python"} {
		err := filepath.WalkDir(language, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() && e.Name() == "node_modules" {
				return fs.SkipDir
			}
			if err != nil || !slices.Contains([]string{".go", ".mjs", ".py"}, filepath.Ext(path)) {
				return err
			}
			text, err := os.ReadFile(path)
			files[filepath.ToSlash(path)] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) != 3*len(recipes) {
		t.Errorf("%d recipes, want %d in three languages", len(files), len(recipes))
	}
	return files
}

// TestPage: docs/consuming.md quotes every recipe as it is (-update writes them into it).
func TestPage(t *testing.T) {
	files := sources(t)
	text, err := os.ReadFile("../consuming.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	if *update {
		page = quote.ReplaceAllStringFunc(page, func(old string) string {
			m := quote.FindStringSubmatch(old)
			return strings.TrimSuffix(old, m[2]+"```\n") + files[m[1]] + "```\n"
		})
		if err := os.WriteFile("../consuming.md", []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range stale(page, files) {
		t.Errorf("docs/consuming.md does not quote %s as it is; go test ./docs/consuming -run TestPage -update", name)
	}
	for name, pattern := range map[string]string{"../../go.mod": `nats.go v[0-9.]+`, "js/package.json": `jetstream": "[0-9]+\.[0-9]+`} {
		module, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		version := strings.NewReplacer(" ", "@", `jetstream": "`, "nats.js ").Replace(regexp.MustCompile(pattern).FindString(string(module)))
		if version == "" || !strings.Contains(page, version) {
			t.Errorf("the page does not say %q, which %s has", version, name)
		}
	}
	for name, text := range files {
		if n := strings.Count(text, "\n"); n > 80 {
			t.Errorf("%s has %d lines: nobody copies that", name, n)
		}
	}
	if len(stale(strings.Replace(page, "OptStartSeq", "OptStartSequence", 1), files)) != 1 || len(stale("", files)) != len(files) {
		t.Error("a page that differs would do")
	}
}

// TestPython: those in Python compile. They are not run: their client is not to be had where
// the tests run.
func TestPython(t *testing.T) {
	const compile = "import ast, sys\nfor name in sys.argv[1:]: ast.parse(open(name).read(), name)"
	args := []string{"-c", compile}
	for name := range sources(t) {
		if strings.HasSuffix(name, ".py") {
			args = append(args, name)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "python3", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
