package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is a secret that must show nowhere.
const canary = "c4n4ry-5166a"

func from(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// TestRead: where spans go is what the environment of OpenTelemetry says.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing":           {nil, ""},
		"switched off":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318", "OTEL_SDK_DISABLED": "TRUE"}, ""},
		"no exporter":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318", "OTEL_TRACES_EXPORTER": "none"}, ""},
		"all signals":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318/base/"}, "http://a:4318/base/v1/traces"},
		"traces":            {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://b/x"}, "https://b/x"},
		"traces before":     {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://b/x"}, "https://b/x"},
		"other words":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "no", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://a/v1/traces"},
		"wrong, but not on": {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ""},
	} {
		s, err := Read(from(c.env))
		got := ""
		if s != nil {
			got = s.endpoint.String()
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

// TestMistakes: a value that cannot be is named with what to do, and not shown where it may be a
// secret.
func TestMistakes(t *testing.T) {
	for variable, values := range map[string][]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT":           {"a:4318", "ftp://a/" + canary, "http://", "http://[" + canary, "http://user:" + canary + "@a"},
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":    {"grpc://a"},
		"OTEL_EXPORTER_OTLP_HEADERS":            {canary, "=" + canary, "a b=" + canary, "a=%zz" + canary, "a=%0a" + canary},
		"OTEL_EXPORTER_OTLP_TIMEOUT":            {"10s", "-1", "0"},
		"OTEL_EXPORTER_OTLP_COMPRESSION":        {"zstd"},
		"OTEL_EXPORTER_OTLP_PROTOCOL":           {"grpc", "http/json"},
		"OTEL_EXPORTER_OTLP_CERTIFICATE":        {"/no/such/file"},
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": {"/no/such/file"},
		"OTEL_TRACES_EXPORTER":                  {"jaeger"},
		"OTEL_TRACES_SAMPLER":                   {"sometimes"},
		"OTEL_TRACES_SAMPLER_ARG":               {"2", "-1", "half", "NaN"},
		"OTEL_BSP_MAX_QUEUE_SIZE":               {"0", "-1", "many"},
		"OTEL_RESOURCE_ATTRIBUTES":              {canary},
	} {
		for _, value := range values {
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318"}
			if strings.HasSuffix(variable, "_ARG") {
				env["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio"
			}
			env[variable] = value
			_, err := Read(from(env))
			var m *Mistake
			if !errors.As(err, &m) || m.Variable != variable || m.Remedy == "" {
				t.Errorf("%s=%s: %v", variable, value, err)
			}
			if strings.Contains(fmt.Sprint(err), canary) {
				t.Errorf("%s is shown: %v", variable, err)
			}
		}
	}
	_, err := Read(from(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_TRACES_SAMPLER": "y", "OTEL_EXPORTER_OTLP_TIMEOUT": "z"}))
	if text := fmt.Sprint(err); strings.Count(text, "\n") != 2 {
		t.Errorf("not all mistakes at once: %s", text)
	}
}

// collector takes spans as a collector does.
type collector struct {
	t *testing.T
	*httptest.Server
	mu       sync.Mutex
	status   int // of answers; 0: 200
	requests []*http.Request
	names    []string // of spans
}

func newCollector(t *testing.T, start func(*httptest.Server)) *collector {
	c := &collector{t: t}
	c.Server = httptest.NewUnstartedServer(c)
	start(c.Server)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, failed := gzip.NewReader(bytes.NewReader(body))
		if failed != nil {
			c.t.Error(failed)
			return
		}
		body, err = io.ReadAll(z)
	}
	var traces tracepb.TracesData
	if err = errors.Join(err, proto.Unmarshal(body, &traces)); err != nil {
		c.t.Error(err)
	}
	c.requests = append(c.requests, r)
	for _, of := range traces.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, span := range scope.Spans {
				c.names = append(c.names, span.Name)
			}
		}
	}
}

func (c *collector) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// begun is an exporter with these variables.
func begun(t *testing.T, log io.Writer, env map[string]string) *Exporter {
	t.Helper()
	s, err := Read(from(env))
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Start(t.Context(), Process{"test", "one"}, zerolog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// spans makes and ends some.
func (e *Exporter) spans(t *testing.T, names ...string) {
	for _, name := range names {
		_, span := e.Tracer().Start(t.Context(), name)
		span.End("")
	}
}

// TestSpansArrive: what was made before the end is with the collector after it, over TLS, packed,
// with the headers that it wants.
func TestSpansArrive(t *testing.T) {
	c := newCollector(t, (*httptest.Server).StartTLS)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e := begun(t, &log, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE": ca, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20" + canary + ", x-scope = a",
	})
	e.spans(t, "one", "two")
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.spans(t, "three") // too late, and no harm
	if !slices.Equal(c.names, []string{"one", "two"}) || log.Len() > 0 {
		t.Errorf("%v, %s", c.names, log.String())
	}
	r := c.requests[0]
	if r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer "+canary || r.Header.Get("X-Scope") != "a" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("%s %v", r.URL, r.Header)
	}
}

// TestACollectorThatIsAway: the log says once that spans are lost and once that they are not
// any more, whatever is lost meanwhile; nothing of the address but the host, no header.
func TestACollectorThatIsAway(t *testing.T) {
	c := newCollector(t, (*httptest.Server).Start)
	c.answer(http.StatusUnauthorized)
	var log bytes.Buffer
	e := begun(t, &log, map[string]string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/" + canary, "OTEL_EXPORTER_OTLP_HEADERS": "a=" + canary,
	})
	for range 5 {
		e.spans(t, "lost")
		if err := e.provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.answer(0)
	e.spans(t, "taken")
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, "answers HTTP 401") || !strings.Contains(text, `"failures":5`) || strings.Contains(text, canary) {
		t.Errorf("the log: %s", text)
	}
	if !slices.Equal(c.names, []string{"taken"}) {
		t.Errorf("taken: %v", c.names)
	}
}

// TestACollectorThatComesBack: a batch that is refused for the moment is sent again.
func TestACollectorThatComesBack(t *testing.T) {
	var tries sync.Map
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		tries.Store(n, true)
	}))
	defer srv.Close()
	var log bytes.Buffer
	e := begun(t, &log, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": srv.URL, "OTEL_EXPORTER_OTLP_TIMEOUT": "60000"})
	e.spans(t, "one")
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := tries.Load(3); !ok || log.Len() > 0 {
		t.Errorf("%d tries, %s", n, log.String())
	}
}

// TestACollectorThatHangs: spans end at once while it keeps a request, no more of them are kept
// than the queue and the batch have room for, and the end does not wait for it.
func TestACollectorThatHangs(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "20") // the SDK reads these by itself
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
	for what, hangs := range map[string]bool{"for ever": true, "for a while": false} {
		held, release, taken := make(chan bool, 1000), make(chan bool), &collector{t: t}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			held <- true
			<-release
			r.Body = io.NopCloser(bytes.NewReader(body))
			taken.ServeHTTP(w, r)
		}))
		e := begun(t, io.Discard, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": srv.URL, "OTEL_EXPORTER_OTLP_TIMEOUT": "600000"})
		for range 10 {
			e.spans(t, "first")
		}
		<-held
		for range 5000 {
			e.spans(t, "then")
		}
		ctx, cancel := context.WithCancel(t.Context())
		if hangs {
			cancel()
		} else {
			close(release)
		}
		if err := e.Close(ctx); (err != nil) != hangs {
			t.Errorf("%s: the end: %v", what, err)
		}
		if hangs {
			close(release)
		}
		srv.Close()
		cancel()
		if n := len(taken.names); n < 10 || n > 10+20+10 {
			t.Errorf("%s: %d spans were kept", what, n)
		}
	}
}
