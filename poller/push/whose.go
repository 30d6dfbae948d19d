package push

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"net/http"
	"regexp"
	"strings"

	"aiccbridge/internal/ccgateway"
)

// agentForm is what an agent's id looks like; any longer one can be no seat.
var agentForm = regexp.MustCompile(`^[0-9]{1,10}$`)

// sessionOf names the session that a push is of, by its GUID or, where it shows none, by its
// address, in which older gateways have the token. A GUID that is replaced makes another name.
func sessionOf(r *http.Request) string {
	sum := sha256.Sum256([]byte(cmp.Or(r.Header.Get("Guid"), r.URL.RawQuery)))
	return string(sum[:16])
}

// agentOf is whose a push is: the one whose token it has, else the one that the body names
// beside the events, the address, or the first event that names one.
func agentOf(p ccgateway.Pushed, who pass, hint string) string {
	agent := cmp.Or(who.agent, p.WorkNo, hint)
	for _, item := range p.Items {
		agent = cmp.Or(agent, item.Event.WorkNo)
	}
	return strings.TrimSpace(agent)
}

var namesAgent = regexp.MustCompile(`"workNo"\s*:\s*"?([0-9]{1,10})\b`)

// namedIn is the agent that a body names before the content of an event, in which others may be
// named; "": none.
func namedIn(begin []byte) string {
	head, _, _ := bytes.Cut(begin[:min(len(begin), beginBytes)], []byte(`"content"`))
	if found := namesAgent.FindSubmatch(head); found != nil {
		return string(found[1])
	}
	return ""
}

// formed is an agent's id, or "" if it has not the form of one.
func formed(agent string) string {
	if !agentForm.MatchString(agent) {
		return ""
	}
	return agent
}
