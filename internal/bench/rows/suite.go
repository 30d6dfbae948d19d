package rows

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"aiccbridge/internal/bench/bridge"
	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// Stream is where the rows go.
const Stream = "AICC_ROWS"

// batch is as many messages as the server takes at once.
const batch = 1000

// Suite says what to measure. All but Large is required.
type Suite struct {
	stage.Stage
	Rows  int // of the file of each round
	Large int // of one more file, for memory; 0: none

	kept string // file of messages that were read back
}

// Run measures in rounds: each has the bridge, its baselines and unzipping.
func (s *Suite) Run(ctx context.Context) (*Result, error) {
	m := stage.Measured{}
	for round := range s.Rounds {
		s.Say("rows: round %d of %d, %d rows", round+1, s.Rounds, s.Rows)
		for _, step := range []func(context.Context, stage.Measured) error{s.external, s.rawExternal, s.embedded, s.rawEmbedded, s.unzip} {
			if err := step(ctx, m); err != nil {
				return nil, fmt.Errorf("rows, round %d: %w", round+1, err)
			}
		}
	}
	if s.Large > 0 {
		s.Say("rows: memory with %d rows", s.Large)
		x, err := s.extract(ctx, "large", s.Large, true, 1)
		if err != nil {
			return nil, fmt.Errorf("%d rows: %w", s.Large, err)
		}
		m.Add("large: peak above idle", x.peak-x.idle)
		m.Add("large: peak", x.peak)
	}
	return &Result{Rows: s.Rows, Large: s.Large, m: m}, nil
}

// external has the server in a second process. The file is extracted three times: fresh,
// the same rows in a file that differs, and the identical file.
func (s *Suite) external(ctx context.Context, m stage.Measured) error {
	x, err := s.extract(ctx, "external", s.Rows, true, 3)
	if err != nil {
		return fmt.Errorf("bridge, server in a second process: %w", err)
	}
	million := float64(s.Rows) / 1e6
	m.Add("external: rows/s", float64(s.Rows)/x.seconds[0])
	m.Add("external: CPU", x.cpu[0]/million)
	m.Add("external: server CPU", x.server/million)
	m.Add("external: peak", x.peak)
	m.Add("external: peak above idle", x.first-x.idle)
	m.Add("external: idle", x.idle)
	m.Add("first", x.seconds[0])
	m.Add("unchanged", x.seconds[1])
	m.Add("identical", x.seconds[2])
	m.Add("again: peak over first", x.peak/x.first)
	m.Add("bytes a row", x.stored/float64(s.Rows))
	s.Say("  bridge, external: %.0f rows/s, %.1f CPU-s/M, peak %.0f MB; again %.2f s and %.2f s of %.2f s",
		float64(s.Rows)/x.seconds[0], x.cpu[0]/million, x.peak/1e6, x.seconds[1], x.seconds[2], x.seconds[0])
	return nil
}

func (s *Suite) embedded(ctx context.Context, m stage.Measured) error {
	x, err := s.extract(ctx, "embedded", s.Rows, false, 1)
	if err != nil {
		return fmt.Errorf("bridge with the server in it: %w", err)
	}
	m.Add("embedded: rows/s", float64(s.Rows)/x.seconds[0])
	m.Add("embedded: CPU", x.cpu[0]/(float64(s.Rows)/1e6))
	s.Say("  bridge, embedded: %.0f rows/s, %.1f CPU-s/M", float64(s.Rows)/x.seconds[0], x.cpu[0]/(float64(s.Rows)/1e6))
	return nil
}

func (s *Suite) rawExternal(ctx context.Context, m stage.Measured) error {
	d, server, err := s.RawExternal(ctx, rawnats.Job{Mode: "batches", File: s.kept, N: s.Rows, Size: batch})
	if err != nil {
		return err
	}
	s.raw(m, "raw external", d)
	m.Add("raw external: server CPU", server/(float64(s.Rows)/1e6))
	return nil
}

func (s *Suite) rawEmbedded(ctx context.Context, m stage.Measured) error {
	dir, err := s.Folder("raw")
	if err != nil {
		return err
	}
	d, err := stage.Raw(ctx, rawnats.Job{Mode: "batches", Dir: dir, File: s.kept, N: s.Rows, Size: batch})
	if err != nil {
		return err
	}
	s.raw(m, "raw embedded", d)
	return nil
}

func (s *Suite) raw(m stage.Measured, name string, d rawnats.Done) {
	rate, cpu := float64(d.Messages)/d.Seconds, d.CPU/(float64(d.Messages)/1e6)
	m.Add(name+": rows/s", rate)
	m.Add(name+": CPU", cpu)
	s.Say("  %s: %.0f rows/s, %.1f CPU-s/M", name, rate, cpu)
}

func (s *Suite) unzip(ctx context.Context, m stage.Measured) error {
	var d unzipped
	if err := stage.Once(ctx, &d, "unzip", s.zip(s.Rows, "first")); err != nil {
		return err
	}
	m.Add("unzip: CPU", d.CPU/(float64(s.Rows)/1e6))
	s.Say("  stdlib unzip: %.0f rows/s, %.2f CPU-s/M", float64(s.Rows)/d.Seconds, d.CPU/(float64(s.Rows)/1e6))
	return nil
}

func (s *Suite) zip(n int, name string) string {
	return filepath.Join(s.Dir, strconv.Itoa(n)+"-"+name+".zip")
}

// extraction is what one run of the bridge took.
type extraction struct {
	seconds, cpu              []float64 // of each extraction
	server                    float64   // CPU of the server in a second process, first extraction
	idle, first, peak, stored float64   // bytes: before, at most in the first, at most in all, in the stream
}

// extract runs the bridge on a file of n rows and extracts it so many times.
func (s *Suite) extract(ctx context.Context, name string, n int, external bool, times int) (x extraction, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute+time.Duration(n)*time.Millisecond/2)
	defer cancel()
	dir, err := s.Folder(name)
	if err != nil {
		return x, err
	}
	to := bridge.Yesterday()
	for _, which := range []string{"first", "second"}[:min(times, 2)] {
		if err := WriteZIP(s.zip(n, which), to.Format("20060102150405")+"000"+which+"_call.csv", n, to); err != nil {
			return x, err
		}
	}
	run, err := s.begin(ctx, dir, n, to, external, times)
	if err != nil {
		return x, err
	}
	defer run.end()
	for i := range times {
		if err := run.extraction(ctx, i, &x); err != nil {
			return x, err
		}
	}
	return x, s.check(ctx, run, n, &x)
}

// check counts the rows and their marker, and keeps messages for the raw client.
func (s *Suite) check(ctx context.Context, run *running, n int, x *extraction) error {
	stream, err := rawnats.Connect(run.bridge.NATS)
	if err != nil {
		return err
	}
	defer stream.Close()
	messages, size, err := stream.Count(ctx, Stream)
	if err != nil {
		return err
	}
	x.stored = float64(size)
	if int(messages) < n+1 || int(messages) > n+len(x.seconds) {
		return fmt.Errorf("the stream has %d messages of %d rows and a marker", messages, n)
	}
	if s.kept != "" {
		return nil
	}
	kept, err := stream.Keep(ctx, Stream, min(n, 200_000))
	if err != nil {
		return err
	}
	s.kept = filepath.Join(s.Dir, "messages")
	return kept.Save(s.kept)
}

// running are the processes of one run.
type running struct {
	platform *process.Child
	server   *stage.Server // nil: in the bridge
	bridge   *bridge.Bridge
	options  bridge.Options
}

func (r *running) end() {
	if r.bridge != nil {
		r.bridge.Stop()
	}
	if r.server != nil {
		r.server.Stop()
	}
	r.platform.Stop()
}

func (s *Suite) begin(ctx context.Context, dir string, n int, to time.Time, external bool, times int) (r *running, err error) {
	args := []string{dir, s.zip(n, "first")}
	if times > 1 {
		args = append(args, s.zip(n, "second"))
	}
	r = &running{}
	var ready platform.Ready
	if r.platform, err = stage.StartRole(ctx, &ready, "platform", args...); err != nil {
		return nil, err
	}
	o := bridge.Options{Binary: s.Binary, Dir: dir, PlatformDir: dir, Platform: ready, Files: true, To: to}
	if times > 1 {
		o.Sweeps = 120
	}
	if external {
		if r.server, err = stage.StartServer(ctx, filepath.Join(dir, "server")); err != nil {
			r.end()
			return nil, err
		}
		o.NATS = r.server.URL
	}
	r.options = o
	if r.bridge, err = bridge.Start(ctx, o); err != nil {
		r.end()
		return nil, err
	}
	return r, nil
}

// extraction measures the i-th one, from 0: from the begin of its download until the bridge
// says that the window is complete.
func (r *running) extraction(ctx context.Context, i int, x *extraction) error {
	var began platform.Answer
	soon, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := r.platform.Ask(soon, platform.Question{Download: i + 1}, &began); err != nil {
		return errors.Join(err, r.bridge.Failure("was to fetch a file"))
	}
	before, server, err := r.usage()
	if err != nil {
		return err
	}
	ended, err := r.bridge.FileDone(ctx)
	if err != nil {
		return err
	}
	after, serverAfter, err := r.usage()
	if err != nil {
		return err
	}
	x.seconds = append(x.seconds, ended.Sub(began.At).Seconds())
	x.cpu = append(x.cpu, after.CPU-before.CPU)
	x.peak = after.Peak
	if i == 0 {
		x.idle, x.first, x.server = before.RSS, after.Peak, serverAfter.CPU-server.CPU
	}
	return nil
}

func (r *running) usage() (bridge, server process.Usage, err error) {
	if bridge, err = r.bridge.Usage(); err == nil && r.server != nil {
		server, err = r.server.Usage()
	}
	return bridge, server, err
}
