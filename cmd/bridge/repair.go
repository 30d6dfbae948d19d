package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/bus/kv"
	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// repairing is a hub whose windows and letters are repaired. Every repair leaves a message
// that says who did what.
type repairing struct {
	looking
	windows *ledger.Ledger
	by      string
}

// repair calls f with the hub that the flags name, and its ledger.
func (o *askOptions) repair(c *cobra.Command, f func(ctx context.Context, r repairing) error) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		windows, err := ledger.New(ledger.Options{
			Names: l.Names, Bucket: kv.Open(l.bus.Conn(), schemas.BucketWindows), Publisher: l.bus, Logger: zerolog.Nop(),
		})
		if err != nil {
			return err
		}
		serving, end := context.WithCancel(ctx)
		group, within := errgroup.WithContext(serving)
		group.Go(func() error { return windows.Run(within) })
		patient, cancel := context.WithTimeout(within, o.wait)
		defer cancel()
		err = windows.Await(patient)
		if err == nil {
			err = f(within, repairing{l, windows, whoAmI()})
		}
		end()
		err = cmp.Or(group.Wait(), err)
		if bus.Denied(err) {
			err = fmt.Errorf("%w\nthis user may not write: repair with -c and the bridge's configuration, or as one who may do everything", err)
		}
		return err
	})
}

// whoAmI is who repairs, as <user>@<machine>.
func whoAmI() string {
	name, machine := "somebody", "some machine"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		machine = h
	}
	return name + "@" + machine
}

// audit says what has been done.
func (r repairing) audit(ctx context.Context, a schemas.Audit) error {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	a.By, a.At = r.by, time.Now().UTC()
	m, err := r.Names.AuditMessage(a)
	if err == nil {
		err = r.bus.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("say what was done: %w", err)
	}
	return nil
}

// retry has one window asked for at once, and prints so.
func (r repairing) retry(ctx context.Context, e schemas.WindowEntry, letter string) error {
	if e.Unplanned {
		return fmt.Errorf("%s window %s of %s is none of the bridge's own: import its file again, or order it with `bridge backfill run --again`", e.Kind, e.Window, e.Tenant)
	}
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	before, err := r.windows.Retry(ctx, e.Key(), time.Now().UTC())
	if err != nil {
		return fmt.Errorf("%s window %s of %s: %w", e.Kind, e.Window, e.Tenant, err)
	}
	what := schemas.AuditWindowRetry
	if letter != "" {
		what = schemas.AuditLetterRedrive
	}
	err = r.audit(ctx, schemas.Audit{Tenant: e.Tenant, What: what, Kind: e.Kind, Window: e.Window, Letter: letter, Detail: "it was " + string(before.State)})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.out, "asked for again: %s window %s of %s, which was %s\n", e.Kind, e.Window, e.Tenant, before.State)
	return err
}

// newWindowsRetry is `bridge windows retry`.
func newWindowsRetry(o *windowsOptions) *cobra.Command {
	var failed bool
	c := &cobra.Command{
		Use:   "retry [KIND WINDOW]",
		Short: "Have a window asked for at once, or all that failed",
		Long: "Have a window asked for at once: a failed one with all its attempts before it, a complete\n" +
			"one once more. A bridge that has the tenant does it, at its usual pace.",
		Example: "  bridge windows retry cdr 20261130t000000z-20261130t010000z\n  bridge windows retry --failed --tenant acme --from 48h",
		Args: func(c *cobra.Command, args []string) error {
			if failed {
				return noArguments(c, args)
			}
			return twoArguments("a kind and a window, or --failed")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			q, err := o.query()
			if err != nil {
				return err
			}
			q.State = schemas.WindowFailed
			var w schemas.Window
			if !failed {
				if q.Kind = schemas.Kind(args[0]); q.Kind.Validate() != nil {
					return usageError{q.Kind.Validate()}
				}
				if w, err = schemas.ParseWindow(args[1]); err != nil {
					return usageError{err}
				}
				q.From, q.To, q.State = w.From, w.To, ""
			}
			return o.repair(c, func(ctx context.Context, r repairing) (err error) {
				if !failed {
					if q.Tenant, err = o.tenantOf(ctx, r.looking, q.Kind, w); err != nil {
						return err
					}
				}
				return r.retryAll(ctx, q, w)
			})
		},
	}
	o.from.register(c, "from", "with --failed: only windows after this time; by default a week ago")
	o.to.register(c, "to", "with --failed: only windows before this time")
	c.Flags().BoolVar(&failed, "failed", false, "every window that has failed")
	return c
}

// retryAll retries what a query finds; only is a window that it has to be, zero for any.
func (r repairing) retryAll(ctx context.Context, q ask.WindowQuery, only schemas.Window) error {
	all, err := r.Windows(ctx, q)
	if err != nil {
		return err
	}
	found := false
	for _, w := range all {
		if only != (schemas.Window{}) && w.Window != only {
			continue
		}
		found = true
		err = errors.Join(err, r.retry(ctx, w.WindowEntry, ""))
	}
	switch {
	case found:
		return err
	case only != (schemas.Window{}):
		return fmt.Errorf("of such windows %w", ask.ErrNone)
	}
	_, err = fmt.Fprintf(r.out, "of such windows %v\n", ask.ErrNone) // of those that failed: all is well
	return err
}
