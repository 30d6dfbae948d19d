package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// tailOptions are the flags of `bridge tail`.
type tailOptions struct {
	askOptions
	ask.Filter
	kind             string
	rows, heartbeats bool
}

func newTail() *cobra.Command {
	o := &tailOptions{}
	c := &cobra.Command{
		Use:   "tail",
		Short: "Show messages as they come, until Ctrl-C",
		Long: "Show messages as they come: one line for people each, or with --json the whole message.\n" +
			"Of rows the markers are shown only, unless --rows or --kind says otherwise.",
		Example: "  bridge tail --tenant acme --agent 101\n  bridge tail --kind cdr --json | jq .body",
		Args:    noArguments,
		RunE:    o.run,
	}
	o.register(c)
	f := c.Flags()
	f.StringVar(&o.Tenant, "tenant", "", "only this tenant's")
	f.StringVar(&o.Agent, "agent", "", "only what this agent's subjects have")
	f.StringVar(&o.Call, "call", "", "only what names this call")
	f.StringVar(&o.kind, "kind", "", "only of this kind: cdr, recording, operation or skill; rows, too")
	f.BoolVar(&o.rows, "rows", false, "show every row")
	f.BoolVar(&o.heartbeats, "heartbeats", false, "show heartbeats")
	o.completeFlags(c)
	return c
}

func (o *tailOptions) run(c *cobra.Command, _ []string) error {
	if o.Kind = schemas.Kind(o.kind); o.kind != "" {
		if err := o.Kind.Validate(); err != nil {
			return usageError{fmt.Errorf("--kind: %w", err)}
		}
	}
	o.NoRows, o.NoHeartbeats = !o.rows && o.kind == "" && o.Call == "", !o.heartbeats
	return o.with(c, func(ctx context.Context, l looking) error {
		var mu sync.Mutex
		screen := l.screen()
		group, ctx := errgroup.WithContext(ctx)
		for _, stream := range schemas.Streams() {
			group.Go(func() error {
				return l.bus.Follow(ctx, stream, "", func(m schemas.Stored) error {
					if !o.Wants(m) {
						return nil
					}
					mu.Lock()
					defer mu.Unlock()
					if o.asJSON {
						return json.NewEncoder(l.out).Encode(envelopeOf(m))
					}
					_, err := fmt.Fprintln(l.out, screen.Line(m))
					return err
				})
			})
		}
		return group.Wait()
	})
}

// envelope is a whole message as JSON.
type envelope struct {
	Subject  string            `json:"subject"`
	Sequence uint64            `json:"sequence"`
	StoredAt time.Time         `json:"stored_at"`
	Headers  map[string]string `json:"headers"`
	Body     json.RawMessage   `json:"body"`
}

func envelopeOf(m schemas.Stored) envelope {
	e := envelope{Subject: m.Subject, Sequence: m.Sequence, StoredAt: m.StoredAt, Headers: map[string]string{}, Body: schemas.Quote(m.Body)}
	for name, values := range m.Header {
		e.Headers[name] = strings.Join(values, ", ")
	}
	return e
}
