package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command lines in testdata/script. Beside testscript's own
// commands there are
//
//	bridge <exit code> <arguments>…   runs the bridge as a process of its own
//	lines <file> <most>               limits the lines of a file, or of stdout
func TestScripts(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	configs, err := filepath.Abs("../../config/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv(asBridge, "1")
			return os.CopyFS(filepath.Join(e.WorkDir, "testdata"), os.DirFS(configs))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"bridge": func(ts *testscript.TestScript, neg bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				code := 0
				var exit *exec.ExitError
				if err := ts.Exec(exe, args[1:]...); errors.As(err, &exit) {
					code = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if code != want || neg {
					ts.Fatalf("exit code %d, want %d", code, want)
				}
			},
			"lines": func(ts *testscript.TestScript, neg bool, args []string) {
				most, err := strconv.Atoi(args[1])
				ts.Check(err)
				if n := strings.Count(ts.ReadFile(args[0]), "\n"); n > most || n == 0 || neg {
					ts.Fatalf("%s has %d lines, want 1 to %d", args[0], n, most)
				}
			},
		},
	})
}
