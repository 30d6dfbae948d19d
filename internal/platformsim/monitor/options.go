package monitor

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/platformsim/world/seat"
)

// Floor is what is looked at; *world.World is one.
type Floor interface {
	Agents() []world.Agent
	Seat(id string) seat.Seat
	Rows(kind world.Kind, from, to, now time.Time) []world.Row
}

// Options describe a monitor. What the pages leave open is a switch.
type Options struct {
	Floor Floor `yaml:"-"` // required
	CC    int   `yaml:"-"` // default 1
	VDN   int   `yaml:"-"` // default 39
	// Admit answers a request that is not signed as it has to be, and reports one that is. nil:
	// nobody has to sign.
	Admit    func(w http.ResponseWriter, r *http.Request, body []byte) bool `yaml:"-"`
	Now      func() time.Time                                               `yaml:"-"` // default time.Now
	Timezone *time.Location                                                 `yaml:"-"` // of the tenant; default UTC
	Truth    *truth.Log                                                     `yaml:"-"` // default a new one nobody sees
	// Faults decides what goes wrong; it knows FaultKinds. nil: nothing does.
	Faults *fault.Book `yaml:"-"`

	// Lacks are calls that this edition does not have, such as vdn/totalagentstate: 0100003.
	Lacks []string `yaml:"lacks"`
	// NoCopy leaves resultDatas out, which is a copy of resultDesc for old clients.
	NoCopy bool `yaml:"no_copy"`
	// CtiStatus spells citStatus of one agent as it is meant.
	CtiStatus bool `yaml:"cti_status"`
	// QuotedNumbers sends every number of a row as a string.
	QuotedNumbers bool `yaml:"quoted_numbers"`
	// PlainAbsent leaves out what agents do not have who are not signed in. Default: times of
	// the year 2106, and 65535.
	PlainAbsent bool `yaml:"plain_absent"`
}

func (o Options) complete() (Options, error) {
	if o.Floor == nil {
		return o, errors.New("simulate monitor: it needs agents to look at")
	}
	o.CC, o.VDN, o.Timezone, o.Truth = cmp.Or(o.CC, 1), cmp.Or(o.VDN, 39), cmp.Or(o.Timezone, time.UTC), cmp.Or(o.Truth, truth.New())
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Faults = cmp.Or(o.Faults, fault.NewBook(FaultKinds(), 0, o.Now))
	return o, nil
}

// The faults of the monitor.
const (
	lookStatus  = "look.status"
	lookRefused = "look.refused"
	lookSlow    = "look.slow"
	lookCut     = "look.cut"
	lookAbsent  = "look.absent"
)

// FaultKinds lists the faults of the monitor.
func FaultKinds() []fault.Kind {
	all := fault.Scope{Path: true, Operations: operations()}
	return []fault.Kind{
		{Name: lookStatus, What: "HTTP status with an HTML page, as a firewall answers, before the signature is looked at", Takes: fault.Rule{Status: http.StatusForbidden}, Scope: all},
		{Name: lookRefused, What: "HTTP 200 with a code, and a text where the data are", Takes: fault.Rule{Code: codeFailed}, Scope: all},
		{Name: lookSlow, What: "the answer comes late", Takes: fault.Rule{Delay: fault.Duration(30 * time.Second)}, Scope: all},
		{Name: lookCut, What: "the connection is closed without an answer", Scope: all},
		{Name: lookAbsent, What: "an agent is not in a list, as if he were not configured", Scope: fault.Scope{Agent: true, Operations: operations()}},
	}
}
