package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// patches are the mutants, one unified diff each.
//
//go:embed mutants/*.patch
var patches embed.FS

// patch breaks one promise in a copy of the source.
type patch struct {
	name    string
	promise string   // its first line: what is promised, and what happens instead
	files   []string // that it changes, from the module's root
	text    []byte
}

// readPatch reads one of [patches].
func readPatch(name string) (patch, error) {
	text, err := patches.ReadFile("mutants/" + name + ".patch")
	if err != nil {
		return patch{}, fmt.Errorf("there is no mutants/%s.patch", name)
	}
	p := patch{name: name, text: text}
	p.promise, _, _ = strings.Cut(string(text), "\n")
	for line := range strings.Lines(string(text)) {
		if file, ok := strings.CutPrefix(line, "--- a/"); ok {
			p.files = append(p.files, strings.TrimSpace(file))
		}
	}
	if !strings.HasSuffix(p.promise, ".") || len(p.files) == 0 {
		return patch{}, fmt.Errorf("mutants/%s.patch must begin with a sentence and change a file", name)
	}
	return p, nil
}

// allPatches are the names of [patches], sorted.
func allPatches() (names []string, err error) {
	files, err := patches.ReadDir("mutants")
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".patch"))
	}
	return names, err
}

// apply copies the files that the patch changes from root to dir, and changes the
// copies. Lines may have moved; that a line has changed, in the patch's context
// too, is an error.
func (p patch) apply(ctx context.Context, root, dir string) error {
	for _, file := range p.files {
		text, err := os.ReadFile(filepath.Join(root, file))
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("mutants/%s.patch no longer applies: there is no %s", p.name, file)
		}
		to := filepath.Join(dir, file)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "git", "apply", "--whitespace=nowarn", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(p.text))
	// A repository around the temporary folder must not count: its paths are others.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") }),
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mutants/%s.patch no longer applies: %s", p.name, strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}

// overlay applies the patch and returns the file for the flag -overlay of go build
// and go test.
func (p patch) overlay(ctx context.Context, root, dir string) (file string, err error) {
	if err := p.apply(ctx, root, dir); err != nil {
		return "", err
	}
	var o struct{ Replace map[string]string }
	o.Replace = map[string]string{}
	for _, f := range p.files {
		o.Replace[filepath.Join(root, f)] = filepath.Join(dir, f)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o644)
}
