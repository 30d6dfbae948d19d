package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"aiccbridge/config"
	"aiccbridge/internal/cccms"
	"aiccbridge/poller/monitor"
	"aiccbridge/poller/record"
)

// lookedAt is the platform as the looks of all bridges of a tenant find it.
type lookedAt struct {
	mu sync.Mutex
	n  int
}

// budgeted is what one bridge asks it through: each request waits for the budget.
type budgeted struct {
	*lookedAt
	most *rate.Limiter
}

func (a budgeted) Some(ctx context.Context, _ []string) ([]cccms.Agent, error) {
	if err := a.most.Wait(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	return nil, nil
}

// TestLooksOfAllBridges: beside polls all bridges together ask for no more than the access key
// may, with all its tenants; each of them looks all the same, less often the more they are.
func TestLooksOfAllBridges(t *testing.T) {
	const length = time.Hour
	key := &config.Monitor{AccessKey: "ak", RequestsPerSecond: 1}
	cfg := &config.Config{}
	for i := range 4 {
		cfg.Tenants = append(cfg.Tenants, config.Tenant{Name: fmt.Sprint(i), Monitor: key})
	}
	for bridges, every := range map[int]time.Duration{1: besidePolls, 5: besidePolls, 60: 240 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), length)
			defer stop()
			platform := &lookedAt{}
			var looking sync.WaitGroup
			for range cfg.Tenants {
				for i := range bridges {
					p := newPortion(budget(cfg, key))
					names, heard := make([]string, bridges), 0
					tell := p.told(func(b []string) { heard = len(b) })
					tell(names[:i+1])
					tell(names)
					tell(nil) // not known: they are as many as before
					if heard != 0 {
						t.Error("the share was not told")
					}
					looking.Go(func() {
						_ = monitor.Beside{
							Tenant: "acme", Platform: budgeted{platform, p.most}, Interval: besidePolls, Pace: p.pace,
							Agents: func() []string { return []string{"101"} }, Saw: func(string, record.Look) {},
						}.Run(ctx)
					})
				}
			}
			looking.Wait()
			all, want := platform.n, len(cfg.Tenants)*bridges*int(length/every)
			if allowed := int(length.Seconds()) * key.RequestsPerSecond; all > allowed || all < want*9/10 || all > want {
				t.Errorf("%d bridges: %d requests of %d allowed, want about %d", bridges, all, allowed, want)
			}
		})
	}
}
