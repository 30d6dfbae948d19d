package ccgateway

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"time"
)

// agentForm is looser than any range documented (101–59999, 101–999999).
var agentForm = regexp.MustCompile(`^[0-9]{1,10}$`)

// Agent is one agent's session. It is safe for concurrent use: SignIn,
// ForceSignIn, UpdateGUID, SignOut and Poll wait for one another, because they
// change the session (a GUID replaced by UpdateGUID may be dead at once); the
// other calls run beside them.
//
// Of all clients in the world only one may poll an agent: two take each other's
// events, and only one learns the next GUID.
type Agent struct {
	id      string
	home    *Client // of the gateway's own address
	client  *Client // of the node that has the session
	session session
	turn    chan struct{} // holds one token; who changes the session takes it

	unlisted int  // polls in a row answered with an unlisted 1xx code; under turn
	all      bool // it stands for all agents; see [AllAgents]
}

// Agent returns a new, empty session for the agent with the given id (workNo, one
// to ten digits; with any other id every call returns an error). Keep it: two
// Agents of one id know nothing of each other.
func (c *Client) Agent(id string) *Agent {
	a := &Agent{id: id, home: c, client: c, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// ID returns the agent's id.
func (a *Agent) ID() string { return a.id }

// Resume takes over a session that somebody else signed in, or that was kept from
// before a restart. ticket is what [Agent.Ticket] returned, or a GUID alone, in any of
// the forms of the Set-GUID header; one that can't be a header value leaves the
// agent without a session.
func (a *Agent) Resume(ticket string) { a.session.restore(ticket) }

// Move has all that follows go to a node of the gateway, one of [Options.Nodes]; "" is the
// gateway's own address. Nothing may be under way. An error names no address.
func (a *Agent) Move(base string) error {
	node, ok := a.home.nodes[plainBase(base)]
	switch {
	case ok:
		a.client = node
	case base == "" || plainBase(base) == plainBase(a.home.base.String()):
		a.client = a.home
	default:
		return ErrUnknownNode
	}
	return nil
}

// Ticket returns all it takes to go on with the session after a restart: the newest
// GUID, then each cookie (load balancers and the gateway want them back) as
// name=value on a line of its own. "" without a session. It is a secret, and it
// changes with the GUID.
func (a *Agent) Ticket() string { return a.session.ticket() }

// GUID returns the newest GUID, "" without a session. It is a secret. With
// dynamic authentication (AUTHMODE 2) it changes about every minute; store it
// with the event of the poll that brought it.
func (a *Agent) GUID() string { return a.session.currentGUID() }

// Learn takes over the cookies and the new GUID, if there are any, of an answer that somebody
// else got in this session.
func (a *Agent) Learn(answer http.Header) {
	a.session.keepCookies(answer, time.Now())
	a.rotate(answer)
}

// Cookies are those of the session, as the header Cookie has them; "": there are none.
func (a *Agent) Cookies() string { return a.session.header() }

// TicketOf is the ticket of the session that the headers of an answer to a sign-in begin; "": it
// tells no GUID.
func TicketOf(answer http.Header) string {
	var s session
	s.setGUID(guidFrom(answer, true))
	s.keepCookies(answer, time.Now())
	return s.ticket()
}

// ParseGUID reads a GUID in any of the forms of the headers Guid and Set-GUID; "": it is none.
func ParseGUID(value string) string { return parseGUID(value) }

// take waits for the turn; the caller must call the function returned.
func (a *Agent) take(ctx context.Context) (func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-a.turn:
		return func() { a.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ready reports why a call can't be made at all.
func (a *Agent) ready(needsSession bool) error {
	if a.all {
		return nil
	}
	if !agentForm.MatchString(a.id) {
		return fmt.Errorf("agent id %.20q is not one to ten digits", a.id)
	}
	if needsSession && a.GUID() == "" {
		return ErrNoSession
	}
	return nil
}

// AllAgents polls the events of all agents that are signed in at one node of the gateway,
// which must be configured for it (EVENT_METHOD=AGENT_POLL, GET_EVENT_MODE=2). No page
// describes it: it is known from client code. It is safe for concurrent use; one poll
// waits for the other.
type AllAgents struct {
	as     *Agent
	ticket string // as last taken over; under turn
}

// AllAgents returns the poll of all agents of the gateway node at the client's URL. Of all
// clients in the world only one may send it.
func (c *Client) AllAgents() *AllAgents {
	as := &Agent{id: "allagentevent", home: c, client: c, turn: make(chan struct{}, 1), all: true}
	as.turn <- struct{}{}
	return &AllAgents{as: as}
}

// Poll asks for all events that wait, as [Agent.Poll] does for those of one agent. ticket
// is what [Agent.Ticket] of some agent returned that is signed in there, or "": whether the
// gateway wants one is not documented.
func (a *AllAgents) Poll(ctx context.Context, ticket string) Poll {
	release, err := a.as.take(ctx)
	if err != nil {
		return a.as.unsent(call{operation: pollOperation}, err)
	}
	if a.ticket != ticket {
		a.ticket = ticket
		a.as.session.restore(ticket)
	}
	release()
	return a.as.Poll(ctx)
}
