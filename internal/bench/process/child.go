// Package process runs the programs that the benchmarks measure, each as a process of its
// own, and reads what they have used from /proc: this machine has to be Linux.
//
// Invariants:
//   - Nobody waits for ever: each call ends with its context, or with the process.
//   - A child is gone when Stop returns, or when the context of Start has ended; where the
//     system can do so, also when this process is killed.
package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a child may take to end by itself.
const patience = 20 * time.Second

// tailLines of what a child has logged are told with its failure.
const tailLines = 12

// Options say what to run. Name and Path are required.
type Options struct {
	Name string // in errors
	Path string
	Args []string
	Env  []string          // beside this process's own
	Log  func(line []byte) // is given each line of standard error, which it must not keep; nil: none
}

// Child is a running process that reads and writes JSON, a line each.
type Child struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan []byte   // of standard output
	ended chan struct{} // closed once the process is gone and all was read

	mu   sync.Mutex
	tail []string
	err  error // how it ended
}

// Self are the options to run this program in another role.
func Self(role string, args ...string) (Options, error) {
	path, err := os.Executable()
	return Options{Name: role, Path: path, Args: append([]string{role}, args...)}, err
}

// Start runs a process until Stop, or until ctx ends.
func Start(ctx context.Context, o Options) (*Child, error) {
	c := &Child{name: o.Name, lines: make(chan []byte, 1024), ended: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, o.Path, o.Args...)
	c.cmd.Env = append(os.Environ(), o.Env...)
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = patience
	dieWithParent(c.cmd)
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	out, outEnd := io.Pipe()
	log, logEnd := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = outEnd, logEnd
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { eachLine(out, func(line []byte) { c.lines <- append([]byte(nil), line...) }) })
	readers.Go(func() { eachLine(log, func(line []byte) { c.note(line, o.Log) }) })
	go func() {
		err := c.cmd.Wait()
		_, _ = outEnd.Close(), logEnd.Close()
		readers.Wait()
		c.err = err
		close(c.ended)
	}()
	return c, nil
}

// eachLine calls f with the lines of r; what is too long for one is passed over.
func eachLine(r io.Reader, f func(line []byte)) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		f(lines.Bytes())
	}
	_, _ = io.Copy(io.Discard, r)
}

func (c *Child) note(line []byte, log func([]byte)) {
	c.mu.Lock()
	c.tail = append(c.tail, string(line))
	if len(c.tail) > tailLines {
		c.tail = c.tail[1:]
	}
	c.mu.Unlock()
	if log != nil {
		log(line)
	}
}

// Next reads the child's next line into v.
func (c *Child) Next(ctx context.Context, v any) error {
	select {
	case line := <-c.lines:
		return c.decode(line, v)
	default:
	}
	select {
	case line := <-c.lines:
		return c.decode(line, v)
	case <-c.ended:
		return c.failure("ended", c.err)
	case <-ctx.Done():
		return c.failure("has not answered", ctx.Err())
	}
}

func (c *Child) decode(line []byte, v any) error {
	if err := json.Unmarshal(line, v); err != nil {
		return c.failure("said "+string(line), err)
	}
	return nil
}

// Ask sends a line and reads the next one.
func (c *Child) Ask(ctx context.Context, question, answer any) error {
	line, err := json.Marshal(question)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	if err != nil {
		return c.failure("cannot be asked", err)
	}
	return c.Next(ctx, answer)
}

// Ended is closed when the process has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Failure is an error about the child, with what it logged last.
func (c *Child) Failure(what string) error { return c.failure(what, nil) }

func (c *Child) failure(what string, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := strings.Join(c.tail, "\n\t")
	if err == nil {
		return fmt.Errorf("%s %s; it logged last:\n\t%s", c.name, what, last)
	}
	return fmt.Errorf("%s %s: %w; it logged last:\n\t%s", c.name, what, err, last)
}

// Stop ends the process and waits until it is gone.
func (c *Child) Stop() {
	_ = c.in.Close()
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	kill := time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	for {
		select {
		case <-c.lines: // it may be about to write
		case <-c.ended:
			return
		}
	}
}

// Kill ends the process at once, as a crash does.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill()
	c.Stop()
}
