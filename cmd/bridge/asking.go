package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/ask"
	"aiccbridge/internal/ask/view"
	"aiccbridge/poller/partition"
	"aiccbridge/schemas"
)

// askOptions are the flags of commands that look at a hub: whose it is, and how to show it.
type askOptions struct {
	path, url, context, prefix string
	wait                       time.Duration
	asJSON, utc                bool

	completing bool // on a command line that is being typed: what is not there is not opened
}

func (o *askOptions) register(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVarP(&o.path, "config", "c", "bridge.yaml", "configuration file that says where NATS is")
	f.StringVar(&o.url, "nats", "", "instead of a configuration: the URL of NATS")
	f.StringVar(&o.context, "context", "", "instead of a configuration: a context of the nats command, by name or file")
	f.StringVar(&o.prefix, "prefix", "aicc", "with --nats or --context: what nats.subject_prefix is")
	f.DurationVar(&o.wait, "wait", 10*time.Second, "how long to wait for NATS")
	f.BoolVar(&o.asJSON, "json", false, "print JSON, one object a line")
	f.BoolVar(&o.utc, "utc", false, "show times in UTC; the machine's zone otherwise")
	c.MarkFlagsMutuallyExclusive("nats", "context")
}

// looking is a hub that is looked at.
type looking struct {
	ask.Questions
	bus     *bus.Bus
	out     io.Writer
	resting bool // it is a folder's that no bridge has in use
	*askOptions
}

// with calls f with the hub that the flags name.
func (o *askOptions) with(c *cobra.Command, f func(ctx context.Context, l looking) error) error {
	ctx := c.Context()
	at := func(b *bus.Bus, resting bool) looking {
		return looking{Questions: questions(b), bus: b, out: c.OutOrStdout(), resting: resting, askOptions: o}
	}
	to := func(ctx context.Context, b *bus.Bus) error { return f(ctx, at(b, false)) }
	if o.url != "" || o.context != "" {
		names, err := schemas.NewNames(o.prefix)
		if err != nil {
			return usageError{fmt.Errorf("--prefix: %w", err)}
		}
		var hub bus.Options
		hub.Names, hub.URL, hub.Context, hub.InboxPrefix = names, o.url, o.context, assets.ReaderInbox
		return o.connect(ctx, hub, to)
	}
	cfg, err := load(o.path, c.ErrOrStderr())
	if err != nil {
		return err
	}
	hub, there, err := runningHub(cfg, false)
	if err == nil {
		hub.Names, err = schemas.NewNames(cfg.NATS.SubjectPrefix)
	}
	switch {
	case err != nil:
		return err
	case there:
		return o.connect(ctx, hub, to)
	}
	if o.completing {
		return errNotRunning
	}
	if err := hasRun(cfg); err != nil {
		return err
	}
	return visiting(ctx, cfg, zerolog.Nop(), o.wait, func(ctx context.Context, v visit) error { return f(ctx, at(v.bus, true)) })
}

// errNotRunning says that there is no hub but that of a folder.
var errNotRunning = errors.New("no bridge runs")

// completion is how long a word that is typed may wait for NATS.
const completion = 2 * time.Second

// complete offers what f finds on the hub for a word that is being typed.
func (o *askOptions) complete(f func(ctx context.Context, l looking) ([]string, error)) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) (all []string, _ cobra.ShellCompDirective) {
		o.completing, o.wait = true, completion
		c.SetErr(io.Discard)
		err := o.with(c, func(ctx context.Context, l looking) (err error) {
			all, err = f(ctx, l)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlags completes the flags of tenants and kinds that a command has.
func (o *askOptions) completeFlags(c *cobra.Command) {
	for name, f := range map[string]cobra.CompletionFunc{
		"tenant": o.complete(func(ctx context.Context, l looking) ([]string, error) { return l.Tenants(ctx) }),
		"agent":  o.complete(agentIDs(ask.Scope{})),
		"kind":   cobra.FixedCompletions(kinds(), cobra.ShellCompDirectiveNoFileComp),
		"state":  cobra.FixedCompletions([]string{"planned", "requested", "ready", "complete", "failed"}, cobra.ShellCompDirectiveNoFileComp),
	} {
		if c.Flag(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, f) // it has been done already
		}
	}
}

// agentIDs are those of the agents that the hub knows.
func agentIDs(s ask.Scope) func(ctx context.Context, l looking) ([]string, error) {
	return func(ctx context.Context, l looking) (ids []string, err error) {
		all, err := l.Agents(ctx, s)
		for _, a := range all {
			ids = append(ids, a.Agent)
		}
		return ids, err
	}
}

// kinds are the names of the kinds of rows.
func kinds() (names []string) {
	for _, k := range schemas.Kinds() {
		names = append(names, string(k))
	}
	return names
}

// connect calls f with a connection.
func (o *askOptions) connect(ctx context.Context, options bus.Options, f func(ctx context.Context, b *bus.Bus) error) error {
	options.Instance, options.Logger = uuid.NewString(), zerolog.Nop()
	b, err := bus.Open(options)
	if err != nil {
		return err
	}
	defer b.Close()
	patient, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	if err := b.Ready(patient); err != nil {
		return err
	}
	return f(ctx, b)
}

// questions are asked of a hub.
func questions(b *bus.Bus) ask.Questions {
	return ask.Questions{Hub: asked{b}, Names: b.Conn().Names(), Lease: func(agent string) string { return strconv.Itoa(partition.Of(agent)) }}
}

// asked is a hub for questions.
type asked struct{ *bus.Bus }

// Entries calls f for the keys of a bucket that match. Sessions and leases are not there for a
// reader, who may not see them: who polls is then not known.
func (a asked) Entries(ctx context.Context, bucket schemas.Bucket, keys string, f func(key string, e schemas.Stored) error) error {
	err := kv.Open(a.Conn(), bucket).Each(ctx, keys, f)
	if bus.Denied(err) && (bucket == schemas.BucketSessions || bucket == schemas.BucketLeases) {
		return nil
	}
	return err
}

// screen is where answers are shown to people.
func (l looking) screen() view.Screen {
	s := view.Screen{Writer: l.out, Color: isTerminal(l.out)}
	if l.utc {
		s.Zone = time.UTC
	}
	return s
}

// zone is that of times which are given and shown.
func (o *askOptions) zone() *time.Location {
	if o.utc {
		return time.UTC
	}
	return time.Local
}

// lines prints documents, one a line.
func lines[T any](out io.Writer, all []T) error {
	encoder := json.NewEncoder(out)
	for _, one := range all {
		if err := encoder.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

// timeForms are the forms of a time on the command line.
var timeForms = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly, time.TimeOnly, "15:04",
}

// readTime reads a time: an instant, one of this zone's clock, one of today, or so long ago
// (90m).
func readTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	for _, form := range timeForms {
		t, err := time.ParseInLocation(form, text, now.Location())
		if err != nil {
			continue
		}
		if t.Year() == 0 { // a clock's time alone
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location()), nil
		}
		return t, nil
	}
	return time.Time{}, errors.New("not a time; give one like 2026-11-30T10:03:20+08:00, 2026-11-30 10:03, 10:03:20, or 90m for so long ago")
}

// timeFlag is a flag that holds a time.
type timeFlag struct {
	text string
	name string
}

func (t *timeFlag) register(c *cobra.Command, name, usage string) {
	t.name = name
	c.Flags().StringVar(&t.text, name, "", usage)
}

// read is the flag's time, zero if it was not given.
func (t *timeFlag) read(zone *time.Location) (time.Time, error) {
	if t.text == "" {
		return time.Time{}, nil
	}
	at, err := readTime(t.text, time.Now().In(zone))
	if err != nil {
		return at, usageError{fmt.Errorf("--%s %s: %w", t.name, t.text, err)}
	}
	return at, nil
}

// readPast is read for an instant that has passed.
func (t *timeFlag) readPast(zone *time.Location) (time.Time, error) {
	at, err := t.read(zone)
	if err != nil {
		return at, err
	}
	if at, err = lastPassed(t.text, at, time.Now().In(zone)); err != nil {
		err = usageError{fmt.Errorf("--%s %s: %w", t.name, t.text, err)}
	}
	return at, err
}

// lastPassed is the instant at that text says, or, of a clock's time alone that is still to
// come, yesterday's.
func lastPassed(text string, at, now time.Time) (time.Time, error) {
	if !at.After(now) {
		return at, nil
	}
	for _, form := range []string{time.TimeOnly, "15:04"} {
		if _, err := time.Parse(form, text); err == nil {
			return at.AddDate(0, 0, -1), nil
		}
	}
	return at, errors.New("it is still to come; give an instant that has passed")
}
