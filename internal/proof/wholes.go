package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"aiccbridge/internal/processgroup"
)

// whole is a package's whole suite, run in another way than `make test` does, and
// how that went.
type whole struct {
	name  string // of the package
	tag   string
	shows string

	ended, failed bool     // as `go test` says of the package
	tests         int      // that passed, without those inside others
	others        []string // that did not pass
	took          time.Duration
	output        []byte
}

// wholes are the suites that are run besides the cases.
func wholes() []whole {
	const shows = "every test on a nats-server that runs from docs/nats/server.conf, signed in as `bridge`; " +
		"`apply` makes the streams (what is about making them: an administrator)"
	var all []whole
	for _, name := range []string{"bus", "bus/assets", "bus/internal/wire", "bus/kv", "bus/lease", "bus/spool"} {
		all = append(all, whole{name: name, tag: "permissions", shows: shows})
	}
	return append(all,
		whole{name: "cmd/bridge", tag: "permissions", shows: "every end-to-end test with such a server beside the bridge, which signs in as `bridge`, " +
			"after `bridge apply`; consumers sign in as `reader`; the server refuses nothing"})
}

func (w whole) ok() bool { return w.ended && !w.failed && w.tests > 0 && len(w.others) == 0 }

func (w whole) status() string {
	if w.ok() {
		return "ok"
	}
	return "FAIL"
}

func (w whole) command() string { return fmt.Sprintf("go test -tags %s ./%s", w.tag, w.name) }

func (w whole) line() string {
	what := fmt.Sprintf("%s: %d tests passed", w.command(), w.tests)
	if len(w.others) > 0 {
		what += ", not " + strings.Join(w.others, ", ")
	}
	return fmt.Sprintf("all  %-7s %-62s %6.1f s", w.status(), what, w.took.Seconds())
}

// suites runs the whole suites.
func (r *runner) suites(ctx context.Context) []whole {
	all := wholes()
	each(ctx, r.parallel, len(all), func(i int) {
		w := &all[i]
		cmd := exec.CommandContext(ctx, "go", "test", "-tags", w.tag, "-count=1", "-timeout", caseLimit.String(), "-json", "./"+w.name)
		cmd.Env = append(os.Environ(), fmt.Sprint("PROOF_SEED=", r.seed))
		var output bytes.Buffer
		cmd.Stdout = &output
		err := processgroup.Run(cmd)
		w.read(output.Bytes(), err == nil)
	}, func(i int) {
		fmt.Fprintln(r.out, all[i].line())
		if w := all[i]; !w.ok() {
			r.keep(w.tag+"-"+strings.ReplaceAll(w.name, "/", "-"), w.output)
		}
	})
	return all
}

// read takes what `go test -json` printed. Subtests count with the test that they
// belong to.
func (w *whole) read(output []byte, success bool) {
	w.failed = !success
	for d := json.NewDecoder(bytes.NewReader(output)); ; {
		var e struct {
			Action, Test, Output string
			Elapsed              float64 // s
		}
		if d.Decode(&e) != nil { // the end, or what is not from a test: the exit code tells
			return
		}
		w.output = append(w.output, e.Output...)
		result := e.Action == "pass" || e.Action == "fail" || e.Action == "skip"
		switch {
		case !result || strings.Contains(e.Test, "/"):
		case e.Test == "":
			w.ended, w.took = e.Action == "pass", time.Duration(e.Elapsed*float64(time.Second))
		case e.Action == "pass":
			w.tests++
		default:
			w.others = append(w.others, e.Test)
		}
	}
}
