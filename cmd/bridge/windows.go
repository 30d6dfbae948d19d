package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/bus/kv"
	"aiccbridge/exporter/lateness"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// windowsOptions are the flags of `bridge windows`.
type windowsOptions struct {
	askOptions
	tenant, kind, state string
	from, to            timeFlag
	all                 bool
}

func newWindows() *cobra.Command {
	o := &windowsOptions{}
	c := &cobra.Command{
		Use:   "windows [ls | show KIND WINDOW | compared | watch | retry | accept-empty]",
		Short: "Show how far the windows are",
		Long: "Show which spans of time have been extracted: a calendar with a cell for each window, then\n" +
			"those that are not complete, and why; and, where later extracts brought rows that the first\n" +
			"ones lacked, which settle would have had them.",
		Example: "  bridge windows\n  bridge windows --from 48h --kind cdr\n  bridge windows show cdr 20261130t000000z-20261130t010000z",
		Args:    knownCommand,
		RunE:    o.ls,
	}
	o.register(c)
	f := c.PersistentFlags()
	f.StringVar(&o.tenant, "tenant", "", "only this tenant's")
	f.StringVar(&o.kind, "kind", "", "only of this kind: cdr, recording, operation or skill")
	ls := &cobra.Command{Use: "ls", Short: "List them", Example: "  bridge windows ls --state failed --json", Args: noArguments, RunE: o.ls}
	for _, with := range []*cobra.Command{c, ls} {
		o.from.register(with, "from", "only windows after this time; by default a week ago")
		o.to.register(with, "to", "only windows before this time")
		with.Flags().StringVar(&o.state, "state", "", "only in this state: planned, requested, ready, complete or failed")
		with.Flags().BoolVar(&o.all, "all", false, "list the complete ones, too")
	}
	c.AddCommand(ls, &cobra.Command{
		Use: "show KIND WINDOW", Short: "Show one window, its extracts and what went wrong", Example: "  bridge windows show cdr 20261130t000000z-20261130t010000z",
		Args: twoArguments("a kind and a window"), RunE: func(c *cobra.Command, args []string) error { return o.show(c, args[0], args[1]) },
	}, &cobra.Command{
		Use: "watch", Short: "Show changes as they come, until Ctrl-C", Example: "  bridge windows watch", Args: noArguments, RunE: o.watch,
	}, newCompared(o), newWindowsRetry(o), newAcceptEmpty(o))
	o.completeFlags(c)
	o.completeFlags(ls)
	return c
}

// twoArguments wants exactly two words.
func twoArguments(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usageError{fmt.Errorf("give %s", what)}
		}
		return nil
	}
}

// query is which windows the flags ask for.
func (o *windowsOptions) query() (q ask.WindowQuery, err error) {
	q = ask.WindowQuery{Tenant: o.tenant, Kind: schemas.Kind(o.kind), State: schemas.WindowState(o.state)}
	if o.kind != "" {
		if err := q.Kind.Validate(); err != nil {
			return q, usageError{fmt.Errorf("--kind: %w", err)}
		}
	}
	if q.From, err = o.from.read(o.zone()); err == nil {
		q.To, err = o.to.read(o.zone())
	}
	if q.From.IsZero() {
		q.From = time.Now().AddDate(0, 0, -7)
	}
	return q, err
}

func (o *windowsOptions) ls(c *cobra.Command, _ []string) error {
	q, err := o.query()
	if err != nil {
		return err
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		all, err := l.Windows(ctx, q)
		if err != nil {
			return err
		}
		if len(all) == 0 && !o.asJSON {
			_, err := fmt.Fprintln(l.out, "no window; --from shows older ones")
			return err
		}
		var open []ask.Window
		for _, w := range all {
			if o.all || o.state != "" || w.State != schemas.WindowCompleted {
				open = append(open, w)
			}
		}
		if o.asJSON {
			return lines(l.out, open)
		}
		screen := l.screen()
		if o.state == "" {
			if err := screen.Strip(all); err != nil {
				return err
			}
		}
		if err := screen.Windows(open); err != nil || o.state != "" {
			return err
		}
		return sayLateness(l.out, all, time.Now())
	})
}

// sayLateness proposes another settle where the extracts tell of rows that came late.
func sayLateness(out io.Writer, all []ask.Window, now time.Time) error {
	of, text := map[string][]schemas.WindowEntry{}, ""
	for _, w := range all {
		of[w.Tenant] = append(of[w.Tenant], w.WindowEntry)
	}
	for _, tenant := range slices.Sorted(maps.Keys(of)) {
		for _, kind := range schemas.Kinds() {
			if m := lateness.Of(kind, of[tenant], now); m.Matters() {
				text += fmt.Sprintf("\n%s: %s\n", tenant, m)
			}
		}
	}
	_, err := io.WriteString(out, text)
	return err
}

func (o *windowsOptions) show(c *cobra.Command, kind, window string) error {
	w, err := schemas.ParseWindow(window)
	if err == nil {
		err = schemas.Kind(kind).Validate()
	}
	if err != nil {
		return usageError{err}
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		tenant, err := o.tenantOf(ctx, l, schemas.Kind(kind), w)
		if err != nil {
			return err
		}
		story, err := l.Window(ctx, tenant, schemas.Kind(kind), w)
		switch {
		case err != nil:
			return err
		case o.asJSON:
			return lines(l.out, []ask.WindowStory{story})
		}
		return l.screen().WindowStory(story)
	})
}

// tenantOf is the tenant that is named, or the only one that has the window.
func (o *windowsOptions) tenantOf(ctx context.Context, l looking, kind schemas.Kind, w schemas.Window) (string, error) {
	if o.tenant != "" {
		return o.tenant, nil
	}
	all, err := l.Windows(ctx, ask.WindowQuery{Kind: kind, From: w.From, To: w.To})
	if err != nil {
		return "", err
	}
	tenant := ""
	for _, one := range all {
		switch {
		case one.Window != w:
		case tenant != "":
			return "", usageError{fmt.Errorf("several tenants have this window: give --tenant")}
		default:
			tenant = one.Tenant
		}
	}
	if tenant == "" {
		return "", fmt.Errorf("%s window %s: %w; `bridge windows` lists them", kind, w, ask.ErrNone)
	}
	return tenant, nil
}

// watch follows the ledger.
func (o *windowsOptions) watch(c *cobra.Command, _ []string) error {
	q, err := o.query()
	if err != nil {
		return err
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		loaded, screen := false, l.screen()
		return kv.Open(l.bus.Conn(), schemas.BucketWindows).Watch(ctx, ">", func(key string, value []byte, _ uint64) {
			e, ok := ask.WindowOf(key, schemas.Stored{Body: value})
			if !ok || !loaded || !q.Matches(e) {
				return
			}
			w := ask.Window{WindowEntry: e, Meaning: ask.Meaning(e, time.Now().In(o.zone()))}
			if o.asJSON {
				_ = json.NewEncoder(l.out).Encode(w) // a pipe that is closed ends the command
				return
			}
			_ = screen.Change(w, time.Now())
		}, func() { loaded = true })
	})
}
