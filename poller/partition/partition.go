package partition

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/grace"
	"aiccbridge/poller"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
)

// partition is one share of the agents, which a [Sole] has by one bridge at a time.
type partition struct {
	pool   poller.Options // each ownership has its own epoch
	way    func(o poller.Options) Way
	roster *roster
	first  []session.Agent // those wanted when an ownership began: its epoch is above theirs
	grace  time.Duration   // how long what is in hand may take
}

// own polls under one epoch until intake ends.
func (p *partition) own(intake, work context.Context, epoch uint64) error {
	o := p.pool
	o.Epoch = epoch
	var way Way
	if p.way != nil {
		way = p.way(o)
		o.Loop = way.Loop
	}
	pool, err := poller.New(o)
	if err != nil {
		return err
	}
	group, intake := errgroup.WithContext(intake)
	work, end := grace.After(intake, work, p.grace)
	defer end()
	told := make(chan []session.Agent)
	group.Go(func() error { return pool.Run(intake, work, told) })
	if way != nil {
		group.Go(func() error { return way.Run(intake, work) })
	}
	group.Go(func() error { return p.tell(intake, pool, epoch, told) })
	return group.Wait()
}

// tell tells the pool whom to poll, first and at each change, until the lease is not held any
// more. The epoch is above those of the first agents. Whoever has come since may have been polled
// under a higher one: all that is numbered by ours would be taken for older. That is a *record.Outgrown.
func (p *partition) tell(held context.Context, pool *poller.Pool, epoch uint64, told chan<- []session.Agent) error {
	known := map[string]bool{}
	meet(p.first, known)
	for {
		now := p.roster.now()
		if more := newcomers(now.agents, known); len(more) > 0 {
			if highest := knownOf(held, p.pool, more).highest(held, p.pool, more); highest >= epoch {
				return &record.Outgrown{Epoch: highest}
			}
		}
		meet(now.agents, known)
		pool.SpreadStarts(now.spread)
		select {
		case told <- now.agents:
			p.roster.tell(now)
		case <-held.Done():
			return nil
		}
		select {
		case <-now.next:
		case <-held.Done():
			return nil
		}
	}
}
