package schemas

import (
	"cmp"
	"embed"
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
	// HeaderRowKey is the hash of a row's natural key (rows only).
	HeaderRowKey = "aicc-row-key"
	// HeaderRowRest sums up the cells of a row that its id leaves out: those of columns
	// that not every edition of the platform has, and the zone in which its times were read
	// (rows only; absent when there are none and the zone is the tenant's).
	HeaderRowRest = "aicc-row-rest"
	// HeaderRowRevision is the row's revision, from 1 (rows only).
	HeaderRowRevision = "aicc-row-revision"
	// HeaderCall is a call's id, encoded as tokens of subjects are (calls only).
	HeaderCall = "aicc-call"
	// HeaderCallRevision is the call's revision, from 1 (calls only).
	HeaderCallRevision = "aicc-call-revision"
	// HeaderCallDigest sums up what a call says, member by member (calls only); see
	// [CallContent.Digest].
	HeaderCallDigest = "aicc-call-digest"
	// HeaderExtract is the response id of the extract that brought a row or a
	// window's marker.
	HeaderExtract = "aicc-extract"
)

// MaxBatch is the largest number of messages in one atomic batch; the server
// refuses more (error 10199).
const MaxBatch = 1000

// Message is one message ready for the bus: a CloudEvent 1.0 in NATS binary
// mode. ID and Source together are unique; both are computed from the content.
type Message struct {
	Subject string
	ID      string            // ce-id
	Type    string            // ce-type, e.g. aicc.v1.event
	Source  string            // ce-source, /aicc/<tenant>/…
	Time    time.Time         // ce-time
	Schema  string            // ce-dataschema
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
	h := make(map[string][]string, 8+len(m.Header))
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{encodeHeader(value)}
		}
	}
	set("ce-specversion", "1.0")
	set("ce-id", m.ID)
	set("ce-type", m.Type)
	set("ce-source", m.Source)
	set("ce-time", m.Time.UTC().Format(time.RFC3339Nano))
	set("ce-dataschema", m.Schema)
	h["content-type"] = []string{"application/json"}
	for name, value := range m.Header {
		set(name, value)
	}
	if m.Dedupe {
		h[HeaderMsgID] = []string{encodeHeader(m.MsgID())}
	}
	return h
}

// Validate reports a message that must not be sent.
func (m Message) Validate() error {
	if m.Subject == "" || strings.ContainsAny(m.Subject, " *>\t\r\n") || strings.Contains(m.Subject, "..") {
		return fmt.Errorf("message: bad subject %q", m.Subject)
	}
	err := cmp.Or(
		want(m.ID != "" && m.Type != "" && m.Source != "" && m.Schema != "", "id, type, source and schema must be set"),
		want(!m.Time.IsZero(), "time must be set"),
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

// RowHeader is what the headers of a message on a window's subject say.
type RowHeader struct {
	ID       string // ce-id
	Key      string // hash of the natural key; "" for markers
	Rest     string // [HeaderRowRest]
	Extract  string // response id of the extract that brought it
	Type     string // ce-type: aicc.v1.row.<kind>, or [TypeWindowComplete] for a marker
	Revision int    // from 1; 0 for markers
}

// ReadRowHeader reads the headers of a row or a marker without touching its
// body. Absent headers leave their field empty.
func ReadRowHeader(h map[string][]string) RowHeader {
	s := Stored{Header: h}
	revision, _ := strconv.Atoi(s.Get(HeaderRowRevision)) // markers have none
	return RowHeader{
		ID: s.Get("ce-id"), Key: s.Get(HeaderRowKey), Rest: s.Get(HeaderRowRest), Extract: s.Get(HeaderExtract),
		Type: s.Get("ce-type"), Revision: revision,
	}
}

func encodeHeader(s string) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '%' && c != '"' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// schemaURN names the JSON Schema of a message type.
func schemaURN(messageType string) string {
	return "urn:aicc:schema:" + strings.ReplaceAll(strings.TrimPrefix(messageType, "aicc."), ".", ":")
}

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
	return append(types, TypeWindowComplete, TypeCall, TypeCallsComplete, TypeCoverage, TypeDrift, TypeDeadLetter, TypeResolved)
}

// JSONSchema returns the JSON Schema (draft 2020-12) of a message type's body;
// false for an unknown type. Its $id is the ce-dataschema of the messages.
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
