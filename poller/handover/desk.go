package handover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/members"
	"aiccbridge/internal/retry"
	"aiccbridge/poller/session/custody"
	"aiccbridge/schemas"
)

// Errors of requests. What is wrong stands before them.
var (
	ErrBad  = errors.New("the session cannot be taken")
	ErrNone = errors.New("no session was handed over")
	// ErrNotYet: asked again, the session is given back once its bridge has answered.
	ErrNotYet = errors.New("the bridge that polls has not answered yet; the session is marked to be given back: ask again, and do not poll")
)

const (
	mostText    = 1024 // bytes of a GUID, a cookie, a URL
	mostCookies = 32
	lookAgain   = 200 * time.Millisecond // whether a session has been given back
)

// Terms are those of a tenant.
type Terms struct {
	// Plain: its sessions stand in the bucket in clear. Default: sealed.
	Plain bool
	// Nodes are the URLs that an entry may name, besides none.
	Nodes []string
	// Handed reports an agent whose session may be handed over. nil: all are.
	Handed func(agent string) bool
}

// Desk answers the requests to take a session, and to give it back. Safe for concurrent use.
type Desk struct {
	Entries custody.Bucket // AICC_SESSIONS
	Seal    custody.Sealer
	// Terms are those of a tenant as it is configured by now. false: nobody there is handed over.
	Terms   func(tenant string) (Terms, bool)
	Metrics *Metrics // nil: none
}

// Gift is a session that is handed over.
type Gift struct {
	Tenant  string   `json:"tenant"`
	Agent   string   `json:"agent"`
	GUID    string   `json:"guid"`
	Cookies []string `json:"cookies,omitempty"` // name=value
	URL     string   `json:"url,omitempty"`     // of its node; "": the gateway's
	By      string   `json:"by,omitempty"`      // who hands it over, for people
}

// Taken is the answer to a [Gift]: the entry is written, and the bridge polls within a second.
type Taken struct {
	Tenant       string    `json:"tenant"`
	Agent        string    `json:"agent"`
	HandedOverAt time.Time `json:"handed_over_at"`
}

// Wish is for an agent's session back.
type Wish struct {
	Tenant string `json:"tenant"`
	Agent  string `json:"agent"`
}

// Returned is the answer to a [Wish]: a session that nobody polls.
type Returned struct {
	Tenant   string               `json:"tenant"`
	Agent    string               `json:"agent"`
	Phase    schemas.SessionPhase `json:"phase"`          // returned, or over: there is none any more
	GUID     string               `json:"guid,omitempty"` // as the gateway told it last
	Cookies  []string             `json:"cookies,omitempty"`
	URL      string               `json:"url,omitempty"`
	PolledAt time.Time            `json:"polled_at,omitzero"`
	Cause    string               `json:"cause,omitempty"` // why it is over
	Code     string               `json:"code,omitempty"`
}

// Give writes the entry of a session that is handed over.
func (d *Desk) Give(ctx context.Context, g Gift) (t Taken, err error) {
	defer func() { d.count("give", err) }()
	terms, err := d.terms(g.Tenant, g.Agent)
	if err == nil {
		err = g.check(terms)
	}
	if err != nil {
		return Taken{}, err
	}
	at := time.Now().UTC()
	key := schemas.AgentKey(g.Tenant, g.Agent)
	err = d.change(ctx, key, func(e *schemas.Session) error {
		e.Tenant, e.Agent = g.Tenant, g.Agent
		e.Handover = schemas.Handover{Cookies: g.Cookies, URL: g.URL, HandedOverAt: at, HandedOverBy: g.By}
		e.GUID = g.GUID
		if terms.Plain {
			return nil
		}
		e.Cookies = nil
		e.GUID, err = d.Seal.Seal([]byte(strings.Join(append([]string{g.GUID}, g.Cookies...), "\n")), key)
		return err
	})
	return Taken{g.Tenant, g.Agent, at}, err
}

// Return has the bridge that polls an agent stop, waits until it has, and returns the session.
func (d *Desk) Return(ctx context.Context, w Wish) (r Returned, err error) {
	defer func() { d.count("return", err) }()
	terms, err := d.terms(w.Tenant, w.Agent)
	if err != nil {
		return Returned{}, err
	}
	key := schemas.AgentKey(w.Tenant, w.Agent)
	for {
		e, err := d.asked(ctx, key)
		switch {
		case err != nil:
			return Returned{}, err
		case e.Phase == schemas.SessionOver, e.Stop && e.Phase == schemas.SessionReturned:
			return d.returned(e, key, terms)
		}
		if retry.Wait(ctx, lookAgain) != nil {
			return Returned{}, ErrNotYet
		}
	}
}

// asked is the entry, which says that the session is wanted back.
func (d *Desk) asked(ctx context.Context, key string) (now schemas.Session, err error) {
	err = d.change(ctx, key, func(e *schemas.Session) error {
		if e.GUID == "" && e.Phase != schemas.SessionOver {
			return ErrNone
		}
		now = *e
		if e.Stop || e.Phase == schemas.SessionOver {
			return errNothing
		}
		e.Stop, e.Phase = true, "" // what it said before is no answer
		return nil
	})
	if ctx.Err() != nil && err != nil {
		return now, ErrNotYet
	}
	return now, err
}

func (d *Desk) returned(e schemas.Session, key string, terms Terms) (Returned, error) {
	r := Returned{
		Tenant: e.Tenant, Agent: e.Agent, Phase: e.Phase, URL: e.URL, PolledAt: e.PolledAt, Cause: e.Cause, Code: e.Code,
	}
	if e.GUID == "" {
		return r, nil
	}
	plain, err := d.Seal.Open(e.GUID, key)
	switch {
	case err == nil:
		lines := strings.Split(string(plain), "\n")
		r.GUID, r.Cookies = lines[0], lines[1:]
	case terms.Plain:
		r.GUID, r.Cookies = e.GUID, e.Cookies
	default:
		return r, fmt.Errorf("open the session of %s: %w", key, err)
	}
	return r, nil
}

// errNothing says that there is nothing to change.
var errNothing = errors.New("nothing to change")

// change writes an entry by compare-and-set. An error of f is returned, but for [errNothing].
func (d *Desk) change(ctx context.Context, key string, f func(*schemas.Session) error) error {
	for {
		value, revision, err := d.Entries.Get(ctx, key)
		if err != nil {
			return err
		}
		var e schemas.Session
		var more members.Further
		if len(value) > 0 {
			if more, err = members.Decode(value, &e); err != nil {
				e, more = schemas.Session{}, nil // whoever hands a session over may replace what is none
			}
		}
		if err := f(&e); err != nil {
			if errors.Is(err, errNothing) {
				err = nil
			}
			return err
		}
		if value, err = members.Encode(e, more); err != nil {
			return fmt.Errorf("encode session entry: %w", err)
		}
		if _, ok, err := d.Entries.Swap(ctx, key, value, revision); ok || err != nil {
			return err
		}
	}
}

// terms are those of the tenant of an agent that may be handed over.
func (d *Desk) terms(tenant, agent string) (Terms, error) {
	terms, ok := d.Terms(tenant)
	switch {
	case !ok:
		return terms, fmt.Errorf("tenant %q has no agents that are handed over; set its gateway's events: handover: %w", tenant, ErrBad)
	case !agentForm.MatchString(agent):
		return terms, fmt.Errorf("agent %.20q: want one to ten digits: %w", agent, ErrBad)
	case terms.Handed != nil && !terms.Handed(agent):
		return terms, fmt.Errorf("agent %s is not one that is handed over; set events: handover, for the agent or for all: %w", agent, ErrBad)
	}
	return terms, nil
}

// check refuses what could not be used, and does not repeat it.
func (g Gift) check(t Terms) error {
	fits := func(s string) bool {
		return len(s) <= mostText && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	}
	plain := func(s string) string { return strings.TrimRight(s, "/") }
	switch {
	case g.GUID == "" || !fits(g.GUID):
		return fmt.Errorf("guid: want 1 to %d signs without line ends: %w", mostText, ErrBad)
	case len(g.Cookies) > mostCookies || slices.ContainsFunc(g.Cookies, func(c string) bool { return !fits(c) || !strings.Contains(c, "=") }):
		return fmt.Errorf("cookies: want at most %d of the form name=value: %w", mostCookies, ErrBad)
	case !fits(g.By):
		return fmt.Errorf("by: want at most %d signs without line ends: %w", mostText, ErrBad)
	case g.URL != "" && !slices.ContainsFunc(t.Nodes, func(n string) bool { return plain(n) == plain(g.URL) }):
		return fmt.Errorf("url names no node that the bridge may poll; list it in the gateway's handover.nodes: %w", ErrBad)
	}
	return nil
}

func (d *Desk) count(request string, err error) {
	result := "done"
	switch {
	case errors.Is(err, ErrBad), errors.Is(err, ErrNone):
		result = "refused"
	case err != nil:
		result = "failed"
	}
	d.Metrics.request(request, result)
}
