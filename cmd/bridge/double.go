package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/kv"
	"aiccbridge/bus/service"
	"aiccbridge/internal/scenario"
	"aiccbridge/schemas"
	"aiccbridge/schemas/requests"
)

// newDouble is `bridge simulate bus`.
func newDouble() *cobra.Command {
	o := &askOptions{}
	var file, speed string
	var example bool
	c := &cobra.Command{
		Use:   "bus",
		Short: "Publish the contract's messages from a scenario file, without a platform",
		Long: "Publish what a bridge would publish, from a file that says what happens: a test double for\n" +
			"services that consume the messages. Streams and buckets are made where they are missing.\n" +
			"Never on a hub that a bridge uses.",
		Example: "  bridge simulate bus --example > scenario.yaml\n  bridge simulate bus --scenario scenario.yaml --nats nats://127.0.0.1:4222 --speed max",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if example {
				_, err := fmt.Fprint(c.OutOrStdout(), scenario.Example())
				return err
			}
			pace := 0.0
			if speed != "max" {
				var err error
				if pace, err = strconv.ParseFloat(speed, 64); err != nil || pace <= 0 {
					return usageError{fmt.Errorf("--speed %s: give a number above 0, or max", speed)}
				}
			}
			if o.url == "" && o.context == "" {
				return usageError{errors.New("give --nats or --context: a NATS that no bridge uses")}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return usageError{fmt.Errorf("--scenario: %w; `bridge simulate bus --example` prints one", err)}
			}
			s, err := scenario.Parse(text)
			if err != nil {
				return err
			}
			return o.with(c, func(ctx context.Context, l looking) error {
				if err := noBridge(ctx, l); err != nil {
					return err
				}
				if err := assets.NewTable(l.bus.Conn(), assets.Options{}).Ensure(ctx); err != nil {
					return err
				}
				n, err := scenario.Play(ctx, s, scenario.Options{Hub: doubleHub{l.bus}, Names: l.Names, Speed: pace})
				if err == nil {
					_, err = fmt.Fprintf(l.out, "%d messages\n", n)
				}
				return err
			})
		},
	}
	o.register(c)
	f := c.Flags()
	f.StringVar(&file, "scenario", "", "the file that says what happens")
	f.StringVar(&speed, "speed", "1", "how many times as fast as the file says, or max")
	f.BoolVar(&example, "example", false, "print a commented scenario")
	return c
}

// noBridge reports that the hub is one that a bridge uses.
func noBridge(ctx context.Context, l looking) error {
	answers, err := service.All(ctx, l.bus.Conn(), requests.Status, nil, time.Second)
	if err == nil && len(answers) > 0 {
		err = errors.New("a bridge uses this NATS: what a scenario says would be among what really happened")
	}
	return err
}

// doubleHub is a hub for a scenario.
type doubleHub struct{ *bus.Bus }

// PutState writes where an agent stands.
func (h doubleHub) PutState(ctx context.Context, key string, value []byte) error {
	_, err := kv.Open(h.Conn(), schemas.BucketState).Put(ctx, key, value)
	return err
}

// ReadRows calls f for the headers of a window's rows.
func (h doubleHub) ReadRows(ctx context.Context, subject string, f func(schemas.RowHeader, uint64)) (uint64, error) {
	return h.Rows().ReadBack(ctx, subject, f)
}

// AppendRows stores rows behind the last sequence of their window.
func (h doubleHub) AppendRows(ctx context.Context, rows []schemas.Message, last uint64) (uint64, error) {
	return h.Rows().Append(ctx, rows, last)
}
