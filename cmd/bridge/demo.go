package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/internal/trial"
	"aiccbridge/internal/trial/view"
	"aiccbridge/internal/truthcheck"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	agents  int
	last    time.Duration
	seed    uint64
	asJSON  bool
	address string
	verbose bool
	audio   bool

	drained func(context.Context, *bridge) error // looks at the streams when all have been written; nil in the command
}

func newDemo() *cobra.Command {
	o := demoOptions{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Simulator, NATS and bridge in one process, with a live view",
		Long: "Run the platform simulator, an embedded NATS server and the bridge in one process\n" +
			"over real HTTPS, show what arrives, and at the end compare the streams with what\n" +
			"the simulator really did. Needs no file and no network.",
		Example: "  bridge demo --agents 20 --for 60s\n  bridge demo --recordings --json | tail -1",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.agents < 1 || o.agents > 2000 {
				return usageError{errors.New("--agents: want 1 to 2000")}
			}
			if o.last < 20*time.Second {
				return usageError{errors.New("--for: want at least 20s, so that windows of 10s can end")}
			}
			if err := checkAddress("--listen", o.address); err != nil {
				return err
			}
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().IntVar(&o.agents, "agents", 20, "how many agents work in the contact centre")
	c.Flags().DurationVar(&o.last, "for", time.Minute, "how long calls go on; draining takes about half a minute more")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "seed of every choice of the simulator")
	c.Flags().BoolVar(&o.asJSON, "json", false, "end with one JSON object instead of text")
	c.Flags().StringVar(&o.address, "listen", "127.0.0.1:4222", "where NATS clients connect; a free port is taken if it is in use")
	c.Flags().BoolVar(&o.audio, "recordings", false, "fetch the audio of all recordings, of which some is late or absent")
	c.Flags().BoolVar(&o.verbose, "verbose", false, "show the bridge's log")
	return c
}

// run returns an error unless the streams hold exactly what the simulator did.
func (o demoOptions) run(ctx context.Context, out, errOut io.Writer) error {
	t := trial.DemoOptions{Agents: o.agents, Last: o.last, Seed: o.seed, Listen: o.address, View: out, Recordings: o.audio}
	if o.asJSON { // standard output keeps the result
		t.View = errOut
	}
	t.Lines = o.verbose // among the log's, not a block that they would tear
	result, err := trial.Demo(ctx, t, func(ctx context.Context, cfg *config.Config, h trial.Hooks) error {
		log := zerolog.Nop()
		if o.verbose {
			log = newLogger(cfg.Log, errOut)
		}
		return runBridge(ctx, cfg, log, nil, hooks{
			ready: func(b *bridge) { h.Ready(b.onTrial()) },
			drained: func(ctx context.Context, b *bridge) error {
				err := h.Drained(ctx, b.bus)
				if err == nil && o.drained != nil {
					err = o.drained(ctx, b)
				}
				return err
			},
		})
	})
	if err != nil {
		return err
	}
	return conclude(out, o.asJSON, result.Report, result.Story)
}

// onTrial is what a trial sees of the bridge.
func (b *bridge) onTrial() trial.Bridge {
	return trial.Bridge{NATS: b.url(), Wallboard: b.wall, Streams: b.bus, Windows: b.ledger, StopPlanning: b.planning.stop, CallsMade: b.callsMade, Recorded: b.bus.RecordingsIdle}
}

// conclude prints what a trial came to, with a story if there is one. Streams that
// differ from the truth are a failure.
func conclude(out io.Writer, asJSON bool, report truthcheck.Report, story string) error {
	if asJSON {
		if err := json.NewEncoder(out).Encode(report); err != nil {
			return err
		}
	} else {
		view.Print(out, report)
		if story != "" {
			fmt.Fprintf(out, "\n%s\n", story)
		}
	}
	if !report.OK {
		return errReported
	}
	return nil
}
