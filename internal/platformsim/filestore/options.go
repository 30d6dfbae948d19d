package filestore

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// Source is what the file store knows of the contact centre.
type Source interface {
	// Rows returns the rows of kind with from <= At <= to (the platform's ends
	// are taken as inclusive) and Known <= now, ordered by At.
	Rows(kind world.Kind, from, to, now time.Time) []world.Row
}

// EmptyQueryLine says what becomes of requests whose canonical text has, or
// has not, the contested empty line for an absent query.
type EmptyQueryLine string

// The three attitudes of a server towards the empty query line.
const (
	AcceptEmptyQueryLine  EmptyQueryLine = "accept"  // both forms pass; the default
	RequireEmptyQueryLine EmptyQueryLine = "require" // the line must be there
	RefuseEmptyQueryLine  EmptyQueryLine = "refuse"  // the official form only
)

// FailureData says how resultData is printed in a failure.
type FailureData string

// The three forms found on the pages.
const (
	EmptyFailureData  FailureData = "empty"  // "", as the tables have it; the default
	NullFailureData   FailureData = "null"   // null, as one sample has it
	AbsentFailureData FailureData = "absent" // no such field
)

// Options describe one developer account of a file store. Figures marked
// "ours" are nowhere documented. For every number and duration zero is the
// default; a negative one switches the limit off, or makes the wait none.
type Options struct {
	AccessKey string // developer account, required; also the column developer
	SecretKey string // required; signs requests and callbacks alike
	// AccountID is the tenant space that belongs to the developer account.
	// Another one in a request is beyond its rights: 401. Empty: any will do.
	AccountID string
	Timezone  *time.Location   // of the tenant; default UTC
	Now       func() time.Time // default time.Now
	Seed      uint64           // of dice and waits; any value
	Source    Source           // required
	Truth     *truth.Log       // default a new one nobody sees

	// CallbackRoots are the certificates the platform trusts when it calls
	// back (truststore.jks); nil: the system's. CallbackTrustAll is the
	// platform's setting aicc.ssl.trustAll.
	CallbackRoots    *x509.CertPool
	CallbackTrustAll bool
	CallbackTimeout  time.Duration // for one try; default 10 s, ours
	// CallbackDial replaces the network of the callbacks; nil: net.Dialer.
	CallbackDial func(ctx context.Context, network, address string) (net.Conn, error)

	GenerationMax time.Duration // a file takes 0 to this; default 15 s
	RepeatEvery   time.Duration // between tries of a callback; default 10 min
	RepeatLimit   int           // tries after the first; default 6
	Expiry        time.Duration // life of a file; default 24 h, ours

	CreationsPerMinute int // more are 0300009; default 5, ours
	ParallelDownloads  int // more are 0300008; default 5, ours

	Skew           time.Duration  // of signatures, both ways; default 15 min, ours
	EmptyQueryLine EmptyQueryLine // default AcceptEmptyQueryLine
	// RequiredHeaders must be signed; default host alone.
	RequiredHeaders []string
	// After LockAfter wrong signatures within LockWindow a source IP gets 403
	// for LockFor. Defaults 10, 5 min and 10 min, ours.
	LockAfter  int
	LockWindow time.Duration
	LockFor    time.Duration

	// LegacyResponse adds the object "response" of older editions to every
	// JSON answer.
	LegacyResponse bool
	// FailureData is what resultData is in failures; default EmptyFailureData.
	FailureData FailureData

	Faults Faults         // in force from the start
	Logger zerolog.Logger // zero: silent
}

func (o Options) complete() (Options, error) {
	if o.AccessKey == "" || o.SecretKey == "" {
		return o, errors.New("the file store needs an access key and a secret key")
	}
	if o.Source == nil {
		return o, errors.New("the file store needs a source of rows")
	}
	o.EmptyQueryLine = cmp.Or(o.EmptyQueryLine, AcceptEmptyQueryLine)
	switch o.EmptyQueryLine {
	case AcceptEmptyQueryLine, RequireEmptyQueryLine, RefuseEmptyQueryLine:
	default:
		return o, errors.New("the empty query line must be one of accept, require, refuse")
	}
	o.FailureData = cmp.Or(o.FailureData, EmptyFailureData)
	switch o.FailureData {
	case EmptyFailureData, NullFailureData, AbsentFailureData:
	default:
		return o, errors.New("the failure data must be one of empty, null, absent")
	}
	if o.Timezone == nil {
		o.Timezone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Truth == nil {
		o.Truth = truth.New()
	}
	o.CallbackTimeout = cmp.Or(o.CallbackTimeout, 10*time.Second)
	o.GenerationMax = cmp.Or(o.GenerationMax, 15*time.Second)
	o.RepeatEvery = cmp.Or(o.RepeatEvery, 10*time.Minute)
	o.RepeatLimit = cmp.Or(o.RepeatLimit, 6)
	o.Expiry = cmp.Or(o.Expiry, 24*time.Hour)
	o.CreationsPerMinute = cmp.Or(o.CreationsPerMinute, 5)
	o.ParallelDownloads = cmp.Or(o.ParallelDownloads, 5)
	o.Skew = cmp.Or(o.Skew, 15*time.Minute)
	o.LockAfter = cmp.Or(o.LockAfter, 10)
	o.LockWindow = cmp.Or(o.LockWindow, 5*time.Minute)
	o.LockFor = cmp.Or(o.LockFor, 10*time.Minute)
	return o, nil
}
