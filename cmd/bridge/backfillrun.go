package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/exporter/backfill"
	"aiccbridge/internal/ask"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

func (o *backfillOptions) run(c *cobra.Command, _ []string) error {
	return o.repair(c, func(ctx context.Context, r repairing) error {
		all, err := o.find(ctx, c, r)
		if err != nil {
			return err
		}
		if !o.asJSON {
			if err := r.print(all); err != nil {
				return err
			}
		}
		id, n := newOrder(time.Now()), 0
		if err := o.bound(all); err != nil {
			return err
		}
		for _, p := range all {
			some, err := r.order(ctx, p.Plan, id)
			n += some
			switch {
			case err != nil && n > 0:
				return fmt.Errorf("%w\norder %s has %d windows; the same command orders the rest", err, id, n)
			case err != nil:
				return err
			}
		}
		switch {
		case n == 0 && o.asJSON:
			return nil
		case n == 0:
			_, err := fmt.Fprintln(r.out, "nothing to order")
			return err
		case o.detach || r.resting:
			return o.say(r, id, n)
		}
		fmt.Fprintf(c.ErrOrStderr(), "order %s: %d windows; Ctrl-C leaves it to the bridges\n", id, n)
		return o.follow(ctx, c, r, id, n)
	})
}

// mostWindows is how many windows an order has at most unless somebody wants more: bridges keep
// all windows of the ledger in memory, and look over them each second.
const mostWindows = 50_000

// bound refuses an order that is larger than anybody means.
func (o *backfillOptions) bound(all []planned) error {
	n, seconds := 0, 0.0
	for _, p := range all {
		n, seconds = n+p.Requests, seconds+p.Seconds
	}
	if n <= mostWindows || o.many {
		return nil
	}
	return fmt.Errorf("%d windows are missing, which take %.0f days at least: check --from, take a shorter span, or give --many", n, seconds/86400)
}

// order orders what a plan lacks, and says so.
func (r repairing) order(ctx context.Context, p backfill.Plan, id string) (n int, err error) {
	if len(p.Missing) == 0 {
		return 0, nil
	}
	n, err = backfill.Run(ctx, r.windows, p, id, time.Now().UTC(), r.wait)
	if n > 0 { // also when it was interrupted
		first, last := p.Missing[0].Window, p.Missing[len(p.Missing)-1].Window
		detail := fmt.Sprintf("%d windows of %s from %s to %s", n, p.Kind, first.From.Format(time.RFC3339), last.To.Format(time.RFC3339))
		said := r.audit(context.WithoutCancel(ctx), schemas.Audit{Tenant: p.Tenant, What: schemas.AuditBackfill, Order: id, Detail: detail})
		err = errors.Join(err, said)
	}
	return n, err
}

// say prints an order that nobody follows.
func (o *backfillOptions) say(r repairing, id string, n int) error {
	if o.asJSON {
		all, err := r.Backfills(context.Background(), o.tenant)
		return errors.Join(err, lines(r.out, slices.DeleteFunc(all, func(b ask.Backfill) bool { return b.ID != id })))
	}
	who := "a bridge that has the tenant asks for them"
	if r.resting {
		who = "the bridge asks for them once it runs"
	}
	_, err := fmt.Fprintf(r.out, "ordered: %s, %d windows; %s\n", id, n, who)
	return err
}

// How often an order is looked at, and after how long without anything of it somebody is told
// that perhaps nobody works on it.
const (
	orderLook = time.Second
	orderIdle = 2 * time.Minute
)

// follow waits until nothing of an order of n windows is to come.
func (o *backfillOptions) follow(ctx context.Context, c *cobra.Command, r repairing, id string, n int) error {
	meter, begun, came := newMeter(c.ErrOrStderr()), time.Now(), map[string]bool{}
	defer meter.end()
	for told := false; ; {
		of, sum := r.standing(id, came)
		meter.say(func() string {
			return fmt.Sprintf("%d of %d windows complete, %d under way, %d wait, %d failed", sum.Complete, n, sum.UnderWay, sum.Waiting, sum.Failed)
		})
		if !sum.Open() {
			meter.end()
			return o.end(r, of, sum, n)
		}
		if !told && sum.Waiting == n && time.Since(begun) > orderIdle {
			told = true
			meter.end()
			fmt.Fprintln(c.ErrOrStderr(), "nothing has been asked for yet: live windows go first, and a bridge has to run that has the tenant")
		}
		if err := retry.Wait(ctx, orderLook); err != nil {
			meter.end()
			fmt.Fprintf(c.ErrOrStderr(), "the order goes on; `bridge backfill status %s` shows it\n", id)
			return errReported
		}
	}
}

// standing is how an order stands, by tenant and in all, as far as the ledger's copy knows. came
// collects the windows that are complete: one that is swept again later is no part of it any more.
func (r repairing) standing(id string, came map[string]bool) (of []ask.Backfill, sum ask.Backfill) {
	all := ask.Tally{}
	r.windows.All(func(e schemas.WindowEntry) {
		if e.Backfill != id {
			return
		}
		all.Add(e)
		if !e.Backfilling() {
			came[e.Key()] = true
		}
	})
	of = all.Orders()
	for _, b := range of {
		sum.UnderWay, sum.Waiting, sum.Failed = sum.UnderWay+b.UnderWay, sum.Waiting+b.Waiting, sum.Failed+b.Failed
	}
	sum.Complete = len(came)
	sum.Windows = sum.Complete + sum.UnderWay + sum.Waiting + sum.Failed
	return of, sum
}

// end prints what came of an order of n windows.
func (o *backfillOptions) end(r repairing, of []ask.Backfill, sum ask.Backfill, n int) (err error) {
	if o.asJSON {
		err = lines(r.out, of)
	} else {
		_, err = fmt.Fprintf(r.out, "done: %d of %d windows are complete\n", sum.Complete, n)
	}
	switch {
	case err != nil:
	case sum.Failed > 0:
		err = fmt.Errorf("%d windows failed; `bridge windows ls --state failed --from %s` says why", sum.Failed, of[0].From.Format(time.RFC3339))
	case sum.Windows < n:
		err = fmt.Errorf("%d windows were taken out of the order, or are another's now", n-sum.Windows)
	}
	return err
}
