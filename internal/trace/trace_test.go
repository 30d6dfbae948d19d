package trace_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// stranger is the traceparent of a caller from outside.
const stranger = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

var window = schemas.Window{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)}

func recording() (*trace.Tracer, *tracetest.SpanRecorder) {
	r := tracetest.NewSpanRecorder()
	return trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(r)).Tracer("test")), r
}

// TestOff: without a Tracer nothing is allocated, no header goes out, and a handler is itself.
func TestOff(t *testing.T) {
	var off *trace.Tracer
	ctx, m := t.Context(), schemas.Message{}
	allocated := testing.AllocsPerRun(100, func() {
		in, span := off.Start(ctx, "a step")
		in, resumed := off.Resume(in, stranger, "another", time.Time{})
		trace.Tell(in, &m)
		trace.Note(in)
		resumed.End("")
		span.End("again")
	})
	if allocated != 0 || m.Header != nil || trace.Parent(ctx) != "" {
		t.Errorf("%.0f allocations, headers %v", allocated, m.Header)
	}
	h := &plain{}
	if off.Handler(h) != http.Handler(h) {
		t.Error("the handler is wrapped")
	}
}

type plain struct{ http.Handler }

// TestTheWayOfAMessage: a span resumed from a header is in the trace of the one that sent it.
func TestTheWayOfAMessage(t *testing.T) {
	tracer, recorded := recording()
	ctx, span := tracer.Start(t.Context(), "publish", trace.Of("acme", schemas.KindCDR, window)...)
	m := schemas.Message{}
	trace.Tell(ctx, &m)
	trace.Note(ctx, trace.Count("rows", 3))
	span.End("")
	since := time.Now().Add(-time.Hour)
	_, taken := tracer.Resume(t.Context(), m.Header[trace.Header], "take", since)
	taken.End("timeout")
	_, alone := tracer.Resume(t.Context(), "no header", "alone", time.Time{})
	alone.End("")

	all := recorded.Ended()
	published, took, single := all[0], all[1], all[2]
	if took.Parent().SpanID() != published.SpanContext().SpanID() || took.SpanContext().TraceID() != published.SpanContext().TraceID() {
		t.Errorf("%v is not below %v", took.Parent(), published.SpanContext())
	}
	if !took.StartTime().Equal(since) || took.Status() != (sdk.Status{Code: codes.Error, Description: "timeout"}) || published.Status().Code != codes.Unset {
		t.Errorf("from %s, %+v; %+v", took.StartTime(), took.Status(), published.Status())
	}
	if len(took.Links())+len(single.Links()) != 0 || single.Parent().IsValid() {
		t.Errorf("linked to %v, below %v", took.Links(), single.Parent())
	}
	want := "[{aicc.tenant acme} {aicc.kind cdr} {aicc.window 20260101t000000z-20260101t010000z} {aicc.rows 3}]"
	var got []string
	for _, a := range published.Attributes() {
		got = append(got, fmt.Sprintf("{%s %s}", a.Key, a.Value.String()))
	}
	if text := "[" + strings.Join(got, " ") + "]"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
}

// TestACallerIsNoParent: what somebody from outside sends as a trace is linked to.
func TestACallerIsNoParent(t *testing.T) {
	tracer, recorded := recording()
	ctx, span := tracer.Start(t.Context(), "ours")
	ours := trace.Parent(ctx)
	span.End("")
	h := tracer.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, span := tracer.Resume(r.Context(), ours, "received", time.Time{})
		span.End("")
	}))
	for _, header := range []string{stranger, "", "00-zz", ours} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Traceparent", header)
		r.Header.Set("Tracestate", "whatever=70092")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for i, s := range recorded.Ended()[1:] {
		if s.Parent().TraceID() != recorded.Ended()[0].SpanContext().TraceID() {
			t.Errorf("%d: it is below %v", i, s.Parent())
		}
		if strings.Contains(fmt.Sprintf("%+v", s.Links()), "70092") {
			t.Errorf("%d: a tracestate is taken over", i)
		}
		if linked := len(s.Links()) == 1 && strings.Contains(stranger, s.Links()[0].SpanContext.TraceID().String()); linked != (i == 0) || len(s.Links()) > 1 {
			t.Errorf("%d: linked to %+v", i, s.Links())
		}
	}
}

// TestClass: a failure is told by one word, never by its text.
func TestClass(t *testing.T) {
	for want, err := range map[string]error{
		"":            nil,
		"damaged_zip": &schemas.Try{Err: &schemas.Permanent{Reason: schemas.ReasonDamagedZip, Err: errors.New("70092")}},
		"not_here":    &schemas.Pass{Err: errors.New("70092")},
		"conflict":    fmt.Errorf("append: %w", schemas.ErrConflict),
		"stopped":     fmt.Errorf("fetch: %w", context.Canceled),
		"timeout":     context.DeadlineExceeded,
		"again":       errors.New("GET https://ccfs.example.com/?signature=5166a"),
	} {
		if got := trace.Class(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}
