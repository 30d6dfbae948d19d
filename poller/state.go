package poller

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"aiccbridge/schemas"
)

// callOver lists the events after which the call they name is no longer the
// agent's.
var callOver = map[string]bool{
	"AgentEvent_Call_Release":     true,
	"AgentEvent_Call_Out_Fail":    true,
	"AgentEvent_Inside_Call_Fail": true,
	"AgentEvent_Connect_Fail":     true,
	"AgentEvent_No_Answer":        true,
}

// learn updates what is known of the agent from a stored event.
func (s *stint) learn(ctx context.Context, e schemas.Event) {
	k := s.known
	k.Position = e.Position
	if e.State != "" && e.State != k.State {
		k.State, k.Since = e.State, e.OccurredAt
		if k.Since.IsZero() {
			k.Since = e.ReceivedAt
		}
	}
	switch {
	case e.State != "" && e.State != schemas.StateOnCall:
		k.CallID = ""
	case callOver[e.Type]:
		if e.CallID == k.CallID {
			k.CallID = ""
		}
	case e.Group == schemas.GroupCall && e.CallRole != "assistant" && e.Name != "customer_release":
		k.CallID = cmp.Or(e.CallID, k.CallID)
	}
	s.setState(ctx, k)
}

// gatewayStates maps the gateway's agentState (cec_07_1431).
var gatewayStates = [...]schemas.State{
	2: schemas.StateSignedOut, 3: schemas.StateNotReady, 4: schemas.StateReady, 5: schemas.StateWrapup,
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

// askStatus publishes where the agent stands, as the gateway sees it, after a gap
// or a session resumed and behind what waited in the queue. It is no replacement for what was lost: that stays the
// gap's business. What fails is tried again after the next good poll, a few times.
func (s *stint) askStatus(ctx context.Context) error {
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	status, err := s.seat.session.Status(side)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		if s.polls.asks--; s.polls.asks == 0 {
			s.log.Warn().Err(err).Msg("gateway does not say where the agent stands; its next event will")
		}
		return nil
	}
	s.polls.asks = 0
	return s.announce(ctx, schemas.EventStatus, &sessionContent{AgentState: &status.State, Working: &status.Working})
}

func (s *stint) setState(ctx context.Context, k schemas.AgentState) {
	changed := k.State != s.known.State || k.CallID != s.known.CallID
	s.known = k
	if changed {
		s.writeState(ctx)
	}
}

// forgetState is for an agent that nobody watched: without session its state is
// not known, unless it is known to be signed out.
func (s *stint) forgetState(ctx context.Context) {
	if k := s.known; k.State != schemas.StateSignedOut {
		k.State, k.Since, k.CallID = schemas.StateUnknown, time.Now().UTC(), ""
		s.setState(ctx, k)
	}
}

// writeState puts the state into the bucket STATE, best effort: what fails is
// tried again with the entry's next refresh.
func (s *stint) writeState(ctx context.Context) {
	value, err := json.Marshal(s.known)
	if err == nil {
		side, cancel := context.WithTimeout(ctx, stateLimit)
		defer cancel()
		_, err = s.pool.States.Put(side, s.key, value)
	}
	if s.knownStale = err != nil; err != nil {
		s.log.Debug().Err(err).Msg("state is not written; trying again later")
	}
}

// recallState reads what the last owner knew, best effort.
func (s *stint) recallState(ctx context.Context) {
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	value, _, err := s.pool.States.Get(side, s.key)
	var k schemas.AgentState
	if err == nil && len(value) > 0 && json.Unmarshal(value, &k) == nil && k.State != "" && k.Agent == s.agent.ID {
		s.known = k
	}
}

// beat stores a heartbeat when it is due.
func (s *stint) beat(ctx context.Context) error {
	now := time.Now()
	if s.pool.Heartbeat < 0 || now.Before(s.heartbeatAt) {
		return nil
	}
	s.heartbeatAt = now.Add(s.pool.Heartbeat)
	err := s.publish(ctx, func(o origin) (schemas.Message, error) {
		return s.pool.Names.HeartbeatMessage(schemas.Heartbeat{
			Tenant: o.tenant, Agent: o.agent, State: s.known.State, Since: s.known.Since,
			CallID: s.known.CallID, At: now.UTC(), Position: o.position,
		})
	})
	return s.forgive(ctx, err, "heartbeat can't be stored")
}
