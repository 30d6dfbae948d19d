package handover

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// settle is for how long changes are gathered before they are told.
const settle = 200 * time.Millisecond

// agentForm is what the gateway takes for an agent.
var agentForm = regexp.MustCompile(`^[0-9]{1,10}$`)

// Watcher is a bucket that tells its changes.
type Watcher interface {
	// Watch calls f for every key that matches the filter and for each change, with a nil
	// value when the key has gone, until ctx ends. loaded is called once, after the values of
	// the start.
	Watch(ctx context.Context, keyFilter string, f func(key string, value []byte, revision uint64), loaded func()) error
}

// Following is what is followed.
type Following struct {
	Tenant  string
	Entries Watcher // AICC_SESSIONS
	// Tell is called with the agents that have an entry, and with the revision at which another
	// system has last changed each; what bridges write is not told. It gets a map of its own.
	Tell    func(entries map[string]uint64)
	Metrics *Metrics       // nil: none
	Logger  zerolog.Logger // the zero value discards
}

// Follow tells who has an entry, once all have been read and then soon after each change, until
// ctx ends.
func Follow(ctx context.Context, o Following) error {
	f := following{Following: o, said: map[string]said{}, entries: map[string]uint64{}, changed: make(chan struct{}, 1)}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return o.Entries.Watch(ctx, schemas.EncodeToken(o.Tenant)+".>", f.heard, f.loaded)
	})
	group.Go(func() error { return f.tell(ctx) })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("follow the sessions handed over of %s: %w", o.Tenant, err)
	}
	return nil
}

// following is one run of Follow.
type following struct {
	Following
	changed chan struct{} // room for one word

	mu      sync.Mutex
	ready   bool            // all that was there has been read
	said    map[string]said // by agent
	entries map[string]uint64
}

// said is what an entry says of what another system may write there.
type said struct {
	theirs  string    // what no bridge changes
	session string    // what bridges change as well
	written time.Time // by a bridge, last
}

// byUs reports that a bridge has written what was said before otherwise: only a bridge gives the
// entry a later time, whoever else changes one leaves that as it is. What was written before it
// that bridge has met, as each of its writes is behind all others.
func (s said) byUs(before said) bool {
	return s.theirs == before.theirs && (s.session == before.session || s.written.After(before.written))
}

func (f *following) heard(key string, value []byte, revision uint64) {
	_, token, _ := strings.Cut(key, ".")
	agent, err := schemas.DecodeToken(token)
	if err != nil || !agentForm.MatchString(agent) {
		if value != nil {
			f.Logger.Warn().Str("key", key).Msg("entry is of no agent that the gateway could have: an agent is one to ten digits")
		}
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now, has := says(value)
	switch before, had := f.said[agent]; {
	case !has && !had:
		return
	case has && had && now.byUs(before):
		f.said[agent] = now
		return
	case !has:
		delete(f.said, agent)
		delete(f.entries, agent)
	default:
		f.said[agent], f.entries[agent] = now, revision
	}
	f.wake()
}

// says is what an entry says; has is false when nobody has handed a session over.
func says(value []byte) (s said, has bool) {
	if value == nil {
		return said{}, false
	}
	var e schemas.Session
	err := json.Unmarshal(value, &e) // what can't be read the agent's loop complains of
	if err == nil && e.GUID == "" && e.Phase == "" && e.HandedOverAt.IsZero() {
		return said{}, false // left by polls of an agent whom a bridge signed in
	}
	return said{
		theirs:  fmt.Sprintf("%s %t %d %s", e.URL, e.Stop, e.HandedOverAt.UnixNano(), e.HandedOverBy),
		session: fmt.Sprintf("%s %t", e.GUID, e.Phase == ""), written: e.UpdatedAt,
	}, true
}

func (f *following) loaded() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = true
	f.wake()
}

// wake has what is known told. The caller holds mu.
func (f *following) wake() {
	if !f.ready {
		return
	}
	select {
	case f.changed <- struct{}{}:
	default: // it has not been told yet
	}
}

func (f *following) tell(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.changed:
		}
		f.mu.Lock()
		now := maps.Clone(f.entries)
		f.mu.Unlock()
		f.Metrics.entries(f.Tenant, len(now))
		f.Tell(now)
		_ = retry.Wait(ctx, settle) // the loop sees the end
	}
}
