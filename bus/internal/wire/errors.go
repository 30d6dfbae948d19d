package wire

import (
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/group"
	"aiccbridge/schemas"
)

// Error codes that the client library has no names for.
const (
	codeSubjectsOverlap = 10065 // another stream has the subjects
	codeHeaderTooLarge  = 10097
	codeNoBatches       = 10174 // the stream's settings allow none
	codeInProcess       = 10158 // the leader has an earlier try and does not know yet what becomes of it
)

// final marks an error that no repetition mends.
type final struct{ error }

// Final marks an error that no repetition mends: [Conn.Retry] returns it at once.
func Final(err error) error { return &final{err} }

func (f *final) Unwrap() error { return f.error }

func isFinal(err error) bool {
	var f *final
	return errors.As(err, &f) || isPermanent(err) || errors.Is(err, schemas.ErrConflict) || errors.Is(err, nats.ErrConnectionClosed)
}

func isPermanent(err error) bool {
	var p *schemas.Permanent
	return errors.As(err, &p)
}

// HasCode reports an answer of the server with one of the codes.
func HasCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode == c {
			return true
		}
	}
	return false
}

// Conflict reports that the expected last sequence did not hold. The second
// code is what a replicated stream answers.
func Conflict(err error) bool {
	return HasCode(err, jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// TooLarge reports that the server, or the stream, takes no message of that size.
func TooLarge(err error) bool {
	return errors.Is(err, nats.ErrMaxPayload) || HasCode(err, jetstream.JSErrCodeStreamMessageExceedsMaximum, codeHeaderTooLarge)
}

// certainlyNotStored reports failures after which the message is nowhere: the
// server refused it, nobody heard it, or it never left. Everything else, a
// timeout, a broken connection or an earlier try that is under way, may have stored it.
func certainlyNotStored(err error) bool {
	var api *jetstream.APIError
	if HasCode(err, codeInProcess) {
		return false
	}
	return errors.As(err, &api) || errors.Is(err, group.ErrNotCommitted) || Denied(err) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrConnectionClosed)
}
