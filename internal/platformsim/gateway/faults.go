package gateway

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway/push"
)

// The operations that faults of the gateway begin with.
const (
	onPoll    = "poll"
	onSignIn  = "signin"
	onSession = "session" // every other interface
)

// afterPop ends the names of faults which take an event, and then do what the
// fault without this end does instead of looking into the queue.
const afterPop = "_after_pop"

// unknownType adds an event to the queue, then the poll goes on.
const unknownType = "poll.unknown_type"

// replacing are the faults that can take the place of any answer.
var replacing = []fault.Kind{
	{Name: "status", What: "HTTP status with an HTML page, as from a proxy", Takes: fault.Rule{Status: http.StatusServiceUnavailable}},
	{Name: "cut", What: "connection closed without an answer"},
	{Name: "cut_reused", What: "as cut, only on a connection that has served a request before"},
	{Name: "code", What: "HTTP 200 with a retcode", Takes: fault.Rule{Code: "000-003"}},
	{Name: "empty", What: "HTTP 200 without a body"},
}

// spoiling are the faults of polls that damage the answer with an event.
var spoiling = []fault.Kind{
	{Name: "slow", What: "answer held back after an event was taken", Takes: fault.Rule{Delay: fault.Duration(30 * time.Second)}},
	{Name: "truncated", What: "body ends in the middle, connection closed: the event is lost"},
	{Name: "bad_json", What: "body is no JSON: the event is lost"},
	{Name: "gbk", What: "body in GBK with a charset saying so"},
	{Name: "nul", What: "NUL characters behind the strings"},
	{Name: "wrong_types", What: "retcode, message and workNo of another JSON type"},
}

// FaultKinds lists the faults of the gateway.
func FaultKinds() []fault.Kind {
	var out []fault.Kind
	for _, operation := range []string{onPoll, onSignIn, onSession} {
		scope := fault.Scope{Agent: true, Path: true, Operations: interfaces(operation)}
		add := func(k fault.Kind) {
			k.Name, k.Scope = operation+"."+k.Name, scope
			out = append(out, k)
		}
		for _, k := range replacing {
			add(k)
		}
		if operation != onPoll {
			continue
		}
		for _, k := range replacing {
			k.What = "as poll." + k.Name + ", after an event was taken, which is lost"
			k.Name += afterPop
			add(k)
		}
		for _, k := range spoiling {
			add(k)
		}
		out = append(out, fault.Kind{Name: unknownType, What: "an additional event of a type nobody knows", Scope: scope})
	}
	return append(out, push.FaultKinds()...)
}

// names are those of an operation's faults on a connection, with an end.
func names(kinds []fault.Kind, operation, end string, reused bool) []string {
	var out []string
	for _, k := range kinds {
		if k.Name != "cut_reused" || reused {
			out = append(out, operation+"."+k.Name+end)
		}
	}
	return out
}

// occasion is what rules can be restricted by.
func occasion(r *http.Request, operation string) fault.Occasion {
	return fault.Occasion{Agent: r.PathValue("agent"), Operation: operation, Path: r.URL.Path}
}

// instead returns the fault that takes the place of an answer, or nil.
func (g *Gateway) instead(r *http.Request, route route) *fault.Rule {
	return g.o.Faults.First(occasion(r, route.name), names(replacing, route.faults, "", reused(r))...)
}

// afterwards returns the fault of a poll that has an event to take, or nil.
func (g *Gateway) afterwards(r *http.Request) *fault.Rule {
	list := append(names(replacing, onPoll, afterPop, reused(r)), names(spoiling, onPoll, "", true)...)
	return g.o.Faults.First(occasion(r, agentEvent), list...)
}

// effect is what a fault does, whatever the operation and the moment.
func effect(f *fault.Rule) string {
	_, what, _ := strings.Cut(f.Fault, ".")
	return strings.TrimSuffix(what, afterPop)
}

// loses reports whether an event taken under this fault is lost for certain.
func loses(f *fault.Rule) bool {
	return strings.HasSuffix(f.Fault, afterPop) || slices.Contains([]string{"truncated", "bad_json"}, effect(f))
}
