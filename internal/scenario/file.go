package scenario

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"

	"aiccbridge/schemas"
)

// Scenario is what happens.
type Scenario struct {
	Tenant string    `yaml:"tenant"`
	Zone   string    `yaml:"zone"`  // IANA, of the times in rows; default UTC
	Begin  time.Time `yaml:"begin"` // that the steps count from; default when it is run
	Epoch  uint64    `yaml:"epoch"` // of the agents' messages; default 1
	Steps  []Step    `yaml:"steps"`
}

// Step is one thing that happens: an event, a call, a gap, a heartbeat, or a window.
type Step struct {
	At    time.Duration `yaml:"at"` // after the beginning
	Agent string        `yaml:"agent"`

	Event   string         `yaml:"event"`   // the platform's type, e.g. AgentState_Ready
	Content map[string]any `yaml:"content"` // of the event

	// Call is the id of a call that the agent takes: it rings, is talked, and ends in
	// after-call work.
	Call   string        `yaml:"call"`
	Caller string        `yaml:"caller"`
	Ring   time.Duration `yaml:"ring"`
	Talk   time.Duration `yaml:"talk"`
	Wrapup time.Duration `yaml:"wrapup"`

	Gap     schemas.GapCause `yaml:"gap"`
	Lasting time.Duration    `yaml:"lasting"` // how long before At the gap began

	Heartbeat bool `yaml:"heartbeat"`

	// Window is complete at At with these rows; again with others it is extracted anew.
	Window *Span               `yaml:"window"`
	Rows   []map[string]string `yaml:"rows"` // cells by the platform's columns
}

// Span is a window by its ends, after the beginning; they may be negative.
type Span struct {
	Kind schemas.Kind  `yaml:"kind"`
	From time.Duration `yaml:"from"`
	To   time.Duration `yaml:"to"`
}

//go:embed example.yaml
var example []byte

// Example is a commented scenario.
func Example() string { return string(example) }

// Parse reads a scenario. Its errors say where, and what to do.
func Parse(text []byte) (s Scenario, err error) {
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&s); err != nil {
		return s, fmt.Errorf("read the scenario: %w", err)
	}
	if s.Tenant == "" {
		return s, errors.New("the scenario names no tenant")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		return s, fmt.Errorf("the scenario's zone: %w", err)
	}
	if s.Epoch == 0 {
		s.Epoch = 1
	}
	for i, step := range s.Steps {
		if err := step.check(); err != nil {
			return s, fmt.Errorf("step %d of the scenario: %w", i+1, err)
		}
	}
	return s, nil
}

// check reports a step that is not one thing, or lacks what it needs.
func (s Step) check() error {
	things := 0
	for _, is := range []bool{s.Event != "", s.Call != "", s.Gap != "", s.Heartbeat, s.Window != nil} {
		if is {
			things++
		}
	}
	switch {
	case things != 1:
		return errors.New("give one of event, call, gap, heartbeat and window")
	case s.Window == nil && s.Agent == "":
		return errors.New("name the agent")
	case s.Window != nil:
		return s.Window.Kind.Validate()
	}
	return nil
}
