package record

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

const (
	recallLimit = 5 * time.Second // for reading what the last owner knew
	writeLimit  = time.Second     // for a write, of which there are many
	askAttempts = 3               // after a gap, how often the gateway is asked where the agent stands
)

// States is where the states of agents are kept: AICC_STATE, schemas.AgentState by
// schemas.AgentKey.
type States interface {
	// Get returns no value and no error for a key that does not exist.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Put writes whatever is there.
	Put(ctx context.Context, key string, value []byte) (revision uint64, err error)
}

// Standing is where an agent stands, as far as its events tell: learnt from what is
// stored, kept in the bucket STATE, best effort. It does no more than a second's
// waiting for the bucket at a time, five for reading it at the start.
type Standing struct {
	states States
	key    string
	log    zerolog.Logger

	known schemas.AgentState
	stale bool // not written to the bucket yet
	asks  int  // how often the gateway may yet be asked; 0: no need
}

func newStanding(states States, tenant, agent string, log zerolog.Logger) *Standing {
	return &Standing{
		states: states, key: schemas.AgentKey(tenant, agent), log: log,
		known: schemas.AgentState{Tenant: tenant, Agent: agent, State: schemas.StateUnknown},
	}
}

// learn updates what is known of the agent from a stored event.
func (s *Standing) learn(ctx context.Context, e schemas.Event) { s.set(ctx, events.After(s.known, e)) }

func (s *Standing) set(ctx context.Context, k schemas.AgentState) {
	changed := k.State != s.known.State || k.CallID != s.known.CallID
	s.known = k
	if changed {
		s.write(ctx)
	}
}

// write puts the state into the bucket; what fails is tried again by [Standing.Refresh].
func (s *Standing) write(ctx context.Context) {
	value, err := json.Marshal(s.known)
	if err == nil {
		side, cancel := context.WithTimeout(ctx, writeLimit)
		defer cancel()
		_, err = s.states.Put(side, s.key, value)
	}
	if s.stale = err != nil; err != nil {
		s.log.Debug().Err(err).Msg("state is not written; trying again later")
	}
}

// Refresh writes the state once more if that failed before.
func (s *Standing) Refresh(ctx context.Context) {
	if s.stale {
		s.write(ctx)
	}
}

// Recall reads what the last owner of the agent knew.
func (s *Standing) Recall(ctx context.Context) {
	side, cancel := context.WithTimeout(ctx, recallLimit)
	defer cancel()
	value, _, err := s.states.Get(side, s.key)
	var k schemas.AgentState
	if err == nil && len(value) > 0 && json.Unmarshal(value, &k) == nil {
		s.GoOn(k)
	}
}

// Forget is for an agent whose session nobody polled: without one its state is
// not known, unless it is known to be signed out.
func (s *Standing) Forget(ctx context.Context) {
	if k := s.known; k.State != schemas.StateSignedOut {
		k.State, k.Since, k.CallID = schemas.StateUnknown, time.Now().UTC(), ""
		s.set(ctx, k)
	}
}

// SignedIn reports that the agent is signed in, as far as is known.
func (s *Standing) SignedIn() bool {
	return s.known.State != schemas.StateSignedOut && s.known.State != schemas.StateUnknown
}

// SignedOut reports that the agent is known to be signed out.
func (s *Standing) SignedOut() bool { return s.known.State == schemas.StateSignedOut }

// Doubt says that the agent's events no longer tell where it stands: the gateway is to be
// asked, behind what waits in the queue. [Recorder.Gap] says so too.
func (s *Standing) Doubt() { s.asks = askAttempts }

// InDoubt reports whether the gateway is to be asked.
func (s *Standing) InDoubt() bool { return s.asks > 0 }

// Told ends the doubt.
func (s *Standing) Told() { s.asks = 0 }

// NotTold counts an attempt to ask that failed. After a few the next event has to do.
func (s *Standing) NotTold(err error) {
	if s.asks--; s.asks == 0 {
		s.log.Warn().Err(err).Msg("gateway does not say where the agent stands; its next event will")
	}
}

// AgentSignedOut is the gateway's agentState of who is signed out.
const AgentSignedOut = 2

// gatewayStates maps the gateway's agentState (cec_07_1431).
var gatewayStates = [...]schemas.State{
	AgentSignedOut: schemas.StateSignedOut, 3: schemas.StateNotReady, 4: schemas.StateReady, 5: schemas.StateWrapup,
	6: schemas.StateReady, 7: schemas.StateOnCall, 8: schemas.StateRest,
}

// stateOf is unknown for codes that tell nothing about what the agent does: 9, a
// rest or pause to come, is one.
func stateOf(agentState int) schemas.State {
	if agentState < 0 || agentState >= len(gatewayStates) {
		return schemas.StateUnknown
	}
	return cmp.Or(gatewayStates[agentState], schemas.StateUnknown)
}
