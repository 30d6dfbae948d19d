package monitor

import (
	"cmp"
	"context"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/cccms"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/poller/record"
)

// besideInterval is that of looks beside polls.
const besideInterval = 30 * time.Second

// Beside looks at agents whose events come live, so that who has their recorders can confirm what
// is known of them. Platform, Agents and Saw are required.
type Beside struct {
	Tenant string
	// Platform is what is asked; *cccms.Client is one.
	Platform interface {
		Some(ctx context.Context, ids []string) ([]cccms.Agent, error)
	}
	// Agents are those to be looked at now; none: nothing is asked.
	Agents func() []string
	// Saw takes a look at one agent. Who is not in an answer is in none of its looks.
	Saw func(agent string, l record.Look)

	Interval time.Duration // between two looks; default 30 s
	// Pace is the least time between two requests as the budget has it now, asked before each
	// look, which is as late as that. nil: there is none.
	Pace    func() time.Duration
	Metrics *Metrics // nil: none
	Logger  zerolog.Logger
}

// Run looks until ctx ends. The error is nil.
func (b Beside) Run(ctx context.Context) error {
	b.Interval = cmp.Or(b.Interval, besideInterval)
	if b.Metrics == nil {
		b.Metrics = NewMetrics(nil)
	}
	pauses, failing := newPauses(b.Interval), trouble.Episode{}
	looks := uint64(0) // that showed something
	for pause := b.every(); retry.Wait(ctx, pause) == nil; {
		pause = b.every()
		ids := b.Agents()
		if len(ids) == 0 {
			continue
		}
		err := b.look(ctx, ids, looks+1, pause)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			wait, cause := pauses.after(err)
			pause = max(wait, pause)
			b.Metrics.looks.WithLabelValues(b.Tenant, "failed").Inc()
			if attempt, changed := failing.Failed(cause, zerolog.WarnLevel); changed {
				b.Logger.Warn().Err(err).Int("attempt", attempt).Stringer("next", pause.Round(time.Second)).Msg("states of agents are not confirmed; looking again later")
			}
		default:
			looks++
			pauses.reset()
			if failures, _ := failing.Over(); failures > 0 {
				b.Logger.Info().Int("failures", failures).Msg("states of agents are confirmed again")
			}
		}
	}
	return nil
}

// every is how often the agents are looked at now.
func (b Beside) every() time.Duration {
	if b.Pace == nil {
		return b.Interval
	}
	return max(b.Interval, b.Pace())
}

// look looks once, for as long as limit, and tells what was seen.
func (b Beside) look(ctx context.Context, ids []string, nr uint64, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked := time.Now()
	agents, err := b.Platform.Some(ctx, ids)
	if err != nil {
		return err
	}
	answered := time.Now()
	b.Metrics.looks.WithLabelValues(b.Tenant, "seen").Inc()
	b.Metrics.took.WithLabelValues(b.Tenant).Observe(answered.Sub(asked).Seconds())
	for _, a := range agents {
		since := began(a, asked, answered)
		b.Saw(a.ID, record.Look{
			Nr: nr, Asked: asked, Answered: answered, State: StateOf(a.State), After: since.after, Before: since.before, Content: contentOf(a, ""),
		})
	}
	return nil
}
