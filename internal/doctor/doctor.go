package doctor

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Status says how a line of a report is to be taken.
type Status string

// How lines may be taken.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works now, or cannot be seen from here
	Failure Status = "failure" // a bridge would not work, or lose what it should not
)

// Line is one thing that was looked at.
type Line struct {
	Check  string `json:"check"` // a word or two: dns, tls, clock, …
	About  string `json:"about"` // what it is about, e.g. gateway of acme
	Status Status `json:"status"`
	Says   string `json:"says"`           // what was seen
	Cure   string `json:"cure,omitempty"` // what to do; of warnings and failures
}

// patient returns the lines of one subject.
type patient struct{ about string }

func (p patient) ok(check, says string) Line { return Line{check, p.about, OK, says, ""} }
func (p patient) warning(check, says, cure string) Line {
	return Line{check, p.about, Warning, says, cure}
}
func (p patient) failure(check, says, cure string) Line {
	return Line{check, p.about, Failure, says, cure}
}

// Look is one thing to look at; it returns at least one line, before ctx ends.
type Look func(ctx context.Context) []Line

// atOnce is how many things are looked at at a time.
const atOnce = 8

// Run looks at everything, some at a time and each for at most so long, and calls each with the
// lines in the order of the looks.
func Run(ctx context.Context, looks []Look, patience time.Duration, each func(Line)) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	results := make([]chan []Line, len(looks))
	for i := range looks {
		results[i] = make(chan []Line, 1)
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		for _, r := range results {
			for _, l := range <-r {
				each(l)
			}
		}
	}()
	for i, look := range looks {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			results[i] <- look(ctx)
			return nil
		})
	}
	_ = group.Wait()
	<-said
}
