package ask

import (
	"cmp"
	"strconv"
	"time"

	"aiccbridge/schemas"
)

// tellRecord takes what the call's record says.
func (s *story) tellRecord() {
	if s.Call == nil {
		return
	}
	for _, l := range s.Call.Legs {
		s.leg(l)
	}
	for _, r := range s.Call.Recordings {
		s.tell(r.Begin, SourceRecording, r.Agent, "recording begins", r.Row)
		s.tell(r.End, SourceRecording, r.Agent, "recording ends", r.Row)
		if r.Audio != (schemas.CallAudio{}) {
			s.tell(r.Audio.At, SourceAudio, r.Agent, audioInWords(r.Audio), r.Row)
		}
	}
	for _, o := range s.Call.Operations {
		s.tell(o.Begin, SourceOperation, o.Agent, cmp.Or(o.Names.OpType, "operation "+number(o.OpType)), o.Row)
	}
}

func (s *story) leg(l schemas.CallLeg) {
	at := cmp.Or(l.Names.DeviceType, "device type "+number(l.DeviceType))
	if l.DeviceNo != "" && l.DeviceNo != l.Agent {
		at += " " + l.DeviceNo
	}
	if l.Skill != "" {
		at += ", skill " + l.Skill
	}
	s.tell(l.WaitBegin, SourceLeg, l.Agent, "waits at "+at, l.Row)
	s.tell(l.AckBegin, SourceLeg, l.Agent, "rings at "+at, l.Row)
	s.tell(l.CallBegin, SourceLeg, l.Agent, "talks with "+at, l.Row)
	end, left := l.CallEnd, "leaves "+at
	if l.Names.LeaveReason != "" {
		left += ": " + l.Names.LeaveReason
	}
	if end.IsZero() {
		end = l.WaitEnd
	}
	s.tell(end, SourceLeg, l.Agent, left, l.Row)
}

// tell takes a moment, if it is known when it was.
func (s *story) tell(at time.Time, source Source, agent, what, where string) {
	if !at.IsZero() {
		s.Moments = append(s.Moments, Moment{At: at, Source: source, Agent: agent, What: what, Where: where})
	}
}

func number(n *int) string {
	if n == nil {
		return "not known"
	}
	return strconv.Itoa(*n)
}
