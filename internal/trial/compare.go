package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

// CompareOptions say what is compared.
type CompareOptions struct {
	Tenant   string         // its name in the bridge's configuration
	Zone     *time.Location // the tenant's
	Deadline time.Time      // when the bridge must have caught up
	Calls    bool           // it makes calls
}

// Compare asks a running simulator to make no new calls, and holds the streams against
// what it did, again and again until nothing is missing or the deadline has passed:
// files under way are no mistake, only unfinished.
func Compare(ctx context.Context, s Streams, sim *Simulator, o CompareOptions) (report truthcheck.Report, err error) {
	waiting, cancel := context.WithDeadline(ctx, o.Deadline)
	defer cancel()
	if err := sim.request(waiting, http.MethodPost, "/quiesce", nil); err != nil {
		return report, err
	}
	until(waiting, func() bool {
		var quiet struct {
			Quiet bool `json:"quiet"`
		}
		err = sim.request(ctx, http.MethodGet, "/quiet", &quiet)
		return err != nil || quiet.Quiet
	})
	ended := time.Now()
	for err == nil {
		var did truth.Snapshot
		if err = sim.request(ctx, http.MethodGet, "/truth", &did); err == nil {
			report, err = Judge(ctx, s, Case{Tenant: o.Tenant, Zone: o.Zone, Ended: ended, Calls: o.Calls}, did)
		}
		if err != nil || report.OK || retry.Wait(waiting, 2*time.Second) != nil {
			break
		}
	}
	return report, err
}

// Case is what is judged.
type Case struct {
	Tenant string
	Zone   *time.Location // the tenant's
	// Ended is when the last call was over.
	Ended time.Time
	Calls bool // calls are made
	// Owners: bridges stood still, or were cut off, and others polled their agents.
	Owners bool
	// Recordings: their audio is fetched, and it is said what became of all.
	Recordings bool
}

// Judge holds the streams of one tenant against the simulator's truth. Every kind that
// is extracted must be complete up to the end of the last call: rows of windows not asked for
// yet are in no file.
func Judge(ctx context.Context, s Streams, of Case, did truth.Snapshot) (truthcheck.Report, error) {
	c := truthcheck.New(of.Zone, of.Tenant)
	streams := []schemas.Stream{schemas.StreamEvents, schemas.StreamFiles, schemas.StreamRows, schemas.StreamDeadLetters}
	if of.Calls {
		c.Calls()
		streams = append(streams, schemas.StreamCalls)
	}
	if of.Owners {
		c.Owners()
	}
	if of.Recordings {
		c.Recordings()
	}
	for _, stream := range streams {
		err := s.Read(ctx, stream, "", 0, func(m schemas.Stored) error { c.Message(m); return nil })
		if err != nil {
			return truthcheck.Report{}, err
		}
	}
	report := c.Compare(did)
	last := map[schemas.Kind]schemas.Coverage{}
	err := s.Read(ctx, schemas.StreamCoverage, "", 0, func(m schemas.Stored) error {
		var said schemas.Coverage
		if m.Get("ce-type") == schemas.TypeCoverage && json.Unmarshal(m.Body, &said) == nil && said.Tenant == of.Tenant {
			last[said.Kind] = said
		}
		return nil
	})
	for _, k := range schemas.Kinds() {
		if said, extracted := last[k]; extracted && said.CompleteTo.Before(of.Ended) {
			report.OK = false
			report.Problems = append(report.Problems, fmt.Sprintf("%s is complete up to %s only, calls went on until %s",
				k, said.CompleteTo.In(of.Zone).Format(time.DateTime), of.Ended.In(of.Zone).Format(time.DateTime)))
		}
	}
	return report, err
}

// Simulator is one that runs elsewhere, behind its management address.
type Simulator struct{ management *url.URL }

// NewSimulator takes the management address, such as http://127.0.0.1:18043. It does
// no I/O; an error is about the address.
func NewSimulator(management string) (*Simulator, error) {
	u, err := url.Parse(management)
	if err != nil {
		return nil, err
	}
	return &Simulator{management: u}, nil
}

// request calls the management listener and decodes its answer into v, if v is not nil.
func (s *Simulator) request(ctx context.Context, method, path string, v any) error {
	r, err := http.NewRequestWithContext(ctx, method, s.management.String()+path, nil)
	if err != nil {
		return fmt.Errorf("ask the simulator: %w", err)
	}
	client := http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("no simulator at %s: %w; start `bridge simulate`, or set --management", s.management, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("ask the simulator: %s %s answered %s", method, path, answer.Status)
	}
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(v); err != nil {
		return fmt.Errorf("read the simulator's answer: %w", err)
	}
	return nil
}
