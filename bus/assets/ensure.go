package assets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Difference is one setting on the server that is weaker than the bridge needs.
type Difference struct {
	Asset, Setting, Have, Want string
	Added                      bool // Ensure sets it right by itself
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

// Ensure brings the server's streams, buckets, object stores and consumers
// in line with the table: makes what is missing, and adds description,
// metadata, compression, direct look-ups, atomic batches and replicas where they lack. Stronger
// settings (a longer age, more replicas) are kept, but for the duplicate window of streams
// whose messages have no id, which only makes the server start later; description, metadata and
// that window of a stream of a newer version are left alone. Weaker ones change nothing and are
// returned as one [*Error], except those in Options.AcceptWeaker. Call it
// again at any time; it does nothing when all is in place.
//
// A server that does not answer, or cannot do it now, is waited for until ctx
// ends. Errors that waiting does not mend come at once: an Error, subjects
// that another stream has, replicas that somebody asks for and the server cannot
// give, a refused right.
//
// With Options.Keep it changes nothing, and what is missing is part of the
// Error, as it is for Check.
func (t *Table) Ensure(ctx context.Context) error {
	replicas, err := t.toTry(ctx)
	if err != nil {
		return err
	}
	err = t.ensure(ctx, replicas)
	var few *replicasError
	if errors.As(err, &few) && t.opts.Replicas == 0 {
		log := t.conn.Logger()
		log.Warn().Err(few.cause).Int("replicas", replicas).Msg("the nats cluster gives no place for so many replicas; streams are made with one, and `bridge apply` or the next start tries again")
		replicas = 1
		err = t.ensure(ctx, replicas)
	}
	if err == nil && !t.opts.Keep {
		t.settled.Store(int32(replicas))
	}
	return err
}

// ensure is Ensure with so many replicas.
func (t *Table) ensure(ctx context.Context, replicas int) error {
	f, err := t.inspect(ctx, replicas)
	if err != nil {
		return err
	}
	if t.opts.Keep {
		err = t.failure(f.all())
	} else if err = t.failure(f.weaker); err == nil {
		err = t.apply(ctx, f)
	}
	if err == nil {
		t.sayReplicas(f)
	}
	return err
}

// Check compares the server with the table and changes nothing. What is missing
// or weaker, and not accepted, is returned as one [*Error].
func (t *Table) Check(ctx context.Context) error {
	f, err := t.inspect(ctx, max(t.asked(), 1))
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
	more             []string     // streams with more replicas than somebody asks for
	replicas         int          // the fewest of a stream, once the table is applied
	newConsumers     []Consumer
	mended           []Consumer // with what they lacked
}

// all is what must change before the bridge can work, whoever changes it.
func (f findings) all() []Difference {
	list := slices.Clone(f.weaker)
	for _, d := range f.addable {
		d.Added = true
		list = append(list, d)
	}
	for _, c := range f.missing {
		list = append(list, Difference{Asset: c.Name, Setting: exists, Have: "false", Want: "true"})
	}
	for _, c := range f.newConsumers {
		list = append(list, Difference{Asset: c.Durable, Setting: exists, Have: "false", Want: "true"})
	}
	return list
}

func (t *Table) inspect(ctx context.Context, replicas int) (f findings, err error) {
	for _, a := range t.wanted(replicas) {
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
			if t.opts.Replicas > 0 && have.Replicas > a.Replicas {
				f.more = append(f.more, a.Label)
			}
			a.Replicas = t.raise(a, *have)
			// Where rows lack it, somebody accepts that; and the server refuses it with the other.
			a.AllowAtomicPublish = a.onlyQuicker && have.PersistMode != jetstream.AsyncPersistMode
			if merged, differs = improve(*have, a.StreamConfig); differs {
				f.changed = append(f.changed, merged)
			}
		}
		if merged.Replicas < autoReplicas {
			f.single = append(f.single, a.Label)
		}
		if f.replicas == 0 || merged.Replicas < f.replicas {
			f.replicas = merged.Replicas
		}
	}
	for _, c := range t.consumers() {
		if err := t.inspectConsumer(ctx, &f, c, replicas); err != nil {
			return f, fmt.Errorf("read consumer %s: %w", c.Durable, err)
		}
	}
	return f, nil
}

func (t *Table) inspectConsumer(ctx context.Context, f *findings, want Consumer, replicas int) error {
	have, err := t.consumerConfig(ctx, want)
	if err != nil {
		return err
	}
	if have == nil {
		f.newConsumers = append(f.newConsumers, want)
		return nil
	}
	f.weaker = append(f.weaker, t.unaccepted(compareConsumer(*have, want.ConsumerConfig))...)
	if list := t.unaccepted(lacks(*have, want.ConsumerConfig, replicas)); len(list) > 0 {
		f.addable = append(f.addable, list...)
		mended := Consumer{*have, want.Stream}
		mended.Replicas = 0 // as many as the stream
		if len(filters(*have)) == 0 {
			mended.FilterSubject = want.FilterSubject
		}
		f.mended = append(f.mended, mended)
	}
	return nil
}

func (t *Table) apply(ctx context.Context, f findings) error {
	var made []string
	for _, c := range f.missing {
		if err := t.put(ctx, c, t.conn.MakeStream); err != nil {
			return err
		}
		made = append(made, c.Name)
	}
	log := t.conn.Logger()
	if len(made) > 0 {
		log.Info().Strs("streams", made).Msg("streams and buckets made")
	}
	for _, c := range f.changed {
		if err := t.put(ctx, c, t.conn.UpdateStream); err != nil {
			return err
		}
		log.Info().Str("stream", c.Name).Int("replicas", c.Replicas).Msg("stream updated")
	}
	js := t.conn.JetStream()
	for _, c := range f.newConsumers {
		if err := t.putConsumer(ctx, "make", c, js.CreateConsumer); err != nil {
			return err
		}
	}
	for _, c := range f.mended {
		if err := t.putConsumer(ctx, "update", c, js.UpdateConsumer); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) putConsumer(ctx context.Context, verb string, c Consumer,
	put func(context.Context, string, jetstream.ConsumerConfig) (jetstream.Consumer, error)) error {
	err := t.conn.Ask(ctx, c.Durable, func(ctx context.Context) error {
		_, err := put(ctx, c.Stream, c.ConsumerConfig)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s consumer %s: %w", verb, c.Durable, err)
	}
	return nil
}

// consumerConfig is nil when there is no such consumer or stream.
func (t *Table) consumerConfig(ctx context.Context, want Consumer) (c *jetstream.ConsumerConfig, err error) {
	err = t.conn.Ask(ctx, want.Durable, func(ctx context.Context) error {
		cons, err := t.conn.JetStream().Consumer(ctx, want.Stream, want.Durable)
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

// newer reports a stream of a newer version of the table.
func newer(have jetstream.StreamConfig) bool {
	version, err := strconv.Atoi(have.Metadata[metaSettings]) // none: of the first version
	return err == nil && version > settingsVersion
}

// improve merges what the bridge owns or may add into what exists. Of a newer version's stream
// it owns nothing.
func improve(have, want jetstream.StreamConfig) (merged jetstream.StreamConfig, differs bool) {
	if newer(have) {
		want.Description, want.Duplicates, want.Metadata = have.Description, have.Duplicates, have.Metadata
	}
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
	for _, add := range []struct {
		lacks bool
		set   func()
	}{
		{narrower(have.Subjects, want.Subjects), func() {
			merged.Subjects = append(slices.Clone(have.Subjects), lacking(have.Subjects, want.Subjects)...)
		}},
		{want.Replicas > have.Replicas, func() { merged.Replicas = want.Replicas }},
		{have.Description != want.Description, func() { merged.Description = want.Description }},
		{want.AllowDirect && !have.AllowDirect, func() { merged.AllowDirect = true }},
		{want.AllowRollup && !have.AllowRollup, func() { merged.AllowRollup = true }},
		{want.AllowMsgTTL && !have.AllowMsgTTL, func() { merged.AllowMsgTTL = true }},
		{want.SubjectDeleteMarkerTTL > 0 && have.SubjectDeleteMarkerTTL == 0, func() { merged.SubjectDeleteMarkerTTL = want.SubjectDeleteMarkerTTL }},
		{want.Duplicates == noDuplicates && have.Duplicates > noDuplicates, func() { merged.Duplicates = noDuplicates }},
		{want.AllowAtomicPublish && !have.AllowAtomicPublish, func() { merged.AllowAtomicPublish = true }},
		{have.Compression == jetstream.NoCompression && want.Compression != jetstream.NoCompression, func() { merged.Compression = want.Compression }},
	} {
		if add.lacks {
			add.set()
			differs = true
		}
	}
	return merged, differs
}
