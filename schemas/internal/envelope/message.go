// Package envelope is what a message carries whatever it says: headers as CloudEvents has
// them in NATS, and what those of rows say. Package schemas shows all of it by its own names.
package envelope

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"aiccbridge/schemas/internal/text"
)

// Headers beside those of CloudEvents.
const (
	HeaderMsgID   = "Nats-Msg-Id" // JetStream's own
	HeaderRow     = "aicc-row"    // see [RowHeader.Value]
	HeaderExtract = "aicc-extract"
)

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
		Want(m.ID != "" && m.Type != "" && m.Source != "" && (m.Schema != "" || m.Row != ""), "id, type, source and schema must be set"),
		Want(!m.Time.IsZero() || m.Row != "", "time must be set"),
		Want(json.Valid(m.Body), "body is not JSON"),
	)
	if err != nil {
		return fmt.Errorf("message on %s: %w", m.Subject, err)
	}
	return nil
}

// Document is the body of a message: it knows whether it may be published.
type Document interface{ Validate() error }

// New validates a document and encodes it as the body of a deduplicated message.
func New(subject, typ, source, id string, at time.Time, doc Document) (Message, error) {
	if err := doc.Validate(); err != nil {
		return Message{}, err
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // the platform's content stays as it came
	if err := enc.Encode(doc); err != nil {
		return Message{}, fmt.Errorf("encode %s: %w", typ, err)
	}
	m := Message{
		Subject: subject, ID: id, Type: typ, Source: source, Time: at,
		Schema: schemaURN(typ), Dedupe: true, Body: bytes.TrimSuffix(body.Bytes(), []byte("\n")),
	}
	return m, m.Validate()
}

// schemaURN names the JSON Schema of a message type.
func schemaURN(messageType string) string {
	return "urn:aicc:schema:" + strings.ReplaceAll(strings.TrimPrefix(messageType, "aicc."), ".", ":")
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

// HashOf is the id of a document that is told by all that it says. What cannot be encoded
// has none, and no message is made of it.
func HashOf(doc any) string {
	said, err := json.Marshal(doc)
	if err != nil {
		return ""
	}
	hash := sha256.Sum256(said)
	return hex.EncodeToString(hash[:16])
}

// Want is nil if ok, else an error of that text. The first of several, by cmp.Or, is what
// is wrong with a message.
func Want(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}

// Invalid says of what the error is; nil stays nil.
func Invalid(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("invalid %s: %w", what, err)
}
