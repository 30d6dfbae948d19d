package otlp

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"aiccbridge/internal/trace"
)

// Process says whose spans these are.
type Process struct {
	Version  string
	Instance string // which of several bridges
}

// Exporter has a Tracer, and sends what that makes.
type Exporter struct {
	tracer   *trace.Tracer
	provider *sdk.TracerProvider
	end      context.CancelFunc
}

// Start begins to send; the collector need not be there. Sampler, queue and attributes of the
// process are those of the environment. Call [Exporter.Close] once.
func (s *Settings) Start(ctx context.Context, p Process, log zerolog.Logger) (*Exporter, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "aicc-bridge"), attribute.String("service.version", p.Version), attribute.String("service.instance.id", p.Instance)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the process for traces: %w", err)
	}
	ended, end := context.WithCancel(context.WithoutCancel(ctx))
	exporter, err := otlptrace.New(ctx, newSender(ended, s, log))
	if err != nil {
		end()
		return nil, fmt.Errorf("begin to send traces: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithBatcher(exporter))
	return &Exporter{tracer: trace.New(provider.Tracer("aiccbridge")), provider: provider, end: end}, nil
}

// Tracer is nil of a nil Exporter.
func (e *Exporter) Tracer() *trace.Tracer {
	if e == nil {
		return nil
	}
	return e.tracer
}

// Close sends what is left until ctx ends, and returns when nothing is sent any more. The error
// says that spans were lost.
func (e *Exporter) Close(ctx context.Context) error {
	if e == nil {
		return nil
	}
	defer e.end()
	defer context.AfterFunc(ctx, e.end)() // then what is left fails at once
	if err := cmp.Or(e.provider.Shutdown(context.WithoutCancel(ctx)), ctx.Err()); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}
