package assets

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// The inboxes: the prefix of the answers' subjects of each kind of user, so that
// permissions can name it.
const (
	// BridgeInbox is a bridge's.
	BridgeInbox = "_INBOX_bridge"
	// ReaderInbox is a reader's: what clients use unless they are told otherwise. A
	// bridge has its own, so that no reader can listen to its answers.
	ReaderInbox = "_INBOX"
	// BackendInbox is that of a system that hands sessions over: the answers have sessions.
	BackendInbox = "_INBOX_backend"
)

// DefaultAckWait is the default of [Options].
const DefaultAckWait = 30 * time.Second

// Metadata of every asset, so that other tools see whose it is.
const (
	metaOwner    = "io.aiccbridge.owner"
	metaContract = "io.aiccbridge.contract"
	metaSettings = "io.aiccbridge.settings"
)

// settingsVersion is that of the table of streams. It is raised when a description, a
// duplicate window or metadata in it changes: of two versions at one hub, the older leaves
// these alone, so that they do not go back and forth.
const settingsVersion = 1

const day = 24 * time.Hour

// pulseAge is how long a day is kept: four weeks of which silence is told, and a few days.
const pulseAge = 32 * day

// noDuplicates is the duplicate window of streams whose messages have no Nats-Msg-Id: the
// shortest that the server takes (none at all would be its default, two minutes). When it
// starts, it reads all messages of the window for their ids, one by one.
const noDuplicates = 100 * time.Millisecond

// Options are what the settings in the table depend on, and what to do about
// differences. The zero value is right for a bridge that sees to its streams.
type Options struct {
	// Keep leaves streams, buckets and consumers to somebody else: Ensure makes and
	// changes nothing, and fails when something is missing.
	Keep bool
	// AcceptWeaker lists settings, e.g. "AICC_EVENTS.max_age", that may be
	// weaker than the bridge wants (see [Error]).
	AcceptWeaker []string
	// Replicas of every stream, bucket and object store, at least: what has more keeps
	// it. 0: 3 where the server is in a cluster that can, else 1.
	Replicas int
	// AckWait is how long a file may show no progress before it goes to another
	// worker. Default 30 s.
	AckWait time.Duration
	// LeaseTTL is how long a lease lives without renewal. Default [schemas.LeaseTTL];
	// the server's least is 100 ms.
	LeaseTTL time.Duration
}

// Asset is one stream, or the stream beneath a bucket or an object store.
type Asset struct {
	jetstream.StreamConfig
	// Label is its name as users know it, e.g. AICC_WINDOWS.
	Label string

	// exactAge: MaxAge is not a limit but a meaning (the lease's lifetime), so
	// that a longer one is as wrong as a shorter one.
	exactAge    bool
	objectStore bool // not a stream or bucket
	// onlyQuicker: atomic batches make it quicker, and it works without them.
	onlyQuicker bool
}

// Table is what the bridge needs on the server. It is safe for concurrent use.
type Table struct {
	conn     *wire.Conn
	opts     Options
	assets   []Asset
	patience time.Duration // with a cluster that has no place for replicas
	settled  atomic.Int32  // how many replicas the server gives; 0: not known
	said     sync.Once     // how many there are
}

// NewTable returns the table for the server that c leads to.
func NewTable(c *wire.Conn, o Options) *Table {
	return &Table{conn: c, opts: o, assets: list(c.Names(), o), patience: forming}
}

// Assets are the streams of the table, those of buckets and object stores included.
func (t *Table) Assets() []Asset { return slices.Clone(t.assets) }

// list is the one table of what the bridge needs on the server.
//
// AllowDirect lets any replica answer a reader's look-up, perhaps a little late. It is
// for tools that look at rows and buckets; the bridge's own look-ups ask the leader
// (see [wire.Conn.LastIn]).
func list(n schemas.Names, o Options) []Asset {
	const unlimited = 0
	stream := func(s schemas.Stream, about string, age, dedupe time.Duration) Asset {
		a := New(n, n.Stream(s), about)
		a.Subjects, a.MaxAge, a.Duplicates = n.StreamSubjects(s), age, dedupe
		return a
	}
	all := []Asset{
		stream(schemas.StreamEvents, "Agent events, sessions and gaps.", 30*day, 2*time.Minute).Shared(),
		stream(schemas.StreamFiles, "Files that are ready; the workers share the consumer "+schemas.FileConsumer+". What became of recordings.", 90*day, day),
		forRows(stream(schemas.StreamRows, "Rows of the file store, one subject per window.", 400*day, noDuplicates)),
		forRows(stream(schemas.StreamCalls, "Calls made of rows, one subject per window.", 400*day, noDuplicates)),
		forCoverage(stream(schemas.StreamCoverage, "What is complete, and up to when; files of a new shape.", unlimited, 2*time.Minute)),
		stream(schemas.StreamDeadLetters, "What could not be processed, and why.", 90*day, 2*time.Minute),
		Bucket(n, schemas.BucketWindows, "Ledger of the extraction windows; compare-and-set only.", unlimited),
		Bucket(n, schemas.BucketSessions, "Wanted agents and their sealed session ids.", unlimited),
		Bucket(n, schemas.BucketClients, "What clients of the proxy have got; their GUIDs sealed.", unlimited),
		Bucket(n, schemas.BucketState, "Last known state of each agent.", unlimited).Shared(),
		Bucket(n, schemas.BucketSchemas, "JSON Schemas, by type, and the AsyncAPI document.", unlimited),
		Bucket(n, schemas.BucketPulse, "How much came of each team's agents, by day: what silence is told by.", pulseAge),
		forLeases(Bucket(n, schemas.BucketLeases, "Who polls; entries expire unless renewed.", cmp.Or(o.LeaseTTL, schemas.LeaseTTL))),
		objects(n, schemas.BucketQuarantine, "Damaged files.", 90*day),
		objects(n, schemas.BucketRecordings, "Fetched recordings.", unlimited),
	}
	for i := range all {
		all[i].Replicas = cmp.Or(o.Replicas, 1)
	}
	return all
}

// forRows is for streams with a subject per window, written in atomic batches.
func forRows(a Asset) Asset {
	a.AllowAtomicPublish, a.AllowDirect, a.Compression = true, true, jetstream.S2Compression
	return a
}

// Shared is for streams in which messages that come at a time are committed together.
func (a Asset) Shared() Asset {
	a.AllowAtomicPublish, a.onlyQuicker = true, true
	return a
}

func forCoverage(a Asset) Asset {
	a.MaxMsgsPerSubject = 1000
	return a
}

// forLeases lets the last epoch outlive the leases.
//
// Without delete markers the server (2.15) forgets, when it starts again, what is
// older than the leases live, "never" or not.
func forLeases(a Asset) Asset {
	a.exactAge, a.AllowMsgTTL, a.SubjectDeleteMarkerTTL = true, true, time.Second
	return a
}

// New is a stream without limits, in files and without replicas.
func New(n schemas.Names, name, about string) Asset {
	return Asset{Label: name, StreamConfig: jetstream.StreamConfig{
		Name:              name,
		Description:       about,
		Metadata:          metadata(n),
		Storage:           jetstream.FileStorage,
		Replicas:          1,
		MaxConsumers:      -1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxMsgsPerSubject: -1,
	}}
}

func metadata(n schemas.Names) map[string]string {
	return map[string]string{metaOwner: n.Prefix(), metaContract: "v1", metaSettings: strconv.Itoa(settingsVersion)}
}

// Bucket is the stream beneath a key-value bucket as every NATS tool makes
// it (one value per key). ttl is how long a value lives; 0: for ever.
func Bucket(n schemas.Names, b schemas.Bucket, about string, ttl time.Duration) Asset {
	a := New(n, n.BucketStream(b), about)
	a.Label = n.Bucket(b)
	a.Subjects = []string{n.BucketSubject(b, ">")}
	a.MaxMsgsPerSubject = 1
	a.MaxAge = ttl
	a.Discard = jetstream.DiscardNew
	a.Duplicates = 2 * time.Minute
	if ttl > 0 {
		a.Duplicates = min(a.Duplicates, ttl)
	}
	a.AllowRollup, a.DenyDelete, a.AllowDirect = true, true, true
	return a
}

// objects is the stream beneath an object store as every NATS tool makes it.
func objects(n schemas.Names, b schemas.Bucket, about string, age time.Duration) Asset {
	a := New(n, n.ObjectStream(b), about)
	a.Label = n.Bucket(b)
	a.Subjects, a.objectStore = n.ObjectSubjects(b), true
	a.MaxAge = age
	a.Discard = jetstream.DiscardNew
	a.AllowRollup, a.AllowDirect = true, true
	return a
}

// Consumer is a durable consumer that the bridges share, and the stream that it is of.
type Consumer struct {
	jetstream.ConsumerConfig
	Stream string
}

// consumers are the shared ones. MaxDeliver is unlimited: a message that exceeds it would
// stay in the stream unseen; the verdict counts instead. MaxAckPending is unlimited, too:
// it counts what waits for its next attempt, and that must not hold up the good ones. The
// workers bound the work.
func (t *Table) consumers() (all []Consumer) {
	n := t.conn.Names()
	about := map[string]string{
		schemas.FileConsumer:      "Workers that turn files into rows.",
		schemas.RecordingConsumer: "Workers that fetch the audio of recordings.",
	}
	for _, c := range n.Consumers() {
		all = append(all, Consumer{Stream: n.Stream(c.Stream), ConsumerConfig: jetstream.ConsumerConfig{
			Durable:       c.Name,
			Description:   about[c.Name],
			Metadata:      metadata(n),
			DeliverPolicy: jetstream.DeliverAllPolicy,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       cmp.Or(t.opts.AckWait, DefaultAckWait),
			MaxDeliver:    -1,
			MaxAckPending: -1,
			FilterSubject: c.Filter,
		}})
	}
	return all
}
