package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/bus/service"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas/requests"
)

// statusOptions are the flags of `bridge status`.
type statusOptions struct {
	askOptions
	answers time.Duration
}

func newStatus() *cobra.Command {
	o := &statusOptions{}
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how the bridges and the data are",
		Long: "Show which bridges run, with their alarms and how much they do; who polls; up to when each\n" +
			"kind is complete; how many windows are in which state; and the unresolved dead letters of\n" +
			"the last day. Exit code 1 while an alarm lasts or no bridge answers.",
		Example: "  bridge status\n  bridge status --json | jq '.bridges[].alarms'",
		Args:    noArguments,
		RunE:    o.run,
	}
	o.register(c)
	c.Flags().DurationVar(&o.answers, "answers", time.Second, "how long to wait for the answers of bridges")
	return c
}

func (o *statusOptions) run(c *cobra.Command, _ []string) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		answers, err := service.All(ctx, l.bus.Conn(), requests.Status, nil, o.answers)
		if err != nil {
			return err
		}
		bridges := []ask.Bridge{}
		for _, a := range answers {
			var b ask.Bridge
			if json.Unmarshal(a, &b) == nil { // else a newer bridge's
				bridges = append(bridges, b)
			}
		}
		s, err := l.Status(ctx, bridges)
		if err != nil {
			return err
		}
		if o.asJSON {
			err = lines(l.out, []ask.Status{s})
		} else {
			err = l.screen().Status(s)
		}
		if err == nil && unwell(s) {
			return errReported
		}
		return err
	})
}

// unwell reports what an operator would call broken.
func unwell(s ask.Status) bool {
	for _, b := range s.Bridges {
		if len(b.Alarms) > 0 {
			return true
		}
	}
	return len(s.Bridges) == 0
}
