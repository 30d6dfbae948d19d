package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/replay"
	"aiccbridge/schemas"
)

// replayOptions are the flags of `bridge replay`.
type replayOptions struct {
	askOptions
	ask.Filter
	from, to      timeFlag
	kind          string
	streams       []string
	speed         string
	late          time.Duration
	subject, file string
	state         string
	resume        bool

	parquet              string
	allRevisions, follow bool
}

func newReplay() *cobra.Command {
	o := &replayOptions{}
	c := &cobra.Command{
		Use:   "replay",
		Short: "Give what was stored between two times once more",
		Long: "Give the messages between two times once more, of all streams merged in the order of\n" +
			"their times: to subjects below a prefix, at the pace at which they came or faster, so that\n" +
			"services can rehearse an incident; or to a file, one JSON object a line. Never into live\n" +
			"subjects; the header aicc-replay marks what is replayed. Or have the rows of complete\n" +
			"windows as a folder of Parquet files, which can be brought up to date again and again.",
		Example: "  bridge replay --from 10:00 --to 10:05 --speed 10 --to-subject rehearsal\n  bridge replay --from 2026-11-30 --agent 101 --to-file 101.ndjson\n  bridge replay --to-parquet lake --follow",
		Args:    noArguments,
		RunE:    o.run,
	}
	o.register(c)
	o.from.register(c, "from", "the first time; required")
	o.to.register(c, "to", "the time behind the last; now by default")
	f := c.Flags()
	f.StringVar(&o.Tenant, "tenant", "", "only this tenant's")
	f.StringVar(&o.Agent, "agent", "", "only what this agent's subjects have")
	f.StringVar(&o.Call, "call", "", "only what names this call")
	f.StringVar(&o.kind, "kind", "", "only of this kind: cdr, recording, operation or skill")
	f.StringSliceVar(&o.streams, "stream", nil, "only of these streams: events, files, rows, calls, coverage, deadletters")
	f.BoolVar(&o.NoRows, "no-rows", false, "of rows the markers only")
	f.BoolVar(&o.NoHeartbeats, "no-heartbeats", false, "no heartbeats")
	f.StringVar(&o.speed, "speed", "", "1: as it was, 10: ten times as fast, max, or step: a line of input each; by default 1 to subjects, max to a file")
	f.DurationVar(&o.late, "late", time.Hour, "how long after its time a message may have been stored: behind a spool as long as the hub was away")
	f.StringVar(&o.subject, "to-subject", "", "send to this prefix, followed by each message's own subject")
	f.StringVar(&o.file, "to-file", "", "write to this file, one JSON object a line")
	f.StringVar(&o.parquet, "to-parquet", "", "bring this folder of Parquet files up to date with the rows of complete windows")
	f.BoolVar(&o.allRevisions, "all-revisions", false, "with --to-parquet: every revision of each row; the newest otherwise")
	f.BoolVar(&o.follow, "follow", false, "with --to-parquet: keep the folder up to date until Ctrl-C")
	f.StringVar(&o.state, "state", "", "with --to-subject: a file that remembers how far it came, to go on from there")
	f.BoolVar(&o.resume, "resume", false, "with --to-file: go on with a file that is there")
	o.completeFlags(c)
	return c
}

func (o *replayOptions) run(c *cobra.Command, _ []string) error {
	from, to, pace, err := o.check()
	if err != nil {
		return err
	}
	if o.parquet != "" {
		return o.toParquet(c, from, to)
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		out, err := o.open(l)
		if err != nil {
			return err
		}
		r := replay.Options{Hub: l.bus, Streams: o.chosen(), From: from, To: to, Late: o.late, Wants: o.Wants, Speed: pace, After: out.after()}
		step, progress, n := o.stepper(ctx, c.InOrStdin()), newMeter(c.ErrOrStderr()), 0
		s, err := replay.Run(ctx, r, func(m replay.Message) error {
			if err := step(); err != nil {
				return err
			}
			n++
			progress.say(func() string { return fmt.Sprintf("%d messages, %s", n, m.Time.In(o.zone()).Format(time.DateTime)) })
			return out.emit(m)
		})
		progress.end()
		if errors.Is(err, io.EOF) { // of the steps
			err = nil
		}
		err = errors.Join(err, out.close())
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			fmt.Fprintf(c.ErrOrStderr(), "interrupted after %d messages\n", s.Messages)
			return errReported
		}
		if err != nil {
			return err
		}
		switch {
		case o.asJSON:
			return lines(l.out, []replay.Summary{s})
		case s.Messages == 0:
			_, err = fmt.Fprintln(l.out, "no message")
			return err
		}
		_, err = fmt.Fprintf(l.out, "%d messages, from %s to %s\n", s.Messages, s.First.In(o.zone()).Format(time.RFC3339), s.Last.In(o.zone()).Format(time.RFC3339))
		return err
	})
}

// check reads the flags. pace is how many times as fast as it was, 0 for as fast as it goes.
func (o *replayOptions) check() (from, to time.Time, pace float64, err error) {
	if err := o.place(); err != nil {
		return from, to, 0, err
	}
	o.Kind = schemas.Kind(o.kind)
	if o.kind != "" {
		if err := o.Kind.Validate(); err != nil {
			return from, to, 0, usageError{fmt.Errorf("--kind: %w", err)}
		}
	}
	if from, err = o.from.read(o.zone()); err == nil {
		to, err = o.to.read(o.zone())
	}
	switch {
	case err != nil:
		return from, to, 0, err
	case from.IsZero() && o.parquet == "":
		return from, to, 0, usageError{errors.New("give --from")}
	case to.IsZero() && o.follow:
		to = time.Now().AddDate(100, 0, 0)
	case to.IsZero():
		to = time.Now()
	}
	if !from.Before(to) {
		return from, to, 0, usageError{errors.New("--to is not after --from")}
	}
	for _, s := range o.streams {
		if !slices.Contains(schemas.Streams(), schemas.Stream(strings.ToUpper(s))) {
			return from, to, 0, usageError{fmt.Errorf("--stream %s: give events, files, rows, calls, coverage or deadletters", s)}
		}
	}
	pace, err = o.pace()
	return from, to, pace, err
}

// place checks where it is to go: one place, and no flag of another one.
func (o *replayOptions) place() error {
	places := 0
	for _, place := range []string{o.subject, o.file, o.parquet} {
		if place != "" {
			places++
		}
	}
	switch {
	case places != 1:
		return usageError{errors.New("give one of --to-subject, --to-file and --to-parquet")}
	case o.parquet == "" && (o.follow || o.allRevisions):
		return usageError{errors.New("--follow and --all-revisions go with --to-parquet")}
	case o.subject == "" && o.state != "":
		return usageError{errors.New("--state goes with --to-subject; a file is gone on with by --resume")}
	case o.file == "" && o.resume:
		return usageError{errors.New("--resume goes with --to-file; what is sent is gone on with by --state")}
	}
	return nil
}

func (o *replayOptions) pace() (float64, error) {
	switch o.speed {
	case "max", "step":
		return 0, nil
	case "":
		if o.file != "" {
			return 0, nil
		}
		return 1, nil
	}
	pace, err := strconv.ParseFloat(o.speed, 64)
	if err != nil || pace <= 0 {
		return 0, usageError{fmt.Errorf("--speed %s: give a number above 0, max or step", o.speed)}
	}
	return pace, nil
}

// chosen are the streams that are replayed.
func (o *replayOptions) chosen() (all []schemas.Stream) {
	for _, s := range schemas.Streams() {
		if len(o.streams) == 0 || slices.ContainsFunc(o.streams, func(name string) bool { return strings.EqualFold(name, string(s)) }) {
			all = append(all, s)
		}
	}
	return all
}

// stepper waits for a line of input before each message, if that is wanted; its end is io.EOF.
func (o *replayOptions) stepper(ctx context.Context, in io.Reader) func() error {
	if o.speed != "step" {
		return func() error { return nil }
	}
	input := bufio.NewReader(in)
	return func() error {
		typed := make(chan error, 1)
		go func() { // only an interrupt does not wait for it: nothing ends a read of a terminal but the program's end
			_, err := input.ReadString('\n')
			typed <- err
		}()
		select {
		case err := <-typed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
