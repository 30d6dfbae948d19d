package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"aiccbridge/config"
	"aiccbridge/internal/doctor"
)

// TestWrongTracesCostNothingElse: variables of the environment that cannot be keep no bridge from
// starting; its log says so once, the doctor of each, and neither says a secret.
func TestWrongTracesCostNothingElse(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.com:4318/hidden")
	t.Setenv("OTEL_TRACES_SAMPLER", "sometimes")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "hidden")
	var out bytes.Buffer
	var open closers
	b := base{cfg: &config.Config{}, log: zerolog.New(&out)}
	if tracer := openTraces(t.Context(), b, &open); tracer != nil || len(open) != 0 {
		t.Errorf("a tracer with a sampler that there is not: %v", tracer)
	}
	var line struct {
		Level string
		Wrong []string
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Level != "warn" || len(line.Wrong) != 2 || !strings.Contains(out.String(), "OTEL_TRACES_SAMPLER") {
		t.Errorf("the log says %s: %v", &out, err)
	}
	lines := lookAtTraces(t.Context())
	for _, l := range lines {
		if l.Status != doctor.Warning || l.Cure == "" || !strings.HasPrefix(l.Says, "OTEL_") {
			t.Errorf("%+v", l)
		}
	}
	if len(lines) != 2 {
		t.Errorf("the doctor says %+v", lines)
	}
	if said := out.String() + lines[0].Says + lines[1].Says; strings.Contains(said, "hidden") {
		t.Errorf("a secret is said: %s", said)
	}
}
