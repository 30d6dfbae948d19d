package cccms

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"aiccbridge/internal/foreign"
)

// State is an agent's state as the CTI has it (cec_07_0697). The gateway's numbers are others.
type State int

// The states. NotSaid is none of them. A platform may have more, above these.
const (
	NotSaid   State = -1
	SignedOut State = 0
	Idle      State = 1
	Reserved  State = 2 // pre-occupied
	Occupied  State = 3
	Answering State = 4
	Talking   State = 5
	Working   State = 6 // after a call
	Busy      State = 7 // shows busy
	Resting   State = 8
	Studying  State = 9
	Adjusting State = 10
)

// unset stands for a number that was not sent, or that the platform sends for none.
const unset = -1

// Agent is what a row says of an agent.
type Agent struct {
	ID    string // digits
	State State
	// For is how long the agent has been in State, in whole seconds; negative: not said.
	For time.Duration
	// Reason is that of a rest, or of a sign-out (cec_07_0838); -1: none.
	Reason int
	// Gateway is the state as the gateway numbers it (cec_07_1431); -1: not said.
	Gateway int
	// SignedInAt is zero for who is not signed in, and where it is not said.
	SignedInAt time.Time
}

// What 32 bits and 16 bits hold where the platform has no value.
const (
	wrapped      = 1<<32 - 1
	wrappedShort = 1<<16 - 1
)

// dataOf is what an answer brings: resultDesc, or its copy where that is absent or a text.
func dataOf(o foreign.Object) json.RawMessage {
	for _, name := range []string{"resultDesc", "resultDatas"} {
		value, _ := o.One(name)
		if value = bytes.TrimSpace(value); len(value) > 0 && (value[0] == '{' || value[0] == '[') {
			return value
		}
	}
	return nil
}

// agentsOf reads the rows of an answer. bad counts those that name no agent, or no state.
func agentsOf(o foreign.Object) (all []Agent, bad int, err error) {
	data := dataOf(o)
	if data == nil {
		return nil, 0, errors.New("there is no list in the answer")
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, 0, errors.New("the answer is no list")
	}
	all = make([]Agent, 0, len(rows))
	for _, raw := range rows {
		a, ok := rowOf(raw)
		if !ok {
			bad++
			continue
		}
		all = append(all, a)
	}
	return all, bad, nil
}

// agentOf reads an answer about one agent, or the first of a list.
func agentOf(o foreign.Object) (Agent, error) {
	data := dataOf(o)
	if len(data) > 0 && data[0] == '[' {
		rows, _, err := agentsOf(o)
		if err != nil || len(rows) == 0 {
			return Agent{}, errors.New("there is no agent in the answer")
		}
		return rows[0], nil
	}
	if a, ok := rowOf(data); ok {
		return a, nil
	}
	return Agent{}, errors.New("the answer names no agent, or no state")
}

// rowOf reads a row of any of the calls.
func rowOf(raw json.RawMessage) (a Agent, ok bool) {
	row, err := foreign.ParseObject(raw)
	if err != nil {
		return Agent{}, false
	}
	number := func(names ...string) int64 {
		for _, name := range names {
			if n, err := strconv.ParseInt(row.Maybe(name).String(), 10, 64); err == nil && n >= 0 {
				return n
			}
		}
		return unset
	}
	id, state := number("agentId", "workNo"), number("state", "currentState", "citStatus", "ctiStatus")
	if id <= 0 || state < int64(SignedOut) || state > math.MaxInt32 {
		return Agent{}, false
	}
	a = Agent{ID: strconv.FormatInt(id, 10), State: State(state), For: unset, Reason: unset, Gateway: unset}
	if seconds := number("currentStateTime"); seconds >= 0 && seconds < wrapped {
		a.For = time.Duration(seconds) * time.Second
	}
	if reason := number("currentStateReason"); reason < wrappedShort {
		a.Reason = int(reason)
	}
	if status := number("status"); status <= wrappedShort {
		a.Gateway = int(status)
	}
	if at := number("logonTime", "loginDate"); at > 0 && at < wrapped*1000 && a.State != SignedOut {
		a.SignedInAt = time.UnixMilli(at).UTC()
	}
	return a, true
}
