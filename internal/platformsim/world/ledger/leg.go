package ledger

import "time"

// Leg is the way of a call through one device; zero times did not happen.
type Leg struct {
	Device, Number       int
	Agent                string
	WaitBegin, WaitEnd   time.Time
	AckBegin, AckEnd     time.Time
	CallBegin, CallEnd   time.Time
	DeviceBefore, Before int // device type 0: none
}

// Finish closes what is still open.
func (l *Leg) Finish(at time.Time) {
	for _, span := range [][2]*time.Time{
		{&l.WaitBegin, &l.WaitEnd}, {&l.AckBegin, &l.AckEnd}, {&l.CallBegin, &l.CallEnd},
	} {
		if !span[0].IsZero() && span[1].IsZero() {
			*span[1] = at
		}
	}
}

// Begin is the first thing that happened on the device.
func (l *Leg) Begin() time.Time {
	for _, t := range []time.Time{l.WaitBegin, l.AckBegin, l.CallBegin} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
