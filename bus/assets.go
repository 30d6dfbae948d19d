package bus

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// FileConsumer is the durable consumer that all workers share.
const FileConsumer = "exporter"

// Metadata of every asset, so that other tools see whose it is.
const (
	metaOwner    = "io.aiccbridge.owner"
	metaContract = "io.aiccbridge.contract"
)

const day = 24 * time.Hour

var allStreams = []schemas.Stream{
	schemas.StreamEvents, schemas.StreamFiles, schemas.StreamRows,
	schemas.StreamCoverage, schemas.StreamDeadLetters,
}

type streamConfig = jetstream.StreamConfig

// asset is one stream, or the stream beneath a bucket or an object store.
type asset struct {
	streamConfig
	label string // its name as users know it, e.g. AICC_WINDOWS
	// exactAge: MaxAge is not a limit but a meaning (the lease's lifetime), so
	// that a longer one is as wrong as a shorter one.
	exactAge bool
}

// assets is the one table of what the bridge needs on the server.
//
// AllowDirect lets any replica answer a look-up, perhaps a little late. That is
// harmless where a late answer is caught by a fence (rows, buckets); Publish's
// own look-ups need the leader, so the other streams must do without.
func (o Options) assets() []asset {
	const unlimited = 0
	return []asset{
		o.streamAsset(schemas.StreamEvents, "Agent events, sessions and gaps.", 30*day, 2*time.Minute),
		o.streamAsset(schemas.StreamFiles, "Files that are ready; the workers share the consumer "+FileConsumer+".", 90*day, day),
		o.streamAsset(schemas.StreamRows, "Rows of the file store, one subject per window.", 400*day, 2*time.Minute, forRows),
		o.streamAsset(schemas.StreamCoverage, "What is complete, and up to when.", unlimited, 2*time.Minute, forCoverage),
		o.streamAsset(schemas.StreamDeadLetters, "What could not be processed, and why.", 90*day, 2*time.Minute),
		o.bucketAsset(schemas.BucketWindows, "Ledger of the extraction windows; compare-and-set only.", unlimited),
		o.bucketAsset(schemas.BucketSessions, "Wanted agents and their sealed session ids.", unlimited),
		o.bucketAsset(schemas.BucketState, "Last known state of each agent.", unlimited),
		o.bucketAsset(schemas.BucketLeases, "Who polls; entries expire unless renewed.", o.LeaseTTL, forLeases),
		o.objectAsset(schemas.BucketQuarantine, "Damaged files.", 90*day),
		o.objectAsset(schemas.BucketRecordings, "Fetched recordings.", unlimited),
	}
}

func forRows(a *asset) {
	a.AllowAtomicPublish, a.AllowDirect, a.Compression = true, true, jetstream.S2Compression
}

func forCoverage(a *asset) { a.MaxMsgsPerSubject = 1000 }

// forLeases lets the last epoch outlive the leases.
//
// Without delete markers the server (2.15) forgets, when it starts again, what is
// older than the leases live, "never" or not.
func forLeases(a *asset) {
	a.exactAge, a.AllowMsgTTL, a.SubjectDeleteMarkerTTL = true, true, time.Second
}

func (o Options) base(name, description string) streamConfig {
	return streamConfig{
		Name:              name,
		Description:       description,
		Metadata:          map[string]string{metaOwner: o.Names.Prefix(), metaContract: "v1"},
		Storage:           jetstream.FileStorage,
		Replicas:          o.Replicas,
		MaxConsumers:      -1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxMsgsPerSubject: -1,
	}
}

func (o Options) streamAsset(s schemas.Stream, description string, age, dedupe time.Duration, changes ...func(*asset)) asset {
	c := o.base(o.Names.Stream(s), description)
	c.Subjects = []string{o.Names.StreamSubjects(s)}
	c.MaxAge = age
	c.Duplicates = dedupe
	return asset{label: c.Name, streamConfig: c}.with(changes)
}

func (a asset) with(changes []func(*asset)) asset {
	for _, change := range changes {
		change(&a)
	}
	return a
}

// bucketAsset is the stream beneath a key-value bucket as every NATS tool makes
// it (one value per key).
func (o Options) bucketAsset(b schemas.Bucket, description string, ttl time.Duration, changes ...func(*asset)) asset {
	label := o.Names.Bucket(b)
	c := o.base(bucketStream(label), description)
	c.Subjects = []string{bucketSubject(label, ">")}
	c.MaxMsgsPerSubject = 1
	c.MaxAge = ttl
	c.Discard = jetstream.DiscardNew
	c.Duplicates = 2 * time.Minute
	if ttl > 0 {
		c.Duplicates = min(c.Duplicates, ttl)
	}
	c.AllowRollup, c.DenyDelete, c.AllowDirect = true, true, true
	return asset{label: label, streamConfig: c}.with(changes)
}

// objectAsset is the stream beneath an object store as every NATS tool makes it.
func (o Options) objectAsset(b schemas.Bucket, description string, age time.Duration) asset {
	label := o.Names.Bucket(b)
	c := o.base("OBJ_"+label, description)
	c.Subjects = []string{"$O." + label + ".C.>", "$O." + label + ".M.>"}
	c.MaxAge = age
	c.Discard = jetstream.DiscardNew
	c.AllowRollup, c.AllowDirect = true, true
	return asset{label: label, streamConfig: c}
}

// fileConsumer is the workers' consumer. MaxDeliver is unlimited: a message
// that exceeds it would stay in the stream unseen; the verdict counts instead.
// MaxAckPending is unlimited, too: it counts files that wait for their next
// attempt, and those must not hold up the good ones. The workers bound the work.
func (o Options) fileConsumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       FileConsumer,
		Description:   "Workers that turn files into rows.",
		Metadata:      map[string]string{metaOwner: o.Names.Prefix(), metaContract: "v1"},
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       o.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: -1,
	}
}
