package world

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world/phone"
	"aiccbridge/internal/platformsim/world/seat"
)

// Options describes the contact centre. The zero value is five agents from
// 101 in UTC at a realistic pace.
type Options struct {
	// Seed makes every choice; two worlds of one seed behave alike.
	Seed uint64 `yaml:"-"`
	// Agents is how many there are, default 5; FirstAgent is the id of the
	// first, default 101, the others follow.
	Agents     int `yaml:"-"`
	FirstAgent int `yaml:"-"`
	// Location is the tenant's zone. Default UTC.
	Location *time.Location `yaml:"-"`
	// Written is the zone in which cells print times. Default Location.
	Written *time.Location `yaml:"-"`
	// Now is the clock, default time.Now. Durations are waited with plain
	// timers, so it has to run at the speed of real time.
	Now func() time.Time `yaml:"-"`
	// Pace is how fast things happen.
	Pace Pace `yaml:"-"`
	// SyncDelay is the time between the end of a call or operation and the
	// moment the file store can see its rows (a scheduled job copies them).
	// Default 1 minute; negative: none.
	SyncDelay time.Duration `yaml:"sync_delay"`
	// Moved is told of each change of an agent's state. It must not block, nor call the world.
	// nil: nobody is.
	Moved func(seat.Move) `yaml:"-"`
	// Faults decides what goes wrong; it knows FaultKinds. nil: nothing does.
	Faults *fault.Book `yaml:"-"`
	// CallsWithoutSkills routes calls to an agent who has not reset his
	// skills. Default false: without resetskill an agent gets no calls.
	CallsWithoutSkills bool `yaml:"calls_without_skills"`
	// CallInfo sends AgentEvent_Incoming_CallInfo with queued calls, as newer
	// releases do.
	CallInfo bool `yaml:"call_info"`
	// Recorded is the share of conversations that are recorded, in percent, default 92;
	// negative: none.
	Recorded int `yaml:"recorded"`
	// Developer, AccountID, CC, VDN and Skill fill the columns of these
	// names; defaults testak01, 202405019999, 1, 39, 12.
	Developer string `yaml:"-"`
	AccountID string `yaml:"account_id"`
	CC        int    `yaml:"cc"`
	VDN       int    `yaml:"vdn"`
	Skill     int    `yaml:"skill"`

	// Softphone leaves to every agent's client what an agent does with calls: they come,
	// and ring until the client answers. Default false: so it is from a client's first
	// call control on.
	Softphone bool `yaml:"softphone"`

	only string // tests: play this activity only
}

// Pace is how long things take on average; single durations vary between
// 0.4 and 1.6 times the mean.
type Pace struct {
	Idle   time.Duration `yaml:"idle"`    // between two activities of an agent, default 90 s
	Queue  time.Duration `yaml:"queue"`   // a call waits for an agent, default 15 s
	Ring   time.Duration `yaml:"ring"`    // until an answer, default 6 s
	Talk   time.Duration `yaml:"talk"`    // conversation, default 3 min
	WrapUp time.Duration `yaml:"wrap_up"` // after a call, when it does not go to idle by itself, default 30 s
	Rest   time.Duration `yaml:"rest"`    // rest and not-ready spells, default 10 min
	Signal time.Duration `yaml:"signal"`  // between two events of one switching step, default 120 ms
}

// ofPhones is the pace of the other side of phones.
func (p Pace) ofPhones() phone.Pace {
	return phone.Pace{Signal: p.Signal, Ring: p.Ring, Talk: p.Talk, Queue: p.Queue}
}

func (p Pace) withDefaults() Pace {
	p.Idle = cmp.Or(p.Idle, 90*time.Second)
	p.Queue = cmp.Or(p.Queue, 15*time.Second)
	p.Ring = cmp.Or(p.Ring, 6*time.Second)
	p.Talk = cmp.Or(p.Talk, 3*time.Minute)
	p.WrapUp = cmp.Or(p.WrapUp, 30*time.Second)
	p.Rest = cmp.Or(p.Rest, 10*time.Minute)
	p.Signal = cmp.Or(p.Signal, 120*time.Millisecond)
	return p
}

func (o Options) withDefaults() (Options, error) {
	o.Agents = cmp.Or(o.Agents, 5)
	o.FirstAgent = cmp.Or(o.FirstAgent, 101)
	if o.Agents < 1 || o.FirstAgent < 1 {
		return o, errors.New("world options: agents and first agent must be positive")
	}
	o.Location = cmp.Or(o.Location, time.UTC)
	o.Written = cmp.Or(o.Written, o.Location)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Faults == nil {
		o.Faults = fault.NewBook(FaultKinds(), o.Seed, o.Now)
	}
	o.Pace = o.Pace.withDefaults()
	o.SyncDelay = max(0, cmp.Or(o.SyncDelay, time.Minute))
	o.Recorded = cmp.Or(o.Recorded, 92)
	if o.Recorded > 100 {
		return o, errors.New("world options: recorded is a share in percent")
	}
	o.Developer = cmp.Or(o.Developer, "testak01")
	o.AccountID = cmp.Or(o.AccountID, "202405019999")
	o.CC = cmp.Or(o.CC, 1)
	o.VDN = cmp.Or(o.VDN, 39)
	o.Skill = cmp.Or(o.Skill, 12)
	return o, nil
}

// The faults of the world.
const (
	syncLate  = "sync.late"
	syncNever = "sync.never"
)

// FaultKinds lists the faults of the world.
func FaultKinds() []fault.Kind {
	scope := fault.Scope{Agent: true, Kinds: Words}
	return []fault.Kind{
		{
			Name: syncLate, What: "a row reaches the file store late: it is missing in a file made too early",
			Takes: fault.Rule{Delay: fault.Duration(time.Hour)}, Scope: scope,
		},
		{Name: syncNever, What: "a row never reaches the file store: no file has it, the truth has it under withheld", Scope: scope},
	}
}

// about draws a duration around mean, in whole milliseconds as the gateway
// stamps its events.
func about(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(float64(mean) * (0.4 + 1.2*r.Float64())).Round(time.Millisecond)
}
