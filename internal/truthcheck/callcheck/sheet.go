package callcheck

import (
	"fmt"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// sheetOf is what a call in the stream says, with what became of its audio or without.
func sheetOf(c schemas.Call, zone *time.Location, audio bool) sheet {
	s := sheet{"closed": fmt.Sprint(c.Closed)}
	s.put("direction", c.Direction)
	s.number("call_type", c.CallType)
	s.number("media_type", c.MediaType)
	s.number("release_cause", c.ReleaseCause)
	s.put("caller", c.Caller)
	s.put("called", c.Called)
	s.put("begin", clock(c.Begin, zone))
	s.put("end", clock(c.End, zone))
	s.number("wait_s", c.WaitS)
	s.number("ring_s", c.RingS)
	s.number("talk_s", c.TalkS)
	s.put("agents", strings.Join(c.Agents, " "))
	s.put("skills", strings.Join(c.Skills, " "))
	s.put("left_out", strings.Join(c.LeftOut, " "))
	s.put("names", wrongNames(c))
	var legs, recordings, operations []string
	for i, l := range c.Legs {
		legs = append(legs, fmt.Sprintf("%03d %s", i, legSheet(l, zone).line()))
	}
	for _, r := range c.Recordings {
		is := recordingSheet(r, zone)
		if audio {
			is.put("audio", strings.TrimSpace(string(r.Audio.Status)+" "+r.Audio.SHA256))
		}
		recordings = append(recordings, is.line())
	}
	for _, o := range c.Operations {
		operations = append(operations, operationSheet(o, zone).line())
	}
	s.list("legs", legs)
	s.list("recordings", recordings)
	s.list("operations", operations)
	return s
}

func legSheet(l schemas.CallLeg, zone *time.Location) sheet {
	s := sheet{}
	s.number("number", l.Number)
	s.number("device_type", l.DeviceType)
	s.put("device_no", l.DeviceNo)
	s.number("pre_device_type", l.PreDeviceType)
	s.put("pre_device_no", l.PreDeviceNo)
	s.put("agent", l.Agent)
	s.put("skill", l.Skill)
	s.put("wait_begin", clock(l.WaitBegin, zone))
	s.put("wait_end", clock(l.WaitEnd, zone))
	s.put("ack_begin", clock(l.AckBegin, zone))
	s.put("ack_end", clock(l.AckEnd, zone))
	s.put("call_begin", clock(l.CallBegin, zone))
	s.put("call_end", clock(l.CallEnd, zone))
	s.number("wait_s", l.WaitS)
	s.number("ring_s", l.RingS)
	s.number("talk_s", l.TalkS)
	s.number("leave_reason", l.LeaveReason)
	return s
}

func recordingSheet(r schemas.CallRecording, zone *time.Location) sheet {
	s := sheet{}
	s.put("agent", r.Agent)
	s.put("file_name", r.FileName)
	s.put("original_file_name", r.OriginalFileName)
	s.put("begin", clock(r.Begin, zone))
	s.put("end", clock(r.End, zone))
	s.number("duration", r.TalkS)
	return s
}

func operationSheet(o schemas.CallOperation, zone *time.Location) sheet {
	s := sheet{}
	s.put("agent", o.Agent)
	s.number("op_type", o.OpType)
	s.put("op_object", o.OpObject)
	s.number("op_cause", o.OpCause)
	s.put("begin", clock(o.Begin, zone))
	s.put("end", clock(o.End, zone))
	s.number("duration", o.DurationS)
	return s
}

// clock is a time as a wall clock of the zone shows it, "" for none.
func clock(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(world.TimeLayout)
}

// wrongNames are the names of codes, of those that a call has, that are not theirs.
func wrongNames(c schemas.Call) string {
	var wrong []string
	check := func(k schemas.Kind, column string, code *int, name string) {
		if name != "" && (code == nil || rows.Codes(k, column)[int64(*code)] != name) {
			wrong = append(wrong, column)
		}
	}
	check(schemas.KindCDR, "call_type", c.CallType, c.Names.CallType)
	check(schemas.KindCDR, "media_type", c.MediaType, c.Names.MediaType)
	check(schemas.KindCDR, "release_cause", c.ReleaseCause, c.Names.ReleaseCause)
	for _, l := range c.Legs {
		check(schemas.KindCDR, "device_type", l.DeviceType, l.Names.DeviceType)
		check(schemas.KindCDR, "pre_device_type", l.PreDeviceType, l.Names.PreDeviceType)
		check(schemas.KindCDR, "leave_reason", l.LeaveReason, l.Names.LeaveReason)
	}
	for _, o := range c.Operations {
		check(schemas.KindOperation, "op_type", o.OpType, o.Names.OpType)
	}
	return strings.Join(wrong, " ")
}
