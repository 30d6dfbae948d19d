package rawnats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"aiccbridge/internal/bench/process"
)

// Job is what a raw client is to do.
type Job struct {
	Mode   string        `json:"mode"`             // batches, window or singles
	URL    string        `json:"url,omitempty"`    // of the server; empty: one in the client's process
	Dir    string        `json:"dir,omitempty"`    // of that server
	File   string        `json:"file"`             // the messages, and their stream, which is made
	N      int           `json:"n,omitempty"`      // how many to store, taking them in turn
	Size   int           `json:"size,omitempty"`   // of a batch, or of the window
	During time.Duration `json:"during,omitempty"` // of singles
}

// Done is what came of it. It is only of the storing itself.
type Done struct {
	Messages int       `json:"messages"`
	Seconds  float64   `json:"seconds"`
	CPU      float64   `json:"cpu"`  // seconds, the server's too if it is in the process
	Peak     float64   `json:"peak"` // bytes
	Took     []float64 `json:"took"` // seconds of each single
}

// RunServer is a server as a process of its own, which says its URL.
func RunServer(ctx context.Context, dir, at string, in io.Reader, out io.Writer) error {
	s, err := StartServer(dir, at)
	if err != nil {
		return err
	}
	defer s.Stop()
	return process.Serve(ctx, in, out, s.URL(), func(context.Context, json.RawMessage) (any, error) {
		return nil, errors.New("a server has no answers")
	})
}

// RunClient does one job and says what came of it.
func RunClient(ctx context.Context, job Job, out io.Writer) error {
	kept, err := Load(job.File)
	if err != nil {
		return err
	}
	connect := func() (net.Conn, error) { return Dial(job.URL) }
	url := job.URL
	if url == "" {
		s, err := StartServer(job.Dir, "")
		if err != nil {
			return err
		}
		defer s.Stop()
		connect, url = s.InProcess, s.URL()
	}
	admin, err := Connect(url)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.Create(ctx, kept); err != nil {
		return err
	}
	c, err := connect()
	if err != nil {
		return fmt.Errorf("connect raw client: %w", err)
	}
	defer c.Close()
	done, err := job.run(ctx, c, kept.Messages)
	if err != nil {
		return err
	}
	if n, _, err := admin.Count(ctx, kept.Config.Name); err != nil || int(n) != done.Messages {
		return fmt.Errorf("%d messages are stored, not %d: %w", n, done.Messages, err)
	}
	return json.NewEncoder(out).Encode(done)
}

func (j Job) run(ctx context.Context, c net.Conn, msgs []Message) (d Done, err error) {
	before, err := process.Own()
	if err != nil {
		return d, err
	}
	start := time.Now()
	d.Messages = j.N
	switch j.Mode {
	case "batches":
		err = Batches(ctx, c, msgs, j.N, j.Size)
	case "window":
		err = Window(ctx, c, msgs, j.N, j.Size)
	case "singles":
		var took []time.Duration
		took, err = Singles(ctx, c, msgs[0], j.During)
		for _, t := range took {
			d.Took = append(d.Took, t.Seconds())
		}
		d.Messages = len(took)
	default:
		err = fmt.Errorf("there is no job %q", j.Mode)
	}
	d.Seconds = time.Since(start).Seconds()
	after, e := process.Own()
	d.CPU, d.Peak = after.CPU-before.CPU, after.Peak
	return d, errors.Join(err, e)
}
