package spool

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

const (
	// metaSpool holds the identity of a spool's stream. It lives as long as the
	// stream's sequences do: a new stream is another spool to the hub. It is the
	// lineage's first line.
	metaSpool = "io.aiccbridge.spool"
	// metaLines holds the lineage's other lines. A stream of an older version has none.
	metaLines = "io.aiccbridge.spool.lines"
)

const (
	// codeNoStorage is the answer to a stream whose limit is above the server's.
	codeNoStorage = 10047
	// codeNotUpdated is the answer when a stream's new settings cannot be written.
	codeNotUpdated = 10069
)

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
	share     int64  // of Options.MaxBytes, in sixteenths
	about     string
	// lane names what keeps its order: a subject filter, or a tenant.
	lane func(subject string) string
}

// classes are in the order of the data's way: the first two can end in the last.
func classes(n schemas.Names) []class {
	return []class{
		{n.Stream(classEvents), n.StreamSubjects(schemas.StreamEvents)[0], n.Stream(schemas.StreamEvents), 16,
			"Agent events, sessions and gaps that wait for the hub.", schemas.AgentOf},
		{n.Stream(classNotices), n.Notices(), "", 1,
			"Callbacks' notices that wait for the ledger.", schemas.TenantOf},
		{n.Stream(classDeadLetters), n.StreamSubjects(schemas.StreamDeadLetters)[0], n.Stream(schemas.StreamDeadLetters), 1,
			"Dead letters that wait for the hub.", func(subject string) string { return subject }},
	}
}

func (s *Spool) asset(c class) assets.Asset {
	want := assets.New(s.local.Names(), c.stream, c.about)
	want.Subjects = []string{c.subjects}
	want.Discard = jetstream.DiscardNew
	want.MaxBytes = max(1, s.maxBytes()*c.share/16)
	want.Duplicates = 2 * time.Minute
	return want.Shared()
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
func (s *Spool) buckets() []assets.Asset {
	n := s.local.Names()
	leases := assets.Bucket(n, schemas.BucketLeases, "Leases held last.", 0)
	leases.AllowMsgTTL = true
	return []assets.Asset{
		assets.Bucket(n, schemas.BucketSessions, "Wanted agents and their sealed session ids.", 0),
		assets.Bucket(n, schemas.BucketState, "Last known state of each agent.", 0).Shared(),
		leases,
	}
}

// ensure makes the local streams and buckets, as the table of assets makes the hub's,
// and notes where each stream stands.
func (s *Spool) ensure(ctx context.Context) error {
	var weaker []assets.Difference
	for _, l := range s.lines {
		list, err := s.ensureClass(ctx, l)
		if err != nil {
			return err
		}
		weaker = append(weaker, list...)
	}
	for _, a := range s.buckets() {
		have, err := s.local.StreamConfig(ctx, a.Name)
		switch {
		case err != nil:
			return fmt.Errorf("read %s: %w", a.Label, err)
		case have != nil:
			weaker = append(weaker, a.Compare(*have)...)
			continue
		}
		if err := s.local.MakeStream(ctx, a.StreamConfig, codeNoStorage); err != nil {
			return err
		}
	}
	if len(weaker) > 0 {
		return &assets.Error{Differences: weaker}
	}
	return nil
}

func (s *Spool) ensureClass(ctx context.Context, l *forwarder) ([]assets.Difference, error) {
	a := s.asset(l.class)
	have, err := s.local.StreamConfig(ctx, a.Name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", a.Label, err)
	}
	if have == nil {
		a.Metadata[metaSpool] = uuid.NewString()
		err := s.local.MakeStream(ctx, a.StreamConfig, codeNoStorage)
		if wire.HasCode(err, codeNoStorage) {
			err = fmt.Errorf("the disk has no room for a spool of that size; lower nats.spool_size or free some space: %w", err)
		}
		return nil, err
	}
	limit := a.MaxBytes
	a.MaxBytes = have.MaxBytes // a setting of the user, and he may change it
	if weaker := a.Compare(*have); len(weaker) > 0 || have.Metadata[metaSpool] == "" {
		if have.Metadata[metaSpool] == "" {
			weaker = append(weaker, assets.Difference{Asset: a.Label, Setting: "metadata." + metaSpool, Have: "none", Want: "the spool's identity"})
		}
		return weaker, nil
	}
	return nil, s.resize(ctx, *have, limit)
}

// resize changes a stream's limit, and lets one of an older version take batches. A lower
// limit drops nothing. One that the disk has no room for is left as it is.
func (s *Spool) resize(ctx context.Context, have jetstream.StreamConfig, limit int64) error {
	if have.MaxBytes == limit && have.AllowAtomicPublish {
		return nil
	}
	changed := have
	changed.Metadata = maps.Clone(have.Metadata)
	changed.MaxBytes, changed.AllowAtomicPublish = limit, true
	err := s.local.UpdateStream(ctx, changed, codeNoStorage, codeNotUpdated)
	if wire.HasCode(err, codeNoStorage, codeNotUpdated) {
		s.log.Warn().Err(err).Str("stream", have.Name).Int64("max_bytes", have.MaxBytes).Msg("no room on the disk for a spool of another size; it stays as it is")
		return nil
	}
	return err
}
