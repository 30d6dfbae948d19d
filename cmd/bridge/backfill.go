package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/exporter/backfill"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// backfillOptions are the flags of `bridge backfill`.
type backfillOptions struct {
	askOptions
	tenant, kind, zoneName string
	from, to               timeFlag
	again, detach, all     bool
	many                   bool
}

func newBackfill() *cobra.Command {
	o := &backfillOptions{}
	c := &cobra.Command{
		Use:   "backfill plan | run | status | cancel",
		Short: "Have what is missing of a span of time extracted",
		Long: "Have what is missing of a span of time extracted: windows that nobody asked for, that\n" +
			"failed, or whose rows have gone from the stream. Bridges ask for them whenever no live\n" +
			"window is due, at files.backfill_share of their pace, across restarts.",
		Example: "  bridge backfill plan --from 2026-10-01 --to 2026-11-01\n  bridge backfill run --from 2026-10-01 --to 2026-11-01 --kind cdr",
		Args:    knownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	o.register(c)
	c.PersistentFlags().StringVar(&o.tenant, "tenant", "", "only this tenant's")
	plan := &cobra.Command{
		Use: "plan", Short: "Say what is missing, how many requests it takes, and how long", Example: "  bridge backfill plan --from 2026-10-01 --to 2026-11-01",
		Args: noArguments, RunE: o.plan,
	}
	run := &cobra.Command{
		Use: "run", Short: "Order what is missing, and follow it until it has come",
		Long: "Order what is missing, and follow it until it has come. Ctrl-C ends the following only:\n" +
			"bridges go on with the order, and so does `backfill status` with what it shows.",
		Example: "  bridge backfill run --from 2026-10-01 --to 2026-11-01 --detach",
		Args:    noArguments, RunE: o.run,
	}
	run.Flags().BoolVar(&o.detach, "detach", false, "order only")
	run.Flags().BoolVar(&o.many, "many", false, fmt.Sprintf("also more than %d windows", mostWindows))
	for _, with := range []*cobra.Command{plan, run} {
		o.from.register(with, "from", "the beginning of the span by this machine's clock, rounded to windows; required")
		o.to.register(with, "to", "its end; now by default")
		with.Flags().StringVar(&o.kind, "kind", "", "only of this kind: cdr, recording, operation or skill")
		with.Flags().BoolVar(&o.again, "again", false, "windows that are complete, too")
		with.Flags().StringVar(&o.zoneName, "timezone", "", "the tenant's, such as Asia/Shanghai, by which windows are cut; needed with --nats and --context only")
	}
	status := &cobra.Command{
		Use: "status [ORDER]", Short: "Show orders that are not done, or were made within a week", Example: "  bridge backfill status",
		Args: cobra.MaximumNArgs(1), RunE: o.status,
	}
	status.Flags().BoolVar(&o.all, "all", false, "older ones, too")
	cancel := &cobra.Command{
		Use: "cancel [ORDER]", Short: "Leave what an order still waits for as it was", Example: "  bridge backfill cancel 20261130t102030z-1f2e",
		Long: "Take the windows that still wait out of an order: complete ones stay complete, those that\n" +
			"failed stay failed, what nobody has asked for goes. What is under way is finished, what\n" +
			"has come stays. Without a name: the only order that is not done.",
		Args: cobra.MaximumNArgs(1), RunE: o.cancel,
	}
	c.AddCommand(plan, run, status, cancel)
	for _, with := range []*cobra.Command{c, plan, run} {
		o.completeFlags(with)
	}
	for _, with := range []*cobra.Command{status, cancel} {
		with.ValidArgsFunction = o.complete(o.openOrders)
	}
	return c
}

// orders are the orders of the tenants that the flags name; of one name, if one is given.
func (o *backfillOptions) orders(ctx context.Context, l looking, args []string) (all []ask.Backfill, err error) {
	every, err := l.Backfills(ctx, o.tenant)
	if err != nil || len(args) == 0 {
		return every, err
	}
	for _, b := range every {
		if b.ID == args[0] {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("backfill %s: %w; `bridge backfill status --all` lists them", args[0], ask.ErrNone)
	}
	return all, nil
}

// openOrders are the names of orders that are not done.
func (o *backfillOptions) openOrders(ctx context.Context, l looking) (ids []string, err error) {
	all, err := o.orders(ctx, l, nil)
	for _, b := range all {
		if b.Open() && !slices.Contains(ids, b.ID) {
			ids = append(ids, b.ID)
		}
	}
	return ids, err
}

// shown is how long an order that is done is shown.
const shown = 7 * 24 * time.Hour

// orderTime is the time at the beginning of an order's name.
const orderTime = "20060102t150405z"

// newOrder is a name for an order that begins with the time.
func newOrder(now time.Time) string {
	return now.UTC().Format(orderTime) + "-" + uuid.NewString()[:4]
}

// ordered is when an order was made, by its name; zero if that does not say.
func ordered(id string) time.Time {
	t, err := time.Parse(orderTime, id[:min(len(id), len(orderTime))])
	if err != nil {
		return time.Time{}
	}
	return t
}

func (o *backfillOptions) status(c *cobra.Command, args []string) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		all, err := o.orders(ctx, l, args)
		if err != nil {
			return err
		}
		recent := slices.DeleteFunc(all, func(b ask.Backfill) bool {
			return !o.all && len(args) == 0 && !b.Open() && time.Since(ordered(b.ID)) > shown
		})
		switch {
		case o.asJSON:
			return lines(l.out, recent)
		case len(recent) == 0:
			_, err := fmt.Fprintln(l.out, "no backfill")
			return err
		}
		return l.screen().Backfills(recent, o.pace())
	})
}

func (o *backfillOptions) cancel(c *cobra.Command, args []string) error {
	return o.repair(c, func(ctx context.Context, r repairing) error {
		all, err := o.orders(ctx, r.looking, args)
		if err == nil && len(args) == 0 {
			all, err = onlyOpen(all)
		}
		for _, b := range all {
			if err == nil {
				err = r.cancel(ctx, b)
			}
		}
		return err
	})
}

// onlyOpen is the only order that is not done, of each of its tenants.
func onlyOpen(all []ask.Backfill) (open []ask.Backfill, err error) {
	for _, b := range all {
		switch {
		case !b.Open():
		case len(open) > 0 && open[0].ID != b.ID:
			return nil, usageError{errors.New("several backfills are not done: name one of `bridge backfill status`")}
		default:
			open = append(open, b)
		}
	}
	if len(open) == 0 {
		return nil, errors.New("no backfill waits for anything")
	}
	return open, nil
}

// cancel withdraws what an order waits for, and says so, also when it is interrupted.
func (r repairing) cancel(ctx context.Context, b ask.Backfill) error {
	if !b.Open() {
		_, err := fmt.Fprintf(r.out, "%s of %s waits for nothing\n", b.ID, b.Tenant)
		return err
	}
	n, err := backfill.Cancel(ctx, r.windows, b.Tenant, b.ID, r.wait)
	if n > 0 || err == nil {
		err = errors.Join(err, r.audit(context.WithoutCancel(ctx), schemas.Audit{
			Tenant: b.Tenant, What: schemas.AuditBackfillEnd, Order: b.ID, Detail: fmt.Sprintf("%d windows are taken out of it", n),
		}))
	}
	if err == nil {
		_, err = fmt.Fprintf(r.out, "cancelled: %s of %s; %d windows are taken out of it, %d under way are finished\n", b.ID, b.Tenant, n, b.UnderWay)
	}
	return err
}

// usualPace is how far apart requests of backfills are by default.
const usualPace = 30 * time.Second

// paceOf is how far apart a tenant's requests of backfills are.
func paceOf(f *config.Files) time.Duration {
	return f.RequestSpacing * 100 / time.Duration(f.BackfillShare)
}

// pace tells how far apart requests are, by the configuration if there is one.
func (o *backfillOptions) pace() func(tenant string) time.Duration {
	known := map[string]time.Duration{}
	if o.url == "" && o.context == "" {
		if cfg, err := config.Load(o.path); err == nil {
			for _, t := range cfg.Tenants {
				if t.Files != nil {
					known[t.Name] = paceOf(t.Files)
				}
			}
		}
	}
	return func(tenant string) time.Duration {
		if d, ok := known[tenant]; ok {
			return d
		}
		return usualPace
	}
}
