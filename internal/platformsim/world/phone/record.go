package phone

import (
	"errors"
	"slices"
)

// ErrRecord refuses what does not fit the recording of now.
var ErrRecord = errors.New("the recording is not in a state for this")

// tape is what becomes of the sound of a talk.
type tape int

const (
	unrecorded tape = iota
	recorded
	withheld // the recording pauses
)

// tapes has, by the names of the client's calls, the states from which each goes and the one
// to which. A pause has no event (pages cec_07_1381 to 1383 are all of recordings).
var tapes = map[string]struct {
	from []tape
	to   tape
}{
	"record":       {[]tape{unrecorded}, recorded},
	"pauserecord":  {[]tape{recorded}, withheld},
	"resumerecord": {[]tape{withheld}, recorded},
	"stoprecord":   {[]tape{recorded, withheld}, unrecorded},
}

// Tape does what a client's call of that name asks for with the recording of its talk. What
// another agent's call brings here is recorded there.
func (p *Phone) Tape(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	how, known := tapes[name]
	if !known || !p.in(false, talking, held, consulting, consulted, conference) || !p.main.own || !slices.Contains(how.from, p.tape) {
		return ErrRecord
	}
	p.tape = how.to
	switch name {
	case "record":
		p.post(p.soon(p.main.Record))
	case "stoprecord":
		p.post(p.soon(p.main.StopRecord))
	}
	return nil
}

// recordIfDue begins the recording of a talk that has begun, where one is due and the client
// was not faster; a step.
func (p *Phone) recordIfDue(l *leg) {
	due := l.RecordDue()
	p.change(func() {
		if due = due && p.tape == unrecorded; due {
			p.tape = recorded
		}
	})
	if due {
		l.Record()
	}
}
