package filestore

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/truth"
)

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
	AccessKey string `yaml:"access_key"` // developer account, required; also the column developer
	SecretKey string `yaml:"secret_key"` // required; signs requests and callbacks alike
	// AccountID is the tenant space that belongs to the developer account.
	// Another one in a request is beyond its rights: 401. Empty: any will do.
	AccountID string `yaml:"-"`
	// Spaces are further tenant spaces of the developer account. The contact centre's rows
	// are shared out among all of them, an agent's all to one.
	Spaces   []string         `yaml:"spaces"`
	Timezone *time.Location   `yaml:"-"` // of the tenant; default UTC
	Now      func() time.Time `yaml:"-"` // default time.Now
	Seed     uint64           `yaml:"-"` // of waits and of the names of members; any value
	Source   content.Source   `yaml:"-"` // required
	Truth    *truth.Log       `yaml:"-"` // default a new one nobody sees

	// CallbackRoots are the certificates the platform trusts when it calls
	// back (truststore.jks); nil: the system's. CallbackTrustAll is the
	// platform's setting aicc.ssl.trustAll.
	CallbackRoots    *x509.CertPool `yaml:"-"`
	CallbackTrustAll bool           `yaml:"callback_trust_all"`
	CallbackTimeout  time.Duration  `yaml:"callback_timeout"` // for one try; default 10 s, ours
	// CallbackDial replaces the network of the callbacks; nil: net.Dialer.
	CallbackDial func(ctx context.Context, network, address string) (net.Conn, error) `yaml:"-"`

	GenerationMax time.Duration `yaml:"generation_max"` // a file takes 0 to this; default 15 s
	RepeatEvery   time.Duration `yaml:"repeat_every"`   // between tries of a callback; default 10 min
	RepeatLimit   int           `yaml:"repeat_limit"`   // tries after the first; default 6
	Expiry        time.Duration `yaml:"expiry"`         // life of a file; default 24 h, ours

	CreationsPerMinute int `yaml:"creations_per_minute"` // more are 0300009; default 5, ours
	ParallelDownloads  int `yaml:"parallel_downloads"`   // more are 0300008; default 5, ours

	Skew           time.Duration  `yaml:"skew"`             // of signatures, both ways; default 15 min, ours
	EmptyQueryLine EmptyQueryLine `yaml:"empty_query_line"` // default AcceptEmptyQueryLine
	// RequiredHeaders must be signed; default host alone.
	RequiredHeaders []string `yaml:"required_headers"`
	// After LockAfter wrong signatures within LockWindow a source IP gets 403
	// for LockFor. Defaults 10, 5 min and 10 min, ours.
	LockAfter  int           `yaml:"lock_after"`
	LockWindow time.Duration `yaml:"lock_window"`
	LockFor    time.Duration `yaml:"lock_for"`

	// LegacyResponse adds the object "response" of older editions to every
	// JSON answer.
	LegacyResponse bool `yaml:"legacy_response"`
	// FailureData is what resultData is in failures; default EmptyFailureData.
	FailureData FailureData `yaml:"failure_data"`

	// Form is how files are written when no fault changes it. The editions of 18 and 21
	// columns are those of platforms that don't know getRecordFileUrlFromObs yet: 404.
	Form content.Form `yaml:"form"`
	// Audio is how the recordings are.
	Audio voice.Settings `yaml:"audio"`
	// Faults decides what goes wrong; it knows FaultKinds. nil: nothing does.
	Faults *fault.Book    `yaml:"-"`
	Logger zerolog.Logger `yaml:"-"` // zero: silent
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
	o.Timezone = cmp.Or(o.Timezone, time.UTC)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Truth == nil {
		o.Truth = truth.New()
	}
	if o.Faults == nil {
		o.Faults = fault.NewBook(FaultKinds(), o.Seed, o.Now)
	}
	var err error
	if o.Form, err = o.Form.Complete(); err != nil {
		return o, err
	}
	if o.Audio, err = o.Audio.Complete(); err != nil {
		return o, err
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
