package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"aiccbridge/schemas"
)

// tailOptions are the flags of `bridge tail`.
type tailOptions struct {
	askOptions
	tenant, agent, call, kind string
	rows, heartbeats          bool
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
	f.StringVar(&o.tenant, "tenant", "", "only this tenant's")
	f.StringVar(&o.agent, "agent", "", "only what this agent's subjects have")
	f.StringVar(&o.call, "call", "", "only what names this call")
	f.StringVar(&o.kind, "kind", "", "only of this kind: cdr, recording, operation or skill; rows, too")
	f.BoolVar(&o.rows, "rows", false, "show every row")
	f.BoolVar(&o.heartbeats, "heartbeats", false, "show heartbeats")
	o.completeFlags(c)
	return c
}

func (o *tailOptions) run(c *cobra.Command, _ []string) error {
	if o.kind != "" {
		if err := schemas.Kind(o.kind).Validate(); err != nil {
			return usageError{fmt.Errorf("--kind: %w", err)}
		}
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		var mu sync.Mutex
		screen := l.screen()
		group, ctx := errgroup.WithContext(ctx)
		for _, stream := range schemas.Streams() {
			group.Go(func() error {
				return l.bus.Follow(ctx, stream, "", func(m schemas.Stored) error {
					if !o.wanted(m) {
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

// wanted reports whether the flags ask for a message.
func (o *tailOptions) wanted(m schemas.Stored) bool {
	t := strings.Split(m.Subject, ".") // <prefix>.v1.<tenant>.<family>.…
	if len(t) < 5 || o.tenant != "" && t[2] != schemas.EncodeToken(o.tenant) || !o.about(t[3], t[4]) {
		return false
	}
	if o.call != "" {
		return bytes.Contains(m.Body, []byte(`"`+o.call+`"`))
	}
	switch typ := m.Get("ce-type"); {
	case typ == schemas.TypeHeartbeat:
		return o.heartbeats
	case strings.HasPrefix(typ, schemas.TypeRow):
		return o.rows || o.kind != ""
	}
	return true
}

// about reports whether the flags ask for a family of subjects with what follows it: an
// agent, or a kind.
func (o *tailOptions) about(family, of string) bool {
	agents := family == "agent" || family == "recording"
	if o.agent != "" && (!agents || of != schemas.EncodeToken(o.agent)) {
		return false
	}
	return o.kind == "" || !agents && of == o.kind
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
