package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"aiccbridge/internal/processgroup"
)

// tester is the mutation tester, by its version.
const tester = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.5.0"

// report is what the tester writes, as far as it is read.
type report struct {
	Files []struct {
		Name      string     `json:"file_name"` // below the folder
		Mutations []mutation `json:"mutations"`
	} `json:"files"`
}

// mutation is one change and what came of it.
type mutation struct {
	Type   string `json:"type"`   // e.g. CONDITIONALS_BOUNDARY
	Status string `json:"status"` // one of the statuses of a result
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// verdict is a mutant that compiles, and its status.
type verdict struct {
	change
	status string
}

// try runs the tester over a folder; a result for each package that is not for tests.
func try(ctx context.Context, folder string, workers int) ([]result, error) {
	r, err := unleash(ctx, folder, workers)
	if err != nil {
		return nil, err
	}
	c, err := load(".", folder)
	if err != nil {
		return nil, err
	}
	compiler, err := newCompiler(ctx, c, ".", folder)
	if err != nil {
		return nil, err
	}
	verdicts, err := r.verdicts(folder, c, compiler)
	if err == nil {
		err = judgeAll(ctx, ".", verdicts, workers)
	}
	if err != nil {
		return nil, err
	}
	results := map[string]*result{}
	for _, v := range verdicts {
		if results[v.folder] == nil {
			results[v.folder] = &result{pkg: v.folder}
		}
		if err := results[v.folder].add(v.name, v.status); err != nil {
			return nil, err
		}
	}
	var all []result
	for _, pkg := range slices.Sorted(maps.Keys(results)) {
		all = append(all, *results[pkg])
	}
	return all, nil
}

// verdicts are what the tester says of the mutants that compile.
func (r report) verdicts(folder string, c *code, compiler *compiler) (all []verdict, err error) {
	for _, file := range r.Files {
		name := path.Join(folder, file.Name)
		if strings.HasSuffix(path.Dir(name), "test") {
			continue
		}
		for _, m := range file.Mutations {
			made, ok := c.changes[place{name, m.Line, m.Column, m.Type}]
			if !ok {
				return nil, fmt.Errorf("%s:%d:%d: no operator stands there for %s", name, m.Line, m.Column, m.Type)
			}
			if compiler.compiles(made) {
				all = append(all, verdict{made, m.Status})
			}
		}
	}
	return all, nil
}

// unleash runs the tester, whose results go to a file.
func unleash(ctx context.Context, folder string, workers int) (r report, err error) {
	dir, err := os.MkdirTemp("", "bridge-mutation-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "report.json")
	cmd := exec.CommandContext(ctx, "go", "run", tester, "unleash", "./"+folder, "--output", file,
		"--workers", strconv.Itoa(workers), "--timeout-coefficient", "15")
	// It takes the time of the first run for the measure of all others, which a busy machine
	// makes far slower: no result may come from the cache. What go vet finds, no test has
	// found. Nobody debugs the binaries.
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -count=1 -vet=off -ldflags=-w")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := processgroup.Run(cmd); err != nil {
		return r, fmt.Errorf("run %s: %w\n%s", tester, err, out.Bytes())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}
