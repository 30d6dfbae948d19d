package recordings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// Place keeps audio under names.
type Place interface {
	// Put stores what r holds, replacing an object of that name, and returns where it is:
	// <place>/<name>. After an error there is nothing under the name, or what was before.
	Put(ctx context.Context, name string, meta map[string]string, r io.Reader) (object string, err error)
	// Find returns what is known of an object; found is false when there is none.
	Find(ctx context.Context, name string) (object schemas.Object, found bool, err error)
	// Each calls f with every object whose name begins with a prefix, in any order. An
	// error of f ends it.
	Each(ctx context.Context, prefix string, f func(schemas.Object) error) error
	// Delete removes an object. One that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Sweep removes what a crash left of objects that were being put before a time.
	Sweep(ctx context.Context, before time.Time) error
}

// Publisher stores a message; nil means stored.
type Publisher interface {
	Publish(ctx context.Context, m schemas.Message) error
}

// Source is one of the platform's interfaces.
type Source struct {
	Name string // as in the message
	// Fetch writes the audio of a row, a WAV or a ZIP of several, to w. Errors of the
	// platform are *ccfs.Error. [ErrUnnamed]: the row does not hold what it asks by.
	Fetch func(ctx context.Context, r Row, w io.Writer) error
	// OfCall: it is asked for what there is of a call, which may be another of its recordings
	// while the one that is meant is late. So what has no name has to be as long as the row says.
	OfCall bool
}

// ErrUnnamed says that a row lacks what an interface wants to know.
var ErrUnnamed = errors.New("the row does not say how to ask for its audio")

// Tenant is what the recorder knows of a tenant whose audio is fetched. All durations but
// Keep must be positive.
type Tenant struct {
	Sources []Source // at least one, in the order in which they are asked
	Place   Place
	At      string        // how the place begins an object's address, e.g. AICC_RECORDINGS
	Key     *Key          // nil: audio is kept as it is
	Agents  []string      // whose; empty: everybody's
	Back    time.Duration // how old a call may be
	// RetryAfter is the first pause after audio was not there; GiveUpAfter, counted from the
	// row, is when it counts as missing.
	RetryAfter, GiveUpAfter time.Duration
	PerMinute               int           // requests of all bridges, at least 1
	MaxBytes                int64         // longest audio, or ZIP
	Keep                    time.Duration // 0: for ever
	KeepBytes               int64         // 0: no limit

	// Off: its audio is not fetched, or by other bridges. What is kept of it is deleted as
	// Keep and KeepBytes say, and neither sources nor times nor sizes are needed.
	Off bool
}

// Budget counts a tenant's requests for audio over all bridges.
type Budget interface {
	// TakeAudio takes one of perMinute requests, to be made after wait; none, if that is
	// more than most.
	TakeAudio(ctx context.Context, tenant string, perMinute int, most time.Duration) (wait time.Duration, err error)
	// FetchAudio says that a tenant's audio is fetched; AudioFetched is when a bridge last
	// did so, as far as is known here.
	FetchAudio(ctx context.Context, tenant string) error
	AudioFetched(tenant string) time.Time
}

// Options configure a [Recorder]. Names, Publisher and Budget are required.
type Options struct {
	Names schemas.Names
	// Tenants of this bridge; nil is one without a file store. Rows of others are for other
	// bridges.
	Tenants    map[string]*Tenant
	Publisher  Publisher
	Budget     Budget
	Logger     zerolog.Logger
	Registerer prometheus.Registerer // nil: not registered
}

// Recorder works on rows of the recording index. It is safe for concurrent use.
type Recorder struct {
	o       Options
	metrics metrics
	fetches map[string]*standing // of the file stores, by tenant
	places  map[string]*standing // of what keeps the audio
	habits  map[string]*habit
}

// New checks the options. It does no I/O.
func New(o Options) (*Recorder, error) {
	if o.Names == (schemas.Names{}) || o.Publisher == nil || o.Budget == nil {
		return nil, errors.New("recordings: names, publisher and budget are required")
	}
	r := &Recorder{o: o, metrics: newMetrics(o.Registerer), fetches: map[string]*standing{}, places: map[string]*standing{}, habits: map[string]*habit{}}
	for name, t := range o.Tenants {
		if t == nil || t.Off && t.Place != nil {
			continue
		}
		if len(t.Sources) == 0 || t.Place == nil || t.Back <= 0 || t.RetryAfter <= 0 || t.GiveUpAfter <= 0 || t.PerMinute < 1 || t.MaxBytes < 1 {
			return nil, fmt.Errorf("recordings: tenant %s: sources, place, times, requests per minute and largest size are required", name)
		}
		r.fetches[name], r.places[name], r.habits[name] = &standing{}, &standing{}, newHabit(len(t.Sources))
	}
	return r, nil
}

// Fetches reports whether any tenant's audio is fetched here.
func (r *Recorder) Fetches() bool { return len(r.habits) > 0 }

// Row is what a row of the recording index says of its audio.
type Row struct {
	Tenant     string         `json:"tenant"`
	Window     schemas.Window `json:"window"`
	AgentID    string         `json:"agent_id"`
	CallID     string         `json:"call_id"`
	CCID       string         `json:"cc_id"`
	FileName   string         `json:"file_name"`
	Original   string         `json:"original_file_name"`
	CallBegin  time.Time      `json:"call_begin"`
	CallEnd    time.Time      `json:"call_end"`
	Identified struct {
		ID string `json:"id"`
	} `json:"row"`

	// Key is the hash of the row's natural key, the same for all its revisions.
	Key string `json:"-"`
}

// Name is the name that the row's audio is kept under: <tenant>/<agent>/<day>/<key>.wav, the
// first two encoded as in subjects, the day yyyymmdd in the tenant's time, or 0 when the row
// does not say when the call began.
func (r Row) Name() string {
	day := "0"
	if !r.CallBegin.IsZero() {
		day = r.CallBegin.Format("20060102")
	}
	return Prefix(r.Tenant) + schemas.EncodeToken(r.AgentID) + "/" + day + "/" + r.Key + ".wav"
}

// Prefix is what the names of a tenant's recordings begin with.
func Prefix(tenant string) string { return schemas.EncodeToken(tenant) + "/" }

// Longest pauses between two tries: for audio that is not there, and for a row of a tenant
// that this bridge does not have.
const (
	longestPause = 6 * time.Hour
	longestPass  = 10 * time.Minute
)

// Handle does the job of one row. nil means that it is done, or that there is none: markers,
// and rows of agents, times or tenants that are not wanted. A *schemas.Later says when to try again.
// A *schemas.Permanent means that the message is no row.
func (r *Recorder) Handle(ctx context.Context, d schemas.Delivery) error {
	header := schemas.ReadRowHeader(d.Message.Header)
	if header.Type != schemas.TypeRow+string(schemas.KindRecording) {
		return nil
	}
	name := schemas.TenantOf(d.Message.Subject)
	tenant, here := r.o.Tenants[name]
	if !here {
		if d.Attempt > manyPasses && time.Since(d.Message.StoredAt) > nobodys {
			return nil
		}
		return &schemas.Later{After: passFor(d.Attempt), Err: errors.New("its tenant is not configured here")}
	}
	if tenant == nil || tenant.Off {
		if time.Since(r.o.Budget.AudioFetched(name)) < elsewhere {
			return &schemas.Later{After: passFor(d.Attempt), Err: errors.New("another bridge fetches the audio of its tenant")}
		}
		return nil
	}
	row := Row{Key: header.Key}
	if err := json.Unmarshal(d.Message.Body, &row); err != nil {
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: fmt.Errorf("decode row of the recording index: %w", err)}
	}
	if !tenant.wants(row, time.Now()) {
		return nil
	}
	j := &job{r: r, t: tenant, row: row, knownAt: d.Message.StoredAt, attempt: d.Attempt, progress: d.Progress}
	if j.progress == nil {
		j.progress = func() {}
	}
	if err := j.check(); err != nil {
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err}
	}
	return j.run(ctx)
}

// GivenUp is for rows that the server delivers no more; nothing is left to do for them.
func (r *Recorder) GivenUp(context.Context, schemas.Delivery, *schemas.Permanent) error { return nil }

// elsewhere is how long a bridge counts as fetching audio after it said so, which it does
// every ten minutes.
const elsewhere = 24 * time.Hour

// Of a tenant that no bridge has a row comes round for so long and at
// least so often: rows are kept for more than a year.
const (
	nobodys    = 30 * 24 * time.Hour
	manyPasses = 100
)

func passFor(attempt int) time.Duration {
	return min(longestPass, time.Second<<min(max(attempt-1, 0), 20))
}

// wants tells whether the audio of a row is asked for.
func (t *Tenant) wants(r Row, now time.Time) bool {
	if len(t.Agents) > 0 && !slices.Contains(t.Agents, r.AgentID) {
		return false
	}
	begin := r.CallBegin
	if begin.IsZero() {
		begin = r.Window.From
	}
	return now.Sub(begin) <= t.Back
}

// base is the last part of one of the platform's names, without its ending.
func base(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[:i]
	}
	return name
}
