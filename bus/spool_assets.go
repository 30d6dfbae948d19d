package bus

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// metaSpool holds the identity of a spool's stream. It lives as long as the
// stream's sequences do: a new stream is another spool to the hub.
const metaSpool = "io.aiccbridge.spool"

// codeNoStorage is the answer to a stream whose limit is above the server's.
const codeNoStorage = 10047

// The kinds of what is spooled. Each has a stream of its own: what the hub has
// can then be cut off a stream's beginning, which costs next to nothing. (A purge
// by subject reads the whole stream.)
const (
	classEvents      schemas.Stream = "SPOOL_EVENTS"
	classDeadLetters schemas.Stream = "SPOOL_DEADLETTERS"
	classNotices     schemas.Stream = "SPOOL_NOTICES"
)

// class is one kind: where it is kept, and where it goes.
type class struct {
	stream    string // the spool's
	subjects  string // what it captures
	hubStream string // "" for notices, which go to a function
	share     int64  // of SpoolOptions.MaxBytes, in sixteenths
	about     string
	// partition names what keeps its order: a subject filter, or a tenant.
	partition func(subject string) string
}

var spoolStreams = []schemas.Stream{classEvents, classDeadLetters, classNotices}

// classes are in the order of the data's way: the first two can end in the last.
func classes(n schemas.Names) []class {
	return []class{
		{n.Stream(classEvents), n.StreamSubjects(schemas.StreamEvents), n.Stream(schemas.StreamEvents), 16,
			"Agent events, sessions and gaps that wait for the hub.", agentFilter},
		{n.Stream(classNotices), n.Prefix() + ".v1.*.notice.*", "", 1,
			"Callbacks' notices that wait for the ledger.", tenantOf},
		{n.Stream(classDeadLetters), n.StreamSubjects(schemas.StreamDeadLetters), n.Stream(schemas.StreamDeadLetters), 1,
			"Dead letters that wait for the hub.", func(subject string) string { return subject }},
	}
}

// agentFilter covers all messages of the agent that a subject belongs to.
func agentFilter(subject string) string {
	tokens := strings.SplitN(subject, ".", 6) // <prefix>.v1.<tenant>.agent.<agent>.…
	return strings.Join(tokens[:min(5, len(tokens))], ".") + ".>"
}

func noticeSubject(n schemas.Names, f schemas.FileNotice) string {
	return n.Prefix() + ".v1." + schemas.EncodeToken(f.Tenant) + ".notice." + schemas.EncodeToken(f.ResponseID)
}

func (s *Spool) asset(c class) asset {
	want := s.local.opts.base(c.stream, c.about)
	want.Subjects = []string{c.subjects}
	want.Discard = jetstream.DiscardNew
	want.MaxBytes = max(1, s.maxBytes()*c.share/16)
	want.Duplicates = 2 * time.Minute
	return asset{label: c.stream, streamConfig: want}
}

// maxBytes is what was asked for, or what the server's store has room for.
func (s *Spool) maxBytes() int64 {
	limited, ok := s.opts.Server.(interface{ MaxStoreBytes() int64 })
	if !ok {
		return s.opts.MaxBytes
	}
	return min(s.opts.MaxBytes, limited.MaxStoreBytes()*3/4) // and an eighth of it for the rest
}

// buckets is a bridge's memory while the hub is away. Leases do not expire in
// it: it says what was held last.
func (s *Spool) buckets() []asset {
	o := s.local.opts
	const unlimited = 0
	return []asset{
		o.bucketAsset(schemas.BucketSessions, "Wanted agents and their sealed session ids.", unlimited),
		o.bucketAsset(schemas.BucketState, "Last known state of each agent.", unlimited),
		o.bucketAsset(schemas.BucketLeases, "Leases held last.", unlimited, func(a *asset) { a.AllowMsgTTL = true }),
	}
}

// ensure makes the local streams and buckets, as [Bus.Ensure] makes the hub's,
// and notes where each stream stands.
func (s *Spool) ensure(ctx context.Context) error {
	var weaker []Difference
	for _, l := range s.lines {
		list, err := s.ensureClass(ctx, l)
		if err != nil {
			return err
		}
		weaker = append(weaker, list...)
	}
	for _, a := range s.buckets() {
		have, err := s.local.streamConfig(ctx, a.Name)
		if err != nil {
			return fmt.Errorf("read %s: %w", a.label, err)
		}
		if have == nil {
			err = s.local.makeStream(ctx, a.streamConfig)
		} else {
			weaker = append(weaker, a.compare(*have)...)
		}
		if err != nil {
			return err
		}
	}
	if len(weaker) > 0 {
		return &AssetError{Differences: weaker}
	}
	return nil
}

func (s *Spool) ensureClass(ctx context.Context, l *forwarder) ([]Difference, error) {
	a := s.asset(l.class)
	have, err := s.local.streamConfig(ctx, a.Name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", a.label, err)
	}
	if have == nil {
		l.id = strconv.FormatUint(rand.Uint64(), 36)
		a.Metadata[metaSpool] = l.id
		err := s.local.makeStream(ctx, a.streamConfig)
		if hasCode(err, codeNoStorage) {
			err = fmt.Errorf("the disk has no room for a spool of that size; lower nats.spool_size or free some space: %w", err)
		}
		return nil, err
	}
	l.id = have.Metadata[metaSpool]
	limit := a.MaxBytes
	a.MaxBytes = have.MaxBytes // a setting of the user, and he may change it
	if weaker := a.compare(*have); len(weaker) > 0 || l.id == "" {
		if l.id == "" {
			weaker = append(weaker, Difference{Asset: a.label, Setting: "metadata." + metaSpool, Have: "none", Want: "the spool's identity"})
		}
		return weaker, nil
	}
	return nil, s.resize(ctx, *have, limit)
}

// resize changes a stream's limit. A lower one drops nothing. One that the disk
// has no room for is left as it is.
func (s *Spool) resize(ctx context.Context, have streamConfig, limit int64) error {
	if have.MaxBytes == limit {
		return nil
	}
	changed := have
	changed.Metadata = maps.Clone(have.Metadata)
	changed.MaxBytes = limit
	err := s.local.ask(ctx, have.Name, func(ctx context.Context) error {
		_, err := s.local.js.UpdateStream(ctx, changed)
		if hasCode(err, codeNoStorage) {
			return &final{err}
		}
		return err
	})
	if hasCode(err, codeNoStorage) {
		s.log.Warn().Str("stream", have.Name).Int64("max_bytes", have.MaxBytes).Msg("no room on the disk for a larger spool; it stays as it is")
		return nil
	}
	return err
}

// makeStream makes a stream that is missing.
func (b *Bus) makeStream(ctx context.Context, c streamConfig) error {
	err := b.ask(ctx, c.Name, func(ctx context.Context) error {
		_, err := b.js.CreateStream(ctx, c) // again with the same settings: no error
		if hasCode(err, codeNoStorage) {
			return &final{err}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("make stream %s: %w", c.Name, err)
	}
	return nil
}
