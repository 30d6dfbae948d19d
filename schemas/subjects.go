package schemas

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas/internal/text"
)

// Names builds every subject, stream and bucket name from one prefix. The zero
// value is not usable; see [NewNames].
type Names struct{ prefix, upper string }

// NewNames checks the prefix (setting nats.subject_prefix; a lower-case letter,
// then up to 15 of a–z, 0–9, "-", "_") and returns the names below it.
func NewNames(prefix string) (Names, error) {
	if prefix == "" || len(prefix) > 16 || prefix[0] < 'a' || prefix[0] > 'z' || EncodeToken(prefix) != prefix {
		return Names{}, fmt.Errorf("subject prefix %q: want a lower-case letter, then up to 15 of a-z, 0-9, - and _", prefix)
	}
	return Names{prefix: prefix, upper: strings.ToUpper(prefix)}, nil
}

// Prefix returns the prefix itself.
func (n Names) Prefix() string { return n.prefix }

func (n Names) subject(tokens ...string) string {
	return n.prefix + ".v1." + strings.Join(tokens, ".")
}

// Event is the subject of one agent's event:
// aicc.v1.<tenant>.agent.<agent>.<group>.<name>.
func (n Names) Event(tenant, agent string, group Group, name string) string {
	return n.subject(EncodeToken(tenant), "agent", EncodeToken(agent), EncodeToken(string(group)), EncodeToken(name))
}

// Agent matches every message of one agent.
func (n Names) Agent(tenant, agent string) string {
	return n.subject(EncodeToken(tenant), "agent", EncodeToken(agent), ">")
}

// Agents matches every message of a tenant's agents.
func (n Names) Agents(tenant string) string { return n.subject(EncodeToken(tenant), "agent", ">") }

// FileReady is the subject of FileReady messages: aicc.v1.<tenant>.file.<kind>.ready.
func (n Names) FileReady(tenant string, kind Kind) string {
	return n.subject(EncodeToken(tenant), "file", EncodeToken(string(kind)), "ready")
}

// Row is the subject of the rows of one window:
// aicc.v1.<tenant>.row.<kind>.<window>.
func (n Names) Row(tenant string, kind Kind, w Window) string {
	return n.subject(EncodeToken(tenant), "row", EncodeToken(string(kind)), w.String())
}

// Call is the subject of the calls whose home is a window: aicc.v1.<tenant>.call.<window>.
func (n Names) Call(tenant string, w Window) string {
	return n.subject(EncodeToken(tenant), "call", w.String())
}

// Calls matches every call of a tenant.
func (n Names) Calls(tenant string) string { return n.subject(EncodeToken(tenant), "call", "*") }

// Recording is the subject of what became of one recording:
// aicc.v1.<tenant>.recording.<agent>.<stored|missing>.
func (n Names) Recording(tenant, agent string, s RecordingStatus) string {
	return n.subject(EncodeToken(tenant), "recording", EncodeToken(agent), EncodeToken(string(s)))
}

// Recordings matches what became of every recording of a tenant.
func (n Names) Recordings(tenant string) string {
	return n.subject(EncodeToken(tenant), "recording", "*", "*")
}

// Notice is the subject of a callback's notice, within a bridge: no stream of the
// contract captures it.
func (n Names) Notice(tenant, responseID string) string {
	return n.subject(EncodeToken(tenant), "notice", EncodeToken(responseID))
}

// Notices matches every notice.
func (n Names) Notices() string { return n.subject("*", "notice", "*") }

// Coverage is the subject of "complete up to" statements.
func (n Names) Coverage(tenant string, kind Kind) string {
	return n.subject(EncodeToken(tenant), "coverage", EncodeToken(string(kind)))
}

// Drift is the subject of what is said of files of a new shape.
func (n Names) Drift(tenant string, kind Kind) string {
	return n.subject(EncodeToken(tenant), "drift", EncodeToken(string(kind)))
}

// Reconcile is the subject of what is said of live events against the files of one kind.
func (n Names) Reconcile(tenant string, kind Kind) string {
	return n.subject(EncodeToken(tenant), "reconcile", EncodeToken(string(kind)))
}

// Reconciled matches what is said of live events against files, of all tenants.
func (n Names) Reconciled() string { return n.subject("*", "reconcile", "*") }

// ReconcileDay is the subject of the daily scores.
func (n Names) ReconcileDay(tenant string) string {
	return n.subject(EncodeToken(tenant), "reconcile", "day")
}

// Reconstructed is the subject of an agent's states that were not seen live and are proved by
// a file. It is none of the agent's own: those are numbered, and have one writer.
func (n Names) Reconstructed(tenant, agent string) string {
	return n.subject(EncodeToken(tenant), "reconstructed", EncodeToken(agent))
}

// DeadLetter is the subject of what could not be processed.
func (n Names) DeadLetter(tenant string, reason Reason) string {
	return n.subject(EncodeToken(tenant), "deadletter", EncodeToken(string(reason)))
}

// Question is the subject on which the bridges are asked: <prefix>.ask.<endpoint>. No stream
// captures it.
func (n Names) Question(endpoint string) string { return n.prefix + ".ask." + EncodeToken(endpoint) }

// Questions matches all of them.
func (n Names) Questions() string { return n.prefix + ".ask.>" }

// All matches every subject of the contract.
func (n Names) All() string { return n.subject(">") }

// TenantOf reads the tenant out of a subject of the contract. A token that is no
// encoding is taken as it is, and so is a subject that has no tenant.
func TenantOf(subject string) string {
	tokens := strings.SplitN(subject, ".", 4)
	if len(tokens) < 4 {
		return subject
	}
	tenant, err := DecodeToken(tokens[2])
	if err != nil || tenant == "" {
		return tokens[2]
	}
	return tenant
}

// AgentOf matches every message of the agent that a subject belongs to, as
// [Names.Agent] does. The subject must be one of an agent.
func AgentOf(subject string) string {
	tokens := strings.SplitN(subject, ".", 6) // <prefix>.v1.<tenant>.agent.<agent>.…
	return strings.Join(tokens[:min(5, len(tokens))], ".") + ".>"
}

// Covers reports whether pattern covers subject. The subject may itself hold
// wildcards, as a filter does; then it has to be no wider than the pattern.
func Covers(pattern, subject string) bool { return text.Covers(pattern, subject) }

// Stream is the role of a stream; [Names.Stream] gives its name.
type Stream string

// The streams.
const (
	StreamEvents      Stream = "EVENTS"
	StreamFiles       Stream = "FILES"
	StreamRows        Stream = "ROWS"
	StreamCalls       Stream = "CALLS"
	StreamCoverage    Stream = "COVERAGE"
	StreamDeadLetters Stream = "DEADLETTERS"
)

// Streams are all streams of the contract.
func Streams() []Stream {
	return []Stream{StreamEvents, StreamFiles, StreamRows, StreamCalls, StreamCoverage, StreamDeadLetters}
}

// The durable consumers that all bridges share.
const (
	FileConsumer      = "exporter" // of FILES: the workers that turn files into rows
	RecordingConsumer = "recorder" // of ROWS: those that fetch the audio
)

// Consumer is a durable consumer that all bridges share.
type Consumer struct {
	Name   string
	Stream Stream
	Filter string // the subjects that it is given
}

// Consumers are all of them.
func (n Names) Consumers() []Consumer {
	return []Consumer{
		{FileConsumer, StreamFiles, n.subject("*", "file", "*", "ready")},
		{RecordingConsumer, StreamRows, n.subject("*", "row", string(KindRecording), "*")},
	}
}

// Stream is the name of a stream, e.g. AICC_EVENTS.
func (n Names) Stream(s Stream) string { return n.upper + "_" + string(s) }

// StreamSubjects are the wildcards that a stream captures. No two overlap.
func (n Names) StreamSubjects(s Stream) []string {
	switch s {
	case StreamEvents:
		return []string{n.subject("*", "agent", ">")}
	case StreamFiles:
		return []string{n.subject("*", "file", "*", "ready"), n.subject("*", "recording", "*", "*")}
	case StreamRows:
		return []string{n.subject("*", "row", "*", "*")}
	case StreamCalls:
		return []string{n.subject("*", "call", "*")}
	case StreamCoverage:
		return []string{n.subject("*", "coverage", "*"), n.subject("*", "drift", "*"), n.subject("*", "audit", "*"), n.subject("*", "reconcile", "*"), n.subject("*", "reconstructed", "*")}
	default:
		return []string{n.subject("*", "deadletter", "*")}
	}
}

// InStream reports whether a stream captures a subject, or all that a filter matches.
func (n Names) InStream(s Stream, subject string) bool {
	return slices.ContainsFunc(n.StreamSubjects(s), func(pattern string) bool { return Covers(pattern, subject) })
}

// StreamOf finds the stream that captures a subject, or all that a filter matches.
func (n Names) StreamOf(subject string) (s Stream, ok bool) {
	for _, s := range Streams() {
		if n.InStream(s, subject) {
			return s, true
		}
	}
	return "", false
}

// Bucket is the role of a key-value or object bucket; [Names.Bucket] gives its name.
type Bucket string

// The buckets: the first seven are key-value, the last two object stores.
const (
	BucketWindows    Bucket = "WINDOWS"
	BucketSessions   Bucket = "SESSIONS"
	BucketLeases     Bucket = "LEASES"
	BucketState      Bucket = "STATE"
	BucketSchemas    Bucket = "SCHEMAS"
	BucketPulse      Bucket = "PULSE"
	BucketClients    Bucket = "CLIENTS"
	BucketQuarantine Bucket = "QUARANTINE"
	BucketRecordings Bucket = "RECORDINGS"
)

// Bucket is the name of a bucket, e.g. AICC_WINDOWS.
func (n Names) Bucket(b Bucket) string { return n.upper + "_" + string(b) }

// BucketStream is the stream beneath a key-value bucket, as every NATS tool names it.
func (n Names) BucketStream(b Bucket) string { return "KV_" + n.Bucket(b) }

// BucketSubject is the subject of a key in a key-value bucket; ">" is all of them.
func (n Names) BucketSubject(b Bucket, key string) string { return "$KV." + n.Bucket(b) + "." + key }

// ObjectStream is the stream beneath an object store, as every NATS tool names it.
func (n Names) ObjectStream(b Bucket) string { return "OBJ_" + n.Bucket(b) }

// ObjectSubjects match what an object store consists of.
func (n Names) ObjectSubjects(b Bucket) []string {
	return []string{"$O." + n.Bucket(b) + ".C.>", "$O." + n.Bucket(b) + ".M.>"}
}

// LeaseTTL is how long an entry of LEASES lives without renewal.
const LeaseTTL = 30 * time.Second

// AgentKey is the key of one agent in SESSIONS and STATE: <tenant>.<agent>.
func AgentKey(tenant, agent string) string {
	return EncodeToken(tenant) + "." + EncodeToken(agent)
}

// WindowKey is the key of one window in WINDOWS: <tenant>.<kind>.<window>.
func WindowKey(tenant string, kind Kind, w Window) string {
	return EncodeToken(tenant) + "." + EncodeToken(string(kind)) + "." + w.String()
}

// UnmatchedKey is the key in WINDOWS of a file notice whose response id no
// window knows yet: <tenant>.unmatched.<response id>.
func UnmatchedKey(tenant, responseID string) string {
	return EncodeToken(tenant) + ".unmatched." + EncodeToken(responseID)
}

// BudgetKey is the key in WINDOWS of an access key's budget: =.budget.<name>. No tenant is named =.
func BudgetKey(name string) string { return EncodeToken("") + ".budget." + EncodeToken(name) }

// WholePartition is the name of the partition that is all agents of a tenant; others are numbers.
const WholePartition = "live"

// LeaseKey is the key of one partition's lease in LEASES: <tenant>.<partition>.
func LeaseKey(tenant, partition string) string {
	return EncodeToken(tenant) + "." + EncodeToken(partition)
}

// EncodeToken turns any text into one subject or key token. The bytes a–z, 0–9,
// "-" and "_" stand for themselves; every other byte, upper-case letters
// included, becomes "=" and two lower-case hex digits; the empty text becomes
// "=". The encoding is reversible ([DecodeToken]) and no two texts share a token.
func EncodeToken(s string) string { return text.Encode(s) }

// DecodeToken is the inverse of [EncodeToken]. Only tokens that EncodeToken
// can produce are accepted.
func DecodeToken(token string) (string, error) { return text.Decode(token) }
