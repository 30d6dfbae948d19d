package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"aiccbridge/internal/ask"
)

// callsOptions are the flags of `bridge calls`.
type callsOptions struct {
	askOptions
	which    ask.CallsQuery
	state    string
	from, to timeFlag
}

func newCallList() *cobra.Command {
	o := &callsOptions{}
	c := &cobra.Command{
		Use:   "calls",
		Short: "List calls, the newest first",
		Long: "List calls by their newest records, the newest first: when, which agents, how long they waited\n" +
			"and talked, what came of them and of their recordings. They are known once their windows are\n" +
			"complete; `bridge call ID` tells all of one, and before.",
		Example: "  bridge calls --agent 101 --from 08:00\n  bridge calls --problem --limit 20\n  bridge calls --from 24h --state unanswered --json",
		Args:    noArguments,
		RunE:    o.run,
	}
	o.register(c)
	f := c.Flags()
	f.StringVar(&o.which.Tenant, "tenant", "", "only this tenant's")
	f.StringVar(&o.which.Agent, "agent", "", "only those that this agent had a part in")
	f.StringVar(&o.state, "state", "", "only these: "+strings.Join(callStates(), ", "))
	f.BoolVar(&o.which.Problem, "problem", false, "only those that are open, lack rows or audio, or were too large")
	f.IntVar(&o.which.Limit, "limit", 50, "so many at most")
	o.from.register(c, "from", "only those that began then or later")
	o.to.register(c, "to", "only those that began before")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(callStates(), cobra.ShellCompDirectiveNoFileComp)) // it is the first
	o.completeFlags(c)
	return c
}

// callStates are the words for what came of calls.
func callStates() (all []string) {
	for _, s := range ask.CallStates() {
		all = append(all, string(s))
	}
	return all
}

func (o *callsOptions) run(c *cobra.Command, _ []string) (err error) {
	if o.state != "" && !slices.Contains(callStates(), o.state) {
		return usageError{fmt.Errorf("--state %s: want one of %s", o.state, strings.Join(callStates(), ", "))}
	}
	if o.which.Limit < 1 {
		return usageError{errors.New("--limit: want 1 or more")}
	}
	o.which.State = ask.CallState(o.state)
	if o.which.From, err = o.from.read(o.zone()); err == nil {
		o.which.To, err = o.to.read(o.zone())
	}
	if err != nil {
		return err
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		all, err := l.Calls(ctx, o.which)
		switch {
		case err != nil:
			return err
		case o.asJSON:
			return lines(l.out, all)
		case len(all) == 0:
			_, err := fmt.Fprintln(l.out, "no call; they are made when a window of call detail records is complete")
			return err
		}
		return l.screen().Calls(all)
	})
}
