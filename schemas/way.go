package schemas

import "time"

// Way is how an agent's events come to the bridge.
type Way string

// The ways.
const (
	WayPoll      Way = "poll"       // the bridge signs the agent in and polls
	WayHandover  Way = "handover"   // another system signs the agent in and gives the session to the bridge, which polls
	WayProxy     Way = "proxy"      // a client signs the agent in through the bridge, which polls and answers the client's polls
	WayPush      Way = "push"       // the gateway pushes to the bridge
	WayAllAgents Way = "all_agents" // one poll for all agents of a gateway's node
	WayMonitor   Way = "monitor"    // nobody takes events: the platform is asked how the agents stand
)

// Ways are all of them.
func Ways() []Way {
	return []Way{WayPoll, WayHandover, WayProxy, WayPush, WayAllAgents, WayMonitor}
}

// Proof is what an event that did not come live is known from.
type Proof struct {
	Source ProofSource `json:"source"`
	// Row is the id of the row that says it, in the rows of Window; of operations.
	Row    string `json:"row,omitempty"`
	Window Window `json:"window,omitzero"`
	// LookedAt is when the platform was asked; of the monitor.
	LookedAt time.Time `json:"looked_at,omitzero"`
	// Gap is the gap of the agent in which it fell; nil: none was recorded.
	Gap *Position `json:"gap,omitempty"`
}

// ProofSource says what kind of proof it is.
type ProofSource string

// The proofs.
const (
	ProofMonitor   ProofSource = "monitor"   // the platform showed the state when it was asked
	ProofOperation ProofSource = "operation" // a row of agent operations
)
