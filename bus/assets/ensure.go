package assets

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

// Name is what AcceptWeaker takes, e.g. AICC_EVENTS.max_age.
func (d Difference) Name() string { return d.Asset + "." + d.Setting }

// exists is the setting of a Difference that says that an asset is not there.
const exists = "exists"

// Error lists every setting that is weaker than the bridge needs.
type Error struct {
	Differences []Difference

	kept bool // this bridge makes and changes nothing
}

// Error prints one difference per line and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	weaker := slices.ContainsFunc(e.Differences, func(d Difference) bool { return d.Setting != exists })
	if weaker {
		b.WriteString("streams on the nats server are weaker than the bridge needs:")
	} else {
		b.WriteString("streams are missing on the nats server:")
	}
	for _, d := range e.Differences {
		fmt.Fprintf(&b, "\n  %s: is %s, want %s", d.Name(), d.Have, d.Want)
	}
	if e.kept {
		b.WriteString("\nthis bridge makes no streams (nats.manage_streams is false): run `bridge apply` with a user who may; it makes what is missing and adds what may be added. ")
		b.WriteString("Change what is weaker with nats stream edit and nats consumer edit")
		return b.String()
	}
	if !weaker {
		b.WriteString("\n`bridge apply` makes them, and so does a bridge with nats.manage_streams: true when it starts")
		return b.String()
	}
	b.WriteString("\nchange them (nats stream edit, nats consumer edit), move them away so that the bridge makes its own, or accept each by its name")
	return b.String()
}

// Ensure brings the server's streams, buckets, object stores and the consumer
// in line with the table: makes what is missing, and adds description,
// metadata, compression and direct look-ups where they lack. Stronger settings
// (a longer age, more replicas) are kept. Weaker ones change nothing and are
// returned as one [*Error], except those in Options.AcceptWeaker. Call it
// again at any time; it does nothing when all is in place.
//
// A server that does not answer, or cannot do it now, is waited for until ctx
// ends. Errors that waiting does not mend come at once: an Error, subjects
// that another stream has, replicas on a server that is in no cluster, a
// refused right.
//
// With Options.Keep it changes nothing, and what is missing is part of the
// Error, as it is for Check.
func (t *Table) Ensure(ctx context.Context) error {
	f, err := t.inspect(ctx)
	if err != nil {
		return err
	}
	if t.opts.Keep {
		err = t.failure(f.all())
	} else if err = t.failure(f.weaker); err == nil {
		err = t.apply(ctx, f)
	}
	if err != nil {
		return err
	}
	if t.conn.External() && len(f.single) > 0 {
		t.advise.Do(func() { log := t.conn.Logger(); log.Warn().Strs("streams", f.single).Msg(replicasAdvice) })
	}
	return nil
}

// Check compares the server with the table and changes nothing. What is missing
// or weaker, and not accepted, is returned as one [*Error].
func (t *Table) Check(ctx context.Context) error {
	f, err := t.inspect(ctx)
	if err != nil {
		return err
	}
	return t.failure(f.all())
}

func (t *Table) failure(list []Difference) error {
	if len(list) == 0 {
		return nil
	}
	return &Error{Differences: list, kept: t.opts.Keep}
}

// findings is how the server differs from the table.
type findings struct {
	missing, changed []jetstream.StreamConfig
	weaker           []Difference
	addable          []Difference // what Ensure sets right by itself, and the bridge cannot do without
	single           []string     // streams that one server's disk holds, or two
	noConsumer       bool
}

// all is what must change before the bridge can work, whoever changes it.
func (f findings) all() []Difference {
	list := append(slices.Clone(f.weaker), f.addable...)
	for _, c := range f.missing {
		list = append(list, Difference{Asset: c.Name, Setting: exists, Have: "false", Want: "true"})
	}
	if f.noConsumer {
		list = append(list, Difference{Asset: schemas.FileConsumer, Setting: exists, Have: "false", Want: "true"})
	}
	return list
}

func (t *Table) inspect(ctx context.Context) (f findings, err error) {
	for _, a := range t.assets {
		have, err := t.conn.StreamConfig(ctx, a.Name)
		if err != nil {
			return f, fmt.Errorf("read %s: %w", a.Label, err)
		}
		merged, differs := a.StreamConfig, false
		if have == nil {
			f.missing = append(f.missing, merged)
		} else {
			f.weaker = append(f.weaker, t.unaccepted(a.Compare(*have))...)
			f.addable = append(f.addable, t.unaccepted(a.differences(*have, addable))...)
			if merged, differs = improve(*have, a.StreamConfig); differs {
				f.changed = append(f.changed, merged)
			}
		}
		if merged.Replicas < 3 {
			f.single = append(f.single, a.Label)
		}
	}
	consumer, err := t.consumerConfig(ctx)
	if err != nil {
		return f, fmt.Errorf("read consumer %s: %w", schemas.FileConsumer, err)
	}
	f.noConsumer = consumer == nil
	if consumer != nil {
		f.weaker = append(f.weaker, t.unaccepted(compareConsumer(*consumer, t.consumer()))...)
	}
	return f, nil
}

// replicasAdvice is about a setting that clients cannot see: how often the
// server syncs to its disk.
const replicasAdvice = "streams on the external nats server have fewer than 3 replicas: unless the server syncs " +
	"before each acknowledgement, a crash of its machine can lose the messages of the last two minutes; " +
	"set sync_interval: always in the server's jetstream block, or run a cluster with 3 replicas of each stream"

func (t *Table) apply(ctx context.Context, f findings) error {
	var made []string
	for _, c := range f.missing {
		if err := t.conn.MakeStream(ctx, c); err != nil {
			return err
		}
		made = append(made, c.Name)
	}
	log := t.conn.Logger()
	if len(made) > 0 {
		log.Info().Strs("streams", made).Msg("streams and buckets made")
	}
	for _, c := range f.changed {
		if err := t.conn.UpdateStream(ctx, c); err != nil {
			return err
		}
		log.Info().Str("stream", c.Name).Msg("stream updated")
	}
	if !f.noConsumer {
		return nil
	}
	err := t.conn.Ask(ctx, schemas.FileConsumer, func(ctx context.Context) error {
		_, err := t.conn.JetStream().CreateConsumer(ctx, t.files(), t.consumer())
		return err
	})
	if err != nil {
		return fmt.Errorf("make consumer %s: %w", schemas.FileConsumer, err)
	}
	return nil
}

// files is the stream that has the workers' consumer.
func (t *Table) files() string { return t.conn.Names().Stream(schemas.StreamFiles) }

// consumerConfig is nil when there is no such consumer or stream.
func (t *Table) consumerConfig(ctx context.Context) (c *jetstream.ConsumerConfig, err error) {
	err = t.conn.Ask(ctx, schemas.FileConsumer, func(ctx context.Context) error {
		cons, err := t.conn.JetStream().Consumer(ctx, t.files(), schemas.FileConsumer)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err == nil {
			c = &cons.CachedInfo().Config
		}
		return err
	})
	return c, err
}

func (t *Table) unaccepted(list []Difference) []Difference {
	log := t.conn.Logger()
	return slices.DeleteFunc(list, func(d Difference) bool {
		accepted := slices.Contains(t.opts.AcceptWeaker, d.Name())
		if accepted {
			log.Warn().Str("setting", d.Name()).Str("have", d.Have).Str("want", d.Want).Msg("weaker setting accepted")
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
	if want.AllowMsgTTL && !have.AllowMsgTTL {
		merged.AllowMsgTTL, differs = true, true
	}
	if want.SubjectDeleteMarkerTTL > 0 && have.SubjectDeleteMarkerTTL == 0 {
		merged.SubjectDeleteMarkerTTL, differs = want.SubjectDeleteMarkerTTL, true
	}
	if have.Compression == jetstream.NoCompression && want.Compression != jetstream.NoCompression {
		merged.Compression, differs = want.Compression, true
	}
	return merged, differs
}
