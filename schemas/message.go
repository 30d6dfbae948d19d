package schemas

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/schemas/internal/text"
)

// Header names beside the CloudEvents ones. HeaderMsgID is JetStream's own.
const (
	HeaderMsgID = "Nats-Msg-Id"
	// HeaderRow is what a row says beside its body (rows only); see [RowHeader.Value].
	HeaderRow = "aicc-row"
	// HeaderCall is a call's id, encoded as tokens of subjects are (calls only).
	HeaderCall = "aicc-call"
	// HeaderCallRevision is the call's revision, from 1 (calls only).
	HeaderCallRevision = "aicc-call-revision"
	// HeaderCallDigest sums up what a call says, member by member (calls only); see
	// [CallContent.Digest].
	HeaderCallDigest = "aicc-call-digest"
	// HeaderExtract is the response id of the extract that brought a window's marker.
	HeaderExtract = "aicc-extract"
	HeaderBasis   = "aicc-basis" // by what the bridge knows the text of a window's last file again (markers only)
)

// MaxBatch is the largest number of messages in one atomic batch; the server
// refuses more (error 10199).
const MaxBatch = 1000

// Message is one message ready for the bus: a CloudEvent 1.0 in NATS binary
// mode. ID and Source together are unique; both are computed from the content.
//
// Rows have what CloudEvents asks for and no more; their schema follows from their type.
type Message struct {
	Subject string
	ID      string            // ce-id
	Type    string            // ce-type, e.g. aicc.v1.event
	Source  string            // ce-source, /aicc/<tenant>/…
	Time    time.Time         // ce-time; rows have none
	Schema  string            // ce-dataschema; rows have none
	Row     string            // [HeaderRow]: rows, and nothing else, have one
	Header  map[string]string // further headers, nil for none
	Dedupe  bool              // carries Nats-Msg-Id; false for rows and calls, whose batches are fenced by sequence
	Body    []byte            // JSON
}

// MsgID is the value of Nats-Msg-Id: source and id, so that equal ids of two
// tenants stay two messages.
func (m Message) MsgID() string { return m.Source + "#" + m.ID }

// Headers returns all headers of the message. Values are plain ASCII: other
// bytes, blanks and "%" are percent-encoded as the CloudEvents NATS binding asks.
func (m Message) Headers() map[string][]string {
	h := make(map[string][]string, 10+len(m.Header))
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{text.EncodeHeader(value)}
		}
	}
	set("ce-specversion", "1.0")
	set("ce-id", m.ID)
	set("ce-type", m.Type)
	set("ce-source", m.Source)
	set(HeaderRow, m.Row)
	if m.Row == "" {
		set("ce-time", m.Time.UTC().Format(time.RFC3339Nano))
		set("ce-dataschema", m.Schema)
		set("content-type", "application/json")
	}
	for name, value := range m.Header {
		set(name, value)
	}
	if m.Dedupe {
		set(HeaderMsgID, m.MsgID())
	}
	return h
}

// Validate reports a message that must not be sent.
func (m Message) Validate() error {
	if m.Subject == "" || strings.ContainsAny(m.Subject, " *>\t\r\n") || strings.Contains(m.Subject, "..") {
		return fmt.Errorf("message: bad subject %q", m.Subject)
	}
	err := cmp.Or(
		want(m.ID != "" && m.Type != "" && m.Source != "" && (m.Schema != "" || m.Row != ""), "id, type, source and schema must be set"),
		want(!m.Time.IsZero() || m.Row != "", "time must be set"),
		want(json.Valid(m.Body), "body is not JSON"),
	)
	if err != nil {
		return fmt.Errorf("message on %s: %w", m.Subject, err)
	}
	return nil
}

// Stored is one message as read back from a stream.
type Stored struct {
	Subject  string
	Sequence uint64
	StoredAt time.Time
	Header   map[string][]string
	Body     []byte
}

// Get returns the first value of a header, "" when absent.
func (s Stored) Get(name string) string {
	if v := s.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Delivery is one stored message handed to whoever works on it.
type Delivery struct {
	Message Stored
	// Attempt counts deliveries of this message from 1; see [Try].
	Attempt int
	// Progress says that the work moves on. Without it the message goes to somebody else
	// after a while. Call it as often as you like, from any goroutine.
	Progress func()
}

// RowHeader is what the headers of a message on a window's subject say. Rest sums up the
// cells of a row that its id leaves out: those of columns that not every edition of the
// platform has, and the zone in which its times were read.
type RowHeader struct {
	ID       string // ce-id
	Key      string // hash of the natural key, the same for all revisions; "" for markers
	Rest     string // "" when there are no such cells and the zone is the tenant's
	Extract  string // that brought it: for markers its response id, for rows the [ExtractSum] of that
	Type     string // ce-type: aicc.v1.row.<kind>, or [TypeWindowComplete] for a marker
	Revision int    // from 1; 0 for markers
}

// ReadRowHeader reads the headers of a row or a marker without touching its
// body. Absent headers leave their field empty.
func ReadRowHeader(h map[string][]string) RowHeader {
	s := Stored{Header: h}
	r := RowHeader{ID: s.Get("ce-id"), Type: s.Get("ce-type"), Extract: s.Get(HeaderExtract)}
	if parts := strings.SplitN(s.Get(HeaderRow), ".", 4); len(parts) >= 3 {
		r.Key, r.Extract, r.Rest = parts[0], parts[2], strings.Join(parts[3:], "")
		r.Revision, _ = strconv.Atoi(parts[1])
	}
	return r
}

// Value is the row's [HeaderRow]: key, revision, the extract's sum, and the rest, unless it
// is empty, with dots between them.
func (h RowHeader) Value() string {
	return strings.TrimSuffix(h.Key+"."+strconv.Itoa(h.Revision)+"."+h.Extract+"."+h.Rest, ".")
}

// ExtractSum stands for a response id in [HeaderRow]: 12 hex digits of a hash.
func ExtractSum(responseID string) string {
	return fmt.Sprintf("%.6x", sha256.Sum256([]byte(responseID)))
}

// hashOf is the id of a document that is told by all that it says. What cannot be encoded
// has none, and no message is made of it.
func hashOf(doc any) string {
	said, err := json.Marshal(doc)
	if err != nil {
		return ""
	}
	hash := sha256.Sum256(said)
	return hex.EncodeToString(hash[:16])
}

// schemaURN names the JSON Schema of a message type.
func schemaURN(messageType string) string {
	return "urn:aicc:schema:" + strings.ReplaceAll(strings.TrimPrefix(messageType, "aicc."), ".", ":")
}

// EncodeHeader encodes a value of a header; see [Message.Headers].
func EncodeHeader(s string) string { return text.EncodeHeader(s) }

// AppendString appends s as a JSON string, escaping no more than JSON asks for. Bytes
// that are not UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte { return text.AppendString(b, s) }

// published holds the machine-readable contract. It is written by hand and
// tested against the Go types.
//
//go:embed jsonschema/*.json asyncapi.yaml
var published embed.FS

// MessageTypes returns every ce-type, the four row types included, in a fixed
// order.
func MessageTypes() []string {
	types := []string{TypeEvent, TypeGap, TypeHeartbeat, TypeFileReady, TypeRecording}
	for _, k := range kinds {
		types = append(types, TypeRow+string(k))
	}
	return append(types, TypeWindowComplete, TypeCall, TypeCallsComplete, TypeCoverage, TypeDrift, TypeAudit, TypeDeadLetter, TypeResolved)
}

// JSONSchema returns the JSON Schema (draft 2020-12) of a message type's body;
// false for an unknown type. Its $id is the ce-dataschema of the messages
// that have one; of rows it follows from their type.
func JSONSchema(messageType string) ([]byte, bool) {
	if !slices.Contains(MessageTypes(), messageType) {
		return nil, false
	}
	data, err := published.ReadFile("jsonschema/" + strings.TrimPrefix(messageType, "aicc.v1.") + ".json")
	return data, err == nil
}

// AsyncAPI returns the AsyncAPI 3 document (YAML) of every subject. It refers
// to the JSON Schemas as ./jsonschema/<type>.json, and spells the default prefix.
func AsyncAPI() []byte {
	data, _ := published.ReadFile("asyncapi.yaml") // embedded: always there
	return data
}
