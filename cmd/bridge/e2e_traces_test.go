package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// collector takes traces over HTTP as a collector does.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	spans  []*tracepb.Span
	wrong  []error
	values journal // all that spans and processes say of themselves, but ids
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all tracepb.TracesData
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(body, &all)
	}
	if err != nil {
		c.wrong = append(c.wrong, err)
	}
	say := json.NewEncoder(&c.values)
	for _, of := range all.ResourceSpans {
		_ = say.Encode(of.Resource.Attributes)
		for _, scope := range of.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
			for _, s := range scope.Spans {
				_ = say.Encode([]any{s.Name, s.Attributes, s.Events, s.Status, s.TraceState, len(s.Links)})
			}
		}
	}
}

// named are the spans of a name, in the order of their ends.
func (c *collector) named(name string) (found []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *tracepb.Span) int { return int(a.EndTimeUnixNano) - int(b.EndTimeUnixNano) })
	return found
}

// way is a span with those that it is below, by their names, the first of its trace last.
func (c *collector) way(s *tracepb.Span) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s != nil {
		names = append(names, s.Name)
		above := slices.IndexFunc(c.spans, func(o *tracepb.Span) bool {
			return string(o.SpanId) == string(s.ParentSpanId) && string(o.TraceId) == string(s.TraceId)
		})
		if len(s.ParentSpanId) > 0 && above < 0 {
			return append(names, "a span that never came")
		}
		s = nil
		if above >= 0 {
			s = c.spans[above]
		}
	}
	return names
}

// header is what a message says that was published in a span.
func header(s *tracepb.Span) string {
	return "00-" + hex.EncodeToString(s.TraceId) + "-" + hex.EncodeToString(s.SpanId) + "-01"
}

// TestTracesFollowAFile: one trace has the whole way of a file, from the request to the rows,
// although the bridge was killed between the callback and the rows; the messages say the spans
// that they were published in; and nothing that is secret or a person's is in any span.
func TestTracesFollowAFile(t *testing.T) {
	t.Parallel()
	s := newScene(t, oneWindow(fault.Rule{Fault: "download.status", Share: 1, Status: 503}))
	c := newCollector(t)
	const canary = "c4n4ry-of-the-collector"
	s.journal.plant(canary, "a header for the collector")
	env := []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20" + canary,
		"OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=proof",
	}
	first := s.startIn(env, "run", "-c", s.path())
	s.until("a download has failed", func() bool {
		return len(c.named("export file")) > 0 && len(c.named("request extract")) == 1 && len(c.named("callback received")) == 1
	})
	first.kill()
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	second := s.startIn(env, "run", "-c", s.path())
	b := s.consumer()
	s.until("the rows are there", func() bool { return len(s.messages(b, schemas.StreamRows)) == 51 })
	s.until("the window is complete", func() bool { return len(c.named("complete window")) == 1 })
	ready, rows := s.messages(b, schemas.StreamFiles), s.messages(b, schemas.StreamRows)
	b.Close()
	second.signal(syscall.SIGTERM)
	<-second.done

	way := []string{"export file", "publish file_ready", "callback received", "request extract"}
	for _, name := range []string{"download", "verify", "publish rows", "complete window"} {
		found := c.named(name)
		if len(found) == 0 || !slices.Equal(c.way(found[len(found)-1]), append([]string{name}, way...)) {
			t.Errorf("%s: %d spans, the last on the way %v", name, len(found), c.way(found[len(found)-1]))
		}
	}
	failed, done := c.named("export file")[0], c.named("export file")
	if failed.Status.GetMessage() != "firewall" || failed.Status.Code != tracepb.Status_STATUS_CODE_ERROR || done[len(done)-1].Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET {
		t.Errorf("deliveries ended with %v and %v", failed.Status, done[len(done)-1].Status)
	}
	if len(ready) != 1 || ready[0].Get(trace.Header) != header(c.named("publish file_ready")[0]) {
		t.Errorf("%d files, the last says %q", len(ready), ready[len(ready)-1].Get(trace.Header))
	}
	for _, m := range rows {
		want := ""
		if m.Get("ce-type") == schemas.TypeWindowComplete {
			want = header(c.named("publish rows")[0])
		}
		if m.Get(trace.Header) != want {
			t.Errorf("%s says %q, want %q", m.Get("ce-type"), m.Get(trace.Header), want)
		}
	}
	said := c.values.String()
	for _, want := range []string{"aicc.rows", "aicc.window", "proof", "aicc-bridge"} {
		if !strings.Contains(said, want) {
			t.Errorf("no span says %s", want)
		}
	}
	secrets := secretsOf(s.sim)
	secrets[canary] = "a header for the collector"
	for what, line := range c.values.search(secrets) {
		t.Errorf("a span holds %s: %.300s", what, line)
	}
	if len(c.wrong) > 0 {
		t.Errorf("not to be read: %v", c.wrong)
	}
}
