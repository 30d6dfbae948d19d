package config

import (
	"fmt"
	"net/url"
)

// Push is how the gateway pushes the events of a tenant's agents (events: push).
type Push struct {
	Tokens  []Secret `yaml:"token_files"`                                               // of agents that others sign in; each good
	Dialect string   `yaml:"dialect" default:"callBackUri" oneof:"callBackUri|pushUrl"` // of the bridge's own sign-ins
}

// AllAgents is how the events of all agents of the gateway's nodes are polled (events: all_agents).
type AllAgents struct {
	Nodes     []*url.URL `yaml:"nodes"`                                                                                            // empty: the gateway's url
	SessionOf string     `yaml:"session_of" match:"^[0-9A-Za-z][0-9A-Za-z._-]{0,23}$" say:"1 to 24 letters, digits, dots, _ or -"` // whose GUID the polls carry; empty: none
}

// othersSignIn reports the ways in which agents need not be listed.
func othersSignIn(events string) bool { return events == "push" || events == "all_agents" }

// ways holds a tenant to what the way of its events needs.
func (d *decoder) ways(key string, c *Config, t *Tenant) {
	if d.Bad[key+".events"] || d.Bad[key+".gateway"] {
		return
	}
	if t.Gateway == nil {
		if othersSignIn(t.Events) {
			d.Report(key+".events", "add gateway with its url", "there is no gateway")
		}
		return
	}
	for _, a := range t.Gateway.Agents {
		if a.Events != "" && a.Events != t.Events && !(pollsOne(a.Events) && pollsOne(t.Events)) {
			d.Report(key+".gateway.agents", "make a tenant of its own for agents whose events come in another way: only poll and handover go together", "agent %s has events: %s, the tenant events: %s", a.ID, a.Events, t.Events)
		}
	}
	switch t.Events {
	case "push":
		d.push(key, c, t)
	case "all_agents":
		d.allAgents(key, t)
	}
}

// pollsOne reports the ways that end in polls of single agents.
func pollsOne(events string) bool { return events == "poll" || events == "handover" }

func (d *decoder) push(key string, c *Config, t *Tenant) {
	at := key + ".push.token_files"
	if len(t.Gateway.Agents)+len(t.Push.Tokens) == 0 && !d.Bad[at] {
		d.Report(key+".events", "list the agents that the bridge signs in, or name in push.token_files what the pushes of others carry", "nobody's pushes would be taken")
	}
	for i, token := range t.Push.Tokens {
		if n := len(token.Reveal()); n > 0 && n < minKeyBytes {
			d.Report(fmt.Sprintf("%s[%d]", at, i), "write at least 16 random letters and digits, for example of: openssl rand -hex 20", "the token in %s is shorter than 16 signs and could be guessed", token.File())
		}
	}
	d.requireCallbacks(c, key+".events")
}

func (d *decoder) allAgents(key string, t *Tenant) {
	if len(t.Gateway.Agents) > 0 {
		d.Report(key+".gateway.agents", "remove them, or make a tenant of its own for agents that the bridge signs in", "with events: all_agents others sign agents in")
	}
	for i, u := range t.AllAgents.Nodes {
		at := fmt.Sprintf("%s.all_agents.nodes[%d]", key, i)
		if u == nil && !d.Bad[at] {
			d.Report(at, "write the node's base URL, or remove the entry", "the entry is empty")
		}
		if u != nil && u.Scheme == "http" && !t.Gateway.AllowInsecureHTTP {
			d.Report(at, "write https://, or set the gateway's allow_insecure_http: true for a trial", "the URL is not encrypted")
		}
	}
}
