package fault

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rule wishes for one fault. It applies to the next Next occasions, during For
// after it was set, and after that to Share of all occasions; one of the three
// must be given. What is empty in its scope restricts nothing.
type Rule struct {
	// Fault is the name of a Kind.
	Fault string `json:"fault,omitempty"`

	// The scope. Agent is an id. Operation is an interface of the platform, such
	// as "resetskill" or "queryBillData". Kind is a kind of file: cdr, recording,
	// operation or skill. Path is a pattern of package path for the path of the
	// request's URL, such as "/agentgateway/resource/*/101".
	Agent     string `json:"agent,omitempty"`
	Operation string `json:"operation,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Path      string `json:"path,omitempty"`

	// How often. Next counts down to 0. Share is between 0 and 1.
	Next  int      `json:"next,omitempty"`
	For   Duration `json:"for,omitempty"`
	Share float64  `json:"share,omitempty"`

	// The settings; which of them a fault takes, and their defaults, are in its
	// Kind. Status is an HTTP status, Code a result code of the platform, Delay a
	// time to wait or to be late by, Count a number of copies, columns, parts or
	// rows, Field the name of a field, Percent a part of what was promised, Rate
	// in bytes a second.
	Status  int      `json:"status,omitempty"`
	Code    string   `json:"code,omitempty"`
	Delay   Duration `json:"delay,omitempty"`
	Count   int      `json:"count,omitempty"`
	Field   string   `json:"field,omitempty"`
	Percent int      `json:"percent,omitempty"`
	Rate    int      `json:"rate,omitempty"`

	// Struck is how often the rule has struck since it was set. It is reported,
	// and not read.
	Struck int `json:"struck,omitempty"`
}

// Duration is printed and read as in "1m30s".
type Duration time.Duration

// MarshalText prints d.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// List is the JSON of all rules: {"rules":[{"fault":"poll.cut","next":1}]}.
type List struct {
	Rules []Rule `json:"rules"`
}

// Parse reads a List. An unknown key is an error that names it; the rules
// themselves are checked by Book.Set.
func Parse(data []byte) ([]Rule, error) {
	var l List
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf(`read faults: %w; they look like {"rules":[{"fault":"poll.cut","next":1}]}`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read faults: there is more than one JSON value")
	}
	return l.Rules, nil
}

// setting is one of a rule's settings.
type setting struct {
	name  string
	value string // "": not given
	bad   bool   // out of range
}

func (r *Rule) settings() []setting {
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	delay := ""
	if r.Delay != 0 {
		delay = time.Duration(r.Delay).String()
	}
	return []setting{
		{"status", number(r.Status), r.Status != 0 && (r.Status < 200 || r.Status > 599)},
		{"code", r.Code, false},
		{"delay", delay, r.Delay < 0},
		{"count", number(r.Count), r.Count < 0},
		{"field", r.Field, false},
		{"percent", number(r.Percent), r.Percent < 0 || r.Percent > 99},
		{"rate", number(r.Rate), r.Rate < 0},
	}
}

// with fills in the defaults.
func (r Rule) with(d Rule) Rule {
	r.Status, r.Code = cmp.Or(r.Status, d.Status), cmp.Or(r.Code, d.Code)
	r.Delay, r.Count = cmp.Or(r.Delay, d.Delay), cmp.Or(r.Count, d.Count)
	r.Field, r.Percent = cmp.Or(r.Field, d.Field), cmp.Or(r.Percent, d.Percent)
	r.Rate = cmp.Or(r.Rate, d.Rate)
	return r
}

// check says what is wrong with a rule about a fault of kind k.
func (r *Rule) check(k Kind) error {
	switch {
	case r.Next < 0 || r.For < 0 || r.Share < 0 || r.Share > 1:
		return errors.New("a number is out of range")
	case r.Next == 0 && r.For == 0 && r.Share == 0:
		return errors.New(`give "next", "for" or "share"`)
	}
	takes := k.Takes.settings()
	for i, s := range r.settings() {
		switch {
		case s.value != "" && takes[i].value == "":
			return fmt.Errorf("%s takes no %q", k.Name, s.name)
		case s.bad:
			return fmt.Errorf("%s %s is out of range", s.name, s.value)
		}
	}
	return r.checkScope(k)
}

func (r *Rule) checkScope(k Kind) error {
	for _, s := range []struct {
		name, value string
		free        bool     // any value will do
		known       []string // or one of these
	}{
		{"agent", r.Agent, k.Scope.Agent, nil},
		{"path", r.Path, k.Scope.Path, nil},
		{"operation", r.Operation, false, k.Scope.Operations},
		{"kind", r.Kind, false, k.Scope.Kinds},
	} {
		switch {
		case s.value == "" || s.free || slices.Contains(s.known, s.value):
		case len(s.known) == 0:
			return fmt.Errorf("%s is not restricted by %q", k.Name, s.name)
		default:
			near := cmp.Or(suggestion(s.value, s.known), "; it knows "+strings.Join(s.known, ", "))
			return fmt.Errorf("%s %q is not known to %s%s", s.name, s.value, k.Name, near)
		}
	}
	if _, err := path.Match(r.Path, ""); err != nil {
		return fmt.Errorf("path %q is no pattern: %w", r.Path, err)
	}
	return nil
}
