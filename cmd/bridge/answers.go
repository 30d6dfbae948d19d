package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/bus/kv"
	"aiccbridge/bus/service"
	"aiccbridge/internal/ask"
	"aiccbridge/internal/conform"
	"aiccbridge/internal/health"
	"aiccbridge/internal/pace"
	"aiccbridge/schemas"
	"aiccbridge/schemas/requests"
)

// mostCalls are so many in one answer, which has to be a message and to have room in memory.
const mostCalls = 1000

// newAnswers offers on NATS what the commands of the same names print.
func newAnswers(self selfPortrait) []part {
	b, h, meter := self.base, self.hub, self.meter
	q := questions(h.bus)
	o := service.Options{Version: currentVersions().Bridge, Metadata: map[string]string{"instance": b.instance}, Logger: b.log, Endpoints: []service.Endpoint{
		{Name: requests.Status, Each: true, What: "what each bridge says of itself", Answer: func(context.Context, []byte) (any, error) { return self.draw(), nil }},
		{Name: requests.Agents, What: "where agents stand, or stood: {tenant, agent, at}", Answer: answer(func(ctx context.Context, r agentsRequest) (any, error) {
			if r.At.IsZero() {
				return q.Agents(ctx, r.Scope)
			}
			return q.AgentsAt(ctx, r.Scope, r.At)
		})},
		{Name: requests.Windows, What: "how far the windows are: {tenant, kind, from, to, state}", Answer: answer(func(ctx context.Context, r ask.WindowQuery) (any, error) {
			return q.Windows(ctx, r)
		})},
		{Name: requests.Call, What: "everything known of a call: {tenant, call_id, around}", Answer: answer(func(ctx context.Context, r ask.CallQuery) (any, error) {
			if r.Tenant == "" || r.CallID == "" {
				return nil, &service.Error{Code: service.CodeBad, Err: errors.New("give tenant and call_id")}
			}
			return q.Call(ctx, r)
		})},
		{Name: requests.Calls, What: "calls, the newest first: {tenant, agent, from, to, state, problem, limit}", Answer: answer(func(ctx context.Context, r ask.CallsQuery) (any, error) {
			if r.Limit < 0 || r.Limit > mostCalls {
				return nil, &service.Error{Code: service.CodeBad, Err: fmt.Errorf("limit: want 0 to %d", mostCalls)}
			}
			if r.State != "" && !slices.Contains(ask.CallStates(), r.State) {
				return nil, &service.Error{Code: service.CodeBad, Err: fmt.Errorf("state: want one of %v", ask.CallStates())}
			}
			return q.Calls(ctx, r)
		})},
		{Name: requests.Schema, What: "the JSON Schema of a type, or all types: {type}", Answer: answer(func(_ context.Context, r schemaRequest) (any, error) {
			return schemaOf(r.Type)
		})},
	}}
	o.Endpoints = append(o.Endpoints, deskEndpoints(newDesk(b, h))...)
	return []part{{"service", func(intake, _ context.Context) error {
		group, ctx := errgroup.WithContext(intake)
		group.Go(func() error {
			meter.Run(ctx)
			return nil
		})
		group.Go(func() error { return service.Run(ctx, h.bus.Conn(), o) })
		group.Go(func() error { return keepSchemas(ctx, kv.Open(h.bus.Conn(), schemas.BucketSchemas)) })
		return group.Wait()
	}}}
}

// asyncAPIKey is where the bucket of schemas has the AsyncAPI document.
const asyncAPIKey = "asyncapi"

// keepSchemas puts what the contract says into its bucket, where that has something else, and
// waits for the hub as long as need be. Of several versions the one that began last has its say.
func keepSchemas(ctx context.Context, b *kv.Bucket) error {
	docs := map[string][]byte{asyncAPIKey: schemas.AsyncAPI()}
	for _, t := range conform.Types() {
		docs[t], _ = conform.JSONSchema(t) // all types have one
	}
	for key, doc := range docs {
		has, _, err := b.Get(ctx, key)
		if err == nil && !bytes.Equal(has, doc) {
			_, err = b.Put(ctx, key, doc)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("keep the schemas: %w", err)
		}
	}
	return nil
}

// agentsRequest asks for agents.
type agentsRequest struct {
	ask.Scope
	At time.Time `json:"at"` // zero: now
}

// schemaRequest asks for a JSON Schema.
type schemaRequest struct {
	Type string `json:"type"` // "": the names of all types
}

// schemaAnswer is the schema of a type, or the names of all.
type schemaAnswer struct {
	Types  []string        `json:"types,omitempty"`
	Type   string          `json:"type,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
}

func schemaOf(typ string) (schemaAnswer, error) {
	if typ == "" {
		return schemaAnswer{Types: conform.Types()}, nil
	}
	doc, ok := conform.JSONSchema(typ)
	if !ok {
		return schemaAnswer{}, fmt.Errorf("type %s: %w", typ, ask.ErrNone)
	}
	return schemaAnswer{Type: typ, Schema: doc}, nil
}

// answer reads a request, of which nothing is the empty one, and calls f.
func answer[R any](f func(context.Context, R) (any, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, request []byte) (any, error) {
		var r R
		if len(request) > 0 {
			if err := json.Unmarshal(request, &r); err != nil {
				return nil, &service.Error{Code: service.CodeBad, Err: fmt.Errorf("the request is not what is asked for: %w", err)}
			}
		}
		a, err := f(ctx, r)
		switch {
		case errors.Is(err, ask.ErrNone):
			err = &service.Error{Code: service.CodeNotFound, Err: err}
		case errors.Is(err, ask.ErrWhen):
			err = &service.Error{Code: service.CodeBad, Err: err}
		}
		return a, err
	}
}

// selfPortrait is what a bridge says of itself.
type selfPortrait struct {
	base
	hub     *hub
	watch   *health.Watch
	meter   *pace.Meter
	started time.Time
}

func newSelfPortrait(b base, h *hub, watch *health.Watch) selfPortrait {
	return selfPortrait{base: b, hub: h, watch: watch, meter: pace.New(b.metrics), started: time.Now().UTC()}
}

func (s selfPortrait) draw() ask.Bridge {
	b := ask.Bridge{
		Instance: s.instance, Version: currentVersions().Bridge, Mode: "embedded", Started: s.started, At: time.Now().UTC(),
		Tenants: []string{}, Alarms: []ask.Alarm{},
		Rates: ask.Rates{
			Events: s.meter.PerSecond("aicc_poller_events_total"), Polls: s.meter.PerSecond("aicc_poller_polls_total"),
			Rows: s.meter.PerSecond("aicc_rows_published_total"), Requests: s.meter.PerSecond("aicc_extract_requests_total"),
		},
	}
	for _, t := range s.cfg.Tenants {
		b.Tenants = append(b.Tenants, t.Name)
		b.Agents += s.polling.Standing(t.Name, pollLimit).Tried
	}
	for _, a := range s.watch.Lasting() {
		b.Alarms = append(b.Alarms, ask.Alarm{Name: a.Name, Reason: a.Err.Error(), Since: a.Since.UTC(), Fatal: a.Fatal})
	}
	if external, ok := s.hub.side.(behindSpool); ok {
		state := external.State()
		b.Mode, b.Spool = "external", &ask.Spool{Messages: state.Messages, Bytes: state.Bytes}
	}
	return b
}
