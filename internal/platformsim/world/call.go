package world

import (
	"fmt"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/world/content"
	"aiccbridge/internal/platformsim/world/ledger"
	"aiccbridge/internal/platformsim/world/phone"
)

// Device types, call types, release causes and leave reasons of the call rows (pages
// cec_07_2640, cec_07_0840, cec_07_0837, cec_07_0842).
const (
	deviceQueue, deviceAgent, deviceIVR = 1, 2, 3

	typeInbound, typeOutbound, typeThreeParty = 0, 7, 52

	causeNormal, causeDisconnected, causeNoAnswer, causeQueueCancelled = 0, 12, 8, 80

	leaveNormal, leaveUserReleased = 0, 15
)

// recording is one stretch of recorded talk.
type recording struct {
	task       int
	agent      string
	begin, end time.Time
}

// directory is the part of a recording's path which the event and the rows
// share: vdn, direction, day and agent.
func (r recording) directory(c *call, separator string) string {
	direction := "0"
	if c.kind != typeInbound {
		direction = "1"
	}
	at := r.begin.In(c.t.w.o.Location)
	return strconv.Itoa(c.t.w.o.VDN) + separator + direction + separator + at.Format("20060102") + separator + r.agent
}

// file is the recording's name: the milliseconds of its tenant day.
func (r recording) file(c *call) string {
	at := r.begin.In(c.t.w.o.Location)
	midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, at.Location())
	return strconv.FormatInt(at.Sub(midnight).Milliseconds(), 10)
}

// call is one call of one agent; its rows are written when it ends.
type call struct {
	t          *shift
	id         string
	begun      time.Time
	kind       int // call_type
	caller     string
	called     string // as dialled; events name the agent instead
	customer   string
	legs       []ledger.Leg
	recordings []recording
	holdBegin  time.Time
	consult    *call     // the third party's leg, until it is booked
	joined     time.Time // begin of the three-party talk
	cause      int
}

// hotline is the number customers dial.
const hotline = "5550199"

// newCall begins a call now. Handles are unique in the world, so are the ids.
func (t *shift) newCall(kind int) *call {
	return t.callWith(kind, fmt.Sprintf("55501%02d", t.rng.IntN(99)))
}

// callWith begins a call with somebody now, in whatever goroutine.
func (t *shift) callWith(kind int, customer string) *call {
	t.mu.Lock()
	t.calls++
	handle := t.calls*len(t.w.agents) + t.index + 1
	t.mu.Unlock()
	c := &call{
		t: t, begun: t.now(), kind: kind, customer: customer, caller: customer, called: hotline, cause: causeDisconnected,
		id: fmt.Sprintf("%d-%d", t.now().Unix(), handle),
	}
	switch kind {
	case typeInbound:
	case phone.Internal, phone.Help:
		c.caller, c.called = t.ID, customer
	default:
		c.caller, c.called = hotline, customer
	}
	return c
}

func (t *shift) now() time.Time { return t.w.o.Now() }

// leg is the device the call is at.
func (c *call) leg() *ledger.Leg { return &c.legs[len(c.legs)-1] }

// enter moves the call on to another device.
func (c *call) enter(device, number int, agent string) *ledger.Leg {
	next := ledger.Leg{Device: device, Number: number, Agent: agent}
	if n := len(c.legs); n > 0 {
		c.legs[n-1].Finish(c.t.now())
		next.DeviceBefore, next.Before = c.legs[n-1].Device, c.legs[n-1].Number
	}
	c.legs = append(c.legs, next)
	return c.leg()
}

func (c *call) enterQueue() {
	l := c.enter(deviceQueue, c.t.w.o.Skill, "")
	l.WaitBegin = c.t.now()
	if l.DeviceBefore == 0 {
		l.DeviceBefore, l.Before = deviceIVR, 2 // the greeting in front of every queue
	}
}

func (c *call) enterAgent() {
	number, _ := strconv.Atoi(c.t.ID)
	c.enter(deviceAgent, number, c.t.ID).AckBegin = c.t.now()
}

// answered begins the conversation.
func (c *call) answered() {
	l := c.leg()
	l.AckEnd = c.t.now()
	l.CallBegin = l.AckEnd
}

// ended stops the clocks of the call.
func (c *call) ended(cause int) {
	c.leg().Finish(c.t.now())
	c.cause = cause
}

// book writes the rows. A call which the sign-out cut short is closed as
// disconnected at this moment.
func (c *call) book() {
	if len(c.legs) == 0 {
		return // signed out before the first step
	}
	now := c.t.now()
	c.unjoin()
	if c.cause == causeDisconnected {
		c.ended(causeDisconnected)
		c.unhold()
	}
	for i := range c.legs {
		c.writeLeg(i, now)
	}
	for _, r := range c.recordings {
		if r.end.IsZero() {
			r.end = now
		}
		c.writeRecording(r, now)
	}
}

func (c *call) writeLeg(i int, end time.Time) {
	w, l := c.t.w, c.legs[i]
	id, number, cause := c.id, i+1, causeNormal
	if i == len(c.legs)-1 {
		number, cause = -1, c.cause
	}
	leave := leaveNormal
	if i == len(c.legs)-1 && cause == causeNormal {
		leave = leaveUserReleased
	}
	before, beforeIn := []string{"", ""}, ""
	if l.DeviceBefore != 0 {
		before = []string{strconv.Itoa(l.DeviceBefore), strconv.Itoa(l.Before)}
		beforeIn = deviceText(l.DeviceBefore, l.Before)
	}
	skill := strconv.Itoa(w.o.Skill)
	w.write(Row{
		Kind: Call, At: l.Begin(), AgentID: l.Agent, CallID: id,
		Cells: []string{
			w.o.Developer, w.o.AccountID, strconv.Itoa(w.o.CC), l.Agent, id, c.caller, c.called,
			w.text(l.WaitBegin), w.text(l.WaitEnd), w.text(l.AckBegin), w.text(l.AckEnd),
			w.text(l.CallBegin), w.text(l.CallEnd),
			strconv.Itoa(l.Device), strconv.Itoa(l.Number), strconv.Itoa(c.kind), strconv.Itoa(cause),
			strconv.Itoa(number), strconv.Itoa(w.o.VDN), before[0], before[1],
			skill, skill, beforeIn, strconv.Itoa(leave), "", deviceText(l.Device, l.Number), "5", "0",
		},
	}, end)
}

// deviceText describes a device in free text.
func deviceText(device, number int) string {
	words := map[int]string{deviceQueue: "queue ", deviceAgent: "agent ", deviceIVR: "flow "}
	return words[device] + strconv.Itoa(number)
}

func (c *call) writeRecording(r recording, end time.Time) {
	w := c.t.w
	direction := "0"
	if c.kind != typeInbound {
		direction = "1"
	}
	skill := strconv.Itoa(w.o.Skill)
	day := r.begin.In(w.o.Location).Format("20060102")
	w.write(Row{
		Kind: Record, At: r.begin, AgentID: r.agent, CallID: c.id,
		Cells: []string{
			w.o.Developer, w.o.AccountID, strconv.Itoa(w.o.CC), r.agent, c.id, c.caller, c.called,
			w.text(r.begin), w.text(r.end),
			fmt.Sprintf("/10/%d/record/%d/%s/%s/%s.wav", w.o.CC, w.o.VDN, day, r.agent, r.file(c)),
			"0", "", `Y:\` + r.directory(c, `\`) + `\` + r.file(c) + ".V3",
			strconv.Itoa(w.o.VDN), direction, "5", skill, skill,
		},
	}, end)
}

// hold and unhold mark a stretch in which the customer hears music.
func (c *call) hold() {
	c.holdBegin = c.t.now()
	c.t.send("AgentEvent_Hold", c.id)
}

func (c *call) unhold() {
	if c.holdBegin.IsZero() {
		return
	}
	c.t.operation(c.t.s, opHold, -1, c.holdBegin, c.t.now(), c.id)
	c.holdBegin = time.Time{}
}

// unjoin ends the three-party talk and books the third party's leg.
func (c *call) unjoin() {
	if c.consult == nil {
		return
	}
	c.consult.book()
	if !c.joined.IsZero() {
		c.t.operation(c.t.s, opThree, -1, c.joined, c.t.now(), c.id)
	}
	c.consult, c.joined = nil, time.Time{}
}

// record begins and stopRecord ends a recording.
func (c *call) record() {
	c.t.tasks++
	r := recording{task: c.t.tasks, agent: c.t.ID, begin: c.t.now()}
	c.recordings = append(c.recordings, r)
	caller, called := c.parties()
	c.t.send("AgentMediaEvent_Record", content.RecordStarted{
		TaskID: r.task, Caller: caller, Called: called, RecordID: c.id, LocationID: "256",
		FileName: "Y:/" + r.directory(c, "/") + "/" + r.file(c) + ".V3", FileMediaType: "1", CallID: c.id,
	})
}

func (c *call) stopRecord() {
	r := &c.recordings[len(c.recordings)-1]
	r.end = c.t.now()
	c.t.send("AgentMediaEvent_StopRecordDone", content.RecordStopped{
		BeginTime: r.begin.UnixMilli(), EndTime: r.end.UnixMilli(), FileMediaType: "1", RecordFormat: "0", TaskID: r.task,
	})
}

// parties are caller and called as the agent's events name them.
func (c *call) parties() (caller, called string) {
	if c.kind == typeInbound {
		return c.customer, c.t.ID
	}
	return c.t.ID, c.customer
}

// feature is the call feature of the events (page cec_07_1432).
func (c *call) feature() string { return strconv.Itoa(c.kind) }
