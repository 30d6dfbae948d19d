package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Difference is one setting on the server that is weaker than the bridge needs.
type Difference struct {
	Asset, Setting, Have, Want string
}

// Name is what [Options].AcceptWeaker takes, e.g. AICC_EVENTS.max_age.
func (d Difference) Name() string { return d.Asset + "." + d.Setting }

// AssetError lists every setting that is weaker than the bridge needs.
type AssetError struct{ Differences []Difference }

// Error prints one difference per line and what to do.
func (e *AssetError) Error() string {
	var b strings.Builder
	b.WriteString("streams on the nats server are weaker than the bridge needs:")
	for _, d := range e.Differences {
		fmt.Fprintf(&b, "\n  %s: is %s, want %s", d.Name(), d.Have, d.Want)
	}
	b.WriteString("\nchange them (nats stream edit, nats consumer edit), move them away so that the bridge makes its own, or accept each by its name")
	return b.String()
}

// Ensure brings the server's streams, buckets, object stores and the consumer
// in line with the table: makes what is missing, and adds description,
// metadata, compression and direct look-ups where they lack. Stronger settings
// (a longer age, more replicas) are kept. Weaker ones change nothing and are
// returned as one [*AssetError], except those in Options.AcceptWeaker. Call it
// again at any time; it does nothing when all is in place.
func (b *Bus) Ensure(ctx context.Context) error {
	var missing, changed []jetstream.StreamConfig
	var weaker []Difference
	for _, a := range b.opts.assets() {
		have, err := b.streamConfig(ctx, a.config.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			missing = append(missing, a.config)
		case err != nil:
			return fmt.Errorf("read %s: %w", a.label, err)
		default:
			weaker = append(weaker, b.unaccepted(a.compare(have))...)
			if merged, differs := improve(have, a.config); differs {
				changed = append(changed, merged)
			}
		}
	}
	files := b.names.Stream(schemas.StreamFiles)
	consumer, err := b.consumerConfig(ctx, files)
	if err != nil {
		return fmt.Errorf("read consumer %s: %w", FileConsumer, err)
	}
	if consumer != nil {
		weaker = append(weaker, b.unaccepted(compareConsumer(*consumer, b.opts.fileConsumer()))...)
	}
	if len(weaker) > 0 {
		return &AssetError{Differences: weaker}
	}
	return b.apply(ctx, missing, changed, consumer == nil)
}

func (b *Bus) apply(ctx context.Context, missing, changed []jetstream.StreamConfig, noConsumer bool) error {
	for _, c := range missing {
		if _, err := b.js.CreateStream(ctx, c); err != nil {
			return fmt.Errorf("make stream %s: %w", c.Name, err)
		}
		b.log.Info().Str("stream", c.Name).Msg("stream made")
	}
	for _, c := range changed {
		if _, err := b.js.UpdateStream(ctx, c); err != nil {
			return fmt.Errorf("update stream %s: %w", c.Name, err)
		}
		b.log.Info().Str("stream", c.Name).Msg("stream updated")
	}
	if !noConsumer {
		return nil
	}
	if _, err := b.js.CreateConsumer(ctx, b.names.Stream(schemas.StreamFiles), b.opts.fileConsumer()); err != nil {
		return fmt.Errorf("make consumer %s: %w", FileConsumer, err)
	}
	b.log.Info().Str("consumer", FileConsumer).Msg("consumer made")
	return nil
}

func (b *Bus) streamConfig(ctx context.Context, name string) (jetstream.StreamConfig, error) {
	s, err := b.js.Stream(ctx, name)
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	return s.CachedInfo().Config, nil
}

// consumerConfig is nil when there is no such consumer or stream.
func (b *Bus) consumerConfig(ctx context.Context, stream string) (*jetstream.ConsumerConfig, error) {
	c, err := b.js.Consumer(ctx, stream, FileConsumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &c.CachedInfo().Config, nil
}

func (b *Bus) unaccepted(list []Difference) []Difference {
	return slices.DeleteFunc(list, func(d Difference) bool {
		accepted := slices.Contains(b.opts.AcceptWeaker, d.Name())
		if accepted {
			b.log.Warn().Str("setting", d.Name()).Str("have", d.Have).Str("want", d.Want).Msg("weaker setting accepted")
		}
		return accepted
	})
}

// improve merges what the bridge owns or may add into what exists.
func improve(have, want jetstream.StreamConfig) (merged jetstream.StreamConfig, differs bool) {
	merged = have
	merged.Metadata = maps.Clone(have.Metadata)
	for k, v := range want.Metadata {
		if have.Metadata[k] != v {
			differs = true
			if merged.Metadata == nil {
				merged.Metadata = make(map[string]string)
			}
			merged.Metadata[k] = v
		}
	}
	if have.Description != want.Description {
		merged.Description, differs = want.Description, true
	}
	if want.AllowDirect && !have.AllowDirect {
		merged.AllowDirect, differs = true, true
	}
	if want.AllowRollup && !have.AllowRollup {
		merged.AllowRollup, differs = true, true
	}
	if have.Compression == jetstream.NoCompression && want.Compression != jetstream.NoCompression {
		merged.Compression, differs = want.Compression, true
	}
	return merged, differs
}
