package schemas

import (
	"embed"
	"slices"
	"strings"

	"aiccbridge/schemas/internal/envelope"
	"aiccbridge/schemas/internal/text"
)

// Header names beside the CloudEvents ones. HeaderMsgID is JetStream's own.
const (
	HeaderMsgID = envelope.HeaderMsgID
	// HeaderRow is what a row says beside its body (rows only); see [RowHeader.Value].
	HeaderRow = envelope.HeaderRow
	// HeaderCall is a call's id, encoded as tokens of subjects are (calls only).
	HeaderCall = "aicc-call"
	// HeaderCallRevision is the call's revision, from 1 (calls only).
	HeaderCallRevision = "aicc-call-revision"
	// HeaderCallDigest sums up what a call says, member by member (calls only); see
	// [CallContent.Digest].
	HeaderCallDigest = "aicc-call-digest"
	// HeaderExtract is the response id of the extract that brought a window's marker.
	HeaderExtract = envelope.HeaderExtract
	// HeaderPushed says how far the last list of events was stored that the gateway pushed of
	// the message's agent; only the bridge can read it.
	HeaderPushed = "aicc-pushed"
	HeaderBasis  = "aicc-basis" // by what the bridge knows the text of a window's last file again (markers only)
)

// MaxBatch is the largest number of messages in one atomic batch; the server
// refuses more (error 10199).
const MaxBatch = 1000

// Message is one message ready for the bus.
type Message = envelope.Message

// Stored is one message as read back from a stream.
type Stored = envelope.Stored

// RowHeader is what the headers of a message on a window's subject say.
type RowHeader = envelope.RowHeader

// ReadRowHeader reads the headers of a row or a marker without touching its
// body. Absent headers leave their field empty.
func ReadRowHeader(h map[string][]string) RowHeader { return envelope.ReadRowHeader(h) }

// ExtractSum stands for a response id in [HeaderRow]: 12 hex digits of a hash.
func ExtractSum(responseID string) string { return envelope.ExtractSum(responseID) }

// Delivery is one stored message handed to whoever works on it.
type Delivery struct {
	Message Stored
	// Attempt counts deliveries of this message from 1; see [Try].
	Attempt int
	// Progress says that the work moves on. Without it the message goes to somebody else
	// after a while. Call it as often as you like, from any goroutine.
	Progress func()
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
	return append(types, TypeWindowComplete, TypeCall, TypeCallsComplete, TypeCoverage, TypeDrift, TypeReconcile, TypeReconcileDay, TypeReconstructed, TypeAudit, TypeDeadLetter, TypeResolved)
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
