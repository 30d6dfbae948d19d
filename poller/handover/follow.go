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
	// system has last changed each. It gets a map of its own.
	Tell    func(entries map[string]uint64)
	Metrics *Metrics       // nil: none
	Logger  zerolog.Logger // the zero value discards
}

// Follow tells who has an entry, once all have been read and then soon after each change, until
// ctx ends.
func Follow(ctx context.Context, o Following) error {
	f := following{Following: o, said: map[string]string{}, entries: map[string]uint64{}, changed: make(chan struct{}, 1)}
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
	ready   bool              // all that was there has been read
	said    map[string]string // by agent: what the other system says in the entry
	entries map[string]uint64
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
	text, has := says(value)
	switch before, had := f.said[agent]; {
	case !has && !had, has && had && before == text:
		return // the bridge has written
	case !has:
		delete(f.said, agent)
		delete(f.entries, agent)
	default:
		f.said[agent], f.entries[agent] = text, revision
	}
	f.wake()
}

// says is what changes in an entry when another system writes it, and at some writes of ours.
func says(value []byte) (text string, has bool) {
	if value == nil {
		return "", false
	}
	var e schemas.Session
	err := json.Unmarshal(value, &e) // what can't be read the agent's loop complains of
	if err == nil && e.GUID == "" && e.Phase == "" && e.HandedOverAt.IsZero() {
		return "", false // left by polls of an agent whom a bridge signed in
	}
	return fmt.Sprintf("%s %s %t %t", e.GUID, e.URL, e.Stop, e.Phase == ""), true
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
