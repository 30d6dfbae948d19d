package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/bus"
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
		bridges, unread, err := bridgesOf(ctx, l.bus, o.answers)
		if err != nil {
			return err
		}
		if unread > 0 {
			fmt.Fprintf(c.ErrOrStderr(), "%d of %d bridges answer as this version does not understand; ask with the newest version that runs\n", unread, unread+len(bridges))
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

// bridgesOf are the bridges of a hub that say within a time how they are; unread counts those
// whose answer this version does not understand.
func bridgesOf(ctx context.Context, hub *bus.Bus, wait time.Duration) (bridges []ask.Bridge, unread int, err error) {
	answers, err := service.All(ctx, hub.Conn(), requests.Status, nil, wait)
	if err != nil {
		return nil, 0, err
	}
	bridges, unread = readBridges(answers)
	return bridges, unread, nil
}

// readBridges are what bridges say of themselves, and how many answers were none.
func readBridges(answers [][]byte) (bridges []ask.Bridge, unread int) {
	bridges = []ask.Bridge{} // an empty list in JSON
	for _, a := range answers {
		var b ask.Bridge
		if json.Unmarshal(a, &b) == nil && b.Instance != "" {
			bridges = append(bridges, b)
		} else { // a newer bridge's
			unread++
		}
	}
	return bridges, unread
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
