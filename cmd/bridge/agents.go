package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// agentsOptions are the flags of `bridge agents`.
type agentsOptions struct {
	askOptions
	ask.Scope
	at timeFlag
}

func newAgents() *cobra.Command {
	o := &agentsOptions{}
	c := &cobra.Command{
		Use:   "agents [ls | show ID | watch]",
		Short: "Show where agents stand, or stood",
		Long: "Show where the agents stand: their state and since when, the call they are on, their\n" +
			"last event, and which bridge polls them. With --at it is where they stood at an instant\n" +
			"in the past, as their events and heartbeats tell.",
		Example: "  bridge agents\n  bridge agents --at 10:03:20\n  bridge agents show 101 --tenant acme",
		Args:    knownCommand,
		RunE:    o.ls,
	}
	o.register(c)
	c.PersistentFlags().StringVar(&o.Tenant, "tenant", "", "only this tenant's")
	ls := &cobra.Command{Use: "ls", Short: "List all", Example: "  bridge agents ls --json | jq -r .state | sort | uniq -c", Args: noArguments, RunE: o.ls}
	for _, with := range []*cobra.Command{c, ls} {
		o.at.register(with, "at", "an instant in the past: 10:03:20 (the last that has passed), 2026-11-30T10:03:20+08:00, or 90m (ago)")
	}
	c.AddCommand(ls, &cobra.Command{
		ValidArgsFunction: o.complete(agentIDs(ask.Scope{})),
		Use:               "show ID", Short: "Show one agent, with its latest messages", Example: "  bridge agents show 101", Args: oneArgument("the agent's id"),
		RunE: func(c *cobra.Command, args []string) error { return o.show(c, args[0]) },
	}, &cobra.Command{
		Use: "watch", Short: "Show changes as they come, until Ctrl-C", Example: "  bridge agents watch --tenant acme", Args: noArguments, RunE: o.watch,
	})
	o.completeFlags(c)
	return c
}

func (o *agentsOptions) ls(c *cobra.Command, _ []string) error {
	at, err := o.at.readPast(o.zone())
	if err != nil {
		return err
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		var all []ask.Agent
		shown := time.Now()
		if at.IsZero() {
			all, err = l.Agents(ctx, o.Scope)
		} else {
			shown = at
			all, err = l.AgentsAt(ctx, o.Scope, at)
		}
		switch {
		case err != nil:
			return err
		case o.asJSON:
			return lines(l.out, all)
		}
		return l.screen().Agents(all, shown)
	})
}

// latest is of how long ago the messages are that show prints, and how many.
const (
	latest     = time.Hour
	latestMost = 20
)

func (o *agentsOptions) show(c *cobra.Command, id string) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		all, err := l.Agents(ctx, ask.Scope{Tenant: o.Tenant})
		if err != nil {
			return err
		}
		found := false
		for _, a := range all {
			if a.Agent != id {
				continue
			}
			found = true
			if err := o.showOne(ctx, l, a); err != nil {
				return err
			}
		}
		if !found {
			return fmt.Errorf("agent %s: %w; `bridge agents` lists those that are known", id, ask.ErrNone)
		}
		return nil
	})
}

func (o *agentsOptions) showOne(ctx context.Context, l looking, a ask.Agent) error {
	if o.asJSON {
		return lines(l.out, []ask.Agent{a})
	}
	screen := l.screen()
	if err := screen.Agents([]ask.Agent{a}, time.Now()); err != nil {
		return err
	}
	var last []string
	err := l.bus.ReadSince(ctx, schemas.StreamEvents, l.Names.Agent(a.Tenant, a.Agent), time.Now().Add(-latest), func(m schemas.Stored) error {
		last = append(last, screen.Line(m))
		last = last[max(0, len(last)-latestMost):]
		return nil
	})
	for _, line := range last {
		fmt.Fprintln(l.out, line)
	}
	return err
}

// watch follows the bucket of states.
func (o *agentsOptions) watch(c *cobra.Command, _ []string) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		known, loaded := map[string]schemas.AgentState{}, false
		err := kv.Open(l.bus.Conn(), schemas.BucketState).Watch(ctx, ">", func(key string, value []byte, _ uint64) {
			var k schemas.AgentState
			if json.Unmarshal(value, &k) != nil || o.Tenant != "" && k.Tenant != o.Tenant {
				return
			}
			before, had := known[key]
			known[key] = k
			if loaded && (!had || before.State != k.State || before.CallID != k.CallID) {
				o.change(l, before, k)
			}
		}, func() { loaded = true })
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
}

// change prints one change of state.
func (o *agentsOptions) change(l looking, before, now schemas.AgentState) {
	if o.asJSON {
		_ = json.NewEncoder(l.out).Encode(now) // a pipe that is closed ends the command
		return
	}
	text := fmt.Sprintf("%s  %s %s  %s", time.Now().In(o.zone()).Format("15:04:05"), now.Tenant, now.Agent, now.State)
	if before.State != "" && before.State != now.State {
		text += fmt.Sprintf(", %s before for %s", before.State, now.Since.Sub(before.Since).Round(time.Second))
	}
	if now.CallID != "" {
		text += ", call " + now.CallID
	}
	fmt.Fprintln(l.out, text)
}
