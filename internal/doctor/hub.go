package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Weaker is one setting of a stream that is weaker than the bridge needs.
type Weaker struct {
	Name, Have, Want string
	Added            bool // the bridge sets it right when it makes streams itself
}

// Hub is what is seen of the NATS server.
type Hub struct {
	Version    string
	Err        error  // why nothing else is seen
	Unseen     string // the same where that is no fault; "": it is
	Cure       string // of Err; "" when that says it
	Clustered  bool
	Weaker     []Weaker
	Made       bool           // the bridge makes what is missing
	Replicas   map[string]int // of streams, by name
	MaxPayload int64
	Crowded    error                    // streams or the account with hardly room for readers
	Keeps      map[string]time.Duration // how long streams keep messages, by what they hold; 0: for ever
	Sweep      time.Duration            // after which windows are extracted for the last time
}

// leastPayload is what a message may need: the largest row or event that is taken.
const leastPayload = 1 << 20

// Judge looks at the server.
func (h Hub) Judge() (lines []Line) {
	p := patient{"nats"}
	if h.Unseen != "" {
		return []Line{p.warning("nats", h.Unseen, h.Cure)}
	}
	if h.Err != nil {
		return []Line{p.failure("nats", h.Err.Error(), h.Cure)}
	}
	lines = append(lines, p.ok("nats", "version "+h.Version))
	lines = append(lines, h.streams()...)
	if len(h.Replicas) > 0 {
		lines = append(lines, h.replicas())
	}
	if h.MaxPayload > 0 && h.MaxPayload < leastPayload {
		lines = append(lines, p.warning("payload", fmt.Sprintf("messages may have %s", size(h.MaxPayload)), "raise max_payload of the server to 1MB: larger rows and events become dead letters"))
	}
	if h.Crowded != nil {
		says, cure, _ := strings.Cut(h.Crowded.Error(), "; ")
		lines = append(lines, p.warning("readers", says, cure))
	}
	return append(lines, h.kept())
}

func (h Hub) streams() (lines []Line) {
	p := patient{"nats"}
	for _, w := range h.Weaker {
		name, missing := strings.CutSuffix(w.Name, ".exists")
		switch {
		case missing && h.Made:
			lines = append(lines, p.ok("streams", name+" is not there; the bridge makes it when it starts"))
		case missing:
			lines = append(lines, p.failure("streams", name+" is not there", "run `bridge apply` as a user who may make streams"))
		case w.Added && h.Made:
			lines = append(lines, p.ok("streams", fmt.Sprintf("%s is %s; the bridge makes it %s when it starts", w.Name, w.Have, w.Want)))
		case w.Added:
			lines = append(lines, p.failure("streams", fmt.Sprintf("%s is %s, the bridge needs %s", w.Name, w.Have, w.Want), "run `bridge apply` as a user who may change streams"))
		default:
			lines = append(lines, p.failure("streams", fmt.Sprintf("%s is %s, the bridge needs %s", w.Name, w.Have, w.Want), "change it with nats stream edit, or accept it by its name: bridge run --accept-weaker "+w.Name))
		}
	}
	if len(h.Weaker) == 0 {
		lines = append(lines, p.ok("streams", "streams, buckets and consumers are as the bridge needs them"))
	}
	return lines
}

func (h Hub) replicas() Line {
	p, single := patient{"nats"}, ""
	least := 0
	for name, n := range h.Replicas {
		if least == 0 || n < least || n == least && name < single {
			least, single = n, name
		}
	}
	switch {
	case !h.Clustered:
		return p.ok("replicas", "one server: what it acknowledges is on its disk")
	case least < 2:
		return p.failure("replicas", fmt.Sprintf("a cluster, but %s is on one server's disk only", single), "set nats.replicas to 3, and run `bridge apply` or start the bridge again: that server's loss loses messages")
	case least < 3:
		return p.warning("replicas", fmt.Sprintf("%s is on two servers: when one is away, nothing is stored", single), "set nats.replicas to 3")
	}
	return p.ok("replicas", fmt.Sprintf("every stream is on %d servers", least))
}

// kept holds how long files and rows are kept against when windows are extracted last.
func (h Hub) kept() Line {
	p := patient{"nats"}
	for what, age := range h.Keeps {
		if age > 0 && age < h.Sweep {
			return p.warning("retention", fmt.Sprintf("%s are kept for %s, and windows are extracted again after %s", what, age, h.Sweep), "have the stream keep them for longer, or shorten sweep_again: rows that have gone come again as new")
		}
	}
	return p.ok("retention", "rows and files are kept until their windows are extracted for the last time")
}
