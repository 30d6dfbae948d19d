package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"aiccbridge/internal/ask"
)

// callOptions are the flags of `bridge call`.
type callOptions struct {
	askOptions
	tenant string
	around timeFlag
}

func newCall() *cobra.Command {
	o := &callOptions{}
	c := &cobra.Command{
		Use:   "call ID",
		Short: "Show everything that is known of a call",
		Long: "Show everything that is known of a call, in order: live events, the legs of its record,\n" +
			"recordings and what became of their audio, operations of agents, consultations; and what\n" +
			"is not known, and why.",
		Example: "  bridge call 1764374900-1001\n  bridge call 11538 --around \"2026-11-30 10:03\" --json",
		Args:    oneArgument("the call's id"),
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	o.register(c)
	c.Flags().StringVar(&o.tenant, "tenant", "", "whose call, when there are several tenants")
	o.completeFlags(c)
	o.around.register(c, "around", "about when the call was, where its id does not begin with the second of its beginning")
	return c
}

func (o *callOptions) run(c *cobra.Command, id string) error {
	around, err := o.around.read(o.zone())
	if err != nil {
		return err
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		tenant, err := o.chosen(ctx, l)
		if err != nil {
			return err
		}
		story, err := l.Call(ctx, ask.CallQuery{Tenant: tenant, CallID: id, Around: around})
		switch {
		case errors.Is(err, ask.ErrWhen):
			return usageError{fmt.Errorf("%w, with --around", err)}
		case err != nil:
			return err
		case o.asJSON:
			return lines(l.out, []ask.Story{story})
		}
		return l.screen().Story(story)
	})
}

// chosen is the tenant that is named, or the only one that the hub knows.
func (o *callOptions) chosen(ctx context.Context, l looking) (string, error) {
	if o.tenant != "" {
		return o.tenant, nil
	}
	tenants, err := l.Tenants(ctx)
	switch {
	case err != nil:
		return "", err
	case len(tenants) == 0:
		return "", errors.New("the hub knows no tenant yet")
	case len(tenants) > 1:
		return "", usageError{fmt.Errorf("give --tenant, one of %s", strings.Join(tenants, ", "))}
	}
	return tenants[0], nil
}
