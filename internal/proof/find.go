package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tag is the build tag of everything that runs here.
const tag = "faults"

// suite is the built tests of one package.
type suite struct {
	name   string // without the module's path
	dir    string
	binary string
	bridge string // the program that its tests run
	tests  []string
}

// found is what can be run.
type found struct {
	suites map[string]*suite // by name
	broken []string          // packages that don't build, with the reason
}

// caseName is the form of a case's name.
var caseName = regexp.MustCompile(`^TestF(\d\d)\w*$`)

// inSource finds cases before anything is built.
var inSource = regexp.MustCompile(`(?m)^func TestF\d\d`)

// goPackage is what `go list` says of a package.
type goPackage struct {
	ImportPath, Dir           string
	TestGoFiles, XTestGoFiles []string
	Module                    struct{ Path, Dir string }
}

// find builds the program, and the tests of each package that has cases or that a
// wanted mutant names.
func (r *runner) find(ctx context.Context) (*found, error) {
	if out, err := r.goTool(ctx, "build", "-tags", tag, "-o", r.bridge, "./cmd/bridge"); err != nil {
		return nil, fmt.Errorf("build the bridge: %w\n%s", err, out)
	}
	listed, err := r.goTool(ctx, "list", "-tags", tag, "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles,Module", "./...")
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w\n%s", err, listed)
	}
	f := &found{suites: map[string]*suite{}}
	for d := json.NewDecoder(bytes.NewReader(listed)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return f, nil
		} else if err != nil {
			return nil, fmt.Errorf("list the packages: %w", err)
		}
		s := &suite{name: strings.TrimPrefix(p.ImportPath, p.Module.Path+"/"), dir: p.Dir, bridge: r.bridge}
		r.root = p.Module.Dir
		needed, err := r.needs(p, s.name)
		if err != nil {
			return nil, err
		}
		if !needed {
			continue
		}
		if err := r.build(ctx, p.ImportPath, s); err != nil {
			f.broken = append(f.broken, err.Error())
			continue
		}
		f.suites[s.name] = s
	}
}

// needs says whether anything of a package is to be run.
func (r *runner) needs(p goPackage, suite string) (bool, error) {
	if slices.ContainsFunc(slices.Concat(mutants, details), func(m mutant) bool { return m.suite == suite && r.wantsMutant(m) }) {
		return true, nil
	}
	if r.mutant != "" {
		return false, nil
	}
	return p.hasCases()
}

func (p goPackage) hasCases() (bool, error) {
	for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return false, err
		}
		if inSource.Match(text) {
			return true, nil
		}
	}
	return false, nil
}

// build makes a package's test binary and asks it what it has.
func (r *runner) build(ctx context.Context, path string, s *suite) error {
	s.binary = filepath.Join(r.dir, strings.ReplaceAll(s.name, "/", "_")+".test")
	if out, err := r.goTool(ctx, "test", "-c", "-tags", tag, "-o", s.binary, path); err != nil {
		return fmt.Errorf("%s does not build: %w\n%s", s.name, err, out)
	}
	list := exec.CommandContext(ctx, s.binary, "-test.list", "^Test")
	list.Dir = s.dir
	out, err := list.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s does not say what tests it has: %w\n%s", s.name, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if name := strings.TrimSpace(line); strings.HasPrefix(name, "Test") {
			s.tests = append(s.tests, name)
		}
	}
	return nil
}

func (r *runner) goTool(ctx context.Context, args ...string) ([]byte, error) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return errOut.Bytes(), err
	}
	return out.Bytes(), nil
}

// faultCase is one test about one fault.
type faultCase struct {
	fault int
	suite *suite
	test  string
}

// cases are all tests about wanted faults, by fault, package and name.
func (f *found) cases(wants func(int) bool) (all []faultCase) {
	for _, s := range f.suites {
		for _, name := range s.tests {
			if m := caseName.FindStringSubmatch(name); m != nil {
				if n, _ := strconv.Atoi(m[1]); titleOf(n) != "" && wants(n) { // two digits
					all = append(all, faultCase{n, s, name})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b faultCase) int {
		return cmp.Or(cmp.Compare(a.fault, b.fault), cmp.Compare(a.suite.name, b.suite.name), cmp.Compare(a.test, b.test))
	})
	return all
}
