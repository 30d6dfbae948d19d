package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"aiccbridge/config"
	"aiccbridge/internal/doctor"
	"aiccbridge/internal/trace"
	"aiccbridge/internal/trace/otlp"
)

// lastTraces is how long a bridge that has ended goes on to send traces, at most: a collector
// that is away is not waited for.
const lastTraces = 3 * time.Second

// openTraces begins to trace if the environment names a collector; otherwise, and where it has
// values that cannot be, the Tracer is nil: traces cost no more than themselves. What is left
// is sent when open is closed.
func openTraces(ctx context.Context, b base, open *closers) *trace.Tracer {
	settings, err := otlp.Read(os.Getenv)
	if err == nil && settings == nil {
		return nil
	}
	var e *otlp.Exporter
	if err == nil {
		e, err = settings.Start(ctx, otlp.Process{Version: currentVersions().Bridge, Instance: b.instance}, b.log)
	}
	if err != nil {
		b.log.Warn().Strs("wrong", strings.Split(err.Error(), "\n")).Msg("no file is traced, as the environment's variables for traces are wrong; put them right and restart")
		return nil
	}
	open.add(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(lastTraces, b.cfg.Shutdown.Grace))
		defer cancel()
		if err := e.Close(ctx); err != nil {
			b.log.Info().Err(err).Msg("the last traces are lost")
		}
	})
	b.log.Info().Str("collector", settings.Endpoint()).Msg("files are traced")
	return e.Tracer()
}

// lookAtTraces says where traces go, and which variables keep them from going there; nothing
// where none are wanted.
func lookAtTraces(context.Context) (lines []doctor.Line) {
	collector, wrong := tracing()
	for _, f := range wrong {
		lines = append(lines, doctor.Line{Check: "traces", About: "environment", Status: doctor.Warning, Says: f.Key + ": " + f.Problem + ": no file is traced", Cure: f.Remedy})
	}
	if collector != "" {
		lines = append(lines, doctor.Line{Check: "traces", About: "environment", Status: doctor.OK, Says: "files are traced, to " + collector})
	}
	return lines
}

// tracing finds what is wrong with the environment's variables for traces, and where these go:
// "" for nowhere.
func tracing() (collector string, found config.Errors) {
	settings, err := otlp.Read(os.Getenv)
	for _, m := range mistakes(err) {
		found = append(found, config.Finding{File: "environment", Line: 1, Column: 1, Key: m.Variable, Problem: m.Problem, Remedy: m.Remedy})
	}
	if settings != nil {
		collector = settings.Endpoint()
	}
	return collector, found
}

// mistakes are all of an error's.
func mistakes(err error) (all []*otlp.Mistake) {
	var one *otlp.Mistake
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			all = append(all, mistakes(err)...)
		}
		return all
	}
	if errors.As(err, &one) {
		all = append(all, one)
	}
	return all
}

// sayTraced says where traces go, if anywhere.
func sayTraced(out io.Writer, collector string) {
	if collector != "" {
		fmt.Fprintf(out, "traces: files are traced, to %s\n", collector)
	}
}
