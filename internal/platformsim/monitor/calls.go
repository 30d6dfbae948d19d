package monitor

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/world"
)

const (
	mostCalls = 100
	lateMost  = 30 * time.Second // after the end of a call until its row is stored; the figure is ours
)

// leg is one row of a call.
type leg struct {
	world.Row
	m *Monitor
}

// cell is the value of a column.
func (l leg) cell(name string) string {
	if i := slices.Index(world.Columns[world.Call], name); i >= 0 && i < len(l.Cells) {
		return l.Cells[i]
	}
	return ""
}

func (l leg) number(name string) int {
	n, _ := strconv.Atoi(l.cell(name)) // an empty cell is 0, as on this interface
	return n
}

// at is a time in milliseconds; 0: it did not happen.
func (l leg) at(name string) int64 {
	t, err := time.ParseInLocation(world.TimeLayout, l.cell(name), l.m.o.Timezone)
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// end is the last thing that is known of the leg.
func (l leg) end() int64 { return cmp.Or(l.at("call_end"), l.at("ack_end"), l.at("wait_end")) }

// stored are the calls of yesterday and today whose rows are stored by now, by id, and when
// they were.
func (m *Monitor) stored() (calls map[string][]leg, ids []string, logged map[string]int64) {
	now := m.o.Now()
	calls, logged = map[string][]leg{}, map[string]int64{}
	for _, r := range m.o.Floor.Rows(world.Call, m.yesterday(), now, now) {
		calls[r.CallID] = append(calls[r.CallID], leg{r, m})
	}
	for id, legs := range calls {
		slices.SortFunc(legs, func(a, b leg) int { return cmp.Compare(uint(a.number("call_id_num")), uint(b.number("call_id_num"))) }) // -1 is the last
		h := fnv.New32a()
		_, _ = h.Write([]byte(id)) // a hash does not fail
		at := legs[len(legs)-1].end() + int64(h.Sum32())%(lateMost.Milliseconds()+1)
		if at <= now.UnixMilli() {
			logged[id] = at
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(logged[a], logged[b]), cmp.Compare(a, b)) })
	return calls, ids, logged
}

// yesterday is its first instant in the tenant's zone.
func (m *Monitor) yesterday() time.Time {
	t := m.o.Now().In(m.o.Timezone)
	return time.Date(t.Year(), t.Month(), t.Day()-1, 0, 0, 0, 0, m.o.Timezone)
}

func (m *Monitor) callsOf(q request) answer {
	offset, limit, err := q.window(mostCalls, false)
	tomorrow := m.yesterday().AddDate(0, 0, 2)
	switch {
	case err != nil:
		return refuse(codeParameter, err.Error())
	case q.IsCallIn == nil || *q.IsCallIn != "true" && *q.IsCallIn != "false":
		return refuse(codeParameter, `isCallIn must be "true" or "false"`)
	case q.Begin == nil || q.End == nil:
		return refuse(codeParameter, "beginDate or endDate is missing")
	case int64(*q.Begin) < m.yesterday().UnixMilli() || int64(*q.End) >= tomorrow.UnixMilli():
		return refuse(codeParameter, "the window is not within yesterday and today")
	}
	calls, ids, logged := m.stored()
	rows := []row{}
	for _, id := range ids {
		first, last := calls[id][0], calls[id][len(calls[id])-1]
		if !q.wants(first) {
			continue
		}
		rows = append(rows, m.dressed(row{
			"logDate": logged[id], "callerNo": first.cell("caller_no"), "calleeNo": first.cell("callee_no"), "callId": id, "callType": first.number("call_type"),
			"waitBegin": first.at("wait_begin"), "ackBegin": last.at("ack_begin"), "callBegin": last.at("call_begin"), "callEnd": last.end(), "leaveReason": last.number("leave_reason"),
		}))
	}
	return found(row{"count": len(rows), "data": cut(rows, offset, limit)})
}

// wants reports whether a call that begins with that leg is asked for.
func (q request) wants(first leg) bool {
	in, begin := first.number("call_type") == 0, first.At.UnixMilli()
	return in == (*q.IsCallIn == "true") && begin >= int64(*q.Begin) && begin <= int64(*q.End) &&
		(q.Caller == "" || q.Caller == first.cell("caller_no")) && (q.Callee == "" || q.Callee == first.cell("callee_no"))
}

func (m *Monitor) trace(q request) answer {
	calls, _, logged := m.stored()
	at := logged[q.CallID]
	if q.CallID == "" || q.LogDate == nil {
		return refuse(codeParameter, "callId or logDate is missing")
	}
	month := func(ms int64) string { return time.UnixMilli(ms).In(m.o.Timezone).Format("200601") }
	rows := []row{}
	if at != 0 && month(at) == month(int64(*q.LogDate)) {
		for _, l := range calls[q.CallID] {
			rows = append(rows, m.dressed(l.traced()))
		}
	}
	return found(rows)
}

// traced is the row of one device.
func (l leg) traced() row {
	r := row{"callId": l.CallID, "subCcNo": l.number("cc_id"), "callerNo": l.cell("caller_no"), "calleeNo": l.cell("callee_no"), "deviceNo": l.cell("device_no"), "deviceIn": l.cell("device_in"), "EnterReason": 0}
	for name, column := range map[string]string{
		"mediaType": "media_type", "subMediaType": "sub_media_type", "callIdNum": "call_id_num", "deviceType": "device_type", "callType": "call_type",
		"releaseCause": "release_cause", "LeaveReason": "leave_reason", "CurrentSkillID": "current_skill_id",
	} {
		r[name] = l.number(column)
	}
	for name, column := range map[string]string{"waitBegin": "wait_begin", "ackBegin": "ack_begin", "callBegin": "call_begin", "callEnd": "call_end"} {
		r[name] = l.at(column)
	}
	return r
}
