package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a fenced block of a page: its language, and what is in it.
var block = regexp.MustCompile("(?sm)^```([a-z]*)\n(.*?)^```$")

// blocks are those of a page in one language, in order.
func blocks(page, language string) (all []string) {
	for _, m := range block.FindAllStringSubmatch(page, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	return all
}

// readPage reads a page, by its path from the root.
func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestGettingStarted does what docs/getting-started.md says of the simulator, word by word: all
// blocks of commands in one shell, in a folder with the program and the sample, on a machine of
// their own as far as addresses go.
func TestGettingStarted(t *testing.T) {
	steps := blocks(readPage(t, "docs/getting-started.md"), "sh")
	if len(steps) < 6 {
		t.Fatalf("%d steps", len(steps))
	}
	dir := t.TempDir()
	if err := os.Symlink(program(t), filepath.Join(dir, "bridge")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bridge.example.yaml"), []byte(readPage(t, "bridge.example.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "steps.sh")
	const around = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"
	if err := os.WriteFile(script, []byte(around+strings.Join(steps, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), asBridge+"=1")
	out, err := alone(cmd)
	if err != nil || !bytes.Contains(out, []byte("Everything is there, once.")) {
		t.Errorf("%v\n%s", err, out)
		for _, name := range []string{"simulator.log", "bridge.log", "status.txt"} {
			log, _ := os.ReadFile(filepath.Join(dir, name)) // as far as it came
			t.Logf("%s:\n%s", name, log[max(0, len(log)-4000):])
		}
	}
}

// Commands of the program in spans of code, and at the beginning of lines of blocks, or behind
// what a shell has before commands.
var (
	inSpan  = regexp.MustCompile("`(?:\\./)?bridge ([a-z][^`\n#|&>;()]*)")
	inBlock = regexp.MustCompile("(?m)(?:^|\\(|\\| |&& |; |until |[A-Z]=\\S+ )(?:\\./)?bridge ([a-z][^\n#|&>;()]*)")
)

// wrongCommands are the commands in a page that the program does not have, or whose flags.
func wrongCommands(page string) (wrong []string, seen int) {
	found := inSpan.FindAllStringSubmatch(block.ReplaceAllString(page, ""), -1)
	for _, m := range block.FindAllStringSubmatch(page, -1) {
		if m[1] == "" || m[1] == "sh" {
			found = append(found, inBlock.FindAllStringSubmatch(m[2], -1)...)
		}
	}
	for _, m := range found {
		if err := exists(strings.Fields(m[1])); err != nil {
			wrong = append(wrong, fmt.Sprintf("bridge %s: %v", strings.TrimSpace(m[1]), err))
		}
	}
	return wrong, len(found)
}

// exists reports a command line that the program would not take.
func exists(words []string) error {
	if slices.Contains([]string{"completion", "help"}, words[0]) { // cobra's own
		return nil
	}
	c, rest, err := newRoot().Find(words)
	if err == nil && !c.HasParent() {
		err = fmt.Errorf("there is no command %s", words[0])
	}
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	for _, word := range rest {
		flag, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if strings.HasPrefix(word, "--") && c.Flag(flag) == nil {
			return fmt.Errorf("there is no flag --%s", flag)
		}
	}
	return nil
}

// TestCommandsInPages: whatever command a page names, the program has.
func TestCommandsInPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	nested, err := filepath.Glob("../../docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, name := range append(append(pages, nested...), "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		wrong, seen := wrongCommands(string(text))
		named += seen
		for _, w := range wrong {
			t.Errorf("%s: %s", strings.TrimPrefix(name, "../../"), w)
		}
	}
	if named < 100 {
		t.Errorf("only %d commands were found", named)
	}
	if wrong, _ := wrongCommands("`bridge wndows`, the bridge is\nbridge or not\n```\n./bridge windows --kindd cdr\n./bridge status --json\n```\n"); len(wrong) != 2 {
		t.Errorf("wrong are %q", wrong)
	}
}
