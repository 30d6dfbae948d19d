package ask

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// Bridge is what one bridge says of itself. Counts are since its start.
type Bridge struct {
	Instance string    `json:"instance"`
	Version  string    `json:"version"`
	Mode     string    `json:"mode"` // embedded or external, as its NATS is
	Started  time.Time `json:"started"`
	At       time.Time `json:"at"`
	Tenants  []string  `json:"tenants"`
	Alarms   []Alarm   `json:"alarms"` // that last
	Agents   int       `json:"agents"` // that it polls
	Rates    Rates     `json:"rates"`
	Spool    *Spool    `json:"spool,omitempty"` // with an external NATS
}

// Alarm is something that an operator would call broken.
type Alarm struct {
	Name   string    `json:"name"` // as in the metric and in docs/operations.md
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Fatal  bool      `json:"fatal"` // nothing can be stored as promised meanwhile
}

// Rates are how much was done in the last minute.
type Rates struct {
	Events   float64 `json:"events_per_s"`
	Rows     float64 `json:"rows_per_s"`
	Polls    float64 `json:"polls_per_s"`
	Requests float64 `json:"requests_per_s"` // to file stores
}

// Spool is what waits for the hub.
type Spool struct {
	Messages uint64 `json:"messages"`
	Bytes    int64  `json:"bytes"` // of the kind that is nearest to its limit
}

// Status is how everything is.
type Status struct {
	At       time.Time          `json:"at"`
	Bridges  []Bridge           `json:"bridges"` // that answered
	Agents   map[string]int     `json:"agents"`  // by state
	Leases   []Lease            `json:"leases"`
	Coverage []schemas.Coverage `json:"coverage"`
	Windows  []WindowCount      `json:"windows"`
	Letters  []LetterCount      `json:"dead_letters"` // unresolved, of the last 24 hours
}

// Lease is what one bridge has of a tenant.
type Lease struct {
	Tenant     string `json:"tenant"`
	By         string `json:"by"`
	Partitions int    `json:"partitions"`      // of agents
	Others     int    `json:"others,omitzero"` // planning, and making calls
}

// WindowCount is how many windows of a kind are in a state.
type WindowCount struct {
	Tenant string              `json:"tenant"`
	Kind   schemas.Kind        `json:"kind"`
	State  schemas.WindowState `json:"state"`
	Count  int                 `json:"count"`
}

// LetterCount is how many dead letters there are of a reason.
type LetterCount struct {
	Tenant string         `json:"tenant"`
	Reason schemas.Reason `json:"reason"`
	Count  int            `json:"count"`
	LastAt time.Time      `json:"last_at"`
}

// Status tells how everything is; bridges are what the bridges say of themselves.
func (q Questions) Status(ctx context.Context, bridges []Bridge) (Status, error) {
	s := Status{At: time.Now().UTC(), Bridges: bridges, Agents: map[string]int{}, Leases: []Lease{}, Coverage: []schemas.Coverage{}, Windows: []WindowCount{}, Letters: []LetterCount{}}
	slices.SortFunc(s.Bridges, func(a, b Bridge) int { return cmp.Compare(a.Instance, b.Instance) })
	err := q.states(ctx, Scope{}, func(_ who, k schemas.AgentState) { s.Agents[string(k.State)]++ })
	err = errors.Join(err, q.leases(ctx, &s), q.counts(ctx, &s))
	covered, coverErr := q.Coverage(ctx)
	letters, letterErr := q.LetterCounts(ctx)
	s.Coverage, s.Letters = append(s.Coverage, covered...), append(s.Letters, letters...)
	return s, errors.Join(err, coverErr, letterErr)
}

func (q Questions) leases(ctx context.Context, s *Status) error {
	return q.Hub.Entries(ctx, schemas.BucketLeases, ">", func(key string, e schemas.Stored) error {
		l, partition, ok := leaseOf(key, e)
		if !ok {
			return nil
		}
		i := slices.IndexFunc(s.Leases, func(other Lease) bool { return other.Tenant == l.Tenant && other.By == l.By })
		if i < 0 {
			i, s.Leases = len(s.Leases), append(s.Leases, l)
		}
		if partition {
			s.Leases[i].Partitions++
		} else {
			s.Leases[i].Others++
		}
		return nil
	})
}

// leaseOf reads a lease; ok is false for what else is kept beside leases. partition is true
// for one of agents.
func leaseOf(key string, e schemas.Stored) (l Lease, partition, ok bool) {
	tenant, name, _ := strings.Cut(key, ".")
	var owner struct {
		Instance string `json:"instance"`
	}
	if strings.Contains(name, ".") || json.Unmarshal(e.Body, &owner) != nil || owner.Instance == "" {
		return l, false, false
	}
	return Lease{Tenant: decoded(tenant), By: owner.Instance}, ofAgents(name), true
}

// ofAgents reports a lease under which agents are cared for: a number of some, or one of all, which
// has the name of the way in which their events come.
func ofAgents(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil || name == schemas.WholePartition || slices.Contains(schemas.Ways(), schemas.Way(name))
}

// Coverage is what was stated last of each tenant and kind.
func (q Questions) Coverage(ctx context.Context) (all []schemas.Coverage, err error) {
	err = q.Hub.ReadNewest(ctx, schemas.StreamCoverage, "", func(m schemas.Stored) error {
		if m.Get("ce-type") != schemas.TypeCoverage {
			return nil
		}
		last, found, err := q.Hub.Last(ctx, m.Subject) // with its body
		if err != nil || !found {
			return err
		}
		c, err := read[schemas.Coverage](last)
		all = append(all, c)
		return err
	})
	return all, err
}

func (q Questions) counts(ctx context.Context, s *Status) error {
	all, err := q.Windows(ctx, WindowQuery{})
	for _, w := range all {
		i := slices.IndexFunc(s.Windows, func(c WindowCount) bool { return c.Tenant == w.Tenant && c.Kind == w.Kind && c.State == w.State })
		if i < 0 {
			i, s.Windows = len(s.Windows), append(s.Windows, WindowCount{Tenant: w.Tenant, Kind: w.Kind, State: w.State})
		}
		s.Windows[i].Count++
	}
	return err
}

// LetterCounts are the unresolved dead letters of the last 24 hours.
func (q Questions) LetterCounts(ctx context.Context) (counts []LetterCount, err error) {
	since := time.Now().Add(-24 * time.Hour)
	all, err := q.Letters(ctx, "", since, func(l Letter) bool { return l.LastAt.After(since) })
	for _, l := range all {
		if l.Resolved {
			continue
		}
		i := slices.IndexFunc(counts, func(c LetterCount) bool { return c.Tenant == l.Tenant && c.Reason == l.Reason })
		if i < 0 {
			i, counts = len(counts), append(counts, LetterCount{Tenant: l.Tenant, Reason: l.Reason})
		}
		counts[i].Count++
		counts[i].LastAt = l.LastAt
	}
	return counts, err
}
