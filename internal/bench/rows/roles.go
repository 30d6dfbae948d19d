package rows

import (
	"context"
	"encoding/json"
	"time"

	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/bench/rawnats"
)

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

// Server is a NATS server in a process of its own.
type Server struct {
	*process.Child
	URL string
}

// StartServer runs one on a folder.
func StartServer(ctx context.Context, dir string) (s *Server, err error) {
	s = &Server{}
	s.Child, err = StartRole(ctx, &s.URL, "nats", dir)
	return s, err
}

// Raw runs a raw client in a process of its own.
func Raw(ctx context.Context, j rawnats.Job) (d rawnats.Done, err error) {
	job, err := json.Marshal(j)
	if err != nil {
		return d, err
	}
	return d, once(ctx, &d, "raw", string(job))
}
