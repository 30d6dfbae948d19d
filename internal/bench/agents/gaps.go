package agents

import (
	"context"
	"errors"
	"time"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/bench/stage"
)

// gaps has an event for each poll, and measures how soon the next poll comes.
func (x *scene) gaps(ctx context.Context, m stage.Measured, of string, c *process.Child, during time.Duration) error {
	if err := x.load(ctx, platform.Load{Flood: true}); err != nil {
		return err
	}
	s, err := x.look(ctx, c, during)
	if err != nil {
		return err
	}
	if len(s.gaps) == 0 {
		return errors.New("nobody polled again after an event")
	}
	m.Add(of+": gap p50", s.gaps.Quantile(0.5))
	m.Add(of+": gap p99", s.gaps.Quantile(0.99))
	return x.load(ctx, platform.Load{})
}

func quantile(s []float64, q float64) float64 { return figures.Series(s).Quantile(q) }
