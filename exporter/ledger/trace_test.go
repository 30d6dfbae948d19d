package ledger

import (
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// TestTraceOfARequest: the entry keeps the trace of its last request, a callback goes on with
// it, and so does the message; a ledger that does not trace says nothing of one.
func TestTraceOfARequest(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	tracer := trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(recorded)).Tracer("test"))
	for _, tr := range []*trace.Tracer{tracer, nil} {
		pub := &exportertest.Publisher{}
		l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: pub, Tracer: tr})
		exportertest.Request(t, l, exportertest.Hour(0), 1)
		e := exportertest.Entry(t, l, exportertest.Hour(0))
		exportertest.Check(t, l.GiveUp(t.Context(), e.Key(), e.ResponseID, refused, time.Now()))
		e = exportertest.Entry(t, l, exportertest.Hour(0))
		ctx, span := tr.Start(t.Context(), "request")
		if _, ok, err := l.Requested(ctx, e, time.Now(), time.Now().Add(time.Hour)); err != nil || !ok {
			t.Fatal(ok, err)
		}
		exportertest.Check(t, l.Answered(ctx, e, exportertest.ResponseID(2)))
		span.End("")
		n := exportertest.Notice(2)
		exportertest.Check(t, l.Accept(t.Context(), n))
		e = exportertest.Entry(t, l, exportertest.Hour(0))
		said := pub.Of(schemas.TypeFileReady)[0].Header[trace.Header]
		if tr == nil {
			if e.Trace != "" || said != "" {
				t.Errorf("without a tracer: %q, %q", e.Trace, said)
			}
			continue
		}
		all := recorded.Ended() // as they end
		request, publish, callback := all[0], all[1], all[2]
		if !strings.Contains(e.Trace, request.SpanContext().SpanID().String()) || !strings.Contains(said, publish.SpanContext().SpanID().String()) {
			t.Errorf("the entry says %s, the message %s", e.Trace, said)
		}
		if callback.Name() != "callback received" || callback.Parent().SpanID() != request.SpanContext().SpanID() || publish.Parent().SpanID() != callback.SpanContext().SpanID() || !callback.StartTime().Equal(n.ReceivedAt) {
			t.Errorf("%s at %s below %v, then %s below %v", callback.Name(), callback.StartTime(), callback.Parent(), publish.Name(), publish.Parent())
		}
	}
}
