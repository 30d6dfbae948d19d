package cccms

import (
	"context"
	"slices"

	"aiccbridge/internal/foreign"
)

const (
	pageRows  = 1000 // most that a page may have (cec_07_0598)
	mostPages = 1000 // no VDN has a million agents
	mostIDs   = 6000 // most agents asked after at once (cec_07_0627)
)

// List is what a look at a VDN showed.
type List struct {
	// Agents are each there once, in no order.
	Agents []Agent
	// Whole is true when all agents are in it: one who is not is not configured. It is false
	// if a row could not be read, or pages did not add up.
	Whole bool
}

// The calls that list all agents of a VDN.
const (
	allStates  = "vdn/totalagentstate"       // 0610; not on CTI 3.6
	statePages = "vdn/totalagentdynamicinfo" // 0599
	spellPages = "vdn/totalagentabstractex3" // 0598; with how long
)

// Agents are all agents of the VDN, who is signed out as well: by the cheapest call that the
// platform has. For is unknown in most. The error is an *ccfs.Error.
func (c *Client) Agents(ctx context.Context) (list List, err error) {
	pages := func(operation string) attempt {
		return attempt{operation, func() (err error) {
			list, err = c.pages(ctx, operation)
			return err
		}}
	}
	all := attempt{allStates, func() error {
		return c.ask(ctx, allStates, c.scope, func(o foreign.Object) error {
			rows, bad, err := agentsOf(o)
			list = List{Agents: rows, Whole: bad == 0}.distinct()
			return err
		})
	}}
	err = c.first(all, pages(statePages), pages(spellPages))
	return list, err
}

// AgentsFor are all agents of the VDN with how long they have been in their states, where the
// platform has that call; else as Agents. The error is an *ccfs.Error.
func (c *Client) AgentsFor(ctx context.Context) (list List, err error) {
	if c.lacks(spellPages) {
		return c.Agents(ctx)
	}
	err = c.first(attempt{spellPages, func() (err error) {
		list, err = c.pages(ctx, spellPages)
		return err
	}})
	if c.lacks(spellPages) {
		return c.Agents(ctx)
	}
	return list, err
}

// page asks for some rows of all.
type page struct {
	scope
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
}

// pages reads page after page. Agents who come or go meanwhile shift the rows: the list is
// whole if as many different ones came as the platform counts.
func (c *Client) pages(ctx context.Context, operation string) (List, error) {
	list, unread, count := List{}, 0, 0
	for n := range mostPages {
		rows := 0
		err := c.ask(ctx, operation, page{c.scope, n * pageRows, pageRows}, func(o foreign.Object) error {
			got, bad, err := agentsOf(o)
			list.Agents = append(list.Agents, got...)
			rows, unread = len(got)+bad, unread+bad
			count = o.Maybe("count").Int(0)
			return err
		})
		if err != nil {
			return List{}, err
		}
		if rows == 0 || (n+1)*pageRows >= count {
			break
		}
	}
	list = list.distinct()
	list.Whole = unread == 0 && len(list.Agents) >= count
	return list, nil
}

// distinct keeps of an agent who is there twice what was said last.
func (l List) distinct() List {
	at, kept := make(map[string]int, len(l.Agents)), l.Agents[:0]
	for _, a := range l.Agents {
		if i, twice := at[a.ID]; twice {
			kept[i] = a
			continue
		}
		at[a.ID] = len(kept)
		kept = append(kept, a)
	}
	l.Agents = kept
	return l
}

// someAgents asks for the richest rows there are.
const someAgents = "agentgroup/agentstatusinfobyagentids"

// Details say of some agents how long they have been in their states, why, and since when they
// are signed in. Ids that are no numbers, or not of the VDN, are left out. The error is an
// *ccfs.Error.
func (c *Client) Details(ctx context.Context, ids []string) (all []Agent, err error) {
	numbers := make([]int, 0, len(ids))
	for _, id := range ids {
		if n := foreign.Of([]byte(id)).Int(0); n > 0 {
			numbers = append(numbers, n)
		}
	}
	for some := range slices.Chunk(numbers, mostIDs) {
		body := struct {
			scope
			Agents []int `json:"agentIds"`
		}{c.scope, some}
		err := c.first(attempt{someAgents, func() error {
			return c.ask(ctx, someAgents, body, func(o foreign.Object) error {
				rows, _, err := agentsOf(o)
				all = append(all, rows...)
				return err
			})
		}})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Some are some agents with how long they have been in their states: by Details, where the
// platform has that call, else all as AgentsFor. The error is an *ccfs.Error.
func (c *Client) Some(ctx context.Context, ids []string) ([]Agent, error) {
	if !c.lacks(someAgents) {
		if all, err := c.Details(ctx, ids); !c.lacks(someAgents) {
			return all, err
		}
	}
	list, err := c.AgentsFor(ctx)
	return list.Agents, err
}

// The two forms of the question after one agent.
const (
	oneAgent    = "agent/agentbyworkno"      // 0632
	oneAgentOld = "agentgroup/agentbyworkno" // 0708
)

// Agent says where one agent stands, to the CTI and to the gateway. The error is an
// *ccfs.Error.
func (c *Client) Agent(ctx context.Context, id int) (a Agent, err error) {
	body := struct {
		scope
		Agent int `json:"agentId"`
	}{c.scope, id}
	ask := func(operation string, body any) attempt {
		return attempt{operation, func() error {
			return c.ask(ctx, operation, body, func(o foreign.Object) (err error) {
				a, err = agentOf(o)
				return err
			})
		}}
	}
	err = c.first(ask(oneAgent, body), ask(oneAgentOld, map[string]any{"queryParam": body}))
	return a, err
}
