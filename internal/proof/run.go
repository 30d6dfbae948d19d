package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"aiccbridge/internal/processgroup"
)

// How long one test may take, and how long one that is to fail.
const (
	caseLimit   = 10 * time.Minute
	mutantLimit = 8 * time.Minute
)

// runner runs test binaries.
type runner struct {
	settings
	out    io.Writer
	dir    string // of what is built
	bridge string // the program under test
	root   string // of the module

	building chan struct{} // capacity: how many mutants are built at once
}

// outcome is how one test ended.
type outcome struct {
	passed, failed bool // as the test itself says; neither: it never came to its end
	timedOut       bool
	attrs          map[string]string
	took           time.Duration
	output         []byte
}

// test runs one test in a process of its own.
func (r *runner) test(ctx context.Context, s *suite, test string, limit time.Duration) outcome {
	cmd := exec.CommandContext(ctx, s.binary, "-test.run", "^"+test+"$", "-test.v", "-test.timeout", limit.String())
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "BRIDGE_BINARY="+s.bridge, fmt.Sprint("PROOF_SEED=", r.seed), "KILL_AT=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	begun := time.Now()
	err := processgroup.Run(cmd)
	return read(test, output.Bytes(), err == nil, time.Since(begun))
}

// read makes an outcome of what a test process printed.
func read(test string, output []byte, success bool, took time.Duration) outcome {
	o := outcome{attrs: map[string]string{}, took: took, output: output, timedOut: bytes.Contains(output, []byte("panic: test timed out"))}
	for line := range strings.Lines(string(output)) {
		line = strings.TrimRight(line, "\n")
		if rest, ok := strings.CutPrefix(line, "=== ATTR  "+test+" "); ok {
			key, value, _ := strings.Cut(rest, " ")
			o.attrs[key] = value
		}
		o.passed = o.passed || success && strings.HasPrefix(line, "--- PASS: "+test+" ")
		o.failed = o.failed || !success && strings.HasPrefix(line, "--- FAIL: "+test+" ")
	}
	return o
}

// row is one case and how it ended; without a test, a fault that has none.
type row struct {
	faultCase
	outcome
}

func (r row) status() string {
	switch {
	case r.suite == nil:
		return "missing"
	case r.passed:
		return "ok"
	}
	return "FAIL"
}

// cases runs all cases, a few at a time, and prints a line for each.
func (r *runner) cases(ctx context.Context, f *found) (rows []row) {
	all := f.cases(r.wants)
	for _, known := range faults {
		if r.wants(known.number) && !hasFault(all, known.number) {
			rows = append(rows, row{faultCase: faultCase{fault: known.number}})
		}
		for _, c := range all {
			if c.fault == known.number {
				rows = append(rows, row{faultCase: c})
			}
		}
	}
	each(ctx, r.parallel, len(rows), func(i int) {
		if c := rows[i].faultCase; c.suite != nil {
			rows[i].outcome = r.test(ctx, c.suite, c.test, caseLimit)
		}
	}, func(i int) {
		fmt.Fprintln(r.out, rows[i].line())
		if rows[i].status() == "FAIL" {
			r.keep(fmt.Sprintf("F%02d-%s", rows[i].fault, rows[i].test), rows[i].output)
		}
	})
	return rows
}

func hasFault(all []faultCase, n int) bool {
	for _, c := range all {
		if c.fault == n {
			return true
		}
	}
	return false
}

func (r row) line() string {
	what, took := r.attrs["figure"], fmt.Sprintf("%6.1f s", r.took.Seconds())
	if measured := r.attrs["measured"]; measured != "" {
		what += "; " + measured
	}
	switch {
	case r.suite == nil:
		what, took = "no case: "+titleOf(r.fault), "      –"
	case !r.passed && r.timedOut:
		what = "timed out"
	case !r.passed && !r.failed:
		what = "ended early"
	}
	return fmt.Sprintf("F%02d  %-7s %-62s %s  %s", r.fault, r.status(), what, took, r.test)
}

// tailLines is how much of a failed test is shown.
const tailLines = 30

// keep writes the output of a test to the folder of logs and prints its end.
func (r *runner) keep(name string, output []byte) {
	path := filepath.Join(r.logs, name+".log")
	err := os.MkdirAll(r.logs, 0o755)
	if err == nil {
		err = os.WriteFile(path, output, 0o644)
	}
	if err != nil {
		fmt.Fprintln(r.out, "      keep the log:", err)
	}
	lines := strings.Split(strings.TrimRight(string(output), "\n"), "\n")
	for _, line := range lines[max(0, len(lines)-tailLines):] {
		fmt.Fprintf(r.out, "      %.300s\n", line)
	}
	fmt.Fprintln(r.out, "      all of it:", path)
}

// each calls work for 0 to n-1, at most so many at once, and done for each in
// order as soon as it and all before it have ended. It returns when all have.
func each(ctx context.Context, limit, n int, work, done func(i int)) {
	slots := make(chan struct{}, limit)
	ended := make([]chan struct{}, n)
	var running sync.WaitGroup
	defer running.Wait()
	for i := range n {
		ended[i] = make(chan struct{})
	}
	running.Go(func() {
		for i := range n {
			slots <- struct{}{}
			running.Go(func() {
				defer close(ended[i])
				if ctx.Err() == nil {
					work(i)
				}
				<-slots
			})
		}
	})
	for i := range n {
		<-ended[i]
		if ctx.Err() == nil {
			done(i)
		}
	}
}

// complaint is a line of t.Log or t.Error.
var complaint = regexp.MustCompile(`(?m)^\s+\w+\.go:\d+: (.*)$`)

// lastComplaint is what a failed test said last: it may have logged before.
func (o outcome) lastComplaint() string {
	if all := complaint.FindAllSubmatch(o.output, -1); len(all) > 0 {
		return string(all[len(all)-1][1])
	}
	return ""
}
