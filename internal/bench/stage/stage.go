// Package stage is what all suites have in common: a folder, a voice, and the programs that
// they start.
package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/bench/rawnats"
)

// Stage is where a suite plays. All is required.
type Stage struct {
	Binary string    // the bridge
	Dir    string    // for everything; removed by the caller
	Out    io.Writer // progress
	Rounds int       // how often everything is measured
}

// Measured are figures by name, a round each.
type Measured map[string]figures.Series

// Add adds the figure of a round.
func (m Measured) Add(name string, f float64) { m[name] = append(m[name], f) }

// Line is a line of a table; baseline may be empty.
func (m Measured) Line(what, unit, name, of, baseline string) figures.Line {
	return figures.Line{What: what, Unit: unit, Figures: m[name], Of: of, Baseline: m[baseline]}
}

// Ratio is the median of the ratios of two figures.
func (m Measured) Ratio(name, baseline string) float64 { return m[name].Over(m[baseline]).Median() }

// Say tells how it goes.
func (s Stage) Say(format string, args ...any) {
	fmt.Fprintf(s.Out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// Folder makes an empty one; the one of that name before is removed.
func (s Stage) Folder(name string) (string, error) {
	dir := filepath.Join(s.Dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// StartRole runs this program in a role, and waits until it says that it is ready.
func StartRole(ctx context.Context, ready any, role string, args ...string) (*process.Child, error) {
	o, err := process.Self(role, args...)
	if err != nil {
		return nil, err
	}
	c, err := process.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	soon, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.Next(soon, ready); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Once runs this program in a role until it has said what came of it.
func Once(ctx context.Context, answer any, role string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	o, err := process.Self(role, args...)
	if err != nil {
		return err
	}
	c, err := process.Start(ctx, o)
	if err != nil {
		return err
	}
	defer c.Stop()
	return c.Next(ctx, answer)
}

// Server is a NATS server in a process of its own.
type Server struct {
	*process.Child
	URL string
}

// StartServer runs one on a folder, at a free port.
func StartServer(ctx context.Context, dir string) (s *Server, err error) {
	return StartServerAt(ctx, dir, "")
}

// StartServerAt runs one where it was before.
func StartServerAt(ctx context.Context, dir, url string) (s *Server, err error) {
	s = &Server{}
	s.Child, err = StartRole(ctx, &s.URL, "nats", dir, url)
	return s, err
}

// Raw runs a raw client in a process of its own.
func Raw(ctx context.Context, j rawnats.Job) (d rawnats.Done, err error) {
	job, err := json.Marshal(j)
	if err != nil {
		return d, err
	}
	return d, Once(ctx, &d, "raw", string(job))
}

// RawExternal runs a raw client against a server in a second process, on an empty folder;
// also the CPU of that server is told.
func (s Stage) RawExternal(ctx context.Context, j rawnats.Job) (d rawnats.Done, serverCPU float64, err error) {
	dir, err := s.Folder("raw")
	if err != nil {
		return d, 0, err
	}
	server, err := StartServer(ctx, dir)
	if err != nil {
		return d, 0, err
	}
	defer server.Stop()
	before, err := server.Usage()
	if err != nil {
		return d, 0, err
	}
	j.URL = server.URL
	if d, err = Raw(ctx, j); err != nil {
		return d, 0, err
	}
	after, err := server.Usage()
	return d, after.CPU - before.CPU, err
}

// AtLeast is a claim with a lower limit.
func AtLeast(what string, f, limit float64) figures.Claim {
	return figures.Claim{What: what, Figure: f, AtLeast: true, Limit: limit}
}

// AtMost is a claim with an upper limit.
func AtMost(what string, f, limit float64) figures.Claim {
	return figures.Claim{What: what, Figure: f, Limit: limit}
}
