// Package trace follows a file from its request to its rows: spans of OpenTelemetry, and the
// header of W3C Trace Context in which a trace travels.
//
//	request extract                    planner; the ledger's entry keeps its traceparent
//	├─ callback received               ledger, when the notice has found its window
//	│  └─ publish file_ready           its traceparent goes out as a header of the message
//	│     └─ export file               worker, one for each delivery
//	│        ├─ download
//	│        ├─ verify
//	│        ├─ publish rows           its traceparent goes out as a header of the marker
//	│        └─ complete window
//	└─ window overdue                  planner, when no callback came; a predicted file follows
//
// Invariants:
//
//   - A nil Tracer makes no spans, allocates nothing and adds no header.
//   - A trace begins with the bridge's own request. What a caller from outside sends is linked
//     to by its ids, never continued; so there is no tracestate to carry, and none is taken over.
//   - A span says tenant, kind, window, counts, and of a failure its class: no text of an error,
//     no address, no file, nothing that a file holds.
//   - Nothing waits for a span.
package trace

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"aiccbridge/schemas"
)

// Header is in which a trace travels, in requests over HTTP and in messages on NATS.
const Header = "traceparent"

// w3c reads and writes it.
var w3c propagation.TraceContext

// Tracer makes spans. nil makes none. It is safe for concurrent use.
type Tracer struct{ spans trace.Tracer }

// New returns a Tracer whose spans go to t.
func New(t trace.Tracer) *Tracer { return &Tracer{t} }

// Span is one step on the way of a file. The zero value is none.
type Span struct{ span trace.Span }

// Start begins a span below the one that ctx is in, or the first of a trace.
func (t *Tracer) Start(ctx context.Context, name string, of ...attribute.KeyValue) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.spans.Start(ctx, name, trace.WithAttributes(of...))
	return ctx, Span{span}
}

// Resume begins a span below one of another process, or of a moment that is over: parent is its
// traceparent, and the first of a trace begins if that is none. since is when it began; zero:
// now. If ctx is in a span of another trace, such as a caller's, it is linked to that.
func (t *Tracer) Resume(ctx context.Context, parent, name string, since time.Time, of ...attribute.KeyValue) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	below := trace.SpanContextFromContext(w3c.Extract(context.Background(), propagation.MapCarrier{Header: parent}))
	options := []trace.SpanStartOption{trace.WithAttributes(of...)}
	if caller := trace.SpanContextFromContext(ctx); caller.IsValid() && caller.TraceID() != below.TraceID() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: caller}))
	}
	if !since.IsZero() {
		options = append(options, trace.WithTimestamp(since))
	}
	ctx, span := t.spans.Start(trace.ContextWithRemoteSpanContext(ctx, below), name, options...)
	return ctx, Span{span}
}

// End ends a span. failed is the class of its failure, one of few words; "": it went well.
func (s Span) End(failed string) {
	if s.span == nil {
		return
	}
	if failed != "" {
		s.span.SetStatus(codes.Error, failed)
		s.span.SetAttributes(attribute.String("error.type", failed))
	}
	s.span.End()
}

// Note adds, to the span that ctx is in, what was not known when it began.
func Note(ctx context.Context, of ...attribute.KeyValue) {
	trace.SpanFromContext(ctx).SetAttributes(of...)
}

// Parent is the traceparent of the span that ctx is in, "" outside of one.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	header := propagation.MapCarrier{}
	w3c.Inject(ctx, header)
	return header[Header]
}

// Tell has a message carry the span that ctx is in.
func Tell(ctx context.Context, m *schemas.Message) {
	parent := Parent(ctx)
	if parent == "" {
		return
	}
	if m.Header == nil {
		m.Header = map[string]string{}
	}
	m.Header[Header] = parent
}

// Class is the class of a failure, "" of nil. What is kept of a reason is the reason; no text of
// err is.
func Class(err error) string {
	var p *schemas.Permanent
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return string(p.Reason)
	case errors.As(err, new(*schemas.Pass)):
		return "not_here"
	case errors.Is(err, schemas.ErrConflict):
		return "conflict"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "again"
}

// Of are the attributes that tell a window from others.
func Of(tenant string, kind schemas.Kind, w schemas.Window) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("aicc.tenant", tenant), attribute.String("aicc.kind", string(kind)), attribute.String("aicc.window", w.String())}
}

// Count is an attribute that counts.
func Count(what string, n int) attribute.KeyValue { return attribute.Int("aicc."+what, n) }

// Handler has h see, in the contexts of its requests, which span their callers are in. It is h
// itself of a nil Tracer.
func (t *Tracer) Handler(h http.Handler) http.Handler {
	if t == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(w3c.Extract(r.Context(), propagation.MapCarrier{Header: r.Header.Get(Header)})))
	})
}
